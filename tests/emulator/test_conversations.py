import pytest

from agent.emulator.conversations import Conversations
from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids


def store() -> Conversations:
    return Conversations(Ids())


def test_the_first_section_is_the_conversation_and_clearing_opens_another() -> None:
    known = store()
    talk = known.create("a")
    assert talk.section_id == talk.id
    talk.remember("user", "hello")
    known.clear(talk)
    assert talk.section_id != talk.id
    assert talk.messages == []


def test_others_cannot_find_it() -> None:
    known = store()
    talk = known.create("anna", "u1")
    assert known.find(talk.id, "anna", "u1") is talk
    assert known.find(talk.id, "anna") is talk
    for account, user in (("bert", "u1"), ("anna", "u2")):
        with pytest.raises(Refusal) as caught:
            known.find(talk.id, account, user)
        assert caught.value.code == 4002
    with pytest.raises(Refusal):
        known.find("7", "anna")


def test_one_turn_at_a_time() -> None:
    talk = store().create("a")
    first, second = object(), object()
    talk.claim(first)
    talk.claim(first)
    with pytest.raises(Refusal) as caught:
        talk.claim(second)
    assert caught.value.code == 4016
    talk.release(second)
    with pytest.raises(Refusal):
        talk.claim(second)
    talk.release(first)
    talk.claim(second)


def test_memory_is_bounded() -> None:
    talk = store().create("a")
    for count in range(500):
        talk.remember("user", str(count))
    assert len(talk.messages) == 200
    assert talk.messages[-1] == ("user", "499")
