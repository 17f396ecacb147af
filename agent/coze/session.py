"""The protocol session: what to send when, and what the frames mean. No clock, no I/O.

    new --opened--> opened --chat.created--> configuring --chat.updated--> ready --> closed

One object serves many connections, one after the other: the conversation id learned on one is
asked for on the next. Every connection ends in exactly one ``LinkDown`` or ``LinkBlocked``, at the
moment the session gives it up or is told of its end, whichever comes first.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agent.coze import events as wire
from agent.coze import uplink
from agent.coze.errortable import BLOCKING, FATAL, Kind, Verdict, classify, error_for, one_line
from agent.coze.settings import SessionSettings, chat_update
from agent.coze.translate import Translator, chat_id_of
from agent.dialog import events as dialog
from agent.errors import ServiceUnreachable, TalkboxError

DEADLINE_S = 5.0
"""How long ``chat.created``, then ``chat.updated`` may take; recorded: 0.1-0.2 s."""

MAX_SPEECH_BYTES = 1023
"""Longest text of ``say``: the platform takes less than 1024 bytes of UTF-8."""

_CLOSE_NORMAL = 1000
_MAX_UNKNOWN_TYPES = 64
_MAX_ID = 128  # characters kept of a log id or conversation id; real ones have 53 and 19
_ORIGIN_TYPE = re.compile(r'"event_type"\s*:\s*"([a-z_.]{1,80})"')

# After one of these, a turn is no longer at its start.
_ANSWERING = (wire.AudioDelta, wire.MessageDelta, wire.TurnCompleted, wire.Canceled)


class SessionState(StrEnum):
    """How far the connection has come."""

    NEW = "new"
    OPENED = "opened"
    CONFIGURING = "configuring"
    READY = "ready"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame; a ``droppable`` one (audio) may be dropped when the queue is full."""

    text: str
    droppable: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket with this code and reason."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the dialog engine."""

    event: dialog.Event


@dataclass(frozen=True, slots=True)
class Fail:
    """The connection is of no more use; the class of ``error`` says whether another one is."""

    error: TalkboxError


SessionAction = Send | Close | Emit | Fail


def _new_id() -> str:
    return str(uuid.uuid4())


class Session:
    """Drives connections with these settings; ``new_id`` makes a UUID (for tests: any).

    ``t`` is monotonic seconds. Counters since construction: ``malformed`` (frames that are no
    event), ``unknown`` (frames of a type this socket does not have, by type), ``dropped_early``
    (audio packets refused because the session was not ready), ``ignored_errors``.
    ``logid`` is the platform's handle of the present or last connection.
    """

    def __init__(self, settings: SessionSettings, *, new_id: Callable[[], str] = _new_id) -> None:
        self.settings = settings
        self.state = SessionState.NEW
        self.conversation_id = settings.conversation_id
        self.logid = ""
        self.malformed = 0
        self.unknown: Counter[str] = Counter()
        self.dropped_early = 0
        self.ignored_errors = 0
        self._new_id = new_id
        self._id_head = ""
        self._sequence = 0
        self._deadline: float | None = None
        self._asked_conversation = ""
        self._appended = False
        self._turn_start = False
        self._translator = Translator(settings)

    # --- the connection -----------------------------------------------------------------------

    def opened(self, t: float) -> list[SessionAction]:
        """The socket is upgraded; ``chat.created`` is awaited."""
        self.state = SessionState.OPENED
        self.logid = ""
        self._deadline = t + DEADLINE_S
        # Ids of one connection are UUIDs that differ in the last group only.
        self._id_head = self._new_id()[:24]
        self._sequence = 0
        self._asked_conversation = ""
        self._appended = False
        self._turn_start = False
        return []

    def closed(self, t: float, code: int, reason: str) -> list[SessionAction]:
        """The socket is gone, with its close code (1006 for none) and reason."""
        said = one_line(reason)
        return self._down(t, f"closed with code {code}{': ' if said else ''}{said}")

    def deadline(self) -> float | None:
        """When ``tick`` is due, ``None`` where nothing is awaited."""
        return self._deadline

    def tick(self, t: float) -> list[SessionAction]:
        """Time has passed: give up on what did not come."""
        if self._deadline is None or t < self._deadline:
            return []
        awaited = "chat.created" if self.state is SessionState.OPENED else "chat.updated"
        message = f"The platform sent no {awaited} within {DEADLINE_S:g} s"
        error = ServiceUnreachable(message, code="timeout", logid=self.logid)
        return self._give_up(t, f"no {awaited}", error)

    # --- frames -------------------------------------------------------------------------------

    def received(self, frame: str | bytes, t: float) -> list[SessionAction]:
        """A text or binary frame; whatever it holds, nothing is raised."""
        if self.state in (SessionState.NEW, SessionState.CLOSED):
            return []
        try:
            event = wire.parse(frame)
        except wire.WireError:
            self.malformed += 1
            return []
        if event.logid:
            self.logid = event.logid[:_MAX_ID]
        if isinstance(event, wire.Unknown):
            self._count_unknown(event.type)
            return []
        if isinstance(event, wire.ErrorEvent):
            return self._refused(event, t)
        if isinstance(event, wire.ChatUpdated):
            return self._configured(event, t)
        if isinstance(event, wire.ChatCreated):
            return self._configure(t) if self.state is SessionState.OPENED else []
        if self.state is not SessionState.READY:
            return []
        return self._happened(event, t)

    def _configure(self, t: float, *, with_conversation: bool = True) -> list[SessionAction]:
        self.state = SessionState.CONFIGURING
        self._deadline = t + DEADLINE_S
        self._asked_conversation = self.conversation_id if with_conversation else ""
        config = chat_update(self.settings, self._asked_conversation)
        return [self._send(uplink.ChatUpdate(config, id=self._id()))]

    def _configured(self, event: wire.ChatUpdated, t: float) -> list[SessionAction]:
        chat = event.config.get("chat_config")
        if isinstance(chat, dict):
            self._learn_conversation(chat.get("conversation_id"))
        if self.state is not SessionState.CONFIGURING:
            return []
        self.state = SessionState.READY
        self._deadline = None
        return [Emit(dialog.LinkReady(t))]

    def _happened(self, event: wire.Downlink, t: float) -> list[SessionAction]:
        if isinstance(event, wire.TurnFailed):
            return self._turn_failed(event, t)
        if isinstance(event, wire.SpeechStopped):
            self._turn_start = True
        elif isinstance(event, _ANSWERING):
            self._turn_start = False
        if isinstance(event, wire.TurnCreated):
            self._learn_conversation(event.chat.conversation_id)
        elif isinstance(event, wire.MessageCompleted):
            self._learn_conversation(event.message.conversation_id)
        told = self._translator.translate(event, t)
        if told is None:
            self._count_unknown(event.event_type)
            return []
        return [Emit(item) for item in told]

    def _learn_conversation(self, conversation_id: object) -> None:
        if isinstance(conversation_id, str) and conversation_id not in ("", "0"):
            self.conversation_id = conversation_id[:_MAX_ID]

    def _count_unknown(self, event_type: str) -> None:
        if event_type not in self.unknown and len(self.unknown) >= _MAX_UNKNOWN_TYPES:
            event_type = "other"
        self.unknown[event_type] += 1

    # --- refusals -----------------------------------------------------------------------------

    def _refused(self, event: wire.ErrorEvent, t: float) -> list[SessionAction]:
        match = _ORIGIN_TYPE.search(event.origin_message)
        origin = match[1] if match else ""
        verdict = classify(event.code, text=event.msg, turn_start=self._turn_start)
        ready = self.state is SessionState.READY
        if verdict.kind in FATAL:
            return self._fatal(verdict, event.msg, t)
        if verdict.kind is Kind.IDLE:
            return [*self._down(t, verdict.message), Close(_CLOSE_NORMAL, "idle")]
        if event.code == 4002 and self._asked_conversation:
            # The conversation is gone: go on in a new one.
            self.conversation_id = ""
            if not ready:
                return self._configure(t, with_conversation=False)
        if event.code == 4104 or (ready and origin == uplink.ChatCancel.event_type):
            # A cancel is sent blindly, also when nothing runs: its refusal means nothing.
            self.ignored_errors += 1
            return []
        lost_audio = event.code == 4000 and origin == uplink.AudioAppend.event_type
        lost_conversation = event.code == 4002 and bool(self._asked_conversation)
        if not ready or lost_audio or lost_conversation:
            # Refused audio means that the server lost the configuration; a new connection heals
            # both, and nothing said is lost by it.
            error = error_for(verdict, event.msg, self.logid)
            return self._give_up(t, verdict.message, error)
        self._turn_start = False
        said = one_line(event.msg)
        text = f"{verdict.message}{': ' if said else ''}{said}"
        refused = dialog.RequestRefused(t, event.code, text, self.logid)
        return [*self._mend(event.code), Emit(refused)]

    def _mend(self, code: int) -> list[SessionAction]:
        """What lets the next turn succeed where this one was refused."""
        if code == 4016:  # the conversation has a running turn
            return [self._send(uplink.ChatCancel(id=self._id()))]
        if code == 4010:  # the context has grown too long
            return [self._send(uplink.ConversationClear(id=self._id()))]
        return []

    def _turn_failed(self, event: wire.TurnFailed, t: float) -> list[SessionAction]:
        reason = event.chat.last_error or wire.LastError()
        failed = dialog.TurnFailed(t, chat_id_of(event.chat.id), reason.code, one_line(reason.msg))
        verdict = classify(reason.code, text=reason.msg, turn_start=self._turn_start)
        self._turn_start = False
        if verdict.kind in FATAL:
            return [Emit(failed), *self._fatal(verdict, reason.msg, t)]
        return [*self._mend(reason.code), Emit(failed)]

    def _fatal(self, verdict: Verdict, text: str, t: float) -> list[SessionAction]:
        blocked = None
        if verdict.kind in BLOCKING or verdict.retry_after_s:
            blocked = dialog.LinkBlocked(t, verdict.until(t), verdict.message)
        error = error_for(verdict, text, self.logid)
        return self._give_up(t, verdict.message, error, blocked)

    def _give_up(
        self, t: float, reason: str, error: TalkboxError, blocked: dialog.LinkBlocked | None = None
    ) -> list[SessionAction]:
        return [*self._down(t, reason, blocked), Fail(error), Close(_CLOSE_NORMAL, "")]

    def _down(
        self, t: float, reason: str, blocked: dialog.LinkBlocked | None = None
    ) -> list[SessionAction]:
        if self.state in (SessionState.NEW, SessionState.CLOSED):
            return []
        self.state = SessionState.CLOSED
        self._deadline = None
        self._appended = False
        self._turn_start = False
        return [Emit(blocked or dialog.LinkDown(t, reason))]

    # --- commands -----------------------------------------------------------------------------

    def append(self, payload: bytes, t: float) -> list[SessionAction]:
        """Send one audio packet; refused and counted before ``chat.updated``, when the server
        would still take it for a piece of a WAV file."""
        if self.state is not SessionState.READY:
            self.dropped_early += 1
            return []
        self._appended = True
        return [Send(uplink.encode_append(payload, self._id()), True)]

    def complete(self, t: float) -> list[SessionAction]:
        """The utterance is over. Nothing is sent where the server decides that; where no audio
        has been sent, the buffer is cleared instead and the request counts as refused (code 0)."""
        if self.state is not SessionState.READY or not self.settings.client_decides:
            return []
        if not self._appended:
            refused = dialog.RequestRefused(t, 0, "No audio had been sent", self.logid)
            return [*self.clear(t), Emit(refused)]
        self._appended = False
        self._turn_start = True
        return [self._send(uplink.AudioComplete(id=self._id()))]

    def clear(self, t: float) -> list[SessionAction]:
        """Let the server forget the audio since the last ``complete``."""
        if self.state is not SessionState.READY or not self.settings.client_decides:
            return []
        self._appended = False
        return [self._send(uplink.AudioClear(id=self._id()))]

    def cancel(self, t: float) -> list[SessionAction]:
        """Stop the running turn, if any; nobody waits for the answer."""
        if self.state is not SessionState.READY:
            return []
        return [self._send(uplink.ChatCancel(id=self._id()))]

    def ask(self, text: str, t: float) -> list[SessionAction]:
        """A typed question; replaces a running turn."""
        if self.state is not SessionState.READY:
            return []
        self._turn_start = True
        return [self._send(uplink.MessageCreate("user", "text", text, id=self._id()))]

    def say(self, text: str, t: float) -> list[SessionAction]:
        """Speak ``text`` without a turn; refused locally where it is empty or too long."""
        if self.state is not SessionState.READY:
            return []
        size = len(text.encode("utf-8", "surrogatepass"))
        if not 0 < size <= MAX_SPEECH_BYTES:
            message = f"The text to be spoken has {size} bytes, not 1 to {MAX_SPEECH_BYTES}"
            return [Emit(dialog.RequestRefused(t, 3010, message, self.logid))]
        return [self._send(uplink.GenerateAudio("text", text, id=self._id()))]

    def submit(
        self, chat_id: str, outputs: Sequence[dialog.ToolOutput], t: float
    ) -> list[SessionAction]:
        """All results the turn ``chat_id`` waits for."""
        if self.state is not SessionState.READY:
            return []
        results = tuple(uplink.ToolResult(output.id, output.output) for output in outputs)
        return [self._send(uplink.SubmitToolOutputs(chat_id, results, id=self._id()))]

    def _send(self, event: uplink.Uplink) -> Send:
        return Send(uplink.encode(event))

    def _id(self) -> str:
        self._sequence += 1
        return f"{self._id_head}{self._sequence:012x}"
