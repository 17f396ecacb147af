"""Small servers on the loopback interface, and a way to drive a socket without a loop."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from websockets.sync.server import ServerConnection, serve

from agent.coze.socket import Closed, Opened, Received, Socket, SocketEvent, SocketSettings
from agent.coze.target import Target

TOKEN = "pat_canary0123456789"
UPGRADE = "/v1/chat?bot_id=7"


@contextlib.contextmanager
def raw_server(
    script: Callable[[socket.socket], None], *, receive_buffer: int | None = None
) -> Iterator[int]:
    """Runs ``script`` for each connection and closes it; gives the port."""
    listener = socket.socket()
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(5)
            script(connection)

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(connection,), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        # Wakes accept(), which closing alone does not.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def ws_server(handler: Callable[[ServerConnection], None]) -> Iterator[int]:
    """A websocket server without compression; gives the port."""
    with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.socket.getsockname()[1])
        server.shutdown()


def answer(connection: socket.socket, response: bytes) -> None:
    """Read the request, write ``response``."""
    read_request(connection)
    connection.sendall(response)


def read_request(connection: socket.socket) -> bytes:
    """The bytes of the HTTP request."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            break
        data += chunk
    return data


def target(port: int, token: str = TOKEN) -> Target:
    """The voice chat at ``port`` of this machine."""
    return Target(f"ws://127.0.0.1:{port}{UPGRADE}", token)


class Drive:
    """A socket and its clock: ``t`` moves only when the test says so, the bytes in real time."""

    def __init__(self, port: int, settings: SocketSettings | None = None) -> None:
        self.t = 100.0
        self.socket = Socket(target(port), settings)
        self.events: list[SocketEvent] = []
        self.socket.start(self.t)

    def pump(self) -> None:
        """Once."""
        self.events += self.socket.pump(self.t)

    def until(self, done: Callable[[], bool], seconds: float = 5.0) -> None:
        """Pump until ``done``; fails after ``seconds`` of real time."""
        limit = time.monotonic() + seconds
        while True:
            self.pump()
            if done():
                return
            assert time.monotonic() < limit, f"not in time; so far {self.events}"
            if self.socket.fileno() >= 0:
                select.select([self.socket.fileno()], [], [], 0.005)
            else:
                time.sleep(0.002)

    def open(self) -> Opened:
        """Pump until the socket is open."""
        self.until(lambda: bool(self.events))
        first = self.events[0]
        assert isinstance(first, Opened), first
        return first

    def closed(self) -> Closed:
        """Pump until the end; the last event."""
        self.until(lambda: bool(self.events) and isinstance(self.events[-1], Closed))
        last = self.events[-1]
        assert isinstance(last, Closed)
        return last

    def messages(self) -> list[str | bytes]:
        """What was received so far."""
        return [event.data for event in self.events if isinstance(event, Received)]
