"""What the dialog engine may be told beforehand: mode, barge-in policy, deadlines (seconds)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

TurnMode = Literal["local", "push_to_talk", "server_vad", "semantic_vad"]
BargeIn = Literal["off", "button", "keyword", "confirmed", "instant"]


@dataclass(frozen=True, slots=True)
class DialogSettings:
    """Policy of one dialog; every duration is in seconds.

    ``turn`` says who finds the end of an utterance: the device's endpointer (``local``), a button
    (``push_to_talk``) or the server. ``barge_in`` says what may stop an answer; it is resolved
    already, ``auto`` is refused. ``prologue`` tells that the platform speaks first on a new link.

    ``connecting_s`` bounds a connection attempt and how long a request waits for one.
    ``first_answer_s`` runs from the commit to the first event of the turn, ``answer_gap_s`` between
    two of them. ``speaking_stall_s`` is how long an answer may stay without a packet, or without
    the drain report, after everything received should have been heard. ``echo_guard_s`` keeps a
    half-duplex microphone shut after the last sample, for the echo of the room. ``min_press_s`` is
    the shortest press of a button that counts. ``idle_close_s`` of 0 never closes the link.

    Raises ``ValueError`` for an unknown mode or policy and for a duration that is not positive.
    """

    turn: TurnMode = "local"
    barge_in: BargeIn = "button"
    prologue: bool = False
    connecting_s: float = 20.0
    max_utterance_s: float = 30.0
    utterance_grace_s: float = 5.0
    no_speech_s: float = 8.0
    first_answer_s: float = 15.0
    answer_gap_s: float = 30.0
    tool_s: float = 10.0
    speaking_stall_s: float = 8.0
    prologue_s: float = 10.0
    echo_guard_s: float = 0.25
    min_press_s: float = 0.3
    idle_close_s: float = 180.0

    def __post_init__(self) -> None:
        if self.turn not in get_args(TurnMode):
            raise ValueError(f"turn must be one of {', '.join(get_args(TurnMode))}: {self.turn!r}")
        if self.barge_in not in get_args(BargeIn):
            raise ValueError(
                f"barge_in must be one of {', '.join(get_args(BargeIn))}: {self.barge_in!r}"
            )
        may_be_zero = {"echo_guard_s", "min_press_s", "idle_close_s"}
        for field in fields(self):
            if not field.name.endswith("_s"):
                continue
            value: float = getattr(self, field.name)
            if not (value > 0 or (value == 0 and field.name in may_be_zero)):
                raise ValueError(f"{field.name} must be a positive number of seconds: {value!r}")

    @property
    def server_turn(self) -> bool:
        """The server finds the utterances: the uplink stays open between them."""
        return self.turn in ("server_vad", "semantic_vad")

    @property
    def half_duplex(self) -> bool:
        """Nobody listens while the speaker plays.

        A keyword is matched by the server, so it needs the microphone only where the server has it.
        """
        if self.barge_in == "keyword":
            return not self.server_turn
        return self.barge_in in ("off", "button")

    @property
    def speech_interrupts(self) -> bool:
        """Speech alone stops an answer."""
        return self.barge_in in ("confirmed", "instant")
