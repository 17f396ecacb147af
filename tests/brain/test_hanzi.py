from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.hanzi import LARGEST, parse, spoken, with_digits


@given(st.integers(0, LARGEST) | st.integers(0, 2000))
@settings(max_examples=200)
def test_every_number_survives_being_spoken(value: int) -> None:
    assert parse(spoken(value)) == value
    assert with_digits(f"等于{spoken(value)}吗") == f"等于{value}吗"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "零"),
        (7, "七"),
        (10, "十"),
        (15, "十五"),
        (40, "四十"),
        (105, "一百零五"),
        (110, "一百一十"),
        (1_005, "一千零五"),
        (10_000, "一万"),
        (100_010, "十万零一十"),
        (-12, "负十二"),
    ],
)
def test_spelling(value: int, words: str) -> None:
    assert spoken(value) == words


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("七乘八", "7乘8"),
        ("两百", "200"),
        ("一二三", "123"),
        ("三点一四", "3.14"),
        ("十五加三十", "15加30"),
        ("百", "百"),
        ("万万", "万万"),
        ("你好", "你好"),
    ],
)
def test_reading(text: str, digits: str) -> None:
    assert with_digits(text) == digits


@pytest.mark.parametrize("text", ["", "你", "百", "一百二百", "万", "一二百", "一万万"])
def test_what_is_no_number(text: str) -> None:
    assert parse(text) is None


def test_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="eight digits"):
        spoken(LARGEST + 1)
