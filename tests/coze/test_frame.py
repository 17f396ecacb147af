"""Hostile bytes: the only exception is ``WireError``."""

from __future__ import annotations

import base64
import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.frame import (
    MAX_DEPTH,
    WireError,
    clean,
    decode_audio,
    decode_object,
    encode_audio,
    encode_object,
)

LIMIT = 1 << 20

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "nonsense",
        "[]",
        "3",
        "null",
        '"text"',
        '{"a":1',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":1e999}',
        '{"a":' + "9" * 5000 + "}",
        '{"a":' + "9" * 41 + "}",
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
        "[" * 400_000,
        '{"a":"' + "x" * LIMIT + '"}',
        b"\xff\xfe",
        b'{"a":"\xc3"}',
    ],
    ids=lambda frame: repr(frame[:24]),
)
def test_refused(frame: str | bytes) -> None:
    with pytest.raises(WireError):
        decode_object(frame, LIMIT)


def test_deepest_allowed_nesting_is_read() -> None:
    frame = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert "a" in decode_object(frame, LIMIT)


def test_brackets_in_strings_are_no_nesting() -> None:
    value = {"a": "[{" * 100 + '\\"[' * 50}
    assert decode_object(json.dumps(value), LIMIT) == value


def test_depth_scan_is_linear() -> None:
    hostile = '{"a":"' + "[" * 40 + '\\"' * 400_000
    begin = time.perf_counter()
    with pytest.raises(WireError):
        decode_object(hostile, LIMIT)
    assert time.perf_counter() - begin < 2.0


def test_lone_surrogates_become_replacement_characters() -> None:
    assert clean("a\ud800b") == "a\ufffdb"
    assert clean("\ud83d\ude00") == "\U0001f600"
    assert clean("好") == "好"
    # They can still be sent on.
    assert encode_object({"a": "好\ud800"}).encode() == b'{"a":"\\u597d\\ud800"}'


@given(JSON_VALUES)
@settings(max_examples=60, deadline=None)
def test_objects_survive(value: object) -> None:
    frame = encode_object({"v": value})
    assert decode_object(frame, LIMIT) == {"v": value}
    assert decode_object(frame.encode("utf-8", "surrogatepass"), LIMIT) == {"v": value}


def test_non_finite_numbers_are_not_written() -> None:
    with pytest.raises(ValueError):
        encode_object({"v": math.nan})


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_audio_survives(audio: bytes) -> None:
    text = encode_audio(audio)
    assert text == base64.b64encode(audio).decode()
    assert decode_audio({"delta": text}, "delta") == audio


@pytest.mark.parametrize(
    "text", ["A", "AB", "ABC", "AB=C", "AA==AA==", "A A=", "AB-_", "好", "=", 5]
)
def test_loose_base64_is_refused(text: object) -> None:
    with pytest.raises(WireError):
        decode_audio({"delta": text}, "delta")
