"""One JSON object per socket frame: bounded decoding, typed field access, compact encoding.

Whatever the bytes are, the only exception that leaves this module for a bad frame is
``WireError``. ``null`` counts as an absent field everywhere.
"""

from __future__ import annotations

import binascii
import json
import math
import re
from typing import Any

JsonObject = dict[str, Any]

# The biggest frame on record is about 20 kB; the platform's own Python client reads up to 1 MiB.
MAX_DOWNLINK_BYTES = 1 << 20
# A whole WAV may come in one append of the transcription socket.
MAX_UPLINK_BYTES = 8 << 20
# The deepest documented object has 7 levels.
MAX_DEPTH = 32
# An int64 has 20 characters; more than twice that is no number of this protocol.
_MAX_DIGITS = 40

_BRACKET_OR_STRING = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class WireError(ValueError):
    """A frame that is no event of this protocol; the message says why."""


def _refuse_constant(name: str) -> float:
    raise WireError(f"the frame contains {name}, which is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise WireError("the frame contains a number too big for a float")
    return value


def _bounded_int(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise WireError(f"the frame contains an integer of {len(text)} digits")
    return int(text)


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded_int
)


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside of strings, in one linear pass."""
    depth = deepest = 0
    for match in _BRACKET_OR_STRING.finditer(text):
        token = match[0]
        if token in ("{", "["):
            depth += 1
            deepest = max(deepest, depth)
        elif token in ("}", "]"):
            depth -= 1
    return deepest


def decode_object(frame: str | bytes, limit: int) -> JsonObject:
    """The JSON object in ``frame`` (at most ``limit`` characters or bytes).

    Raises ``WireError`` for anything else: not UTF-8, not JSON, not an object, nested deeper than
    32, numbers that are not finite or absurdly long.
    """
    if len(frame) > limit:
        raise WireError(f"the frame has {len(frame)} bytes, more than {limit}")
    if isinstance(frame, bytes):
        try:
            frame = frame.decode("utf-8")
        except UnicodeDecodeError:
            raise WireError("the frame is neither text nor UTF-8") from None
    # Two memchr passes settle nearly every frame; only a frame full of brackets pays for a scan.
    if frame.count("{") + frame.count("[") > MAX_DEPTH and _depth(frame) > MAX_DEPTH:
        raise WireError(f"the frame is nested deeper than {MAX_DEPTH}")
    try:
        value = _DECODER.decode(frame)
    except WireError:
        raise
    except (ValueError, RecursionError):
        raise WireError("the frame is not valid JSON") from None
    if not isinstance(value, dict):
        raise WireError("the frame is not a JSON object")
    return value


def encode_object(value: JsonObject) -> str:
    """Compact JSON, text kept readable; raises ``ValueError`` for NaN or infinity."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if not text.isascii() and _SURROGATE.search(text):
        # A lone surrogate has no UTF-8 form; escaped it can travel.
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text


def clean(text: str) -> str:
    """``text`` with lone surrogates replaced, so that it can be printed and encoded."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def text_of(obj: JsonObject, key: str, default: str = "") -> str:
    """A string field; raises ``WireError`` for any other type."""
    value = obj.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise WireError(f"{key} is not a string")
    return clean(value)


def optional_text(obj: JsonObject, key: str) -> str | None:
    """A string field that may be absent (``None``)."""
    return None if obj.get(key) is None else text_of(obj, key)


def id_of(obj: JsonObject, key: str) -> str:
    """An identifier: a string, or an integer turned into one; floats would lose digits."""
    value = obj.get(key)
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise WireError(f"{key} is neither a string nor an integer")


def optional_int(obj: JsonObject, key: str) -> int | None:
    """An integer field that may be absent (``None``)."""
    value = obj.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(f"{key} is not an integer")
    return value


def code_of(obj: JsonObject) -> int:
    """The ``code`` field: an integer or its decimal text, 0 where absent."""
    value = obj.get("code")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    return optional_int(obj, "code") or 0


def optional_object(obj: JsonObject, key: str) -> JsonObject | None:
    """An object field that may be absent (``None``)."""
    value = obj.get(key)
    if value is not None and not isinstance(value, dict):
        raise WireError(f"{key} is not an object")
    return value


def list_of(obj: JsonObject, key: str) -> list[JsonObject]:
    """A list of objects; empty where absent."""
    value = obj.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise WireError(f"{key} is not a list of objects")
    return value


def decode_audio(obj: JsonObject, key: str) -> bytes:
    """Audio bytes from strict base64: standard alphabet, padded, nothing else in between."""
    value = obj.get(key)
    if not isinstance(value, str):
        raise WireError(f"{key} is not base64 text")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError:
        raise WireError(f"{key} is not base64") from None


def encode_audio(audio: bytes) -> str:
    """Standard base64 with padding, in one line."""
    return binascii.b2a_base64(audio, newline=False).decode("ascii")
