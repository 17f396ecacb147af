"""Values are taken as they are meant or refused with a clause that says what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.key import masked, secret_like, shown, suggestion
from agent.config.schema import KEYS


@pytest.mark.parametrize("path", list(KEYS))
def test_every_default_is_allowed_and_explained(path: str) -> None:
    key = KEYS[path]
    assert key.accept(key.default) == key.default
    assert key.meaning.endswith(".")
    assert key.allowed


@pytest.mark.parametrize(
    ("path", "value", "clause"),
    [
        ("conversation.volume", 101, "from 0 to 100 percent"),
        ("conversation.volume", -1, "out of range"),
        ("conversation.volume", 70.0, "a whole number is wanted"),
        ("conversation.volume", True, "a whole number is wanted"),
        ("conversation.volume", "70", "a whole number is wanted"),
        ("conversation.turn", "lokal", 'did you mean "local"'),
        ("conversation.prologue", 1, "true or false is wanted"),
        ("conversation.keywords", "stop", "a list of strings"),
        ("conversation.keywords", ["stop", 1], "a list of strings"),
        ("conversation.idle_close_s", -5, "or 0 (never)"),
        ("coze.bot_id", 7400000000000000009, 'bot_id = "7400000000000000009"'),
        ("coze.bot_id", "two words", "without blanks"),
        ("coze.api_base", "api.coze.cn", "http:// or https://"),
        ("coze.api_base", "https://", "http:// or https://"),
        ("coze.api_base", "http://host:99999", "http:// or https://"),
        ("coze.ws_base", "https://ws.coze.cn", "ws:// or wss://"),
        ("device.id", "schön", "letters, digits"),
        ("device.state_dir", "var/lib", "absolute path"),
        ("audio.frame_ms", 10, "only 20"),
        ("audio.packet_ms", 30, "10, 20, 40 or 60"),
        ("audio.bitrate", 128001, "from 6000 to 128000 bit/s"),
        ("audio.input_rate", 7999, "or 0 (the device's own)"),
        ("audio.input_channel", "avg", "a whole number"),
        ("audio.input", "a\nb", "control characters"),
        ("quota.warn_at", float("nan"), "a number is wanted"),
        ("quota.warn_at", 1.5, "from 0 to 1"),
        ("quota.limit", 10**12, "1000000000"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(
    path: str, value: object, clause: str
) -> None:
    with pytest.raises(ValueError) as caught:
        KEYS[path].accept(value)
    assert clause in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "result"),
    [
        ("quota.warn_at", 1, 1.0),
        ("audio.input_channel", "mean", "mean"),
        ("audio.input_rate", 0, 0),
        ("conversation.idle_close_s", 0, 0),
        ("conversation.keywords", ["小助手"], ("小助手",)),
        ("coze.api_base", "http://[::1]:8080/base", "http://[::1]:8080/base"),
    ],
)
def test_a_right_value_is_taken(path: str, value: object, result: object) -> None:
    assert KEYS[path].accept(value) == result


@pytest.mark.parametrize(
    ("path", "text", "result"),
    [
        ("conversation.volume", " 35 ", 35),
        ("conversation.prologue", "Yes", True),
        ("conversation.prologue", "0", False),
        ("conversation.keywords", "小助手, 停一下", ("小助手", "停一下")),
        ("conversation.keywords", '["stop it"]', ("stop it",)),
        ("conversation.keywords", "", ()),
        ("audio.input_channel", "mean", "mean"),
        ("audio.input_channel", "1", 1),
        ("quota.warn_at", "0.5", 0.5),
        ("coze.bot_id", "74", "74"),
    ],
)
def test_text_is_parsed_by_the_type_of_the_key(path: str, text: str, result: object) -> None:
    assert KEYS[path].parse(text) == result


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("conversation.volume", "loud"),
        ("conversation.volume", ""),
        ("conversation.volume", "200"),
        ("conversation.prologue", "maybe"),
        ("quota.warn_at", "inf"),
        ("audio.input_channel", "left"),
    ],
)
def test_text_that_does_not_parse_is_refused(path: str, text: str) -> None:
    with pytest.raises(ValueError):
        KEYS[path].parse(text)


@given(
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(),
        st.lists(st.text(max_size=4), max_size=3),
        st.dictionaries(st.text(), st.none()),
    )
)
@settings(max_examples=60, deadline=None)
def test_any_value_is_either_of_the_type_or_a_value_error(value: object) -> None:
    types: dict[str, Any] = {
        "string": str,
        "integer": (int, str),
        "number": float,
        "boolean": bool,
        "list": tuple,
    }
    for key in KEYS.values():
        try:
            result = key.accept(value)
        except ValueError:
            continue
        assert isinstance(result, types[key.kind])


def test_secrets_are_recognized_and_masked() -> None:
    token = "pat_" + "A1b2C3d4" * 4
    assert secret_like(token)
    assert token not in masked(f"use {token} here")
    assert masked("https://user:pass@host/x") == "https://***@host/x"
    assert masked("https://us@er:pa@ss@host/x") == "https://***@host/x"
    assert masked("https://host/x?key=abc&n=1") == "https://host/x?key=***&n=***"
    assert masked("https://host/x") == "https://host/x"
    assert not secret_like("path_to_something_ordinary")
    assert shown("https://u:p@h") == '"https://***@h"'


def test_a_suggestion_is_made_only_for_what_is_near() -> None:
    assert suggestion("volum", ["volume", "voice_id"]) == '; did you mean "volume"?'
    assert suggestion("zzz", ["volume"]) == ""
