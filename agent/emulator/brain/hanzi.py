"""Chinese numbers: from characters to digits and back."""

from __future__ import annotations

import re

_DIGITS = "零一二三四五六七八九"
_VALUES = {character: value for value, character in enumerate(_DIGITS)} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_NUMBER = re.compile(r"[零〇一二两三四五六七八九十百千万]+(?:点[零〇一二三四五六七八九]+)?")

LARGEST = 10**8 - 1
"""The largest number that has a spelling here."""


def spoken(value: int) -> str:
    """``40`` -> ``"四十"``, ``-105`` -> ``"负一百零五"``. ValueError beyond +-``LARGEST``."""
    if abs(value) > LARGEST:
        raise ValueError(f"{value} has more than eight digits")
    if value < 0:
        return "负" + spoken(-value)
    if value >= 10_000:
        head, rest = divmod(value, 10_000)
        gap = "零" if 0 < rest < 1000 else ""
        # 一十 is shortened to 十 only at the very beginning of a number.
        return spoken(head) + "万" + gap + (_below_ten_thousand(rest) if rest else "")
    if 10 <= value < 20:
        return _below_ten_thousand(value)[1:]
    return _below_ten_thousand(value)


def _below_ten_thousand(value: int) -> str:
    if value < 10:
        return _DIGITS[value]
    words = ""
    gap = False
    for unit, size in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit, value = divmod(value, size)
        if digit:
            words += ("零" if gap else "") + _DIGITS[digit] + unit
            gap = False
        elif words:
            gap = True
    return words


def parse(text: str) -> int | None:
    """``"一百零五"`` -> 105, ``"一二三"`` -> 123; None where it is not a whole number."""
    if not text or any(c not in _VALUES and c not in _UNITS and c != "万" for c in text):
        return None
    if all(c in _VALUES for c in text):
        return int("".join(str(_VALUES[c]) for c in text))
    if text.count("万") > 1:
        return None
    head, wan, rest = text.rpartition("万")
    if not wan:
        return _group(rest)
    high = _group(head)
    low = _group(rest) if rest else 0
    return None if not high or low is None else high * 10_000 + low


def _group(text: str) -> int | None:
    total = 0
    digit: int | None = None
    size = 10_000
    for character in text:
        if character in _VALUES:
            if digit:
                return None
            digit = _VALUES[character]
            continue
        unit = _UNITS[character]
        if unit >= size or (digit is None and unit != 10):
            return None
        total += (1 if digit is None else digit) * unit
        size, digit = unit, None
    return total + (digit or 0) if text else None


def with_digits(text: str) -> str:
    """Replace numbers written in characters by digits: ``"七乘八"`` -> ``"7乘8"``.

    What is not a number ("万一" aside, single digits always are) stays as it was.
    """

    def replace(match: re.Match[str]) -> str:
        whole, point, fraction = match.group().partition("点")
        value = parse(whole)
        if value is None:
            return match.group()
        return f"{value}" + (f".{''.join(str(_VALUES[c]) for c in fraction)}" if point else "")

    return _NUMBER.sub(replace, text)
