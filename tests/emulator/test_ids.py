import uuid

from agent.emulator.ids import Ids


def test_numbers_are_int64_text_and_never_repeat() -> None:
    ids = Ids(3)
    made = [ids.number() for _ in range(5000)]
    assert len(set(made)) == 5000
    assert all(0 < int(number) < 1 << 63 for number in made)


def test_event_ids_are_random_uuids() -> None:
    assert uuid.UUID(Ids().event()).version == 4


def test_one_seed_gives_one_sequence() -> None:
    first, second = Ids(7), Ids(7)
    assert [first.event() for _ in range(3)] == [second.event() for _ in range(3)]
    assert Ids(8).event() != Ids(7).event()


def test_log_ids_have_the_recorded_shape() -> None:
    logid = Ids().logid()
    assert len(logid) == 53
    assert logid.startswith("02")
    assert logid[2:15].isdigit()
    assert int(logid[15:], 16) >= 0
