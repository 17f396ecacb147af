"""The blocking way to an open websocket: name, TCP, TLS, HTTP upgrade, under one deadline.

``dial`` runs in a short-lived thread of its own (``Socket.start`` makes it) and hands back a
non-blocking socket. What goes wrong becomes one of ``agent.errors``: a refusal that only a person
can heal is ``ConfigError`` or ``NotPermitted``, everything else is a ``DialError``.

The token travels in the ``Authorization`` header alone: never in the URL, a message or a log.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame
from websockets.http11 import Response
from websockets.uri import parse_uri

from agent import __version__
from agent.coze.refusal import DialError, Refusal, classify_refusal, refusal_of
from agent.coze.resolver import Address, Lookup, addresses
from agent.coze.target import Target
from agent.errors import ConfigError, TalkboxError

if TYPE_CHECKING:
    import ssl

# A downlink frame is at most about 20 kB on record; this bounds what a broken server can cost.
MAX_MESSAGE_BYTES = 4 << 20

# RFC 8305 ("happy eyeballs"), section 5: how long one address may keep the next one waiting.
_NEXT_ADDRESS_S = 0.25
# How late, at most, a cancelled attempt is noticed.
_CANCEL_POLL_S = 0.2
# How long the body of a refusal may take once its status line is there.
_BODY_S = 1.0
_RECEIVE_BYTES = 65536
# What is kept of an answer that is no upgrade, to say what it was.
_SEEN_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Connected:
    """An upgraded connection. ``sock`` is non-blocking; ``frames`` came behind the upgrade."""

    sock: socket.socket
    protocol: ClientProtocol
    frames: Sequence[Frame]
    logid: str


Dial = Callable[..., Connected]


def dial(
    target: Target,
    timeout: float,
    cancel: threading.Event | None = None,
    *,
    max_size: int = MAX_MESSAGE_BYTES,
) -> Connected:
    """Connect and upgrade within ``timeout`` seconds; blocks.

    ``cancel`` may be set by another thread. Raises ``DialError`` (unreachable, busy, not this
    protocol, given up), ``NotPermitted`` or ``ConfigError``.
    """
    attempt = _Attempt(target, time.monotonic() + timeout, cancel or threading.Event(), timeout)
    sock: socket.socket = attempt.connect(attempt.resolve())
    try:
        if target.secure:
            sock = attempt.secure(sock)
        return attempt.upgrade(sock, max_size)
    except BaseException as error:
        sock.close()
        if isinstance(error, TalkboxError):
            raise
        if isinstance(error, OSError):
            raise attempt.broken(error) from error
        raise


class Dialling:
    """``dial`` in a daemon thread; the result is taken by another thread, or thrown away."""

    def __init__(
        self,
        target: Target,
        timeout: float,
        max_size: int,
        wake: Callable[[], None],
        dial: Dial,
    ) -> None:
        """Begins at once. ``wake`` is called, in the thread, when there is something to take."""
        self._target, self._timeout, self._max_size = target, timeout, max_size
        self._wake = wake
        self._dial = dial
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._outcome: Connected | TalkboxError | None = None
        self._thread = threading.Thread(target=self._run, name="dial", daemon=True)
        self.done = False
        """There is something to take."""
        self._thread.start()

    def take(self) -> Connected | TalkboxError:
        """The result, once. Raises ``RuntimeError`` when dialling met a bug."""
        with self._lock:
            outcome, self._outcome, self.done = self._outcome, None, False
        if outcome is None:
            raise RuntimeError("dialling failed by a bug, whose traceback is on stderr")
        return outcome

    def cancel(self) -> None:
        """Nobody wants the result any more; a connection is closed whenever it comes."""
        with self._lock:
            self._cancelled.set()
            outcome, self._outcome, self.done = self._outcome, None, False
        if isinstance(outcome, Connected):
            outcome.sock.close()

    def _run(self) -> None:
        outcome: Connected | TalkboxError | None = None
        try:
            outcome = self._dial(
                self._target, self._timeout, self._cancelled, max_size=self._max_size
            )
        except TalkboxError as error:
            outcome = error
        finally:
            with self._lock:
                if not self._cancelled.is_set():
                    self._outcome, self.done = outcome, True
                elif isinstance(outcome, Connected):
                    outcome.sock.close()
            self._wake()


class _Attempt:
    """One target and one deadline, shared by the steps of ``dial``."""

    def __init__(
        self, target: Target, deadline: float, cancel: threading.Event, timeout: float
    ) -> None:
        self._target = target
        self._deadline = deadline
        self._cancel = cancel
        self._timeout = timeout

    # --- waiting ------------------------------------------------------------------------------

    def _slice(self, until: float | None = None) -> float:
        """Seconds to wait before looking again; raises when it is time to give up."""
        if self._cancel.is_set():
            raise DialError("the connection attempt was given up", code="cancelled")
        now = time.monotonic()
        if now >= self._deadline:
            raise DialError(
                f"{self._target.place} did not answer within {self._timeout:g} s",
                remedy="Check the network connection.",
                code="timeout",
            )
        left = self._deadline - now
        if until is not None:
            left = min(left, max(0.0, until - now))
        return min(left, _CANCEL_POLL_S)

    def _wait(self, sock: socket.socket, event: int, until: float | None = None) -> bool:
        """Until ``sock`` is ready; False when ``until`` (monotonic) came first."""
        poller = select.poll()
        poller.register(sock, event)
        while not poller.poll(self._slice(until) * 1000):
            if until is not None and time.monotonic() >= until:
                return False
        return True

    def broken(self, error: OSError) -> DialError:
        """An established connection that failed underneath."""
        return DialError(
            f"the connection to {self._target.place} broke: {error.strerror or error}",
            remedy="Check the network connection.",
            code="closed",
        )

    # --- name and TCP -------------------------------------------------------------------------

    def resolve(self) -> list[Address]:
        """The addresses of the host, families alternating, in the resolver's order."""
        host, port = self._target.host, self._target.port
        with contextlib.suppress(socket.gaierror, UnicodeError):
            return addresses(host, port, socket.AI_NUMERICHOST)
        lookup = Lookup.of(host, port)
        while not lookup.done.wait(self._slice()):
            pass
        if lookup.addresses:
            return lookup.addresses
        unknown = lookup.error in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
        why = "is not known" if unknown else "could not be looked up: the name service failed"
        raise DialError(
            f"the name {host} {why}",
            remedy="Check the network connection, its DNS server, and the address in the "
            "configuration.",
            code="dns",
        )

    def connect(self, addresses: list[Address]) -> socket.socket:
        """The first address that answers wins; a slow one does not keep the others waiting."""
        waiting = deque(addresses)
        trying: dict[int, socket.socket] = {}
        poller = select.poll()
        next_start = 0.0
        error = 0
        try:
            while waiting or trying:
                now = time.monotonic()
                if waiting and (now >= next_start or not trying):
                    family, address = waiting.popleft()
                    try:
                        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                    except OSError as failed:
                        error = failed.errno or 0
                        continue
                    trying[sock.fileno()] = sock
                    # Readiness tells how it went, also for an attempt that failed at once.
                    with contextlib.suppress(OSError):
                        sock.connect(address)
                    poller.register(sock, select.POLLOUT)
                    next_start = now + _NEXT_ADDRESS_S
                for fd, _ in poller.poll(self._slice(next_start if waiting else None) * 1000):
                    sock = trying[fd]
                    status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if status == 0 and _is_connected(sock):
                        del trying[fd]
                        return sock
                    error = status or error
                    poller.unregister(fd)
                    del trying[fd]
                    sock.close()
                    next_start = 0.0
        finally:
            for sock in trying.values():
                sock.close()
        raise _unreachable(self._target, error)

    # --- TLS ----------------------------------------------------------------------------------

    def secure(self, sock: socket.socket) -> ssl.SSLSocket:
        """TLS with full verification: there is no way around it. Takes ``sock`` over."""
        # 30 ms and 6 MB that a plain ws:// connection does not need.
        import ssl

        from agent.coze.tlserror import tls_error

        try:
            context = ssl.create_default_context(cafile=self._target.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the certificate file {self._target.ca_file} cannot be used: "
                f"{error.strerror or 'no certificate in it'}"
            ) from error
        context.set_alpn_protocols(["http/1.1"])
        tls = context.wrap_socket(
            sock, server_hostname=self._target.host, do_handshake_on_connect=False
        )
        try:
            while True:
                try:
                    tls.do_handshake()
                    return tls
                except ssl.SSLWantReadError:
                    self._wait(tls, select.POLLIN)
                except ssl.SSLWantWriteError:
                    self._wait(tls, select.POLLOUT)
        except ssl.SSLError as error:
            tls.close()
            raise tls_error(self._target.place, error) from error
        except BaseException:
            tls.close()
            raise

    # --- HTTP ---------------------------------------------------------------------------------

    def upgrade(self, sock: socket.socket, max_size: int) -> Connected:
        """Ask for the websocket and read the answer."""
        protocol = _protocol(self._target, max_size)
        request = protocol.connect()
        request.headers["User-Agent"] = f"talkbox/{__version__}"
        if self._target.token:
            request.headers["Authorization"] = f"Bearer {self._target.token}"
        protocol.send_request(request)
        self._send(sock, b"".join(protocol.data_to_send()))
        seen = bytearray()
        body_until: float | None = None
        while not (events := protocol.events_received()) and protocol.handshake_exc is None:
            if body_until is None and b"\r\n\r\n" in seen:
                body_until = time.monotonic() + _BODY_S
            data = self._receive(sock, body_until)
            if data is None:  # a refusal whose body does not end: what is there must do
                break
            seen += data[: _SEEN_BYTES - len(seen)]
            if data:
                protocol.receive_data(data)
            else:
                protocol.receive_eof()
        if protocol.handshake_exc is None and events and isinstance(events[0], Response):
            frames = [event for event in events[1:] if isinstance(event, Frame)]
            return Connected(sock, protocol, frames, events[0].headers.get("X-Tt-Logid", ""))
        refusal: Refusal | None = None
        if isinstance(protocol.handshake_exc, InvalidStatus):
            response = protocol.handshake_exc.response
            refusal = Refusal(
                response.status_code, dict(response.headers.raw_items()), bytes(response.body)
            )
        raise classify_refusal(
            self._target.place, refusal or refusal_of(bytes(seen)), self._target.token
        )

    def _send(self, sock: socket.socket, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[sock.send(rest) :]
            except OSError as error:
                if (event := blocked_on(error, select.POLLOUT)) == 0:
                    raise
                self._wait(sock, event)

    def _receive(self, sock: socket.socket, until: float | None) -> bytes | None:
        """What came, ``b""`` at the end of the stream, ``None`` if nothing came by ``until``."""
        while True:
            try:
                return sock.recv(_RECEIVE_BYTES)
            except OSError as error:
                if (event := blocked_on(error, select.POLLIN)) == 0:
                    # A server that slams the door after its answer has still answered.
                    if isinstance(error, ConnectionResetError):
                        return b""
                    raise
                if not self._wait(sock, event, until):
                    return None


def blocked_on(error: OSError, event: int) -> int:
    """What a non-blocking socket waits for, or 0: it failed. ``event`` (``select.POLLIN`` or
    ``POLLOUT``) is what was tried; TLS may have to write before it can read, and the reverse.
    """
    if isinstance(error, BlockingIOError | InterruptedError):
        return event
    # By name, because the ssl module is not loaded for a plain connection.
    name = type(error).__name__
    return {"SSLWantReadError": select.POLLIN, "SSLWantWriteError": select.POLLOUT}.get(name, 0)


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _protocol(target: Target, max_size: int) -> ClientProtocol:
    logger = logging.getLogger("agent.coze.websocket")
    protocol = ClientProtocol(parse_uri(target.url), max_size=max_size, logger=logger)
    # In debug mode the library logs the request with its Authorization header.
    protocol.debug = False
    return protocol


def _unreachable(target: Target, error: int) -> DialError:
    if error == errno.ECONNREFUSED:
        return DialError(
            f"nothing listens at {target.place}: the connection was refused",
            remedy="Check the service address, and that the service runs.",
            code="refused",
        )
    return DialError(
        f"{target.place} cannot be reached: {os.strerror(error) if error else 'no route'}",
        remedy="Check the network connection.",
        code="unreachable",
    )
