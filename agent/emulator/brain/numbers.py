"""English numbers: from words to digits and back."""

from __future__ import annotations

import re

_SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}

LARGEST = 10**12 - 1
"""The largest magnitude that has a spelling here."""

_VALUES = {word: value for value, word in enumerate(_SMALL)}
_VALUES |= {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_VALUES |= {"fourty": 40}
_TOKEN = re.compile(r"\d+|[a-z']+|[^\sa-z'\d]|\s+")


def spoken(value: int) -> str:
    """``-1234`` -> ``"minus one thousand two hundred and thirty-four"``.

    Raises ValueError beyond +-``LARGEST``.
    """
    if abs(value) > LARGEST:
        raise ValueError(f"{value} has more than twelve digits")
    if value < 0:
        return "minus " + spoken(-value)
    for name, scale in reversed(_SCALES.items()):
        if value >= scale:
            head, rest = divmod(value, scale)
            words = f"{spoken(head)} {name}"
            if rest:
                words += (" and " if rest < 100 else " ") + spoken(rest)
            return words
    if value >= 100:
        head, rest = divmod(value, 100)
        return f"{_SMALL[head]} hundred" + (f" and {spoken(rest)}" if rest else "")
    if value >= 20:
        tens, unit = divmod(value, 10)
        return _TENS[tens - 2] + (f"-{_SMALL[unit]}" if unit else "")
    return _SMALL[value]


class _Run:
    """Number words that belong to one number, eaten one at a time."""

    def __init__(self) -> None:
        self.total = 0
        self.group = 0
        self.scale = LARGEST + 1
        self.last = ""
        self.empty = True

    @property
    def value(self) -> int:
        return self.total + self.group

    def accepts(self, word: str) -> bool:
        """Take ``word`` if it continues this number: "twenty" takes "one", "seven" does not."""
        if word == "hundred":
            ok = self.last == "small" and 1 <= self.group <= 9
            if ok:
                self.group *= 100
        elif word in _SCALES:
            scale = _SCALES[word]
            ok = not self.empty and 1 <= self.group < 1000 and scale < self.scale
            if ok:
                self.total += self.group * scale
                self.group, self.scale = 0, scale
        elif word in _VALUES:
            value = _VALUES[word]
            ok = self._fits(value)
            if ok:
                self.group += value
        else:
            return False
        if ok:
            self.empty = False
            self.last = word if word in _SCALES or word == "hundred" else _kind(_VALUES[word])
        return ok

    def _fits(self, value: int) -> bool:
        if self.empty:
            return True
        if self.last == "tens":
            return 1 <= value <= 9
        return value > 0 and (self.last == "hundred" or self.last in _SCALES)


def _kind(value: int) -> str:
    return "tens" if value >= 20 else "small"


def with_digits(text: str) -> str:
    """Replace every number said in words by digits; everything else stays as it was.

    ``text`` is lower case. ``"twenty-one plus three point five"`` -> ``"21 plus 3.5"``. Two numbers
    in a row stay two: ``"seven eight"`` -> ``"7 8"``. "a hundred" is a number, "a" is not.
    """
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)
    text = re.sub(r"\ban? (?=(?:hundred|thousand|million|billion)\b)", "one ", text)
    tokens = _TOKEN.findall(text)
    out: list[str] = []
    index = 0
    while index < len(tokens):
        value, after = _number_at(tokens, index)
        if value is None:
            out.append(tokens[index])
            index += 1
        else:
            out.append(value)
            index = after
    return "".join(out)


def _number_at(tokens: list[str], start: int) -> tuple[str | None, int]:
    """The number that begins at ``tokens[start]`` as digits, and where the text goes on."""
    if tokens[start].isspace():
        return None, start
    run = _Run()
    index = end = start
    if tokens[start].isdigit():
        # "3 hundred", "2 million": recognisers mix digits and words.
        return _scaled(tokens, start)
    while index < len(tokens):
        word = tokens[index]
        if word.isspace():
            index += 1
            continue
        joined = word == "and" and (run.last == "hundred" or run.last in _SCALES)
        if joined and _next_word(tokens, index) in _VALUES:
            index += 1
            continue
        if not run.accepts(word):
            break
        index += 1
        end = index
    if run.empty:
        return None, start
    fraction, end = _fraction(tokens, end)
    return f"{run.value}{fraction}", end


def _scaled(tokens: list[str], start: int) -> tuple[str | None, int]:
    following = tokens[start + 1 : start + 3]
    scales = {"hundred": 100, **_SCALES}
    plain = start == 0 or tokens[start - 1] not in {".", ","}
    if plain and len(following) == 2 and following[0].isspace() and following[1] in scales:
        return str(int(tokens[start]) * scales[following[1]]), start + 3
    return tokens[start], start + 1


def _next_word(tokens: list[str], index: int) -> str:
    return next((token for token in tokens[index + 1 :] if not token.isspace()), "")


def _fraction(tokens: list[str], end: int) -> tuple[str, int]:
    """``" point one four"`` after a whole number -> ``".14"``."""
    words = [(i, token) for i, token in enumerate(tokens[end:], end) if not token.isspace()]
    if len(words) < 2 or words[0][1] != "point":
        return "", end
    digits = ""
    for i, word in words[1:]:
        if word not in _VALUES or _VALUES[word] > 9:
            break
        digits += str(_VALUES[word])
        end = i + 1
    return (f".{digits}", end) if digits else ("", end)
