from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.numbers import LARGEST, spoken, with_digits


@given(st.integers(0, LARGEST) | st.integers(0, 2000))
@settings(max_examples=200)
def test_every_number_survives_being_spoken(value: int) -> None:
    assert with_digits(spoken(value)) == str(value)


@given(st.integers(0, 999), st.integers(0, 999))
@settings(max_examples=100)
def test_numbers_inside_a_sentence_are_found_and_the_rest_is_left(a: int, b: int) -> None:
    text = f"what is {spoken(a)} times {spoken(b)} please"
    assert with_digits(text) == f"what is {a} times {b} please"


@given(st.text(alphabet="abcdefg xyz.,?'\n", max_size=40))
@settings(max_examples=100)
def test_text_without_numbers_is_left_alone(text: str) -> None:
    assert with_digits(text) == text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "zero"),
        (8, "eight"),
        (13, "thirteen"),
        (40, "forty"),
        (42, "forty-two"),
        (100, "one hundred"),
        (105, "one hundred and five"),
        (1_000_000, "one million"),
        (1_002, "one thousand and two"),
        (1_234, "one thousand two hundred and thirty-four"),
        (-7, "minus seven"),
    ],
)
def test_spelling(value: int, words: str) -> None:
    assert spoken(value) == words


@pytest.mark.parametrize(
    ("words", "digits"),
    [
        ("seven eight", "7 8"),
        ("twenty one", "21"),
        ("twenty eleven", "20 11"),
        ("a hundred", "100"),
        ("one hundred four", "104"),
        ("one and two", "1 and 2"),
        ("two hundred and fifty thousand", "250000"),
        ("3 hundred", "300"),
        ("3.5 million", "3.5 million"),
        ("three point one four", "3.14"),
        ("zero point zero five", "0.05"),
        ("the point is seven", "the point is 7"),
        ("fourty", "40"),
        ("someone often weighs", "someone often weighs"),
        ("hundred", "hundred"),
        ("thousand", "thousand"),
        ("", ""),
    ],
)
def test_reading(words: str, digits: str) -> None:
    assert with_digits(words) == digits


def test_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="twelve digits"):
        spoken(LARGEST + 1)
