import gc
from pathlib import Path

import pytest

from agent.emulator import conversations
from agent.emulator.conversations import Conversations
from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.store import Store
from agent.emulator.tables import TABLES


def known(path: Path | None = None) -> Conversations:
    return Conversations(Ids(), Store(path, TABLES), lambda: 1000.0)


def test_the_first_section_is_the_conversation_and_clearing_opens_another() -> None:
    talks = known()
    talk = talks.create("a")
    assert talk.section_id == talk.id
    talk.memory["said"] = "hello"
    talks.clear(talk)
    assert talk.section_id != talk.id
    assert talk.memory == {}


def test_others_cannot_find_it() -> None:
    talks = known()
    talk = talks.create("anna", "u1")
    assert talks.find(talk.id, "anna", "u1") is talk
    assert talks.find(talk.id, "anna") is talk
    for account, user in (("bert", "u1"), ("anna", "u2")):
        with pytest.raises(Refusal) as caught:
            talks.find(talk.id, account, user)
        assert caught.value.code == 4002
    with pytest.raises(Refusal):
        talks.find("7", "anna")


def test_one_turn_at_a_time() -> None:
    talk = known().create("a")
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


def test_it_outlives_its_object_and_the_emulator(tmp_path: Path) -> None:
    path = tmp_path / "state"
    store = Store(path, TABLES)
    talks = Conversations(Ids(), store, lambda: 1000.0)
    talk = talks.create("anna", "u1", bot_id="7", name="First", meta_data={"k": "v"})
    talks.clear(talk)
    talks.insert(talk, "assistant", "Good morning.")
    id, section = talk.id, talk.section_id
    del talk
    gc.collect()
    assert talks.find(id, "anna").memory == {"said": "Good morning."}
    store.close()

    again = known(path)
    assert len(again) == 1
    talk = again.find(id, "anna")
    assert again.find(id, "anna") is talk
    assert (talk.section_id, talk.user_id, talk.name) == (section, "u1", "First")
    assert (talk.bot_id, talk.meta_data) == ("7", {"k": "v"})
    assert [message.content for message in again.history.page(id).messages] == ["Good morning."]


def test_an_id_of_somebody_else_cannot_be_taken() -> None:
    talks = known()
    talks.create("anna", id="5")
    with pytest.raises(Refusal) as caught:
        talks.create("bert", id="5")
    assert caught.value.code == 4002
    assert talks.find("5", "anna").account == "anna"


def test_a_deleted_one_is_gone_even_for_whoever_holds_it() -> None:
    talks = known()
    talk = talks.create("a")
    talks.insert(talk, "user", "hello")
    talks.delete(talk)
    assert len(talks) == 0
    with pytest.raises(Refusal) as caught:
        talk.claim(object())
    assert caught.value.code == 4002
    with pytest.raises(Refusal):
        talks.find(talk.id, "a")
    assert talks.insert(talk, "user", "are you there?").content == "are you there?"
    assert talks.history.page(talk.id).messages == []


def test_the_first_question_names_it() -> None:
    talks = known()
    talk = talks.create("a")
    talks.insert(talk, "user", "What is the time? " * 20)
    talks.insert(talk, "user", "Another")
    assert talk.name.startswith("What is the time?")
    assert len(talk.name) == 100


def test_pages_of_one_bot() -> None:
    talks = known()
    ids = [talks.create("a", bot_id="7", connector_id=c).id for c in ("1024", "1024", "999")]
    talks.create("a", bot_id="8")
    talks.create("b", bot_id="7")
    found, more = talks.page("a", "7", page_size=2)
    assert ([talk.id for talk in found], more) == ([ids[2], ids[1]], True)
    found, more = talks.page("a", "7", page_size=2, page_num=2)
    assert ([talk.id for talk in found], more) == ([ids[0]], False)
    found, _ = talks.page("a", "7", "1024", newest_first=False)
    assert [talk.id for talk in found] == ids[:2]


def test_of_very_many_the_oldest_idle_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "_MOST", 100)
    talks = known()
    busy = talks.create("a")
    busy.claim(object())
    first = talks.create("a").id
    for _ in range(120):
        talks.create("a")
    assert len(talks) <= 101
    assert talks.find(busy.id, "a") is busy
    with pytest.raises(Refusal):
        talks.find(first, "a")
