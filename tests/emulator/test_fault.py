import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent.coze.events import Chat, MessageCompleted, TurnCreated
from agent.coze.objects import Message
from agent.emulator.fault import DEEDS, GARBAGE, Fault, Plan
from agent.emulator.jitter import SHAPES
from agent.emulator.moments import COUNTED, PLAIN, TIMED, Moment, Progress
from agent.emulator.script import parse_script
from agent.errors import ConfigError


def parsed(**keys: Any) -> Fault:
    [fault] = parse_script({"fault": [keys]}, "script.toml").fault
    return fault


def test_defaults_depend_on_what_is_done() -> None:
    assert parsed(at="open", do="close").get("code") == 1011
    assert parsed(at="open", do="quota").get("code") == 4011
    assert parsed(at="open", do="quota", code=4008).get("code") == 4008
    assert parsed(at="upgrade", do="hang").get("s") == 120
    assert parsed(at="text:2", do="nan").get("instead") is False


@pytest.mark.parametrize("do", DEEDS)
def test_everything_can_be_done_at_some_moment(do: str) -> None:
    moments = ("upgrade", "open", "audio:1", "text:1", "cancel")
    assert any(DEEDS[do].possible(_moment(at)) for at in moments)


def _moment(at: str) -> Moment:
    return Fault(at=at).moment


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, ["fault[0] needs both"]),
        ({"at": "open"}, ["needs both"]),
        ({"at": "opn", "do": "drop"}, ["fault[0].at", "'opn' is no moment", "mean open?"]),
        ({"at": "audio", "do": "drop"}, ["lacks its number", "audio:3"]),
        ({"at": "audio:0", "do": "drop"}, ["lacks its number"]),
        ({"at": "audio:x", "do": "drop"}, ["lacks its number"]),
        ({"at": "after_s", "do": "drop"}, ["after_s:3.5"]),
        ({"at": "after_s:-1", "do": "drop"}, ["after_s:3.5"]),
        ({"at": "open:1", "do": "drop"}, ["open takes no number"]),
        ({"at": "xyzzy", "do": "drop"}, ["no moment", "Known are", "sentence:N"]),
        ({"at": "open", "do": "halfopen"}, ["'halfopen' is not known", "mean half_open?"]),
        ({"at": "open", "do": "xyzzy"}, ["not known", "Known are"]),
        ({"att": "open"}, ["fault[0].att", "mean at?"]),
        ({"at": "upgrade", "do": "close"}, ["close cannot be done at upgrade"]),
        ({"at": "open", "do": "refuse"}, ["refuse cannot be done at open"]),
        ({"at": "text:1", "do": "bad_opus"}, ["bad_opus cannot be done at text"]),
        ({"at": "after_s:1", "do": "lose"}, ["lose cannot be done at after_s"]),
        ({"at": "open", "do": "drop", "code": 1000}, ["fault[0].code means nothing to drop"]),
        ({"at": "open", "do": "stall", "frames": 1}, ["means nothing to stall", "takes s"]),
        ({"at": "open", "do": "drop", "turn": 1}, ["fault[0].turn needs a moment of a turn"]),
        ({"at": "open", "do": "drop", "when": "x"}, ["fault[0].when needs a moment"]),
        ({"at": "text:1", "do": "drop", "when": "("}, ["no regular expression"]),
        ({"at": "open", "do": "drop", "turn": 0}, ["above zero"]),
        ({"at": "open", "do": "drop", "turn": "all"}, ["must be one of any"]),
        ({"at": "open", "do": "drop", "connection": "all"}, ["must be one of every"]),
        ({"at": "open", "do": "drop", "connection": True}, ["whole number"]),
        ({"at": "open", "do": "drop", "probability": 1.5}, ["at most 1"]),
        ({"at": "open", "do": "drop", "socket": "chats"}, ["must be one of chat, speech"]),
        ({"at": "open", "do": "close", "code": 1005}, ["1005 is no close code"]),
        ({"at": "open", "do": "error", "close": 99}, ["99 is no close code"]),
        ({"at": "upgrade", "do": "refuse", "status": 101}, ["200 to 599"]),
        ({"at": "text:1", "do": "early_end", "socket": "speech"}, ["chat socket only"]),
        ({"at": "audio:1", "do": "flood", "frames": 2_000_000}, ["at most"]),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(**keys)
    assert "script.toml" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def in_turn(question: str = "What is this?") -> Progress:
    progress = Progress()
    progress.sending(MessageCompleted(Message("1", type="question", content=question)))
    progress.sending(TurnCreated(Chat("7")))
    return progress


def strikes(fault: Fault, progress: Progress, moment: str = "text:1", times: int = 1) -> list[bool]:
    plan = Plan(fault, Random(1), lambda: True)
    return [plan.strikes(_moment(moment), progress) for _ in range(times)]


def test_a_fault_strikes_at_its_moment_only() -> None:
    fault = Fault(at="text:2", do="drop")
    assert strikes(fault, in_turn(), "text:2") == [True]
    assert strikes(fault, in_turn(), "text:1") == [False]
    assert strikes(fault, in_turn(), "audio:2") == [False]


def test_a_fault_may_wait_for_a_turn_or_a_question() -> None:
    assert strikes(Fault(at="text:1", do="drop", turn=1), in_turn()) == [True]
    assert strikes(Fault(at="text:1", do="drop", turn=2), in_turn()) == [False]
    assert strikes(Fault(at="text:1", do="drop", turn=1), Progress()) == [False]
    assert strikes(Fault(at="text:1", do="drop", when="WHAT|why"), in_turn()) == [True]
    assert strikes(Fault(at="text:1", do="drop", when="why"), in_turn()) == [False]
    # Audio that comes in belongs to the turn it leads to.
    assert strikes(Fault(at="append:1", do="drop", turn=2), in_turn(), "append:1") == [True]


def test_luck_has_a_seed() -> None:
    fault = Fault(at="text:1", do="drop", probability=0.3)
    found = strikes(fault, in_turn(), times=1000)
    assert found == strikes(fault, in_turn(), times=1000)
    assert 250 < sum(found) < 350


def test_all_garbage_can_be_asked_for() -> None:
    assert set(GARBAGE) <= set(DEEDS)


@pytest.mark.parametrize("name", sorted({*DEEDS, *PLAIN, *COUNTED, TIMED, *SHAPES}))
def test_everything_is_documented(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
    assert re.search(rf"`\"?{name}[`\":]", text)
