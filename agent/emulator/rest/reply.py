"""What all REST rooms share: the envelope, errors, and reading what was asked.

Handlers return ``ok(...)`` and raise ``ApiError``, ``Denial`` or ``Refusal``; the middleware in
``envelope.py`` makes the platform's JSON of those.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from agent.emulator.envelope import HEADER, LOGID, ApiError
from agent.emulator.service import Service
from agent.emulator.tokens import Grant

__all__ = ["ApiError", "body", "flag", "grant", "integer", "ok", "page_of", "text", "word"]

T = TypeVar("T")

_MOST = 2**63 - 1


def ok(data: Any = None, **beside: Any) -> web.Response:
    """Success. ``data`` None leaves the field out; ``beside`` stands next to ``data``."""
    logid = LOGID.get()
    content: dict[str, Any] = {"code": 0, "msg": ""}
    if data is not None:
        content["data"] = data
    content.update(beside)
    content["detail"] = {"logid": logid}
    return web.json_response(content, headers={HEADER: logid})


def grant(request: web.Request, service: Service, permission: str = "") -> Grant:
    """Who asks. Raises ``Denial`` 4100 for strangers, 4101 without the permission."""
    header = request.headers.get("Authorization") or request.query.get("authorization")
    found = service.access.admit(header)
    if permission:
        found.need(permission)
    return found


async def body(request: web.Request) -> dict[str, Any]:
    """The JSON object in the body; an empty body is an empty one. Raises ``ApiError`` 4000."""
    raw = await request.read()
    if not raw.strip():
        return {}
    try:
        found = json.loads(raw)
        # Half a character, written as an escape, is JSON but no text that could be stored.
        json.dumps(found, ensure_ascii=False).encode()
    # A deep nest of brackets ends in a RecursionError.
    except (ValueError, RecursionError):
        raise ApiError(4000, "invalid parameter: the body is not JSON", 400) from None
    if not isinstance(found, dict):
        raise ApiError(4000, "invalid parameter: the body is not a JSON object", 400)
    return found


def text(
    values: Mapping[str, Any], name: str, default: str | None = "", most: int | None = None
) -> str:
    """A text of a query or body; ids may be whole numbers. ``default`` None makes it required.

    Raises ``ApiError`` 4000.
    """
    value = values.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        if default is None:
            raise ApiError(4000, f"invalid parameter: {name} is required", 400)
        return default
    if not isinstance(value, str):
        raise ApiError(4000, f"invalid parameter: {name} must be a string", 400)
    if most is not None and len(value) > most:
        raise ApiError(4000, f"invalid parameter: {name} has more than {most} characters", 400)
    return value


def word(
    values: Mapping[str, Any], name: str, choices: Sequence[str], default: str | None = None
) -> str:
    """One of ``choices``. Raises ``ApiError`` 4000."""
    value = text(values, name, default)
    if value not in choices and value != default:
        listed = ", ".join(choices)
        raise ApiError(4000, f"invalid parameter: {name} must be one of {listed}", 400)
    return value


def integer(
    values: Mapping[str, Any],
    name: str,
    default: int | None = None,
    least: int = 0,
    most: int = _MOST,
) -> int:
    """A whole number of a query or body, as number or text. ``default`` None makes it required.

    Raises ``ApiError`` 4000 for garbage and outside of ``least`` to ``most``.
    """
    value = values.get(name)
    if value is None or value == "":
        if default is None:
            raise ApiError(4000, f"invalid parameter: {name} is required", 400)
        return default
    if isinstance(value, str):
        sign, digits = value[:1] == "-", value.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) < 20:
            value = -int(digits) if sign else int(digits)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ApiError(4000, f"invalid parameter: {name} must be a whole number", 400)
    if not least <= value <= most:
        raise ApiError(4000, f"invalid parameter: {name} must be {least} to {most}", 400)
    return value


def flag(values: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """True or false of a query or body. Raises ``ApiError`` 4000."""
    value = values.get(name)
    if value is None or value == "":
        return default
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    if not isinstance(value, bool):
        raise ApiError(4000, f"invalid parameter: {name} must be true or false", 400)
    return value


def page_of(rows: Iterable[T], page_num: int, page_size: int) -> tuple[list[T], bool, int]:
    """Page ``page_num`` (from 1) of the rows, whether more follow, and how many there are."""
    everything = list(rows)
    start = (page_num - 1) * page_size
    return (
        everything[start : start + page_size],
        start + page_size < len(everything),
        len(everything),
    )
