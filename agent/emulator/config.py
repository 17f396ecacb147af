"""The configuration of a session: defaults, deep merge of an update, what is told of it.

A configuration is a plain nested ``dict`` in the shape of the wire, always complete and valid.
``merge`` returns a new one or raises ``Refusal``; a refused update changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.emulator import fields
from agent.emulator.fields import Refusal, invalid
from agent.emulator.mp3 import require as require_mp3
from agent.emulator.schema import (
    CHAT,
    REGION_LANGUAGES,
    SHORT_LANGUAGES,
    STARRED,
    Schema,
)
from agent.emulator.script import Switches
from audio import opus
from audio.errors import LibraryMissing

Config = dict[str, Any]

SYSTEM_VOICE = "7426720361733046281"

_CODECS = ("pcm_config", "opus_config", "mp3_config")


@dataclass(frozen=True, slots=True)
class Rules:
    """How strictly an update is taken, in the words of the script's switches."""

    accept_opus_format: bool = False
    refuse_unknown: bool = False
    starred_fields: str = "accept"
    client_vad: str = "accept"
    user_language: str = "both"
    only: tuple[str, ...] = ()
    """The codecs of a socket that does not take all."""

    @classmethod
    def of(cls, switches: Switches, only: tuple[str, ...] = ()) -> Rules:
        """The rules of a script, for a socket that takes ``only`` some codecs."""
        return cls(
            switches.accept_opus_format,
            switches.unknown_fields == "refuse",
            switches.starred_fields,
            switches.client_vad,
            switches.user_language,
            () if switches.one_way_codecs == "all" else only,
        )


def default_input() -> Config:
    """What is heard before any update: WAV, whose header decides."""
    return {
        "format": "wav",
        "codec": "pcm",
        "sample_rate": 24000,
        "channel": 1,
        "bit_depth": 16,
    }


def default_output() -> Config:
    """What is said before any update: PCM of 24 kHz in pieces of any size."""
    return {
        "codec": "pcm",
        "pcm_config": {"sample_rate": 24000},
        "opus_config": {
            "sample_rate": 24000,
            "bitrate": 48000,
            "use_cbr": False,
            "frame_size_ms": 10,
        },
        "mp3_config": {"sample_rate": 44100},
        "speech_rate": 0,
        "loudness_rate": 0,
        "voice_id": SYSTEM_VOICE,
    }


def default_hearing() -> Config:
    """How speech becomes text before any update."""
    return {
        "user_language": "common",
        "enable_ddc": True,
        "enable_itn": True,
        "enable_punc": True,
    }


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
        "input_audio": default_input(),
        "output_audio": default_output(),
        "turn_detection": {
            "type": "client_interrupt",
            "prefix_padding_ms": 600,
            "silence_duration_ms": silence_ms,
            "semantic_vad_config": {
                "silence_threshold_ms": 300,
                "semantic_unfinished_wait_time_ms": 500,
            },
        },
        "asr_config": {**default_hearing(), "stream_mode": "bidirectional_stream"},
        "event_subscriptions": [],
        "need_play_prologue": False,
    }


def merge(
    config: Config, data: Mapping[str, Any], schema: Schema = CHAT, rules: Rules | None = None
) -> Config:
    """The configuration after ``data``, the data of an update. Raises ``Refusal``.

    Objects are merged, everything else is replaced; ``null`` leaves a value as it is, because one
    official SDK writes what was not set that way. Unknown fields are left out, or refused.
    """
    rules = rules or Rules()
    merged = copy.deepcopy(config)
    _merge_into(merged, data, schema, "data", rules)
    if "input_audio" in merged:
        _check_input(merged["input_audio"], rules)
    if "output_audio" in merged:
        _check_output(merged["output_audio"], rules)
    if "turn_detection" in merged:
        _check_turns(merged["turn_detection"], rules)
    if "asr_config" in merged:
        _check_language(merged["asr_config"], rules)
    voice = merged.get("voice_processing_config", {})
    if voice.get("enable_ans") and voice.get("enable_pdns"):
        raise invalid("data.voice_processing_config", "one of enable_ans and enable_pdns")
    return merged


def require_codecs(config: Config) -> None:
    """Raises ``Refusal`` 5000 where a codec that was chosen is not installed here."""
    chosen = [config[name]["codec"] for name in ("input_audio", "output_audio") if name in config]
    if "opus" in chosen:
        try:
            opus.require()
        except LibraryMissing as error:
            raise Refusal(str(error), 5000) from None


def echo(config: Config) -> Config:
    """The configuration as the server tells it: without untouched settings of codecs not in use."""
    told = copy.deepcopy(config)
    output = told.get("output_audio")
    if output is not None:
        used = "pcm_config" if output["codec"].startswith("g711") else f"{output['codec']}_config"
        untouched = default_output()
        for name in _CODECS:
            if name != used and output[name] == untouched[name]:
                del output[name]
    turns = told.get("turn_detection", {})
    untouched = default_config()["turn_detection"]
    semantic = turns.get("semantic_vad_config")
    if turns.get("type") != "semantic_vad" and semantic == untouched["semantic_vad_config"]:
        turns.pop("semantic_vad_config", None)
    return told


def _merge_into(
    target: Config, data: Mapping[str, Any], schema: Schema, path: str, rules: Rules
) -> None:
    for name, value in data.items():
        where = f"{path}.{name}"
        rule = schema.get(name)
        if where in STARRED and rules.starred_fields != "accept":
            if rules.starred_fields == "refuse":
                raise Refusal(f"invalid parameter: {where} is not a known field")
            continue
        if rule is None:
            if rules.refuse_unknown:
                raise Refusal(f"invalid parameter: {where} is not a known field")
            continue
        if value is None:
            continue
        if isinstance(rule, dict):
            fields.mapping(where, value)
            _merge_into(target.setdefault(name, {}), value, rule, where, rules)
        else:
            rule(where, value)
            target[name] = copy.deepcopy(value)


def _check_input(audio: Config, rules: Rules) -> None:
    shape, codec = audio["format"], audio["codec"]
    if rules.only and codec not in rules.only:
        raise invalid("data.input_audio.codec", f"one of {', '.join(rules.only)} on this socket")
    if codec.startswith("g711"):
        if shape != "pcm":
            raise invalid("data.input_audio.format", f"pcm with codec {codec}")
        if audio["sample_rate"] != 8000:
            raise invalid("data.input_audio.sample_rate", f"8000 with codec {codec}")
    if shape == "opus" and not (rules.accept_opus_format and codec == "opus"):
        raise invalid("data.input_audio.format", "one of pcm, wav, ogg")
    if (shape == "wav" and codec != "pcm") or (shape == "ogg" and codec != "opus"):
        raise invalid("data.input_audio.codec", f"another one with format {shape}")


def _check_output(audio: Config, rules: Rules) -> None:
    codec = audio["codec"]
    if rules.only and codec not in rules.only:
        raise invalid("data.output_audio.codec", f"one of {', '.join(rules.only)} on this socket")
    if codec == "mp3":
        if rules.starred_fields != "accept":
            raise invalid("data.output_audio.codec", "one of pcm, g711a, g711u, opus")
        require_mp3()
    if codec.startswith("g711"):
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


def _check_turns(turns: Config, rules: Rules) -> None:
    if turns["type"] == "client_vad":
        if rules.client_vad == "refuse":
            raise invalid("data.turn_detection.type", "client_interrupt, server_vad, semantic_vad")
        turns["type"] = "client_interrupt"
    if turns["type"] == "semantic_vad" and rules.starred_fields != "accept":
        raise invalid("data.turn_detection.type", "one of client_interrupt, server_vad")
    interrupt = turns.get("interrupt_config")
    if interrupt is not None and interrupt.get("mode") and not interrupt.get("keywords"):
        raise invalid("data.turn_detection.interrupt_config.keywords", "set for a mode")


def _check_language(asr: Config, rules: Rules) -> None:
    language = asr["user_language"]
    path = "data.asr_config.user_language"
    if rules.user_language == "short" and language not in SHORT_LANGUAGES:
        raise invalid(path, "one of " + ", ".join(SHORT_LANGUAGES))
    if rules.user_language == "region":
        if language not in REGION_LANGUAGES:
            raise invalid(path, "one of " + ", ".join(REGION_LANGUAGES))
        if language != "common" and asr.get("stream_mode") != "output_no_stream":
            raise invalid(path, "common unless stream_mode is output_no_stream")
