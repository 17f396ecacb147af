"""``chat.update``: exactly the documented examples, and nothing the platform would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from agent.coze.settings import SessionSettings, chat_update


def test_device_profile_of_the_protocol() -> None:
    settings = SessionSettings(
        bot_id="1",
        user_id="kiosk-7",
        conversation_id="7500000000000000001",
        turn="push_to_talk",
        output_rate=16000,
        output_bitrate=16000,
        output_cbr=True,
        limit_frames=18,
        voice_id="7400000000000000009",
        speech_rate=0,
        user_language="common",
        chat_config={"auto_save_history": True, "custom_variables": {"room": "lobby"}},
        asr_config={"enable_punc": True},
    )
    assert chat_update(settings) == {
        "chat_config": {
            "user_id": "kiosk-7",
            "conversation_id": "7500000000000000001",
            "auto_save_history": True,
            "custom_variables": {"room": "lobby"},
        },
        "input_audio": {
            "format": "pcm",
            "codec": "opus",
            "sample_rate": 16000,
            "channel": 1,
            "bit_depth": 16,
        },
        "output_audio": {
            "codec": "opus",
            "opus_config": {
                "sample_rate": 16000,
                "bitrate": 16000,
                "use_cbr": True,
                "frame_size_ms": 60,
                "limit_config": {"period": 1, "max_frame_num": 18},
            },
            "speech_rate": 0,
            "voice_id": "7400000000000000009",
        },
        "turn_detection": {"type": "client_interrupt"},
        "need_play_prologue": False,
        "asr_config": {"user_language": "common", "enable_punc": True},
    }


def test_free_talk_of_the_protocol() -> None:
    settings = SessionSettings(
        bot_id="1",
        turn="server_vad",
        interrupt_mode="keyword_contains",
        interrupt_keywords=("小助手", "停一下"),
        input_codec="pcm",
        output_codec="pcm",
        output_rate=16000,
        output_frame_ms=50,
        limit_frames=24,
        prologue=True,
        prologue_text="你好，我在。",
    )
    assert chat_update(settings) == {
        "input_audio": {
            "format": "pcm",
            "codec": "pcm",
            "sample_rate": 16000,
            "channel": 1,
            "bit_depth": 16,
        },
        "output_audio": {
            "codec": "pcm",
            "pcm_config": {
                "sample_rate": 16000,
                "frame_size_ms": 50,
                "limit_config": {"period": 1, "max_frame_num": 24},
            },
        },
        "turn_detection": {
            "type": "server_vad",
            "prefix_padding_ms": 600,
            "silence_duration_ms": 500,
            "interrupt_config": {"mode": "keyword_contains", "keywords": ["小助手", "停一下"]},
        },
        "need_play_prologue": True,
        "prologue_content": "你好，我在。",
    }


def test_semantic_vad_says_every_duration() -> None:
    assert chat_update(SessionSettings("1", turn="semantic_vad"))["turn_detection"] == {
        "type": "semantic_vad",
        "prefix_padding_ms": 600,
        "silence_duration_ms": 500,
        "semantic_vad_config": {
            "silence_threshold_ms": 300,
            "semantic_unfinished_wait_time_ms": 500,
        },
    }


@pytest.mark.parametrize("turn", ["local", "push_to_talk", "wake_word"])
def test_modes_where_the_device_decides(turn: Any) -> None:
    settings = SessionSettings("1", turn=turn)
    assert settings.client_decides
    assert chat_update(settings)["turn_detection"] == {"type": "client_interrupt"}


@pytest.mark.parametrize("turn", ["server_vad", "semantic_vad"])
def test_modes_where_the_server_decides(turn: Any) -> None:
    assert not SessionSettings("1", turn=turn).client_decides


def limit_of(**fields: Any) -> Any:
    output = chat_update(SessionSettings("1", **fields))["output_audio"]
    return output[f"{output['codec']}_config"].get("limit_config")


def test_pacing_leaves_a_margin() -> None:
    assert limit_of() == {"period": 1, "max_frame_num": 25}
    assert limit_of(output_frame_ms=20) == {"period": 1, "max_frame_num": 75}
    assert limit_of(output_codec="pcm", output_frame_ms=1000)["max_frame_num"] == 2
    assert limit_of(limit_frames=0) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"limit_frames": 16}, "starves"),
        ({"limit_frames": 50, "limit_period_s": 3}, "starves"),
        ({"limit_frames": 20, "output_frame_ms": 50, "output_codec": "pcm"}, "starves"),
        ({"limit_frames": -1}, "below 0"),
        ({"limit_period_s": 0}, "limit_period_s"),
        ({"turn": "client_vad"}, "turn"),
        ({"input_codec": "g711a"}, "input_codec"),
        ({"output_codec": "mp3"}, "output_codec"),
        ({"input_rate": 12345}, "input_rate"),
        ({"output_rate": 44100}, "output_rate"),
        ({"output_codec": "pcm", "output_rate": 12000}, "output_rate"),
        ({"output_frame_ms": 30}, "output_frame_ms"),
        ({"output_codec": "pcm", "output_frame_ms": 0}, "output_frame_ms"),
        ({"output_bitrate": 0}, "output_bitrate"),
        ({"speech_rate": -51}, "speech_rate"),
        ({"speech_rate": 101}, "speech_rate"),
        ({"prefix_padding_ms": -1}, "prefix_padding_ms"),
        ({"semantic_unfinished_ms": 99}, "semantic_unfinished_ms"),
    ],
)
def test_refused_settings(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SessionSettings("1", **fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"interrupt_keywords": ("停一下",)}, "interrupt_mode"),
        ({"interrupt_mode": "keyword_prefix"}, "0 words"),
        ({"interrupt_mode": "contains", "interrupt_keywords": ("停一下",)}, "interrupt_mode"),
        ({"interrupt_keywords": ("停一下",) * 6}, "6 words"),
        ({"interrupt_keywords": ("停",)}, "3 bytes"),
        ({"interrupt_keywords": ("停" * 9,)}, "27 bytes"),
        ({"interrupt_keywords": ("停一下！",)}, "punctuation"),
        ({"interrupt_keywords": ("停一\n下",)}, "punctuation"),
        ({"interrupt_keywords": ("停一\ud800",)}, "not valid text"),
        ({"interrupt_keywords": ("停一下",), "turn": "local"}, "server_vad only"),
    ],
)
def test_refused_keywords(fields: dict[str, Any], says: str) -> None:
    fields.setdefault("turn", "server_vad")
    if "interrupt_keywords" in fields and says != "interrupt_mode":
        fields.setdefault("interrupt_mode", "keyword_prefix")
    with pytest.raises(ValueError, match=says):
        SessionSettings("1", **fields)


def test_a_learned_conversation_overrides_the_configured_one() -> None:
    settings = SessionSettings("1", conversation_id="5")
    assert chat_update(settings)["chat_config"] == {"conversation_id": "5"}
    assert chat_update(settings, "6")["chat_config"] == {"conversation_id": "6"}
    assert "chat_config" not in chat_update(settings, "")
