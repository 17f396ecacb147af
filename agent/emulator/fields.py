"""Checks of single JSON values, each naming the field it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[str, Any], None]

_INT32 = (1 << 31) - 1
_LONGEST_MSG = 500


class Refusal(Exception):
    """A request that is refused: the platform's ``code`` (4000: bad parameter) and ``msg``."""

    def __init__(self, msg: str, code: int = 4000) -> None:
        # Keys of a client stand in it, and they may be megabytes.
        msg = msg if len(msg) <= _LONGEST_MSG else msg[:_LONGEST_MSG] + "…"
        super().__init__(msg)
        self.msg = msg
        self.code = code


def invalid(path: str, wanted: str) -> Refusal:
    """The refusal of the value at ``path``."""
    return Refusal(f"invalid parameter: {path} must be {wanted}")


def text(longest: int | None = None) -> Check:
    """A string, of at most ``longest`` characters."""

    def check(path: str, value: Any) -> None:
        if not isinstance(value, str):
            raise invalid(path, "a string")
        if longest is not None and len(value) > longest:
            raise invalid(path, f"at most {longest} characters long")

    return check


def flag(path: str, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise invalid(path, "true or false")


def one_of(*allowed: Any) -> Check:
    """One of a few values of their own type; where one of them is a float, any number is."""
    kinds = {type(item) for item in allowed}
    if float in kinds:
        kinds.add(int)

    def check(path: str, value: Any) -> None:
        if type(value) not in kinds or value not in allowed:
            raise invalid(path, "one of " + ", ".join(str(item) for item in allowed))

    return check


def whole(low: int, high: int = _INT32) -> Check:
    """An integer from ``low`` to ``high``, both allowed."""

    def check(path: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise invalid(path, "an integer")
        if not low <= value <= high:
            raise invalid(path, f"from {low} to {high}")

    return check


def real(low: float, high: float) -> Check:
    """A number from ``low`` to ``high``, both allowed."""

    def check(path: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(path, "a number")
        # A NaN compares false with everything, so the test is written to refuse it.
        if not low <= value <= high:
            raise invalid(path, f"from {low} to {high}")

    return check


def texts(path: str, value: Any) -> None:
    """A list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid(path, "a list of strings")


def pairs(*, most: int | None = None, key: int | None = None, value: int | None = None) -> Check:
    """A map from string to string, with limits to its size and to the lengths inside."""
    longest_key, longest_value = key, value

    def check(path: str, mapping: Any) -> None:
        if not isinstance(mapping, Mapping):
            raise invalid(path, "a map from string to string")
        if most is not None and len(mapping) > most:
            raise invalid(path, f"a map of at most {most} pairs")
        for name, item in mapping.items():
            if not isinstance(item, str):
                raise invalid(f"{path}.{name}", "a string")
            if longest_key is not None and not 1 <= len(name) <= longest_key:
                raise invalid(path, f"a map with keys of 1 to {longest_key} characters")
            if longest_value is not None and not 1 <= len(item) <= longest_value:
                raise invalid(f"{path}.{name}", f"1 to {longest_value} characters long")

    return check


def mapping(path: str, value: Any) -> None:
    """A JSON object of any content."""
    if not isinstance(value, Mapping):
        raise invalid(path, "an object")
