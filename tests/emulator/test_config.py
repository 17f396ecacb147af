import copy
from typing import Any

import pytest

from agent.emulator.config import Rules, default_config, echo, merge
from agent.emulator.fields import Refusal


def updated(**data: Any) -> dict[str, Any]:
    return merge(default_config(), data)


def test_defaults_are_those_of_the_platform() -> None:
    config = default_config()
    assert config["input_audio"] == {
        "format": "wav",
        "codec": "pcm",
        "sample_rate": 24000,
        "channel": 1,
        "bit_depth": 16,
    }
    assert config["turn_detection"]["type"] == "client_interrupt"
    assert config["turn_detection"]["silence_duration_ms"] == 500
    assert config["output_audio"]["codec"] == "pcm"
    assert merge(config, {}) == config


def test_a_partial_update_is_merged_deeply_and_the_old_one_untouched() -> None:
    config = default_config()
    before = copy.deepcopy(config)
    merged = merge(config, {"output_audio": {"opus_config": {"bitrate": 16000}}})
    assert config == before
    assert merged["output_audio"]["opus_config"]["bitrate"] == 16000
    assert merged["output_audio"]["opus_config"]["frame_size_ms"] == 10
    again = merge(merged, {"output_audio": {"speech_rate": 20}})
    assert again["output_audio"]["opus_config"]["bitrate"] == 16000


def test_null_leaves_a_value_as_it_is() -> None:
    assert updated(chat_config={"user_id": None}, input_audio=None) == default_config()


DEVICE: dict[str, Any] = {
    "chat_config": {"user_id": "kiosk-7", "custom_variables": {"room": "lobby"}},
    "input_audio": {"format": "pcm", "codec": "opus", "sample_rate": 16000},
    "output_audio": {
        "codec": "opus",
        "opus_config": {
            "sample_rate": 16000,
            "bitrate": 16000,
            "use_cbr": True,
            "frame_size_ms": 60.0,
            "limit_config": {"period": 1, "max_frame_num": 18},
        },
    },
    "turn_detection": {
        "type": "server_vad",
        "interrupt_config": {"mode": "keyword_contains", "keywords": ["小助手", "停一下"]},
    },
    "asr_config": {"user_language": "common", "hot_words": ["a"], "enable_ddc": False},
    "voice_processing_config": {"enable_pdns": True},
    "voice_print_config": {"group_id": "1", "score": 100},
}


def test_a_device_profile_is_accepted_and_echoed_in_full() -> None:
    told = echo(merge(default_config(), DEVICE))
    assert told["output_audio"]["opus_config"] == DEVICE["output_audio"]["opus_config"]
    assert "pcm_config" not in told["output_audio"]
    assert told["input_audio"]["channel"] == 1
    assert told["turn_detection"]["prefix_padding_ms"] == 600
    assert told["voice_print_config"] == {"group_id": "1", "score": 100}
    assert told["need_play_prologue"] is False


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("data.input_audio", {"input_audio": []}),
    ("data.input_audio.format", {"input_audio": {"format": "webm"}}),
    ("data.input_audio.format", {"input_audio": {"format": "opus", "codec": "opus"}}),
    ("data.input_audio.codec", {"input_audio": {"codec": "aac"}}),
    ("data.input_audio.codec", {"input_audio": {"codec": "opus"}}),
    ("data.input_audio.codec", {"input_audio": {"format": "ogg", "codec": "pcm"}}),
    ("data.input_audio.sample_rate", {"input_audio": {"sample_rate": 12000}}),
    ("data.input_audio.sample_rate", {"input_audio": {"sample_rate": "16000"}}),
    ("data.input_audio.channel", {"input_audio": {"channel": True}}),
    ("data.input_audio.bit_depth", {"input_audio": {"bit_depth": 32}}),
    ("data.input_audio.sample_rate", {"input_audio": {"format": "pcm", "codec": "g711a"}}),
    ("data.input_audio.format", {"input_audio": {"codec": "g711u", "sample_rate": 8000}}),
    ("data.output_audio.codec", {"output_audio": {"codec": "aac"}}),
    ("pcm_config.sample_rate", {"output_audio": {"pcm_config": {"sample_rate": 12000}}}),
    ("pcm_config.frame_size_ms", {"output_audio": {"pcm_config": {"frame_size_ms": 1001}}}),
    ("pcm_config.frame_size_ms", {"output_audio": {"pcm_config": {"frame_size_ms": -1}}}),
    ("opus_config.frame_size_ms", {"output_audio": {"opus_config": {"frame_size_ms": 30}}}),
    ("opus_config.sample_rate", {"output_audio": {"opus_config": {"sample_rate": 44100}}}),
    ("opus_config.use_cbr", {"output_audio": {"opus_config": {"use_cbr": 1}}}),
    ("speech_rate", {"output_audio": {"speech_rate": 101}}),
    ("speech_rate", {"output_audio": {"speech_rate": 1.5}}),
    ("loudness_rate", {"output_audio": {"loudness_rate": -51}}),
    ("emotion", {"output_audio": {"emotion_config": {"emotion": "bored"}}}),
    ("emotion_scale", {"output_audio": {"emotion_config": {"emotion_scale": 5.5}}}),
    (
        "frame_size_ms",
        {"output_audio": {"pcm_config": {"limit_config": {"period": 1, "max_frame_num": 2}}}},
    ),
    (
        "max_frame_num",
        {"output_audio": {"pcm_config": {"frame_size_ms": 20, "limit_config": {"period": 1}}}},
    ),
    ("turn_detection.type", {"turn_detection": {"type": "x"}}),
    ("silence_duration_ms", {"turn_detection": {"silence_duration_ms": -1}}),
    (
        "semantic_unfinished_wait_time_ms",
        {"turn_detection": {"semantic_vad_config": {"semantic_unfinished_wait_time_ms": 2001}}},
    ),
    ("interrupt_config.mode", {"turn_detection": {"interrupt_config": {"mode": "x"}}}),
    ("keywords", {"turn_detection": {"interrupt_config": {"mode": "keyword_prefix"}}}),
    ("at most 5", {"turn_detection": {"interrupt_config": {"keywords": ["停一下"] * 6}}}),
    ("6 to 24 bytes", {"turn_detection": {"interrupt_config": {"keywords": ["停"]}}}),
    ("punctuation", {"turn_detection": {"interrupt_config": {"keywords": ["停一下!"]}}}),
    ("meta_data", {"chat_config": {"meta_data": {str(n): "x" for n in range(17)}}}),
    ("meta_data", {"chat_config": {"meta_data": {"k" * 65: "x"}}}),
    ("meta_data", {"chat_config": {"meta_data": {"k": "x" * 513}}}),
    ("meta_data", {"chat_config": {"meta_data": {"k": 1}}}),
    ("custom_variables", {"chat_config": {"custom_variables": {"a1": "x"}}}),
    ("extra_params", {"chat_config": {"extra_params": {"height": "x"}}}),
    ("auto_save_history", {"chat_config": {"auto_save_history": "yes"}}),
    ("user_language", {"asr_config": {"user_language": "klingon"}}),
    ("stream_mode", {"asr_config": {"stream_mode": "x"}}),
    ("event_subscriptions", {"event_subscriptions": "error"}),
    ("enable_ans", {"voice_processing_config": {"enable_ans": True, "enable_pdns": True}}),
    ("score", {"voice_print_config": {"score": 101}}),
]


@pytest.mark.parametrize(("named", "data"), REFUSED)
def test_what_is_out_of_range_is_refused_by_name(named: str, data: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        merge(default_config(), data)
    assert caught.value.code == 4000
    assert named in caught.value.msg


def test_g711_forces_8_khz_down() -> None:
    assert updated(output_audio={"codec": "g711a"})["output_audio"]["pcm_config"] == {
        "sample_rate": 8000
    }


def test_client_vad_is_an_older_name() -> None:
    detection = updated(turn_detection={"type": "client_vad"})["turn_detection"]
    assert detection["type"] == "client_interrupt"


def test_unknown_fields_are_left_out_or_refused() -> None:
    data = {"input_audio": {"colour": "red"}, "mood": 1}
    assert merge(default_config(), data) == default_config()
    with pytest.raises(Refusal, match=r"data\.input_audio\.colour"):
        merge(default_config(), data, rules=Rules(refuse_unknown=True))


def test_the_opus_format_by_a_switch() -> None:
    data = {"input_audio": {"format": "opus", "codec": "opus"}}
    merged = merge(default_config(), data, rules=Rules(accept_opus_format=True))
    assert merged["input_audio"]["format"] == "opus"
