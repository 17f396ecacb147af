"""Sums somebody asked for: found in a sentence, worked out exactly, put into words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = r"-?\d{1,15}(?:\.\d{1,6})?"
# Longest first: "divided by" must win over "by".
_OPERATORS: dict[str, str] = {
    "to the power of": "^",
    "multiplied by": "*",
    "multiplied with": "*",
    "added to": "+",
    "divided by": "/",
    "percent of": "%",
    "take away": "-",
    "plus": "+",
    "minus": "-",
    "less": "-",
    "times": "*",
    "time": "*",  # "seven time seight" is a common mis-hearing
    "over": "/",
    "by": "*",
    "x": "*",
}
_WORDS = {
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by",
    "%": "percent of",
    "^": "to the power of",
}
_OPERATOR = "|".join(re.escape(word) for word in _OPERATORS)
_CHAIN = re.compile(rf"(?<![\w.]){_NUMBER}(?: (?:{_OPERATOR}) {_NUMBER}){{1,8}}(?![\w.]*\d)")
_TERM = re.compile(rf"({_OPERATOR}) ({_NUMBER})")
_LARGEST = Fraction(10) ** 15
_LARGEST_POWER = 64


@dataclass(frozen=True, slots=True)
class Sum:
    """``numbers[0] operators[0] numbers[1] …``; an operator is one of ``+ - * / % ^``."""

    numbers: tuple[Fraction, ...]
    operators: tuple[str, ...]
    rest: str
    """The words of the sentence that are not part of the sum."""

    @property
    def words(self) -> str:
        """The sum as one says it: ``"7 times 8"``."""
        parts = [figure(self.numbers[0])]
        for operator, number in zip(self.operators, self.numbers[1:], strict=True):
            parts += [_WORDS[operator], figure(number)]
        return " ".join(parts)

    def result(self) -> Fraction:
        """The exact result, multiplication before addition.

        ZeroDivisionError for a division by zero, OverflowError beyond 10^15 on the way.
        """
        numbers = list(self.numbers)
        operators = list(self.operators)
        for level in ("^", "*/%", "+-"):
            index = 0
            while index < len(operators):
                if operators[index] not in level:
                    index += 1
                    continue
                value = _apply(operators.pop(index), numbers[index], numbers.pop(index + 1))
                if abs(value) > _LARGEST:
                    raise OverflowError(self.words)
                numbers[index] = value
        return numbers[0]


def _apply(operator: str, left: Fraction, right: Fraction) -> Fraction:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right
    if operator == "%":
        return left * right / 100
    if right.denominator != 1 or abs(right) > _LARGEST_POWER:
        raise OverflowError("power")
    return left ** int(right)


def find_sum(text: str) -> Sum | None:
    """The sum in a lower-case sentence whose numbers are digits and whose signs are words."""
    for pattern, operator, swapped in _COMMANDS:
        match = pattern.search(text)
        if match:
            first, second = Fraction(match.group(1)), Fraction(match.group(2))
            numbers = (second, first) if swapped else (first, second)
            return Sum(numbers, (operator,), _rest(text, match))
    match = _CHAIN.search(text)
    if match is None:
        return None
    first_number = re.match(_NUMBER, match.group())
    if first_number is None:
        return None
    terms = _TERM.findall(match.group()[first_number.end() :])
    return Sum(
        (Fraction(first_number.group()), *(Fraction(number) for _, number in terms)),
        tuple(_OPERATORS[word] for word, _ in terms),
        _rest(text, match),
    )


def _rest(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()]} {text[match.end() :]}".strip()


def _command(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("N", f"({_NUMBER})"))


_COMMANDS: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    (_command(r"\bdivide N (?:by|with|through) N"), "/", False),
    (_command(r"\bmultiply N (?:by|with|and|times) N"), "*", False),
    (_command(r"\b(?:add|some of|sum of) N (?:and|to|plus|with) N"), "+", False),
    (_command(r"\b(?:subtract|take) N from N"), "-", True),
    (_command(r"\bproduct of N and N"), "*", False),
    (_command(r"\bdifference (?:of|between) N and N"), "-", False),
)


def figure(value: Fraction) -> str:
    """A number for a sentence: ``"1,234"``, ``"-3"``, ``"0.25"``; at most two decimals."""
    if value.denominator == 1:
        return f"{int(value):,}"
    return f"{float(value):,.2f}".rstrip("0").rstrip(".")


def is_exact(value: Fraction) -> bool:
    """Whether ``figure`` shows all of it."""
    return (value * 100).denominator == 1
