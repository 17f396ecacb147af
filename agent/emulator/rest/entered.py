"""Messages and metadata as callers enter them, checked by the rules of the platform."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.emulator.envelope import ApiError
from agent.emulator.fields import Refusal, pairs
from agent.emulator.rest.reply import text
from agent.emulator.session import text_of_items

_TYPES = ("", "question", "answer", "function_call", "tool_output", "tool_response")
_LONGEST = 32_768

check_pairs = pairs(most=16, key=64, value=512)


@dataclass(frozen=True, slots=True)
class Entered:
    """One message. ``text`` is what it means in words, ``content`` is how it was written."""

    role: str
    type: str
    content: str
    content_type: str
    text: str
    meta_data: dict[str, str] | None


def metadata(values: Mapping[str, Any]) -> dict[str, str] | None:
    """The ``meta_data`` of a body. Raises ``ApiError`` 4003."""
    found = values.get("meta_data")
    if found is None:
        return None
    try:
        check_pairs("meta_data", found)
    except Refusal as refusal:
        raise ApiError(4003, refusal.msg) from None
    return dict(found)


def messages(values: Mapping[str, Any], name: str, most: int) -> list[Entered]:
    """A list of messages of a body. Raises ``ApiError`` 4004 for the list, 4005 for a message."""
    found = values.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ApiError(4004, f"invalid parameter: {name} must be a list of messages")
    if len(found) > most:
        raise ApiError(4004, f"invalid parameter: {name} has more than {most} messages")
    return [message(item) for item in found]


def message(values: Mapping[str, Any]) -> Entered:
    """One message of a body. Raises ``ApiError`` 4005, and 4003 for its metadata."""
    role = _word(values, "role")
    if role not in ("user", "assistant"):
        raise ApiError(4005, "invalid parameter: role must be user or assistant")
    kind = _word(values, "type")
    if kind not in _TYPES:
        raise ApiError(4005, f"invalid parameter: a message of type {kind} cannot be entered")
    content, content_type, words = contents(values)
    kind = kind or ("question" if role == "user" else "answer")
    return Entered(role, kind, content, content_type, words, metadata(values))


def contents(values: Mapping[str, Any]) -> tuple[str, str, str]:
    """Content, its type, and its words. Raises ``ApiError`` 4005."""
    content = values.get("content")
    content_type = _word(values, "content_type") or "text"
    if content_type not in ("text", "object_string"):
        raise ApiError(4005, "invalid parameter: content_type must be text or object_string")
    # One of the SDKs hands over the items themselves instead of their JSON.
    if content_type == "object_string" and isinstance(content, list):
        content = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    if not isinstance(content, str) or not content:
        raise ApiError(4005, "invalid parameter: content must be a string that is not empty")
    if len(content) > _LONGEST:
        raise ApiError(4010, f"the message is longer than {_LONGEST} characters")
    if content_type == "text":
        return content, content_type, content
    try:
        return content, content_type, text_of_items(content)
    except Refusal as refusal:
        raise ApiError(4005, refusal.msg) from None


def _word(values: Mapping[str, Any], name: str) -> str:
    try:
        return text(values, name)
    except ApiError as error:
        raise ApiError(4005, error.msg) from None
