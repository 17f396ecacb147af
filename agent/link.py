"""The line to the platform: socket, protocol session and reconnect policy as one part.

The session decides what is said, the socket carries it, the back-off decides when to try again.
``pump`` is called at every device tick and returns what the dialog engine should hear.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from agent.coze.backoff import Backoff, Kind
from agent.coze.session import Close, Emit, Fail, Send, Session, SessionAction
from agent.coze.socket import Closed, Opened, Received, Socket
from agent.coze.target import Target
from agent.dialog import events as ev
from agent.dialog.events import Event, ToolOutput
from agent.errors import Permanent, ServiceUnreachable, TalkboxError

log = logging.getLogger("talkbox.link")

# After the last word of a conversation the next one is likely: a lost line is wanted back at once.
ACTIVE_S = 120.0

# (ping every, dead without a pong after), seconds. In conversation a dead line is noticed within
# 5 s; while nobody talks the platform's documented 15 s are enough.
KEEPALIVE_TALKING = (2.0, 3.0)
KEEPALIVE_RESTING = (15.0, 10.0)

# Codes and HTTP statuses of a service that has too much to do: everybody waits longer.
BUSY_CODES = frozenset({"4009", "4013", "4020", "429", "503", "1013"})


class Watcher(Protocol):
    """Who is told about failures; may raise to end the daemon."""

    def link_failed(self, t: float, error: TalkboxError, in_a_row: int, blocked: bool) -> None: ...

    def link_retries(self, t: float, attempt: int, delay: float, reason: str) -> None: ...


class Link:
    """Connects, stays connected, and says what the platform says."""

    def __init__(
        self,
        session: Session,
        make_target: Callable[[], Target],
        make_socket: Callable[[Target], Socket],
        backoff: Backoff,
        watcher: Watcher,
    ) -> None:
        """``make_target`` is asked anew for each attempt, so that it can carry a fresh token.

        It may raise ``TalkboxError``; that counts as a failed attempt.
        """
        self._session = session
        self._make_target = make_target
        self._make_socket = make_socket
        self._backoff = backoff
        self._watcher = watcher
        self._socket: Socket | None = None
        self._retry_at: float | None = None
        self._wanted = False
        self._failures = 0
        self._error: TalkboxError | None = None
        self._ready = False
        self._keepalive = KEEPALIVE_RESTING
        self._last_word: float | None = None
        self._said_down = True
        self._blocked_until: float | None = None
        self._parting: Socket | None = None
        self._out: list[Event] = []
        # Established connections that were lost.
        self.lost = 0

    @property
    def ready(self) -> bool:
        """Whether audio may flow."""
        return self._ready

    @property
    def session(self) -> Session:
        """The protocol session, for its counters and its conversation id."""
        return self._session

    def talking(self, on: bool, t: float) -> None:
        """Whether a turn runs: then a dead line has to be noticed quickly."""
        wanted = KEEPALIVE_TALKING if on else KEEPALIVE_RESTING
        if wanted != self._keepalive:
            self._keepalive = wanted
            if self._socket is not None:
                self._socket.keepalive(*wanted, t)

    # --- opening and closing -------------------------------------------------------------------

    def open(self, t: float) -> None:
        """Connect now, whatever the back-off says."""
        self._wanted = True
        if self._socket is None:
            self._dial(t)

    def rest(self, reason: str, t: float) -> None:
        """Close politely and stay closed until ``open``."""
        self._wanted = False
        self._retry_at = None
        self._hang_up(t, reason)

    def reconnect(self, reason: str, t: float) -> None:
        """Drop the socket and connect anew at once."""
        self._hang_up(t, reason)
        self._wanted = True
        self._retry_at = t

    def close(self, t: float) -> None:
        """The daemon ends: stop the turn, if one runs, and say goodbye."""
        if self._ready:
            self.cancel(t)
        self.rest("goodbye", t)

    def _hang_up(self, t: float, reason: str) -> None:
        socket, self._socket = self._socket, None
        was_ready, self._ready = self._ready, False
        if socket is not None:
            if was_ready:
                socket.close(1000, reason[:100], t=t)
                socket.flush()
                self._parting = socket
            else:
                socket.abort()
            self._carry_out(self._session.closed(t, 1000, reason), t)

    def _dial(self, t: float) -> None:
        self._retry_at = None
        self._error = None
        self._said_down = False
        self._blocked_until = None
        self._out.append(ev.LinkConnecting(t))
        try:
            self._socket = self._make_socket(self._make_target())
            self._socket.start(t)
        except TalkboxError as error:
            self._socket = None
            self._failed(t, error)

    # --- the tick ------------------------------------------------------------------------------

    def pump(self, t: float) -> list[Event]:
        """Read what has come, keep deadlines, reconnect when due; events for the dialog engine."""
        if self._retry_at is not None and t >= self._retry_at and self._wanted:
            self._dial(t)
        if self._parting is not None and any(
            isinstance(event, Closed) for event in self._parting.pump(t)
        ):
            self._parting = None
        if self._socket is not None:
            self._pump_socket(self._socket, t)
        deadline = self._session.deadline()
        if deadline is not None and t >= deadline and self._socket is not None:
            self._carry_out(self._session.tick(t), t)
        out, self._out = self._out, []
        return out

    def _pump_socket(self, socket: Socket, t: float) -> None:
        for event in socket.pump(t):
            if self._socket is not socket:
                return
            match event:
                case Received():
                    self._carry_out(self._session.received(event.data, t), t)
                case Opened():
                    socket.keepalive(*self._keepalive, t)
                    self._carry_out(self._session.opened(t), t)
                case Closed():
                    self._lost(t, event)
                    return

    def deadline(self) -> float | None:
        """When ``pump`` should be called even without a device tick."""
        times = [self._retry_at, self._session.deadline()]
        times += [s.deadline() for s in (self._socket, self._parting) if s is not None]
        return min((x for x in times if x is not None), default=None)

    def _lost(self, t: float, closed: Closed) -> None:
        self._socket = None
        was_ready, self._ready = self._ready, False
        self._carry_out(self._session.closed(t, closed.code, closed.reason), t)
        error = self._error or closed.error
        if error is None:
            what = f"the platform closed the connection (code {closed.code}"
            what += f", {closed.reason})" if closed.reason else ")"
            error = ServiceUnreachable(what, code=str(closed.code))
        self._failed(t, error, lost=was_ready)

    def _failed(self, t: float, error: TalkboxError, lost: bool = False) -> None:
        """One attempt, or one established connection (``lost``), is over."""
        if lost:
            self.lost += 1
            self._failures = 0
            self._backoff.reset()
        self._failures += 1
        if not self._said_down:
            self._said_down = True
            self._out.append(ev.LinkDown(t, error.message))
        if not self._wanted:
            return
        self._watcher.link_failed(t, error, self._failures, self._blocked_until is not None)
        delay = self._backoff.next(self._kind(t, error), getattr(error, "retry_after", None))
        if self._blocked_until is not None:
            delay = max(delay, self._blocked_until - t)
        self._retry_at = t + delay
        self._watcher.link_retries(t, self._failures, delay, error.message)

    def _kind(self, t: float, error: TalkboxError) -> Kind:
        if isinstance(error, Permanent):
            return "permanent"
        if error.code in BUSY_CODES:
            return "busy"
        recent = self._last_word is None or t - self._last_word < ACTIVE_S
        return "active" if recent else "idle"

    # --- what the dialog engine asks for -------------------------------------------------------

    def append(self, packet: bytes, t: float, *, again: bool = False) -> None:
        """Send one audio packet; dropped (and counted by the session) while not ready.

        A packet that is sent ``again`` is part of a burst that must arrive whole: it is never
        dropped for being late.
        """
        self._last_word = t
        for action in self._session.append(packet, t):
            if again and isinstance(action, Send) and self._socket is not None:
                self._socket.send(action.text, droppable=False, t=t)
            else:
                self._carry_out([action], t)

    def complete(self, t: float) -> None:
        """The utterance is over."""
        self._carry_out(self._session.complete(t), t)

    def clear(self, t: float) -> None:
        """Forget the utterance."""
        self._carry_out(self._session.clear(t), t)

    def cancel(self, t: float) -> None:
        """Stop the running turn."""
        self._carry_out(self._session.cancel(t), t)

    def ask(self, text: str, t: float) -> None:
        """Send a typed question."""
        self._last_word = t
        self._carry_out(self._session.ask(text, t), t)

    def say(self, text: str, t: float) -> None:
        """Have a text spoken."""
        self._last_word = t
        self._carry_out(self._session.say(text, t), t)

    def submit(self, chat_id: str, outputs: Iterable[ToolOutput], t: float) -> None:
        """Answer a request for tools."""
        self._carry_out(self._session.submit(chat_id, list(outputs), t), t)

    def _carry_out(self, actions: list[SessionAction], t: float) -> None:
        for action in actions:
            match action:
                case Send():
                    if self._socket is not None:
                        self._socket.send(action.text, droppable=action.droppable, t=t)
                case Emit():
                    self._tell(action.event)
                case Fail():
                    self._error = action.error
                case Close():
                    self._give_up(action, t)

    def _tell(self, event: Event) -> None:
        match event:
            case ev.LinkReady():
                self._ready = True
                self._failures = 0
                self._backoff.reset()
            case ev.LinkDown():
                if self._said_down:
                    return
                self._said_down = True
            case ev.LinkBlocked():
                self._said_down = True
                self._blocked_until = event.until
        self._out.append(event)

    def _give_up(self, close: Close, t: float) -> None:
        """The session has no more use for this connection."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        socket.close(close.code, close.reason, t=t)
        self._parting = socket
        was_ready, self._ready = self._ready, False
        error = self._error or ServiceUnreachable(close.reason or "the session ended")
        self._failed(t, error, lost=was_ready)
