"""One ``[[fault]]`` of a script: when it strikes, what it does, and what it may be told."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from agent.emulator.moments import OF_A_FRAME, OF_A_TURN, Moment, Progress, parse_moment
from agent.errors import ConfigError

SOCKETS = ("chat", "speech", "transcriptions", "simult_interpretation", "any")

MESSAGES = {
    4000: "invalid parameter",
    4008: "the daily usage of the bot is used up",
    4009: "the system is busy, please try again later",
    4010: "the prompt is too long",
    4011: "balance not enough",
    4013: "the model service failed, please try again later",
    4014: "the agent cannot answer",
    4016: "the conversation already has a running chat",
    4019: "the account is overdue",
    4020: "the purchased RPM is exceeded",
    4022: "the model service is overdue",
    4027: "the account is overdue",
    4028: "the free credits are used up",
    4029: "closed for inactivity",
    4100: "authentication is invalid",
    4101: "no permission",
    4102: "refused by risk control",
    5000: "internal error",
    700012006: "access token invalid",
}
"""What goes with a code where the script has no words of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry. A key of None has the default of what is done, see ``DEEDS``."""

    at: str = ""
    do: str = ""
    turn: int | str = "any"
    connection: int | str = "every"
    device: str = ""
    socket: str = "chat"
    when: str = "*"
    probability: float = 1.0
    times: int = 0
    code: int | None = None
    msg: str | None = None
    status: int | None = None
    retry_after: int | None = None
    close: int | None = None
    s: float | None = None
    frames: int | None = None
    bytes: int | None = None
    instead: bool | None = None

    @property
    def moment(self) -> Moment:
        """When. Raises ``ConfigError``."""
        return parse_moment(self.at, "fault.at")

    def get(self, key: str) -> Any:
        """What was said for a key of ``DEEDS``, or its default there."""
        said = getattr(self, key)
        return DEEDS[self.do].defaults.get(key) if said is None else said

    def asks(self, question: str) -> bool:
        """Whether the question of the turn is one of those meant."""
        return self.when == "*" or re.search(self.when, question, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True)
class Deed:
    """What can be done: the keys it takes with their defaults, and at which moments."""

    defaults: Mapping[str, Any]
    moments: frozenset[str] | None = None

    def possible(self, moment: Moment) -> bool:
        """Whether it can be done then."""
        if moment.kind == "upgrade":
            return self.moments is not None and "upgrade" in self.moments
        return self.moments is None or moment.kind in self.moments


_ANY = frozenset((*OF_A_FRAME, "upgrade", "append", "after_s"))
_UPGRADE = frozenset({"upgrade"})
_LEADING_TO_A_TURN = ("append", "complete")
_AUDIO = frozenset({"audio"})
_GARBAGE = {"frames": 1, "instead": False}

GARBAGE = (
    "broken_json",
    "truncated_json",
    "deep_json",
    "nan",
    "huge_int",
    "lone_surrogate",
    "binary",
    "unknown_event",
    "missing_data",
    "wrong_types",
    "not_an_object",
)
"""Frames no client should trip over."""

AUDIO_GARBAGE = ("bad_base64", "bad_opus", "ogg", "riff", "no_audio")
"""Audio packets no client should play."""

DEEDS: dict[str, Deed] = {
    # The upgrade.
    "refuse": Deed({"status": 503, "code": None, "msg": None, "retry_after": None}, _UPGRADE),
    "hang": Deed({"s": 120.0}, _UPGRADE),
    # The connection.
    "close": Deed({"code": 1011, "msg": ""}),
    "drop": Deed({}, _ANY),
    "reset": Deed({}, _ANY),
    "half_open": Deed({"s": 120.0}, _ANY),
    "stall": Deed({"s": 5.0}, _ANY),
    # Refusals.
    "error": Deed({"code": 5000, "msg": None, "close": 0, "instead": True}),
    "busy": Deed({"code": 4009, "msg": None, "close": 0, "instead": True}),
    "quota": Deed({"code": 4011, "msg": None, "close": 0, "instead": True}),
    "token": Deed({"code": 4100, "msg": None, "close": 1008, "instead": True}),
    "chat_failed": Deed({"code": 5000, "msg": None}, OF_A_TURN - {"turn_end"}),
    # Garbage.
    **{name: Deed(_GARBAGE) for name in GARBAGE},
    "garbage": Deed(_GARBAGE),
    "oversized": Deed({**_GARBAGE, "bytes": 2 << 20}),
    **{name: Deed({"frames": 1}, _AUDIO) for name in AUDIO_GARBAGE},
    # Order and number of the right frames.
    "lose": Deed({"frames": 1}, OF_A_FRAME | {"append"}),
    "duplicate": Deed({"frames": 1}, OF_A_FRAME),
    "late": Deed({"frames": 3, "s": 1.0}, OF_A_FRAME),
    "early_end": Deed({}, frozenset({"text", "sentence", "audio"})),
    "late_audio": Deed({"frames": 3}, frozenset({"cancel", "turn_end"})),
    "flood": Deed({"frames": 10_000, "s": 1.0}, frozenset({"audio", "audio_end"})),
}
"""All that can be done, by name."""


class Plan:
    """One fault of the script on one connection, with luck of its own."""

    def __init__(self, fault: Fault, random: Random, take: Callable[[], bool]) -> None:
        self.fault = fault
        self.moment = fault.moment
        self._random = random
        self._take = take

    def strikes(self, moment: Moment, progress: Progress) -> bool:
        """Whether it happens now. Every fitting moment draws once, so that a run repeats."""
        fault = self.fault
        if moment != self.moment:
            return False
        if fault.turn != "any" and fault.turn != self._turn(moment, progress):
            return False
        if fault.when != "*" and not (progress.in_turn and fault.asks(progress.question)):
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        return self._take()

    def _turn(self, moment: Moment, progress: Progress) -> int:
        if moment.kind in _LEADING_TO_A_TURN:
            return progress.turns + 1
        return progress.turns if progress.in_turn else 0


_WHEN_AND_WHERE = frozenset(
    {"at", "do", "turn", "connection", "device", "socket", "when", "probability", "times"}
)
_OF_A_CHAT = ("chat_failed", "early_end", "late_audio")


def check_fault(fault: Fault, written: frozenset[str], where: str) -> None:
    """Raises ``ConfigError`` for an entry that cannot mean anything.

    ``written`` are the keys that stand in the script, ``where`` begins every message.
    """
    if not fault.at or not fault.do:
        raise ConfigError(f"{where} needs both a moment (at) and what to do (do)")
    moment = parse_moment(fault.at, f"{where}.at")
    deed = DEEDS.get(fault.do)
    if deed is None:
        near = difflib.get_close_matches(fault.do, DEEDS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(DEEDS)}"
        raise ConfigError(f"{where}.do: {fault.do!r} is not known", remedy=hint)
    if not deed.possible(moment):
        raise ConfigError(f"{where}: {fault.do} cannot be done at {moment.kind}")
    for key in sorted(written - _WHEN_AND_WHERE - deed.defaults.keys()):
        takes = ", ".join(deed.defaults) or "no further keys"
        raise ConfigError(f"{where}.{key} means nothing to {fault.do}, which takes {takes}")
    _check_values(fault, moment, where)


def _check_values(fault: Fault, moment: Moment, where: str) -> None:
    of_turn = moment.kind in OF_A_TURN
    if not of_turn and fault.when != "*":
        raise ConfigError(f"{where}.when needs a moment of a turn, not {moment.kind}")
    if not of_turn and moment.kind not in (*_LEADING_TO_A_TURN, "cancel") and fault.turn != "any":
        raise ConfigError(f"{where}.turn needs a moment of a turn, not {moment.kind}")
    try:
        re.compile(fault.when if fault.when != "*" else "")
    except re.error as error:
        raise ConfigError(f"{where}.when is no regular expression: {error}") from error
    if fault.do in _OF_A_CHAT and fault.socket != "chat":
        raise ConfigError(f"{where}: {fault.do} is for the chat socket only")
    if fault.do == "refuse" and not 200 <= fault.get("status") <= 599:
        raise ConfigError(f"{where}.status must be 200 to 599")
    for key in ("code", "close"):
        code = fault.get(key)
        if (key == "close" or fault.do == "close") and code and not _is_close_code(code):
            raise ConfigError(f"{where}.{key}: {code} is no close code, see RFC 6455 section 7.4")


def _is_close_code(code: int) -> bool:
    """1006 stands for no close frame at all. 1004, 1005 and 1015 can never be sent."""
    return 1000 <= code <= 1003 or 1006 <= code <= 1014 or 3000 <= code <= 4999
