from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.arithmetic import figure, find_sum, is_exact

OPERATORS = {"plus": "+", "minus": "-", "times": "*"}


@given(
    st.lists(st.integers(0, 99), min_size=2, max_size=5),
    st.lists(st.sampled_from(sorted(OPERATORS)), min_size=4, max_size=4),
)
@settings(max_examples=150)
def test_chains_agree_with_python(numbers: list[int], words: list[str]) -> None:
    spoken, code = str(numbers[0]), str(numbers[0])
    for word, number in zip(words, numbers[1:], strict=False):
        spoken += f" {word} {number}"
        code += f" {OPERATORS[word]} {number}"
    found = find_sum(f"what is {spoken}")
    assert found is not None
    assert found.rest == "what is"
    if abs(eval(code)) <= 10**15:
        assert found.result() == eval(code)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("divide 100 by 4", Fraction(25)),
        ("subtract 5 from 12", Fraction(7)),
        ("multiply 3 with 4", Fraction(12)),
        ("add 5 and 6", Fraction(11)),
        ("the sum of 5 and 6", Fraction(11)),
        ("20 percent of 50", Fraction(10)),
        ("2 to the power of 10", Fraction(1024)),
        ("2 to the power of -1", Fraction(1, 2)),
        ("10 divided by 4", Fraction(5, 2)),
        ("3.5 times 2", Fraction(7)),
        ("2 plus 3 times 4", Fraction(14)),
        ("10 minus 3 minus 2", Fraction(5)),
    ],
)
def test_results(text: str, result: Fraction) -> None:
    found = find_sum(text)
    assert found is not None
    assert found.result() == result


@pytest.mark.parametrize(
    "text", ["", "7", "times", "7 times", "at 7 o'clock", "7 8", "1234567890123456789 plus 1"]
)
def test_no_sum(text: str) -> None:
    assert find_sum(text) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1 divided by 0", ZeroDivisionError),
        ("0 to the power of -1", ZeroDivisionError),
        ("9 to the power of 99", OverflowError),
        ("9 to the power of 999999999999999", OverflowError),
        ("2 to the power of 0.5", OverflowError),
        ("999999999999999 times 999999999999999", OverflowError),
    ],
)
def test_what_cannot_be_worked_out(text: str, error: type[ArithmeticError]) -> None:
    found = find_sum(text)
    assert found is not None
    with pytest.raises(error):
        found.result()


@pytest.mark.parametrize(
    ("value", "text", "exact"),
    [
        (Fraction(56), "56", True),
        (Fraction(-1234567), "-1,234,567", True),
        (Fraction(1, 4), "0.25", True),
        (Fraction(10, 3), "3.33", False),
        (Fraction(5, 2), "2.5", True),
    ],
)
def test_figures(value: Fraction, text: str, exact: bool) -> None:
    assert figure(value) == text
    assert is_exact(value) is exact
