"""The connection below the frames: cut, reset, gone quiet, or closed from this side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from aiohttp import WSMessage, WSMsgType, web

from agent.emulator.jitter import Route

_POLL_S = 0.25
_MOST_WAITING = 1024
_ESTABLISHED = 1
_TALK = (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PING, WSMsgType.PONG)
_CLOSED = WSMessage(WSMsgType.CLOSED, None, None)
# Close at once and throw away what is queued: the peer gets an RST.
_NO_LINGER = struct.pack("ii", 1, 0)


class Cable:
    """One TCP connection, and from its upgrade on the WebSocket in it.

    ``route`` delays what comes in. Whoever reads does so by ``receive``: closing has to happen
    there, because nobody else can wait for the client's goodbye.
    """

    def __init__(
        self,
        transport: asyncio.Transport | None,
        websocket: web.WebSocketResponse | None = None,
        route: Route | None = None,
    ) -> None:
        self._transport = transport
        self._websocket = websocket
        self._inbox = Inbox(websocket, route) if websocket and route else None
        self._closing: tuple[int, bytes] | None = None
        self._frozen = False
        self._thawed = asyncio.Event()
        self._thawing: asyncio.Task[None] | None = None
        # Who waits for a message now, and whether we have cancelled that.
        self._reader: asyncio.Task[object] | None = None
        self._interrupted = False

    @property
    def is_cut(self) -> bool:
        """Whether the connection is over, by whoever's doing."""
        return self._transport is None or self._transport.is_closing()

    @property
    def is_frozen(self) -> bool:
        """Whether nobody reads any more."""
        return self._frozen

    def cut(self, *, reset: bool = False) -> None:
        """End the connection without a close frame, by FIN or by RST."""
        if self._transport is None:
            return
        if reset:
            with contextlib.suppress(OSError):
                sock = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._transport.abort()

    def freeze(self, s: float) -> None:
        """Read nothing more but keep the connection, until the client ends it or ``s`` seconds."""
        if self._frozen or self._transport is None:
            return
        self._frozen = True
        self._transport.pause_reading()
        self._thawing = asyncio.create_task(self._thaw(s))
        self._interrupt()

    def finish(self, code: int, message: bytes) -> None:
        """Let the reader close the WebSocket."""
        self._closing = code, message
        self._interrupt()

    async def receive(self, timeout: float | None) -> WSMessage:
        """The next message. Raises ``TimeoutError``."""
        assert self._websocket is not None
        if self._closing is None and not self._frozen:
            source = self._inbox or self._websocket
            self._reader = asyncio.current_task()
            try:
                message: WSMessage = await source.receive(timeout)
            except asyncio.CancelledError:
                # Ours, or that of somebody who wants the end of it all?
                if not self._interrupted or self._reader is None or self._reader.uncancel():
                    raise
            else:
                if not self._frozen and not self._interrupted:
                    return message
            finally:
                self._reader = None
        if self._frozen:
            await self._thawed.wait()
        elif self._closing is not None:
            await self.close(*self._closing)
        return _CLOSED

    async def close(self, code: int, message: bytes) -> None:
        """Close the WebSocket, from the task that reads."""
        if self._inbox is not None:
            await self._inbox.stop()
        if self._websocket is not None and not self._frozen:
            await self._websocket.close(code=code, message=message)

    async def wait_for_end(self, s: float) -> None:
        """Wait ``s`` seconds, or until the client is gone. Before the upgrade only."""
        loop = asyncio.get_running_loop()
        until = loop.time() + s
        while not self.is_cut and (left := until - loop.time()) > 0:
            await asyncio.sleep(min(_POLL_S, left))

    async def release(self) -> None:
        """Nobody reads any more because the session is over."""
        self._thawed.set()
        if self._thawing is not None:
            self._thawing.cancel()
        if self._inbox is not None:
            await self._inbox.stop()

    async def _thaw(self, s: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + s
        # Who does not read is not told that the peer has left: ask the kernel.
        while loop.time() < until and self._peer_is_there():
            await asyncio.sleep(min(_POLL_S, max(0.0, until - loop.time())))
        self.cut()
        self._thawed.set()

    def _peer_is_there(self) -> bool:
        assert self._transport is not None
        try:
            sock = self._transport.get_extra_info("socket")
            return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _ESTABLISHED)
        except OSError:
            return False

    def _interrupt(self) -> None:
        if self._reader is not None and not self._interrupted:
            self._interrupted = True
            self._reader.cancel()


class Inbox:
    """Messages of the client, as late as the network brings them."""

    def __init__(self, websocket: web.WebSocketResponse, route: Route) -> None:
        self._websocket = websocket
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.time()
        self._waiting: asyncio.Queue[tuple[float, WSMessage]] = asyncio.Queue(_MOST_WAITING)
        self._next: tuple[float, WSMessage] | None = None
        self._task = asyncio.create_task(self._read())

    async def receive(self, timeout: float | None) -> WSMessage:
        """The next message. Raises ``TimeoutError``."""
        async with asyncio.timeout(timeout):
            if self._next is None:
                self._next = await self._waiting.get()
            due, message = self._next
            # Waiting may be interrupted; then the message is still the next one.
            await asyncio.sleep(max(0.0, due - self._loop.time()))
        self._next = None
        return message

    async def stop(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            now = self._loop.time() - self._opened
            size = len(message.data) if isinstance(message.data, str | bytes) else 0
            due = self._opened + self._route.arrival(now, size)
            await self._waiting.put((due, message))
            if message.type not in _TALK:
                return
