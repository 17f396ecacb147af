"""The websocket shell: non-blocking, no thread but for dialling, driven by whoever owns the loop.

``pump`` is called once per device tick (or when the descriptor is ready): it reads all that is
there, answers pings, watches the deadlines, writes what waits, and says what happened. Framing
and masking are those of websockets' Sans-I/O core.

What the kernel does not take stays here *unframed*, so that microphone audio which has become too
old can still be dropped. The kernel is allowed little that it cannot send (``unsent_bytes``):
with its default buffers a link that is too narrow would hide fifteen seconds of speech in there.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from agent.coze.connect import Connected, Dial, Dialling, blocked_on, dial
from agent.coze.refusal import DialError
from agent.coze.sendqueue import SendQueue
from agent.coze.socketevents import (
    Closed,
    Opened,
    Received,
    SocketEvent,
    SocketSettings,
    verdict,
)
from agent.coze.target import Target
from agent.errors import ServiceUnreachable, TalkboxError

__all__ = ["Closed", "Opened", "Received", "Socket", "SocketEvent", "SocketSettings"]

_RECEIVE_BYTES = 65536
# The dialling thread ends on time by itself and knows best what went wrong; this is for the case
# that it does not.
_DIAL_GRACE_S = 1.0
_ABNORMAL = 1006


class _State(Enum):
    NEW = auto()
    CONNECTING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()


class Socket:
    """One connection, once: ``start``, then ``pump`` until ``Closed``. Not thread-safe."""

    def __init__(
        self,
        target: Target,
        settings: SocketSettings | None = None,
        *,
        wake: Callable[[], None] = lambda: None,
        dial: Dial = dial,
    ) -> None:
        """``wake`` is called by the dialling thread when ``pump`` has news of it."""
        self._target = target
        self._settings = settings or SocketSettings()
        self._wake = wake
        self._dial = dial
        self._state = _State.NEW
        self._sock: socket.socket | None = None
        self._protocol: ClientProtocol | None = None
        self._events: list[SocketEvent] = []
        self._queue = SendQueue(
            self._settings.max_droppable_s,
            self._settings.max_droppable,
            self._settings.max_droppable_bytes,
        )
        self._refused = 0
        self._wire: deque[bytes] = deque()
        self._offset = 0
        self._wire_bytes = 0
        self._fragments: list[bytes] = []
        self._fragments_are_text = False
        self._broken: TalkboxError | None = None
        self._closing_with: tuple[int, str] | None = None
        self._open_by = self._close_by = self._ping_at = 0.0
        self._pong_by: float | None = None
        self._dialling: Dialling | None = None
        self.more = False
        """The last ``pump`` stopped at its read budget: call it again soon."""

    def __repr__(self) -> str:
        return f"<Socket {self._target.place} {self._state.name.lower()}>"

    # --- what the owner of the loop asks ------------------------------------------------------

    def fileno(self) -> int:
        """For readiness; -1 before ``Opened`` and after ``Closed``. An owner that registers it
        has to unregister it when ``Closed`` comes.
        """
        return self._sock.fileno() if self._sock is not None else -1

    @property
    def is_open(self) -> bool:
        """Messages may be sent."""
        return self._state is _State.OPEN and self._closing_with is None

    @property
    def wants_write(self) -> bool:
        """The kernel has refused bytes: ``flush`` or ``pump`` when the descriptor is writable."""
        return self._sock is not None and bool(self._wire or self._queue)

    @property
    def queued(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._queue.size + self._wire_bytes

    @property
    def dropped(self) -> int:
        """Droppable messages that were dropped, or refused because the socket was not open."""
        return self._queue.dropped + self._refused

    def deadline(self) -> float | None:
        """When ``pump`` has to be called at the latest, monotonic seconds; 0.0: now."""
        if self._events or self.more or self._broken is not None:
            return 0.0
        if self._dialling is not None:
            return 0.0 if self._dialling.done else self._open_by
        if self._state is _State.CLOSING or self._closing_with is not None:
            return self._close_by if self._state is not _State.CLOSED else None
        if self._state is not _State.OPEN:
            return None
        return self._ping_at if self._pong_by is None else min(self._ping_at, self._pong_by)

    # --- commands -----------------------------------------------------------------------------

    def start(self, t: float) -> None:
        """Begin to connect, in a thread of its own."""
        if self._state is not _State.NEW:
            raise RuntimeError("a Socket connects once")
        self._state = _State.CONNECTING
        self._open_by = t + self._settings.open_timeout + _DIAL_GRACE_S
        self._dialling = Dialling(
            self._target,
            self._settings.open_timeout,
            self._settings.max_message_bytes,
            self._wake,
            self._dial,
        )

    def keepalive(self, ping_interval: float, pong_timeout: float, t: float) -> None:
        """Watch the link closer (in conversation) or less closely from now on."""
        self._settings = replace(
            self._settings, ping_interval=ping_interval, pong_timeout=pong_timeout
        )
        self._ping_at = min(self._ping_at, t + ping_interval)
        if self._pong_by is not None:
            self._pong_by = min(self._pong_by, t + pong_timeout)

    def send(self, text: str, *, droppable: bool = False, t: float) -> bool:
        """Send one text message as soon as the kernel takes it, in order.

        ``droppable`` (audio): may be dropped, oldest first, when the link does not keep up.
        False when the socket is not open: nothing was queued.
        """
        if not self.is_open:
            self._refused += droppable
            return False
        self._queue.push(text.encode(), droppable, t)
        self._trim(t)
        self._write()
        return True

    def flush(self) -> None:
        """Write what the kernel takes now."""
        self._write()

    def close(self, code: int = 1000, reason: str = "", *, t: float) -> None:
        """End the connection politely: what is queued, but audio, goes first. ``Closed`` comes
        from ``pump``, at most ``close_timeout`` later.
        """
        if self._state is _State.CONNECTING:
            self._finish(code, reason, None, t)
        elif self.is_open:
            self._closing_with = (code, reason)
            self._close_by = t + self._settings.close_timeout
            self._queue.drop_audio()
            self._write()

    def abort(self) -> None:
        """Drop everything now; no event follows."""
        self._release()
        self._events.clear()

    def pump(self, t: float) -> list[SocketEvent]:
        """Read, check the clock, write; never blocks. Returns what happened, in order.

        Reads at most about ``read_budget`` bytes; ``more`` tells that there may be more.
        """
        self.more = False
        if self._state is _State.CONNECTING:
            self._check_dial(t)
        if self._sock is not None:
            self._read(t)
            self._check_clock(t)
            self._trim(t)
            self._write()
        if self._broken is not None:
            self._take_failure(self._broken, t)
        events, self._events = self._events, []
        return events

    def tick(self, t: float) -> list[SocketEvent]:
        """The clock has reached ``deadline``. The same as ``pump``: a tick that comes late has to
        look for the pong before it calls the link dead.
        """
        return self.pump(t)

    # --- connecting ---------------------------------------------------------------------------

    def _check_dial(self, t: float) -> None:
        assert self._dialling is not None
        if self._dialling.done:
            outcome = self._dialling.take()
            if isinstance(outcome, TalkboxError):
                self._finish(_ABNORMAL, "", outcome, t)
            else:
                self._adopt(outcome, t)
        elif t >= self._open_by:
            late = DialError(
                f"{self._target.place} did not answer within {self._settings.open_timeout:g} s",
                remedy="Check the network connection.",
                code="timeout",
            )
            self._finish(_ABNORMAL, "", late, t)

    def _adopt(self, connected: Connected, t: float) -> None:
        self._dialling = None
        sock = self._sock = connected.sock
        self._protocol = connected.protocol
        self._state = _State.OPEN
        self._ping_at = t + self._settings.ping_interval
        with contextlib.suppress(OSError):  # not TCP: a socket pair
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, self._settings.unsent_bytes
            )
        self._events.append(Opened(connected.logid, t))
        for frame in connected.frames:
            self._take_frame(frame, t)
        self._take_protocol_output(connected.protocol, t)

    # --- reading ------------------------------------------------------------------------------

    def _read(self, t: float) -> None:
        sock, protocol = self._sock, self._protocol
        assert sock is not None and protocol is not None
        plain = type(sock) is socket.socket
        budget = self._settings.read_budget
        while budget > 0:
            try:
                data = sock.recv(_RECEIVE_BYTES)
            except OSError as error:
                if blocked_on(error, select.POLLIN):
                    return
                self._take_failure(self._lost(error), t)
                return
            if not data:
                protocol.receive_eof()
                self._take_end(t)
                return
            budget -= len(data)
            self._pong_by = None
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Frame):
                    self._take_frame(event, t)
            self._take_protocol_output(protocol, t)
            # A short read from TCP means that there is no more; TLS hands out record by record.
            if plain and len(data) < _RECEIVE_BYTES:
                return
        self.more = True

    def _take_frame(self, frame: Frame, t: float) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            if frame.fin:
                self._take_message(bytes(frame.data), frame.opcode is Opcode.TEXT, t)
                return
            self._fragments = [bytes(frame.data)]
            self._fragments_are_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                whole, self._fragments = b"".join(self._fragments), []
                self._take_message(whole, self._fragments_are_text, t)

    def _take_message(self, data: bytes, is_text: bool, t: float) -> None:
        if is_text:
            try:
                self._events.append(Received(data.decode(), t))
            except UnicodeDecodeError:
                self._events.append(Received(data, t))
        else:
            self._events.append(Received(data, t))

    def _take_protocol_output(self, protocol: ClientProtocol, t: float) -> None:
        """Pongs and close frames go behind the frame that is half out, before all that waits."""
        for chunk in protocol.data_to_send():
            if chunk:
                self._wire.append(chunk)
                self._wire_bytes += len(chunk)
        if self._state is _State.OPEN and protocol.state is not State.OPEN:
            self._state = _State.CLOSING
            if self._closing_with is None:
                self._close_by = t + self._settings.close_timeout
            self._queue.clear()

    def _take_failure(self, error: TalkboxError, t: float) -> None:
        """The connection broke, which is no news once it was being closed."""
        if self._state is _State.CLOSING or self._closing_with is not None:
            self._take_end(t)
        else:
            self._finish(_ABNORMAL, "", error, t)

    def _take_end(self, t: float) -> None:
        """The server has ended the stream: normally after a close frame."""
        protocol = self._protocol
        assert protocol is not None
        asked = self._closing_with is not None
        if self._closing_with is not None and protocol.close_rcvd is None:
            self._finish(*self._closing_with, None, t)
            return
        limit = self._settings.max_message_bytes
        self._finish(*verdict(protocol, self._target.place, limit, asked=asked), t)

    # --- the clock ----------------------------------------------------------------------------

    def _check_clock(self, t: float) -> None:
        protocol = self._protocol
        if self._sock is None or protocol is None:
            return
        if self._state is _State.CLOSING or self._closing_with is not None:
            if t >= self._close_by:
                self._take_end(t)
            return
        if self._pong_by is not None and t >= self._pong_by:
            message = f"{self._target.place} no longer answers: the connection is dead"
            dead = ServiceUnreachable(
                message, remedy="Check the network connection.", code="keepalive"
            )
            self._finish(_ABNORMAL, "", dead, t)
        elif t >= self._ping_at:
            self._ping_at = t + self._settings.ping_interval
            if self._pong_by is None:
                self._pong_by = t + self._settings.pong_timeout
            protocol.send_ping(b"")
            self._take_protocol_output(protocol, t)

    # --- writing ------------------------------------------------------------------------------

    def _write(self) -> None:
        sock, protocol = self._sock, self._protocol
        if sock is None or protocol is None or self._broken is not None:
            return
        try:
            while self._wire or self._frame_next(protocol):
                chunk = self._wire[0]
                sent = sock.send(memoryview(chunk)[self._offset :] if self._offset else chunk)
                self._wire_bytes -= sent
                self._offset += sent
                if self._offset < len(chunk):
                    return
                self._wire.popleft()
                self._offset = 0
        except OSError as error:
            if not blocked_on(error, select.POLLOUT):
                # Not the end yet: the reason may wait in what the server sent before.
                self._broken = self._lost(error)

    def _frame_next(self, protocol: ClientProtocol) -> bool:
        if self._queue:
            protocol.send_text(self._queue.pop())
        elif self._closing_with is not None and self._state is _State.OPEN:
            self._state = _State.CLOSING
            protocol.send_close(*self._closing_with)
        else:
            return False
        for chunk in protocol.data_to_send():
            self._wire.append(chunk)
            self._wire_bytes += len(chunk)
        return True

    def _trim(self, t: float) -> None:
        self._queue.trim(t)
        if self.queued > self._settings.max_queued_bytes and self._broken is None:
            message = f"{self._target.place} has stopped reading"
            self._broken = ServiceUnreachable(
                message, remedy="Check the network connection.", code="stalled"
            )

    # --- the end ------------------------------------------------------------------------------

    def _lost(self, error: OSError) -> TalkboxError:
        message = f"the connection to {self._target.place} broke: {error.strerror or error}"
        return ServiceUnreachable(message, remedy="Check the network connection.", code="lost")

    def _finish(self, code: int, reason: str, error: TalkboxError | None, t: float) -> None:
        self._release()
        self._events.append(Closed(int(code), reason, error, t))

    def _release(self) -> None:
        """Give everything back; a dialled connection that comes later is closed at once."""
        self._state = _State.CLOSED
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._protocol = None
        self._queue.clear()
        self._wire.clear()
        self._offset = self._wire_bytes = 0
        self._fragments = []
        self._broken = None
