from __future__ import annotations

from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.english import answer
from agent.emulator.brain.grammar import REPEATABLE, is_whole, jsgf, words
from agent.emulator.brain.numbers import spoken
from agent.emulator.brain.phrases import PHRASES

NOW = datetime(2026, 11, 22, 15, 7)


@given(st.integers(0, 99), st.integers(0, 99))
@settings(max_examples=60)
def test_sums_and_volumes_are_in_the_grammar_and_understood(a: int, b: int) -> None:
    one, other = (spoken(value).replace("-", " ") for value in (a, b))
    for text in (f"what is {one} times {other}", f"{one} plus {other}", f"divide {one} by {other}"):
        assert is_whole(text)
        assert not answer(text, {}, NOW, Random(1)).text.startswith("I heard")
    assert is_whole(f"set the volume to {one} percent")
    assert is_whole(f"volume {one}")


def test_most_fixed_phrases_are_in_the_grammar() -> None:
    phrases = [phrase for group in PHRASES.values() for phrase in group]
    inside = [phrase for phrase in phrases if is_whole(phrase)]
    assert len(inside) > 0.85 * len(phrases)
    for name, group in PHRASES.items():
        assert name == "mute" or any(is_whole(phrase) for phrase in group)


@pytest.mark.parametrize("text", REPEATABLE)
def test_something_to_repeat(text: str) -> None:
    assert is_whole(f"repeat after me {text}")


@pytest.mark.parametrize("text", ["", "eight plus", "toss a", "what is", "banana", "what time"])
def test_fragments_are_not_whole(text: str) -> None:
    assert not is_whole(text)


def test_politeness_behind_is_allowed() -> None:
    assert is_whole("louder please")


def test_grammar_is_jsgf() -> None:
    text = jsgf()
    assert text.startswith("#JSGF V1.0;")
    assert text.count("public") == 1
    assert {"volume", "seven", "joke", "what's"} <= words()
