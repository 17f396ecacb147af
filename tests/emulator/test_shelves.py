"""Bots, voices and variables, as the store keeps them."""

from pathlib import Path

import pytest

from agent.emulator.bots import API, Bot, Bots
from agent.emulator.fields import Refusal
from agent.emulator.store import Store
from agent.emulator.tables import TABLES
from agent.emulator.tokens import Denial, TokenPolicy
from agent.emulator.variables import Shelf, read, write
from agent.emulator.voices import VOICES, Voices

DEFAULT = Bot("1", "", "", {"name": "script"}, {"name": "script"}, [API], 1)


def test_bots_outlive_the_emulator(tmp_path: Path) -> None:
    path = tmp_path / "state"

    def opened() -> tuple[Store, Bots]:
        store = Store(path, TABLES)
        return store, Bots(store, TokenPolicy(), DEFAULT, lambda: 5.0)

    store, bots = opened()
    bot = bots.create("77", "anna", "s", {"name": "one"})
    bots.publish(bot, [API])
    bots.change(bot, name="two")
    store.close()
    store, bots = opened()
    found = bots.check("77", "anna")
    assert (found.draft, found.published) == ({"name": "two"}, {"name": "one"})
    assert (found.version, found.published_at) == (1, 5)
    assert bots.prologue("77", "anna") == ""
    bots.change(found, onboarding_info={"prologue": "Hi."})
    bots.publish(found, [API])
    assert bots.prologue("77", "anna") == "Hi."
    with pytest.raises(Denial):
        bots.find("77", "bert")
    store.close()


def test_every_id_that_the_script_does_not_refuse_is_a_bot() -> None:
    bots = Bots(Store(None, TABLES), TokenPolicy(), DEFAULT, lambda: 5.0)
    assert bots.check("anything", "a").published == {"name": "script"}
    for id, code in (("unknown1", 4006), ("unpublished1", 4015)):
        with pytest.raises(Denial) as caught:
            bots.check(id, "a")
        assert caught.value.code == code
    assert bots.find("unpublished1", "a").published is None


def test_voices_are_everybodys_and_clones_are_not() -> None:
    voices = Voices(Store(None, TABLES), lambda: 5.0)
    voices.clone("9", "anna", "Anna", "en", "Hello.")
    assert [voice.id for voice in voices.listed("anna")] == ["9", *(voice.id for voice in VOICES)]
    assert voices.find("9", "bert") is None
    assert voices.find(VOICES[0].id, "bert") is not None
    assert voices.preview("9") == "Hello."
    with pytest.raises(Refusal) as caught:
        voices.train(VOICES[0].id, "anna", "Mine", "en", "Hi.")
    assert caught.value.code == 4200


def test_variables_are_set_together_or_not_at_all() -> None:
    store = Store(None, TABLES)
    shelf = Shelf("a", "bot 1", API, "u")
    write(store, shelf, [("a", "1"), ("b", "2")], 5)
    write(store, shelf, [("a", "3")], 6)
    assert read(store, shelf, []) == [
        {"keyword": "a", "value": "3", "create_time": 5, "update_time": 6},
        {"keyword": "b", "value": "2", "create_time": 5, "update_time": 5},
    ]
    assert [one["keyword"] for one in read(store, shelf, ["b", "c"])] == ["b"]
