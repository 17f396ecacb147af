"""Everything the dialog engine can be told. ``t`` is monotonic seconds, always given by the caller.

Four sources: the link (protocol session), the microphone (endpointer), the speaker (drain reports
from the DAC side) and people (button, command line).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One local function the platform asks for; ``arguments`` is the JSON text it sent.

    ``kind`` is ``function``, or ``reply_message`` for a question node of a chatflow.
    """

    id: str
    name: str
    arguments: str
    kind: str = "function"


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The answer to the call ``id``; ``output`` is any text, JSON by custom."""

    id: str
    output: str


# --- the link ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkConnecting:
    """A connection attempt has begun."""

    t: float


@dataclass(frozen=True, slots=True)
class LinkReady:
    """The session is configured: audio may flow."""

    t: float


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The socket is gone, or could not be had; audio already received may play out."""

    t: float
    reason: str


@dataclass(frozen=True, slots=True)
class LinkBlocked:
    """The platform does not allow use now (account, quota); retry not before ``until``."""

    t: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class ServerSpeechStarted:
    """The server's own VAD heard speech (server_vad, semantic_vad)."""

    t: float


@dataclass(frozen=True, slots=True)
class ServerSpeechStopped:
    """The server's own VAD decided the end of speech."""

    t: float


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the platform heard so far; ``final`` once."""

    t: float
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A text increment of the answer, or with ``final`` the whole of it."""

    t: float
    chat_id: str
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class CommitAcknowledged:
    """``input_audio_buffer.completed``: the server has the utterance; one per commit, in order."""

    t: float


@dataclass(frozen=True, slots=True)
class TurnCreated:
    """The platform began a turn; its audio carries ``chat_id``."""

    t: float
    chat_id: str


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """One audio packet of ``ms`` milliseconds of sound.

    ``chat_id`` is empty for speech without a chat (prologue, ``say``).
    """

    t: float
    chat_id: str
    payload: bytes
    ms: float


@dataclass(frozen=True, slots=True)
class ReplyAudioEnded:
    """No more audio of this answer will come from the server."""

    t: float
    chat_id: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The platform finished the turn, normally the last event of it."""

    t: float
    chat_id: str


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """The turn failed; the session stays usable."""

    t: float
    chat_id: str
    code: int
    message: str


@dataclass(frozen=True, slots=True)
class TurnCanceled:
    """The platform stopped the turn: 1 user speech, 2 client cancel, 3 replaced by a message."""

    t: float
    code: int


@dataclass(frozen=True, slots=True)
class ToolsRequested:
    """The platform wants local tools run; the turn waits for their outputs."""

    t: float
    chat_id: str
    calls: tuple[ToolCall, ...]


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """An ``error`` frame that leaves the session open, for example code 4000 on one message."""

    t: float
    code: int
    message: str
    logid: str


# --- the microphone ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Onset:
    """Speech may have begun (not yet confirmed)."""

    t: float


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """Speech is confirmed; it began at ``t_onset``."""

    t: float
    t_onset: float


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The utterance is over; its last speech was at ``t_last``."""

    t: float
    t_last: float
    reason: Literal["silence", "max"]


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """The onset was no speech."""

    t: float


# --- the speaker ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first sample of this generation leaves the DAC at ``t``."""

    t: float
    generation: int


@dataclass(frozen=True, slots=True)
class PlaybackDrained:
    """The last sample of this generation has left the DAC."""

    t: float
    generation: int


# --- people -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listen:
    """Button down or ``talkbox listen``: interrupt what speaks and hear me."""

    t: float
    by: str = "command"


@dataclass(frozen=True, slots=True)
class Release:
    """Button up (push to talk): my utterance is over."""

    t: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Be quiet: interrupt, give up the turn, go back to idle."""

    t: float
    by: str = "command"


@dataclass(frozen=True, slots=True)
class Mute:
    t: float


@dataclass(frozen=True, slots=True)
class Unmute:
    t: float


@dataclass(frozen=True, slots=True)
class Ask:
    """A typed question: a turn without a microphone."""

    t: float
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """Speak this text with the session's voice, without a turn."""

    t: float
    text: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A local tool answered (or failed: then ``output`` is the error text)."""

    t: float
    chat_id: str
    output: ToolOutput


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; deadlines are looked at."""

    t: float


Event = (
    LinkConnecting
    | LinkReady
    | LinkDown
    | LinkBlocked
    | ServerSpeechStarted
    | ServerSpeechStopped
    | Transcript
    | ReplyText
    | CommitAcknowledged
    | TurnCreated
    | ReplyAudio
    | ReplyAudioEnded
    | TurnEnded
    | TurnFailed
    | TurnCanceled
    | ToolsRequested
    | RequestRefused
    | Onset
    | SpeechStart
    | SpeechEnd
    | FalseAlarm
    | PlaybackStarted
    | PlaybackDrained
    | Listen
    | Release
    | Stop
    | Mute
    | Unmute
    | Ask
    | Say
    | ToolFinished
    | Tick
)
