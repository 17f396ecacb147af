"""What is kept of quota rules, and whom they may concern."""

from agent.emulator.limitations import CONSUMER, DEVICE, POINTS, Entity, Limitation
from agent.emulator.quotas import SCHEMA, Quotas, entities
from agent.emulator.store import Store
from agent.emulator.tokens import Grant

KIOSK = Entity(DEVICE, "KSK000123")


def rule(id: str, entity_id: str = "", **values: int) -> Limitation:
    scope = "single_device" if entity_id else "enterprise_all_devices"
    return Limitation(id, scope, entity_id, POINTS, values.get("limit", 10), 0)


def test_a_token_names_whom_it_is_for() -> None:
    assert entities(Grant("t", "a")) == ()
    both = Grant("t", "a", device_id="KSK000123", custom_consumer="family-7")
    assert entities(both) == (KIOSK, Entity(CONSUMER, "family-7"))


def test_rules_that_may_concern_somebody() -> None:
    quotas = Quotas(Store(None, (SCHEMA,)))
    for one in (rule("1"), rule("2", "KSK000123"), rule("3", "LOB000001")):
        quotas.put("acme", one)
    quotas.put("other", rule("4"))
    assert {one.benefit_id for one in quotas.concerning("acme", [KIOSK])} == {"1", "2"}


def test_a_changed_rule_keeps_its_place() -> None:
    quotas = Quotas(Store(None, (SCHEMA,)))
    for id in ("3", "1", "2"):
        quotas.put("acme", rule(id, "KSK000123"))
    before = quotas.version
    quotas.put("acme", rule("3", "KSK000123", limit=99))
    assert quotas.version != before
    listed = quotas.listed("acme", "single_device", POINTS, "KSK000123")
    assert [(one.benefit_id, one.limit) for one in listed] == [("3", 99), ("1", 10), ("2", 10)]
    assert quotas.find("acme", "3") == listed[0]
    assert quotas.find("other", "3") is None


def test_who_has_reported() -> None:
    quotas = Quotas(Store(None, (SCHEMA,)))
    quotas.report("acme", [KIOSK], 1.0)
    quotas.report("acme", [KIOSK], 2.0)
    assert quotas.reported("acme", KIOSK)
    assert not quotas.reported("acme", Entity(CONSUMER, "KSK000123"))
    assert not quotas.reported("other", KIOSK)
