"""The rules of a device's quota: which limitation holds, for how long, and whether it is used up.

Pure: no clock, no store. All times are Unix seconds; limits are points or, for voice, seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

NEVER_ENDS = 253402300799
"""31 December 9999, 23:59:59 UTC: how the platform writes "does not end"."""

POINTS = "resource_point"
SYSTEM_VOICE = "voice_unified_duration_system"
CUSTOM_VOICE = "voice_unified_duration_custom"
BENEFITS = (POINTS, SYSTEM_VOICE, CUSTOM_VOICE)

# Scope of a limitation: for whom, and whether for one alone.
DEVICE = "device"
CONSUMER = "custom_consumer"
_SCOPES = {
    "enterprise_all_devices": (DEVICE, False),
    "enterprise_all_custom_consumers": (CONSUMER, False),
    "single_device": (DEVICE, True),
    "single_custom_consumer": (CONSUMER, True),
}
SCOPES = tuple(_SCOPES)
# The SDK for Java still writes these names, beside those of devices: they are the other consumers.
OLD_SCOPES = {
    "enterprise_all_identifiers": "enterprise_all_custom_consumers",
    "single_identifier": "single_custom_consumer",
}

UNITS = {"never": 0, "minute": 60, "hour": 3600, "day": 86400}
"""Seconds of each ``trigger_unit``; a limitation that is never reset is cumulative."""


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody who is metered: a ``kind``, ``device`` or ``custom_consumer``, and an id."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Window:
    """The time a limit counts for: from ``start``, and anew from ``end`` (None: never)."""

    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Limitation:
    """One rule, with the fields of the platform."""

    benefit_id: str
    entity_type: str
    entity_id: str
    benefit_type: str
    limit: int
    started_at: int
    ended_at: int = NEVER_ENDS
    status: str = "valid"
    trigger_unit: str = "never"
    trigger_time: int = 1
    active_mode: str = "absolute_time"

    @property
    def single(self) -> bool:
        """Whether it is for one entity alone."""
        return _SCOPES[self.entity_type][1]

    @property
    def cumulative(self) -> bool:
        """Whether what was used is never forgotten."""
        return not UNITS[self.trigger_unit]

    def active(self, now: float) -> bool:
        """Whether it holds: neither frozen, nor ended, nor still to begin."""
        return self.status == "valid" and self.started_at <= now < self.ended_at + 1

    def covers(self, entity: Entity) -> bool:
        """Whether the entity is in its scope."""
        kind, single = _SCOPES[self.entity_type]
        return kind == entity.kind and (not single or self.entity_id == entity.id)

    def window(self, now: float) -> Window:
        """The period that ``now`` lies in; periods are counted from ``started_at``."""
        period = UNITS[self.trigger_unit] * max(1, self.trigger_time)
        over = None if self.ended_at >= NEVER_ENDS else float(self.ended_at + 1)
        if not period:
            return Window(self.started_at, over)
        start = self.started_at + (now - self.started_at) // period * period
        end = start + period
        return Window(start, end if over is None else min(end, over))

    def clashes(self, other: Limitation, now: float) -> bool:
        """Whether both cannot be had: a scope for all takes one cumulative and one periodic rule
        of each benefit.
        """
        return (
            self.benefit_id != other.benefit_id
            and not self.single
            and self.entity_type == other.entity_type
            and self.benefit_type == other.benefit_type
            and self.cumulative == other.cumulative
            and all(rule.status == "valid" and now <= rule.ended_at for rule in (self, other))
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why somebody is stopped, and when that ends (None: by no passing of time)."""

    limitation: Limitation
    entity: Entity
    used: float
    resets_at: float | None


Usage = Callable[[Entity, str, float], float]
"""How much an entity used of a benefit since a time."""


def governing(
    rules: Iterable[Limitation], entity: Entity, benefit_type: str, now: float
) -> list[Limitation]:
    """The rules that hold for an entity: its own ones, or else those for all of its kind."""
    found = [
        rule
        for rule in rules
        if rule.benefit_type == benefit_type and rule.active(now) and rule.covers(entity)
    ]
    return [rule for rule in found if rule.single] or found


def judge(
    rules: Iterable[Limitation],
    entities: Iterable[Entity],
    benefit_type: str,
    used: Usage,
    now: float,
) -> Verdict | None:
    """Whether somebody is stopped; of several reasons, the one that lasts longest.

    ``entities`` are what a token reported; without any, nobody is stopped.
    """
    rules = list(rules)
    verdicts = []
    for entity in entities:
        for rule in governing(rules, entity, benefit_type, now):
            window = rule.window(now)
            spent = used(entity, benefit_type, window.start)
            if spent >= rule.limit:
                verdicts.append(Verdict(rule, entity, spent, window.end))
    return max(verdicts, key=_lasting, default=None)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much may still be used, None without limit, and until when that figure holds."""

    left: float | None
    until: float | None


def allowance(
    rules: Iterable[Limitation],
    entities: Iterable[Entity],
    benefit_type: str,
    used: Usage,
    now: float,
) -> Allowance:
    """What is left under all rules that hold; never below 0."""
    rules = list(rules)
    left: float | None = None
    until: float | None = None
    for entity in entities:
        for rule in governing(rules, entity, benefit_type, now):
            window = rule.window(now)
            rest = max(0.0, rule.limit - used(entity, benefit_type, window.start))
            left = rest if left is None else min(left, rest)
            if window.end is not None:
                until = window.end if until is None else min(until, window.end)
    return Allowance(left, until)


def _lasting(verdict: Verdict) -> float:
    return float("inf") if verdict.resets_at is None else verdict.resets_at
