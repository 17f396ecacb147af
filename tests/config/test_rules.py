"""Combinations this version cannot serve are refused with one sentence; the rest passes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from agent.config import Config, check, load, require_bot, resolve_barge_in
from agent.errors import ConfigError


def _with(**changes: Any) -> Config:
    """A configuration with ``section__key=value`` changed."""
    config = Config()
    for path, value in changes.items():
        section, name = path.split("__")
        part = dataclasses.replace(getattr(config, section), **{name: value})
        config = dataclasses.replace(config, **{section: part})
    return config


def test_the_defaults_are_served() -> None:
    check(Config())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"conversation__turn": "wake_word"}, "wake_word"),
        ({"auth__method": "jwt"}, "auth.method"),
        ({"auth__method": "device_code"}, "auth.method"),
        ({"auth__method": "http"}, "auth.method"),
        ({"quota__limit": 5}, "quota.limit = 5"),
        ({"quota__source": "coze"}, "quota.source"),
        ({"quota__source": "http"}, "quota.source"),
        (
            {"conversation__barge_in": "keyword", "conversation__keywords": ("小助手",)},
            "server_vad",
        ),
        ({"conversation__barge_in": "keyword", "conversation__turn": "server_vad"}, "1 to 5"),
        ({"conversation__keywords": ("小助手",)}, 'only with conversation.barge_in = "keyword"'),
        ({"conversation__keywords": ("停",)}, "6 to 24 bytes"),
        ({"conversation__keywords": ("abcde",)}, "of 5 bytes"),
        ({"conversation__keywords": ("小" * 9,)}, "of 27 bytes"),
        ({"conversation__keywords": ("停一下！",)}, "punctuation"),
        ({"conversation__keywords": tuple(f"keyword{n}" for n in range(6))}, "at most 5"),
        ({"audio__input_channel": 1}, "audio.input_channels = 1"),
        ({"audio__codec": "pcm", "audio__packet_ms": 10}, "multiple of audio.frame_ms"),
    ],
)
def test_what_cannot_be_served_is_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(_with(**changes))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"quota__source": "none"},
        {"conversation__turn": "push_to_talk", "conversation__barge_in": "button"},
        {
            "conversation__turn": "server_vad",
            "conversation__barge_in": "keyword",
            "conversation__keywords": ("小助", "abcdef", "x" * 24),
        },
        {"audio__input_channels": 6, "audio__input_channel": 5},
        {"audio__input_channels": 1, "audio__input_channel": "mean"},
        {"audio__codec": "pcm", "audio__packet_ms": 40},
        {"audio__codec": "opus", "audio__packet_ms": 10},
    ],
)
def test_what_can_be_served_passes(changes: dict[str, Any]) -> None:
    check(_with(**changes))


def test_the_refusal_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "talkbox.toml"
    path.write_text('[conversation]\nturn = "wake_word"\n')
    with pytest.raises(ConfigError) as caught:
        load(path, env={})
    assert str(caught.value).startswith(f"{path}:2: conversation.turn")


def test_a_bot_is_required_only_where_it_is_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"coze\.bot_id is empty") as caught:
        require_bot(Config())
    assert "TALKBOX_COZE__BOT_ID" in str(caught.value)
    require_bot(_with(coze__bot_id="74"))


@pytest.mark.parametrize(
    ("barge_in", "turn", "cancelled", "expected"),
    [
        ("auto", "local", False, "button"),
        ("auto", "local", True, "confirmed"),
        ("auto", "server_vad", True, "confirmed"),
        ("auto", "push_to_talk", True, "button"),
        ("instant", "local", False, "instant"),
        ("off", "local", True, "off"),
    ],
)
def test_auto_lets_speech_interrupt_only_where_echo_is_cancelled(
    barge_in: str, turn: str, cancelled: bool, expected: str
) -> None:
    config = _with(conversation__barge_in=barge_in, conversation__turn=turn)
    assert resolve_barge_in(config, cancelled) == expected
