from __future__ import annotations

from datetime import datetime
from random import Random

import pytest

from agent.emulator.brain.talk import HANDLERS, pick_unheard, set_volume


@pytest.mark.parametrize("hour", range(24))
def test_greeting_knows_the_time_of_day(hour: int) -> None:
    reply = HANDLERS["greeting"]({}, datetime(2026, 5, 1, hour), Random(0)).text
    part = "morning" if hour < 12 else "afternoon" if hour < 18 else "evening"
    assert reply.startswith(f"Good {part}!")


def test_tomorrow_crosses_the_year() -> None:
    reply = HANDLERS["tomorrow"]({}, datetime(2026, 12, 31, 23, 59), Random(0))
    assert reply.text == "Tomorrow is Friday, January 1."


def test_a_single_choice_is_told_again_and_again() -> None:
    memory: dict[str, object] = {}
    assert [pick_unheard(("a", "b"), "k", memory, Random(s)) for s in range(2)] in (
        ["a", "b"],
        ["b", "a"],
    )
    assert pick_unheard(("a", "b"), "k", memory, Random(5)) in {"a", "b"}


def test_set_volume_is_a_tool_call() -> None:
    reply = set_volume(percent=40)
    assert reply.tool is not None
    assert (reply.text, reply.tool.name, reply.tool.arguments) == (
        "",
        "set_volume",
        {"percent": 40},
    )
