"""The session configuration: defaults, deep merge of ``chat.update`` and its ranges.

A configuration is a plain nested ``dict`` in the shape of the wire, always complete and valid.
``merge`` returns a new one or raises ``Refusal``; a refused update changes nothing.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from agent.emulator import fields
from agent.emulator.fields import Check, Refusal, invalid

Config = dict[str, Any]
Schema = dict[str, "Check | Schema"]

PCM_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
SYSTEM_VOICE = "7426720361733046281"

# Two lists are in circulation, region codes and short codes; both are taken.
LANGUAGES = (
    "common", "zh", "cant", "sc", "en", "ja", "ko", "fr", "id", "es", "pt", "ms", "ru",
    "en-US", "ja-JP", "id-ID", "es-MX", "pt-BR", "de-DE", "fr-FR", "ko-KR", "fil-PH", "ms-MY",
    "th-TH", "ar-SA",
)  # fmt: skip
EMOTIONS = (
    "happy", "sad", "angry", "surprised", "fear", "hate", "excited", "coldness", "neutral",
)  # fmt: skip

_VARIABLE = re.compile(r"[A-Za-z_]+")


def _variables(path: str, value: Any) -> None:
    fields.pairs()(path, value)
    for name in value:
        if not _VARIABLE.fullmatch(name):
            raise invalid(path, "a map whose names have letters and underscores only")


def _position(path: str, value: Any) -> None:
    fields.pairs()(path, value)
    for name in value:
        if name not in ("latitude", "longitude"):
            raise invalid(path, "a map with the keys latitude and longitude only")


def _keywords(path: str, value: Any) -> None:
    fields.texts(path, value)
    if len(value) > 5:
        raise invalid(path, "a list of at most 5 keywords")
    for word in value:
        if not 6 <= len(word.encode()) <= 24:
            raise invalid(path, "keywords of 6 to 24 bytes each")
        if any(unicodedata.category(letter).startswith("P") for letter in word):
            raise invalid(path, "keywords without punctuation")


_LIMIT: Schema = {"period": fields.whole(1), "max_frame_num": fields.whole(1)}
_RATE = fields.whole(-50, 100)

SCHEMA: Schema = {
    "chat_config": {
        "conversation_id": fields.text(),
        "user_id": fields.text(),
        "meta_data": fields.pairs(most=16, key=64, value=512),
        "custom_variables": _variables,
        "extra_params": _position,
        "auto_save_history": fields.flag,
        "parameters": fields.mapping,
    },
    "input_audio": {
        "format": fields.one_of("pcm", "wav", "ogg", "opus"),
        "codec": fields.one_of("pcm", "opus", "g711a", "g711u"),
        "sample_rate": fields.one_of(*PCM_RATES),
        "channel": fields.one_of(1, 2),
        "bit_depth": fields.one_of(8, 16, 24),
    },
    "output_audio": {
        "codec": fields.one_of("pcm", "g711a", "g711u", "opus", "mp3"),
        "pcm_config": {
            "sample_rate": fields.one_of(*PCM_RATES),
            "frame_size_ms": fields.real(0, 1000),
            "limit_config": _LIMIT,
        },
        "opus_config": {
            "sample_rate": fields.one_of(*OPUS_RATES),
            "bitrate": fields.whole(500, 512000),
            "use_cbr": fields.flag,
            "frame_size_ms": fields.one_of(2.5, 5, 10, 20, 40, 60),
            "limit_config": _LIMIT,
        },
        "mp3_config": {
            "sample_rate": fields.one_of(32000, 44100, 48000),
            "bit_rate": fields.whole(8000, 1600000),
        },
        "speech_rate": _RATE,
        "loudness_rate": _RATE,
        "voice_id": fields.text(),
        "context_texts": fields.text(),
        "emotion_config": {
            "emotion": fields.one_of("", *EMOTIONS),
            "emotion_scale": fields.real(1.0, 5.0),
        },
    },
    "turn_detection": {
        "type": fields.one_of("client_interrupt", "server_vad", "semantic_vad", "client_vad"),
        "prefix_padding_ms": fields.whole(0, 60000),
        "silence_duration_ms": fields.whole(0, 60000),
        "semantic_vad_config": {
            "silence_threshold_ms": fields.whole(0, 60000),
            "semantic_unfinished_wait_time_ms": fields.whole(100, 2000),
        },
        "interrupt_config": {
            "mode": fields.one_of("keyword_contains", "keyword_prefix"),
            "keywords": _keywords,
        },
    },
    "asr_config": {
        "hot_words": fields.texts,
        "context": fields.text(),
        "context_type": fields.text(),
        "user_language": fields.one_of(*LANGUAGES),
        "enable_ddc": fields.flag,
        "enable_itn": fields.flag,
        "enable_punc": fields.flag,
        "stream_mode": fields.one_of("bidirectional_stream", "output_no_stream"),
        "enable_nostream": fields.flag,
        "enable_emotion": fields.flag,
        "enable_gender": fields.flag,
        "sensitive_words_filter": {
            "system_reserved_filter": fields.flag,
            "filter_with_empty": fields.texts,
            "filter_with_signed": fields.texts,
        },
    },
    "event_subscriptions": fields.texts,
    "need_play_prologue": fields.flag,
    "prologue_content": fields.text(),
    "voice_processing_config": {
        "enable_ans": fields.flag,
        "enable_pdns": fields.flag,
        "voice_print_feature_id": fields.text(),
    },
    "voice_print_config": {
        "group_id": fields.text(),
        "score": fields.whole(0, 100),
        "reuse_voice_info": fields.flag,
    },
}  # fmt: skip


def default_config(silence_ms: int = 500) -> Config:
    """What holds before any ``chat.update``: WAV in, 24 kHz PCM out, push-to-talk."""
    return {
        "chat_config": {
            "meta_data": {},
            "custom_variables": {},
            "extra_params": {},
            "auto_save_history": True,
            "parameters": {},
        },
        "input_audio": {
            "format": "wav",
            "codec": "pcm",
            "sample_rate": 24000,
            "channel": 1,
            "bit_depth": 16,
        },
        "output_audio": {
            "codec": "pcm",
            "pcm_config": {"sample_rate": 24000},
            "opus_config": {
                "sample_rate": 24000,
                "bitrate": 48000,
                "use_cbr": False,
                "frame_size_ms": 10,
            },
            "speech_rate": 0,
            "loudness_rate": 0,
            "voice_id": SYSTEM_VOICE,
        },
        "turn_detection": {
            "type": "client_interrupt",
            "prefix_padding_ms": 600,
            "silence_duration_ms": silence_ms,
            "semantic_vad_config": {
                "silence_threshold_ms": 300,
                "semantic_unfinished_wait_time_ms": 500,
            },
        },
        "asr_config": {
            "user_language": "common",
            "enable_ddc": True,
            "enable_itn": True,
            "enable_punc": True,
            "stream_mode": "bidirectional_stream",
        },
        "event_subscriptions": [],
        "need_play_prologue": False,
    }


def merge(
    config: Config,
    data: Mapping[str, Any],
    *,
    accept_opus_format: bool = False,
    refuse_unknown: bool = False,
) -> Config:
    """The configuration after ``data``, the data of a ``chat.update``. Raises ``Refusal``.

    Objects are merged, everything else is replaced; ``null`` leaves a value as it is, because one
    official SDK writes what was not set that way. Unknown fields are left out, or refused.
    """
    merged = copy.deepcopy(config)
    _merge_into(merged, data, SCHEMA, "data", refuse_unknown)
    if merged["turn_detection"]["type"] == "client_vad":
        merged["turn_detection"]["type"] = "client_interrupt"
    _check_input(merged["input_audio"], accept_opus_format)
    _check_output(merged["output_audio"])
    _check_rest(merged)
    return merged


def echo(config: Config) -> Config:
    """The configuration as ``chat.updated`` tells it: without the codecs not in use."""
    told = copy.deepcopy(config)
    output = told["output_audio"]
    used = "pcm_config" if output["codec"].startswith("g711") else f"{output['codec']}_config"
    for name in ("pcm_config", "opus_config", "mp3_config"):
        if name != used:
            output.pop(name, None)
    if told["turn_detection"]["type"] != "semantic_vad":
        told["turn_detection"].pop("semantic_vad_config", None)
    return told


def _merge_into(
    target: Config, data: Mapping[str, Any], schema: Schema, path: str, refuse_unknown: bool
) -> None:
    for name, value in data.items():
        where = f"{path}.{name}"
        rule = schema.get(name)
        if rule is None:
            if refuse_unknown:
                raise Refusal(f"invalid parameter: {where} is not a known field")
            continue
        if value is None:
            continue
        if isinstance(rule, dict):
            fields.mapping(where, value)
            _merge_into(target.setdefault(name, {}), value, rule, where, refuse_unknown)
        else:
            rule(where, value)
            target[name] = copy.deepcopy(value)


def _check_input(audio: Config, accept_opus_format: bool) -> None:
    shape, codec = audio["format"], audio["codec"]
    if codec.startswith("g711"):
        if shape != "pcm":
            raise invalid("data.input_audio.format", f"pcm with codec {codec}")
        if audio["sample_rate"] != 8000:
            raise invalid("data.input_audio.sample_rate", f"8000 with codec {codec}")
    if shape == "opus" and not (accept_opus_format and codec == "opus"):
        raise invalid("data.input_audio.format", "one of pcm, wav, ogg")
    if (shape == "wav" and codec != "pcm") or (shape == "ogg" and codec != "opus"):
        raise invalid("data.input_audio.codec", f"another one with format {shape}")


def _check_output(audio: Config) -> None:
    if audio["codec"] == "mp3":
        raise Refusal("invalid parameter: data.output_audio.codec mp3 is not made by this emulator")
    if audio["codec"].startswith("g711"):
        audio["pcm_config"]["sample_rate"] = 8000
    for name in ("pcm_config", "opus_config"):
        section = audio[name]
        limit = section.get("limit_config")
        if limit is None:
            continue
        for key in ("period", "max_frame_num"):
            if key not in limit:
                raise Refusal(
                    f"invalid parameter: data.output_audio.{name}.limit_config.{key} is missing"
                )
        if not section.get("frame_size_ms"):
            raise invalid(f"data.output_audio.{name}.frame_size_ms", "set for a limit_config")


def _check_rest(config: Config) -> None:
    interrupt = config["turn_detection"].get("interrupt_config")
    if interrupt is not None and interrupt.get("mode") and not interrupt.get("keywords"):
        raise invalid("data.turn_detection.interrupt_config.keywords", "set for a mode")
    voice = config.get("voice_processing_config", {})
    if voice.get("enable_ans") and voice.get("enable_pdns"):
        raise invalid("data.voice_processing_config", "one of enable_ans and enable_pdns")
