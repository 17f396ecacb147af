"""Everything the dialog engine can ask for. The daemon carries it out; the engine never waits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.dialog.events import ToolCall, ToolOutput


class State(StrEnum):
    """What the device is doing, as people see it."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    TOOL = "tool"
    BLOCKED = "blocked"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class EnterState:
    """The state changed; for people, lights and logs."""

    t: float
    state: State


# --- towards the platform ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenUplink:
    """Send microphone audio from here on, the pre-roll first where ``preroll`` says so."""

    preroll: bool


@dataclass(frozen=True, slots=True)
class CommitUplink:
    """The utterance is over: flush the packetizer and tell the server it is complete."""


@dataclass(frozen=True, slots=True)
class AbandonUplink:
    """Stop sending and let the server forget what it has of this utterance."""


@dataclass(frozen=True, slots=True)
class ResendUplink:
    """The socket was replaced in mid-utterance: send all of the utterance so far once more."""


@dataclass(frozen=True, slots=True)
class CancelTurn:
    """Ask the server to stop the running turn; nobody waits for its answer."""


@dataclass(frozen=True, slots=True)
class SendQuestion:
    """A typed question."""

    text: str


@dataclass(frozen=True, slots=True)
class SendSpeech:
    """A text to be spoken without a turn."""

    text: str


@dataclass(frozen=True, slots=True)
class SubmitTools:
    """All results of one request, in one message."""

    chat_id: str
    outputs: tuple[ToolOutput, ...]


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The session no longer answers: drop the socket and make a new one."""

    reason: str


@dataclass(frozen=True, slots=True)
class CloseLink:
    """Nobody has talked for long: close the socket politely, stay ready to listen."""

    reason: str


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Somebody talks again: connect now."""


# --- towards the speaker ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginPlayback:
    """A new answer: everything older is cut, its audio will carry ``generation``."""

    generation: int


@dataclass(frozen=True, slots=True)
class Play:
    """Queue one packet of ``generation``."""

    generation: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class FinishPlayback:
    """No more audio of ``generation`` will come; report when it has drained."""

    generation: int


@dataclass(frozen=True, slots=True)
class CutPlayback:
    """Fade out now; nothing older than ``generation`` may reach the DAC."""

    generation: int


@dataclass(frozen=True, slots=True)
class Duck:
    """Lower the answer: somebody may be speaking."""


@dataclass(frozen=True, slots=True)
class Unduck:
    """It was a false alarm: raise the answer again."""


# --- towards the microphone and the tools -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether the endpointer hears the microphone (half duplex closes it while speaking)."""

    open: bool


@dataclass(frozen=True, slots=True)
class CloseCapture:
    """Mute is real: the microphone is closed."""


@dataclass(frozen=True, slots=True)
class OpenCapture:
    """Unmute: the microphone is opened again."""


@dataclass(frozen=True, slots=True)
class RunTools:
    """Run these local tools and report each with ``ToolFinished``."""

    chat_id: str
    calls: tuple[ToolCall, ...]


# --- towards people ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The answer was stopped before its end, by ``button``, ``command``, ``speech``, ``server``,
    ``message`` or ``mute``."""

    t: float
    by: str


@dataclass(frozen=True, slots=True)
class TurnReport:
    """Latencies of one finished or started answer, in ms; ``None`` where a part has no meaning.

    ``speech_end_to_commit_ms``: last speech sample to the commit; ``commit_to_first_audio_ms``:
    commit to the first audio packet; ``first_audio_to_dac_ms``: first packet to first sample out
    of the DAC; ``total_ms``: last speech sample to first sample out of the DAC.
    """

    t: float
    speech_end_to_commit_ms: float | None
    commit_to_first_audio_ms: float | None
    first_audio_to_dac_ms: float | None
    total_ms: float | None


@dataclass(frozen=True, slots=True)
class TurnOver:
    """The turn is finished: ``answered`` says whether an answer was heard to its end."""

    t: float
    answered: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should know: ``code`` is stable, ``remedy`` says what to do."""

    t: float
    code: str
    message: str
    remedy: str


Action = (
    EnterState
    | OpenUplink
    | CommitUplink
    | AbandonUplink
    | ResendUplink
    | CancelTurn
    | SendQuestion
    | SendSpeech
    | SubmitTools
    | Reconnect
    | CloseLink
    | OpenLink
    | BeginPlayback
    | Play
    | FinishPlayback
    | CutPlayback
    | Duck
    | Unduck
    | Gate
    | CloseCapture
    | OpenCapture
    | RunTools
    | Interrupted
    | TurnReport
    | TurnOver
    | Problem
)
