"""Moments of a connection: how a script names them, and how far a connection has come."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from agent.coze import events as wire
from agent.errors import ConfigError

PLAIN = (
    "upgrade",
    "open",
    "update",
    "complete",
    "turn_start",
    "tools",
    "audio_end",
    "turn_end",
    "cancel",
)
"""Moments that need no number."""
COUNTED = ("append", "text", "sentence", "audio")
"""Moments of the nth of something: ``audio:3``."""
TIMED = "after_s"

OF_A_FRAME = frozenset((*PLAIN, *COUNTED)) - {"upgrade", "append"}
"""Moments at which the platform is about to send a frame."""
OF_A_TURN = frozenset({"turn_start", "tools", "audio_end", "turn_end", "text", "sentence", "audio"})
"""Moments at which a chat is running (unless speech without one is)."""

_ENDS = (wire.TurnCompleted, wire.TurnFailed, wire.Canceled, wire.TranscriptionsMessageCompleted)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as written: ``n`` counts from 1 for the counted ones; ``s`` is that of after_s."""

    kind: str
    n: int = 0
    s: float = 0.0


def parse_moment(text: str, where: str) -> Moment:
    """The moment that ``text`` names. Raises ``ConfigError`` with the nearest right one."""
    kind, colon, number = text.partition(":")
    if kind in PLAIN and not colon:
        return Moment(kind)
    if kind in COUNTED and number.isascii() and number.isdigit() and int(number) > 0:
        return Moment(kind, n=int(number))
    if kind == TIMED:
        try:
            s = float(number)
        except ValueError:
            s = math.nan
        if 0 <= s < math.inf:
            return Moment(kind, s=s)
    if kind in (*COUNTED, TIMED):
        example = "after_s:3.5" if kind == TIMED else f"{kind}:3"
        raise ConfigError(f"{where}: {text!r} lacks its number, write for example {example}")
    if kind in PLAIN:
        raise ConfigError(f"{where}: {kind} takes no number")
    near = difflib.get_close_matches(kind, (*PLAIN, *COUNTED, TIMED), n=1)
    known = ", ".join((*PLAIN, *(f"{kind}:N" for kind in COUNTED), f"{TIMED}:S"))
    hint = f"Did you mean {near[0]}?" if near else f"Known are: {known}"
    raise ConfigError(f"{where}: {text!r} is no moment", remedy=hint)


class Progress:
    """How far a connection has come.

    ``turns`` counts the chats begun, ``question`` is that of the last, ``in_turn`` tells whether
    the frame last shown belongs to one; ``chat`` and ``audio`` are those last seen.
    """

    def __init__(self) -> None:
        self.turns = 0
        self.question = ""
        self.in_turn = False
        self.chat = wire.Chat("")
        self.audio: wire.AudioDelta | wire.SpeechAudioUpdate | None = None
        self._appends = 0
        self._texts = 0
        self._sentences = 0
        self._audios = 0

    def append(self) -> Moment:
        """The client sent a piece of audio: the nth since the last ``complete``."""
        self._appends += 1
        return Moment("append", n=self._appends)

    def sending(self, event: wire.Downlink) -> Moment | None:
        """The moment just before the platform sends ``event``, if it has a name."""
        match event:
            case wire.ChatCreated() | wire.SpeechCreated() | wire.TranscriptionsCreated():
                return Moment("open")
            case wire.ChatUpdated() | wire.SpeechUpdated() | wire.TranscriptionsUpdated():
                return Moment("update")
            case wire.BufferCompleted() | wire.SpeechStopped():
                self._appends = 0
                return Moment("complete")
            case wire.MessageCompleted():
                if event.message.type == "question":
                    self.question = event.message.content
                return None
            case wire.TurnCreated():
                self.turns += 1
                self._begin(in_turn=True)
                self.chat = event.chat
                return Moment("turn_start")
            case wire.RequiresAction():
                return Moment("tools")
            case wire.MessageDelta():
                if not event.message.content:
                    return None
                self._texts += 1
                return Moment("text", n=self._texts)
            case wire.TranscriptionsMessageUpdate():
                self._texts += 1
                return Moment("text", n=self._texts)
            case wire.SentenceStart():
                self._sentences += 1
                return Moment("sentence", n=self._sentences)
            case wire.AudioDelta() | wire.SpeechAudioUpdate():
                self.audio = event
                self._audios += 1
                return Moment("audio", n=self._audios)
            case wire.AudioCompleted() | wire.SpeechAudioCompleted():
                if not self.in_turn:
                    self._begin(in_turn=False)
                return Moment("audio_end")
            case wire.TurnCompleted() | wire.TurnFailed() | wire.TranscriptionsMessageCompleted():
                return Moment("turn_end")
            case wire.Canceled():
                return Moment("cancel")
        return None

    def sent(self, event: wire.Downlink) -> None:
        """What ``sending`` was shown is out, and what was done because of it."""
        if isinstance(event, _ENDS):
            self._begin(in_turn=False)

    def _begin(self, *, in_turn: bool) -> None:
        self.in_turn = in_turn
        self._texts = self._sentences = self._audios = 0
