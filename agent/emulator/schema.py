"""Which fields a configuration may have, and the values each of them may take."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from agent.emulator import fields
from agent.emulator.fields import Check, invalid

Schema = dict[str, "Check | Schema"]

PCM_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
MP3_RATES = (32000, 44100, 48000)
OPUS_FRAMES_MS = (2.5, 5, 10, 20, 40, 60)

# Two lists are in circulation, short codes and region codes.
SHORT_LANGUAGES = (
    "common", "zh", "cant", "sc", "en", "ja", "ko", "fr", "id", "es", "pt", "ms", "ru",
)  # fmt: skip
REGION_LANGUAGES = (
    "common", "en-US", "ja-JP", "id-ID", "es-MX", "pt-BR", "de-DE", "fr-FR", "ko-KR", "fil-PH",
    "ms-MY", "th-TH", "ar-SA",
)  # fmt: skip
EMOTIONS = (
    "happy", "sad", "angry", "surprised", "fear", "hate", "excited", "coldness", "neutral",
)  # fmt: skip

STARRED = frozenset(
    f"data.{path}"
    for path in (
        "output_audio.opus_config.sample_rate",
        "output_audio.mp3_config",
        "output_audio.loudness_rate",
        "output_audio.context_texts",
        "output_audio.emotion_config",
        "turn_detection.semantic_vad_config",
        "asr_config.stream_mode",
        "asr_config.enable_nostream",
        "asr_config.enable_emotion",
        "asr_config.enable_gender",
        "asr_config.sensitive_words_filter",
        "voice_processing_config",
        "voice_print_config",
    )
)
"""Fields of the documentation that the types of the official SDKs lack."""

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
        if not 6 <= len(word.encode("utf-8", "surrogatepass")) <= 24:
            raise invalid(path, "keywords of 6 to 24 bytes each")
        if any(unicodedata.category(letter).startswith("P") for letter in word):
            raise invalid(path, "keywords without punctuation")


_LIMIT: Schema = {"period": fields.whole(1), "max_frame_num": fields.whole(1)}
_RATE = fields.whole(-50, 100)
# Ten minutes, for times without a documented limit.
_MS = fields.whole(0, 600_000)

INPUT_AUDIO: Schema = {
    "format": fields.one_of("pcm", "wav", "ogg", "opus"),
    "codec": fields.one_of("pcm", "opus", "g711a", "g711u"),
    "sample_rate": fields.one_of(*PCM_RATES),
    "channel": fields.one_of(1, 2),
    "bit_depth": fields.one_of(8, 16, 24),
}

OUTPUT_AUDIO: Schema = {
    "codec": fields.one_of("pcm", "g711a", "g711u", "opus", "mp3"),
    "pcm_config": {
        "sample_rate": fields.one_of(*PCM_RATES),
        "frame_size_ms": fields.real(0, 1000),
        "limit_config": _LIMIT,
    },
    "opus_config": {
        "sample_rate": fields.one_of(*OPUS_RATES),
        # No limits are documented; these are the encoder's.
        "bitrate": fields.whole(500, 512_000),
        "use_cbr": fields.flag,
        "frame_size_ms": fields.one_of(*OPUS_FRAMES_MS),
        "limit_config": _LIMIT,
    },
    "mp3_config": {
        "sample_rate": fields.one_of(*MP3_RATES),
        "bit_rate": fields.whole(8000, 1_600_000),
    },
    "speech_rate": _RATE,
    "loudness_rate": _RATE,
    "voice_id": fields.text(),
    "context_texts": fields.text(),
    "emotion_config": {
        "emotion": fields.one_of("", *EMOTIONS),
        "emotion_scale": fields.real(1.0, 5.0),
    },
}

_HEARING: Schema = {
    "hot_words": fields.texts,
    "context": fields.text(),
    "user_language": fields.one_of(*dict.fromkeys(SHORT_LANGUAGES + REGION_LANGUAGES)),
    "enable_ddc": fields.flag,
    "enable_itn": fields.flag,
    "enable_punc": fields.flag,
}

CHAT: Schema = {
    "chat_config": {
        "conversation_id": fields.text(),
        "user_id": fields.text(),
        "meta_data": fields.pairs(most=16, key=64, value=512),
        "custom_variables": _variables,
        "extra_params": _position,
        "auto_save_history": fields.flag,
        "parameters": fields.mapping,
    },
    "input_audio": INPUT_AUDIO,
    "output_audio": OUTPUT_AUDIO,
    "turn_detection": {
        "type": fields.one_of("client_interrupt", "server_vad", "semantic_vad", "client_vad"),
        "prefix_padding_ms": _MS,
        "silence_duration_ms": _MS,
        "semantic_vad_config": {
            "silence_threshold_ms": _MS,
            "semantic_unfinished_wait_time_ms": fields.whole(100, 2000),
        },
        "interrupt_config": {
            "mode": fields.one_of("keyword_contains", "keyword_prefix"),
            "keywords": _keywords,
        },
    },
    "asr_config": {
        **_HEARING,
        "context_type": fields.text(),
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
}
"""``data`` of ``chat.update``."""

SPEECH: Schema = {"output_audio": OUTPUT_AUDIO}
"""``data`` of ``speech.update``."""

TRANSCRIPTIONS: Schema = {"input_audio": INPUT_AUDIO, "asr_config": _HEARING}
"""``data`` of ``transcriptions.update``."""
