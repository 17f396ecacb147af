"""The rules of a quota, judged against a slow and obvious model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.limitations import (
    BENEFITS,
    CONSUMER,
    DEVICE,
    NEVER_ENDS,
    POINTS,
    SCOPES,
    SYSTEM_VOICE,
    UNITS,
    Entity,
    Limitation,
    Verdict,
    allowance,
    governing,
    judge,
)

KIOSK = Entity(DEVICE, "KSK000123")
LOBBY = Entity(DEVICE, "LOB000001")
FAMILY = Entity(CONSUMER, "family-7")
BEGUN = 1_767_225_600


def rule(**values: object) -> Limitation:
    base = Limitation("1", "enterprise_all_devices", "", SYSTEM_VOICE, 100, BEGUN)
    return replace(base, **values)  # type: ignore[arg-type]


def single(entity: Entity = KIOSK, **values: object) -> Limitation:
    return rule(entity_type=f"single_{entity.kind}", entity_id=entity.id, **values)


class Spent:
    """What was used: (time, amount) of each entity and benefit."""

    def __init__(self, *spent: tuple[Entity, str, float, float]) -> None:
        self.spent = list(spent)

    def __call__(self, entity: Entity, benefit: str, since: float) -> float:
        return sum(
            amount
            for whom, what, at, amount in self.spent
            if whom == entity and what == benefit and at >= since
        )


def stopped(rules: list[Limitation], spent: Spent, now: float, *whom: Entity) -> Verdict | None:
    return judge(rules, whom or (KIOSK,), SYSTEM_VOICE, spent, now)


def test_without_a_rule_nobody_is_stopped() -> None:
    spent = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 1e9))
    assert stopped([], spent, BEGUN + 1) is None


def test_a_token_that_reports_nobody_is_never_stopped() -> None:
    assert judge([rule(limit=0)], (), SYSTEM_VOICE, Spent(), BEGUN + 1) is None


def test_the_limit_itself_stops() -> None:
    just_below = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 99.999))
    assert stopped([rule()], just_below, BEGUN + 1) is None
    verdict = stopped([rule()], Spent((KIOSK, SYSTEM_VOICE, BEGUN, 100)), BEGUN + 1)
    assert verdict is not None and verdict.resets_at is None and verdict.used == 100


def test_a_limit_of_nothing_stops_at_once() -> None:
    assert stopped([rule(limit=0)], Spent(), BEGUN) is not None


@pytest.mark.parametrize(
    "dead",
    [
        {"status": "frozen"},
        {"ended_at": BEGUN + 10},
        {"started_at": BEGUN + 1000},
        {"benefit_type": POINTS},
    ],
)
def test_rules_that_do_nothing(dead: dict[str, object]) -> None:
    spent = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 500))
    assert stopped([rule(**dead)], spent, BEGUN + 100) is None


def test_the_last_second_counts() -> None:
    spent = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 500))
    ending = rule(ended_at=BEGUN + 10)
    verdict = stopped([ending], spent, BEGUN + 10.9)
    assert verdict is not None and verdict.resets_at == BEGUN + 11
    assert stopped([ending], spent, BEGUN + 11) is None


def test_one_device_s_rule_overrides_the_rule_of_all() -> None:
    spent = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 150), (LOBBY, SYSTEM_VOICE, BEGUN, 150))
    rules = [rule(), single(limit=200)]
    assert stopped(rules, spent, BEGUN + 1, KIOSK) is None
    assert stopped(rules, spent, BEGUN + 1, LOBBY) is not None
    assert stopped([rule(limit=1000), single(limit=120)], spent, BEGUN + 1, KIOSK) is not None


def test_a_frozen_rule_of_one_device_overrides_nothing() -> None:
    spent = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 150))
    assert stopped([rule(), single(limit=200, status="frozen")], spent, BEGUN + 1) is not None


def test_a_rule_of_one_device_overrides_its_own_benefit_only() -> None:
    spent = Spent((KIOSK, SYSTEM_VOICE, BEGUN, 150))
    assert stopped([rule(), single(limit=9, benefit_type=POINTS)], spent, BEGUN + 1) is not None


def test_cumulative_and_periodic_hold_together() -> None:
    day = rule(benefit_id="2", trigger_unit="day", limit=10)
    ever = rule(limit=25)
    yesterday = (KIOSK, SYSTEM_VOICE, BEGUN + 100.0, 12.0)
    now = BEGUN + 86400 + 50
    assert stopped([ever, day], Spent(yesterday), BEGUN + 200) is not None
    assert stopped([ever, day], Spent(yesterday), now) is None
    today = (KIOSK, SYSTEM_VOICE, BEGUN + 86400 + 20.0, 13.0)
    both = stopped([ever, day], Spent(yesterday, today), now)
    # The one that never resets is the reason that counts.
    assert both is not None and both.limitation == ever and both.resets_at is None
    assert stopped([day], Spent(yesterday, today), now) == Verdict(
        day, KIOSK, 13.0, BEGUN + 2 * 86400
    )


def test_a_consumer_and_a_device_are_limited_apart() -> None:
    spent = Spent((FAMILY, SYSTEM_VOICE, BEGUN, 100))
    rules = [rule(entity_type="enterprise_all_custom_consumers")]
    assert stopped(rules, spent, BEGUN + 1, KIOSK) is None
    assert stopped(rules, spent, BEGUN + 1, KIOSK, FAMILY) is not None


def test_a_scope_for_all_has_one_rule_of_each_kind() -> None:
    first, day = rule(), rule(benefit_id="2", trigger_unit="day")
    assert not first.clashes(day, BEGUN)
    assert day.clashes(rule(benefit_id="3", trigger_unit="hour"), BEGUN)
    assert not day.clashes(day, BEGUN)
    assert not day.clashes(rule(benefit_id="3", trigger_unit="hour", status="frozen"), BEGUN)
    assert not day.clashes(rule(benefit_id="3", trigger_unit="hour", ended_at=BEGUN - 1), BEGUN)
    assert not single(benefit_id="4").clashes(single(benefit_id="5"), BEGUN)


@given(
    unit=st.sampled_from(["minute", "hour", "day"]),
    times=st.integers(1, 40),
    started=st.integers(0, 2_000_000_000),
    after=st.floats(0, 10**8, allow_nan=False),
)
def test_periods_follow_one_another_from_the_beginning(
    unit: str, times: int, started: int, after: float
) -> None:
    now = started + after
    window = rule(started_at=started, trigger_unit=unit, trigger_time=times).window(now)
    assert window.end is not None
    assert window.start <= now < window.end
    assert window.end - window.start == UNITS[unit] * times
    assert (window.start - started) % (UNITS[unit] * times) == 0


rules_of_anybody = st.builds(
    Limitation,
    benefit_id=st.integers(1, 9).map(str),
    entity_type=st.sampled_from(SCOPES),
    entity_id=st.sampled_from(["KSK000123", "LOB000001", "family-7"]),
    benefit_type=st.sampled_from(BENEFITS),
    limit=st.integers(0, 40),
    started_at=st.integers(BEGUN - 3600, BEGUN + 3600),
    ended_at=st.one_of(st.just(NEVER_ENDS), st.integers(BEGUN - 3600, BEGUN + 200_000)),
    status=st.sampled_from(["valid", "valid", "frozen"]),
    trigger_unit=st.sampled_from(sorted(UNITS)),
    trigger_time=st.integers(1, 3),
)
spendings = st.tuples(
    st.sampled_from([KIOSK, LOBBY, FAMILY]),
    st.sampled_from(BENEFITS),
    st.integers(BEGUN - 3600, BEGUN + 200_000).map(float),
    st.integers(0, 20).map(float),
)


@settings(max_examples=150)
@given(
    rules=st.lists(rules_of_anybody, max_size=6),
    spent=st.lists(spendings, max_size=12),
    now=st.integers(BEGUN, BEGUN + 200_000),
    benefit=st.sampled_from(BENEFITS),
)
def test_judgement_and_allowance_agree_with_the_words_of_the_rules(
    rules: list[Limitation],
    spent: list[tuple[Entity, str, float, float]],
    now: int,
    benefit: str,
) -> None:
    past = Spent(*(one for one in spent if one[2] <= now))
    for entity in (KIOSK, LOBBY, FAMILY):
        alive = [
            r
            for r in rules
            if r.status == "valid"
            and r.started_at <= now <= r.ended_at
            and r.benefit_type == benefit
        ]
        own = [
            r
            for r in alive
            if r.entity_type == f"single_{entity.kind}" and r.entity_id == entity.id
        ]
        everybody = [r for r in alive if r.entity_type == f"enterprise_all_{entity.kind}s"]
        held = own or everybody
        assert governing(rules, entity, benefit, now) == held

        def rest(r: Limitation, entity: Entity = entity) -> float:
            period = UNITS[r.trigger_unit] * r.trigger_time
            since = now - (now - r.started_at) % period if period else r.started_at
            return r.limit - past(entity, benefit, since)

        verdict = judge(rules, [entity], benefit, past, now)
        assert (verdict is not None) == any(rest(r) <= 0 for r in held)
        found = allowance(rules, [entity], benefit, past, now)
        assert found.left == min((max(0.0, rest(r)) for r in held), default=None)
        assert found.until is None or found.until > now
