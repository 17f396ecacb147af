"""One turn: what began it, how far it is, its times; and one round of tool calls in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent.dialog.actions import TurnReport
from agent.dialog.events import ToolCall, ToolOutput

TOOL_TIMEOUT = '{"error": "the tool did not answer in time"}'


class Kind(StrEnum):
    """What a turn answers."""

    VOICE = "voice"
    ASK = "ask"
    SAY = "say"
    PROLOGUE = "prologue"
    """Speech nobody asked for; it is interrupted like an answer, but is no turn to count."""


class EndsBy(StrEnum):
    """Who ends the utterance."""

    ENDPOINT = "endpoint"
    RELEASE = "release"
    SERVER = "server"


@dataclass(slots=True)
class Turn:
    """State of the running turn. Times are monotonic seconds, ``None`` where not reached.

    ``sent`` says that the server has the request, ``server_ended`` that it has nothing more to
    send for it. ``doubtful`` marks a chat that may belong to an earlier, cancelled request.
    ``pending_until`` bounds a commit that waits for the link.
    """

    kind: Kind
    begun: float
    text: str = ""
    ends_by: EndsBy = EndsBy.ENDPOINT
    speech_seen: bool = False
    provisional: bool = False
    commit_pending: bool = False
    pending_until: float | None = None
    sent: bool = False
    retried: bool = False
    chat_id: str | None = None
    doubtful: bool = False
    server_ended: bool = False
    text_seen: bool = False
    audio_seen: bool = False
    reported: bool = False
    speech_last: float | None = None
    request_t: float | None = None
    first_audio_t: float | None = None

    @property
    def chatless(self) -> bool:
        """Spoken without a chat on the platform: it has no id and no turn events."""
        return self.kind in (Kind.SAY, Kind.PROLOGUE)

    @property
    def awaits_chat(self) -> bool:
        """The request is out, and the chat that answers it is not known for certain."""
        return self.sent and not self.chatless and (self.chat_id is None or self.doubtful)

    def report(self, t: float) -> TurnReport:
        """Latencies in ms, the first sample leaving the DAC at ``t``."""
        first = self.first_audio_t
        return TurnReport(
            t=t,
            speech_end_to_commit_ms=_ms(self.speech_last, self.request_t),
            commit_to_first_audio_ms=_ms(self.request_t, first),
            first_audio_to_dac_ms=_ms(first, t),
            total_ms=_ms(self.speech_last, t),
        )


def _ms(start: float | None, end: float | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, (end - start) * 1000.0)


class ToolRound:
    """The calls of one turn; every id is run once and its round is submitted once."""

    def __init__(self, chat_id: str) -> None:
        self.chat_id = chat_id
        self._seen: set[str] = set()
        self._open: dict[str, ToolOutput | None] = {}

    def add(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """The calls not met before, in order; they are waited for."""
        fresh: list[ToolCall] = []
        for call in calls:
            if call.id not in self._seen:
                self._seen.add(call.id)
                self._open[call.id] = None
                fresh.append(call)
        return tuple(fresh)

    def finished(self, output: ToolOutput) -> bool:
        """Take one result; false where nobody waits for it."""
        if output.id not in self._open or self._open[output.id] is not None:
            return False
        self._open[output.id] = output
        return True

    @property
    def complete(self) -> bool:
        """Every call has its result."""
        return all(output is not None for output in self._open.values())

    def take(self) -> tuple[ToolOutput, ...]:
        """All outputs in the order of the calls, an error text for the missing; ends the round."""
        outputs = tuple(
            output if output is not None else ToolOutput(call_id, TOOL_TIMEOUT)
            for call_id, output in self._open.items()
        )
        self._open = {}
        return outputs
