import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.events import dump
from agent.emulator import digest
from agent.emulator.watched import Entry
from tests.emulator.test_tap import delta

SECRETS = [
    "pat_AbCdEfGhIjKl",
    "czs_0123456789abcdef",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl",
    "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----",
]


def entry(frame: Any, event_type: str = "x") -> Entry:
    text = frame if isinstance(frame, str | bytes) else json.dumps(frame)
    return Entry(0.0, "", "", "frame", "up", event_type, frame=text, length=len(text))


@pytest.mark.parametrize("secret", SECRETS)
def test_tokens_are_hidden_wherever_they_stand(secret: str) -> None:
    frame = {
        "event_type": "x",
        "data": {"content": f"use {secret} please", "deep": [{"a": secret}]},
    }
    shown = digest.detail(entry(frame))
    assert digest.HIDDEN in shown
    for text in (shown, digest.summary(entry(frame)), digest.scrub(f"x {secret}")):
        assert secret not in text
        assert secret[6:] not in text
    inside = json.dumps({"origin_message": json.dumps(frame)})
    assert secret[6:14] not in digest.detail(entry(inside))


@pytest.mark.parametrize(
    "key", ["access_token", "Authorization", "client_secret", "apiKey", "password", "private_key"]
)
def test_values_of_telling_keys_are_hidden(key: str) -> None:
    for value in ("hunter22", ["hunter22"], {"a": "hunter22"}):
        assert "hunter22" not in digest.detail(entry({"data": {key: value}}))
    assert "hunter22" not in digest.detail(entry(f'{{"{key}": "hunter22", broken'))
    nested = json.dumps({"message": json.dumps({key: "hunter22"})})
    assert "hunter22" not in digest.detail(entry(nested))


def test_bearers_are_hidden_and_counts_are_not() -> None:
    assert "abc123" not in digest.scrub("Authorization: Bearer abc123")
    assert '"token_count": 12' in digest.detail(entry({"data": {"usage": {"token_count": 12}}}))


def test_sound_in_a_refused_frame_is_only_counted() -> None:
    audio = base64.b64encode(bytes(range(256)) * 4).decode()
    shown = digest.detail(entry({"data": {"delta": audio}}))
    assert f"{len(audio)} characters of base64" in shown
    assert audio[:100] not in shown


def test_a_part_says_how_much_there_was() -> None:
    found = entry('{"a": "b')
    found.length = 12_345
    assert digest.detail(found).endswith("… the first 8 of 12345 characters")


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("error", {"code": 4011, "msg": "balance not enough"}, "4011 balance not enough"),
        ("x.failed", {"last_error": {"code": 5, "msg": "no"}, "status": "failed"}, "5 no"),
        ("x", {"content": "Hello\n there", "type": "answer"}, "Hello there"),
        ("x", {"content": "Hi", "type": "question"}, "question: Hi"),
        ("x", {"content": '{"msg_type":"done"}', "type": "verbose"}, "verbose: done"),
        ("chat.completed", {"status": "completed", "usage": {"token_count": 32}}, "32 tokens"),
        ("chat.in_progress", {"status": "in_progress", "id": "1"}, ""),
        ("x", {"tool_outputs": [{}]}, "1 tool output"),
        ("x", {"id": "7"}, ""),
        ("chat.update", {"asr_config": {}, "prologue_content": ""}, "asr_config, prologue_content"),
        (
            "chat.update",
            {
                "input_audio": {"format": "pcm", "codec": "pcm", "sample_rate": 16000},
                "output_audio": {"codec": "opus"},
                "turn_detection": {"type": "server_vad"},
            },
            "in pcm 16000, out opus, server_vad",
        ),
    ],
)
def test_one_line_says_the_most(event_type: str, data: dict[str, Any], expected: str) -> None:
    assert digest.summary(entry({"data": data}, event_type)) == expected


def test_requested_tools_are_named() -> None:
    calls = [{"function": {"name": name}} for name in ("a", "b")]
    action = {"submit_tool_outputs": {"tool_calls": calls}}
    assert digest.summary(entry({"data": {"required_action": action}})) == "a, b"


def test_a_long_line_is_cut_visibly() -> None:
    told = digest.summary(entry({"data": {"content": "word " * 100}}))
    assert len(told) == 160
    assert told.endswith(" …")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "content",
                    "code",
                    "msg",
                    "usage",
                    "status",
                    "required_action",
                    "last_error",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_whatever_comes_can_be_told(frame: Any) -> None:
    for found in (entry(frame), entry({"data": frame}), entry(json.dumps(frame).encode())):
        assert isinstance(digest.summary(found), str)
        assert isinstance(digest.detail(found), str)


def test_hostile_nesting_is_shown_as_it_came() -> None:
    frame = "[" * 8000
    assert digest.detail(entry(frame)) == frame
    assert digest.summary(entry(frame)).startswith("[[[")


def test_what_the_server_sends_can_be_told() -> None:
    assert digest.summary(entry(dump(delta()), "conversation.audio.delta")) != ""
