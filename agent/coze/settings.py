"""What one chat session asks of the platform, and the ``chat.update`` that asks it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.coze.frame import JsonObject

Turn = Literal["local", "push_to_talk", "wake_word", "server_vad", "semantic_vad"]
Codec = Literal["opus", "pcm"]

TURN_DETECTION: Mapping[str, str] = {
    "local": "client_interrupt",
    "push_to_talk": "client_interrupt",
    "wake_word": "client_interrupt",
    "server_vad": "server_vad",
    "semantic_vad": "semantic_vad",
}
"""How the device decides turns, and the platform's name for it."""

PCM_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
OPUS_FRAME_MS = (2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
INTERRUPT_MODES = ("keyword_contains", "keyword_prefix")
MAX_KEYWORDS = 5
KEYWORD_BYTES = (6, 24)

# Frames per second above real time where no limit is configured: 25 a second at 60 ms. Enough to
# refill a jitter buffer after a stall, little enough that an interrupt discards under a second.
_PACING_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """One chat session; raises ``ValueError`` for what the platform would refuse.

    Rates are Hz, ``output_bitrate`` bit/s, ``output_frame_ms`` the length of one audio packet.
    ``limit_frames`` per ``limit_period_s`` seconds paces the answer: ``None`` derives 1.5 x real
    time (25 per second at 60 ms), 0 asks for no pacing. ``None`` and empty values are not sent.
    ``speech_rate`` runs from -50 (0.5 x) to 100 (2 x). ``chat_config`` and ``asr_config`` are
    further fields of the same name in ``chat.update``, for example ``{"parameters": {...}}``.
    """

    bot_id: str
    user_id: str = ""
    conversation_id: str = ""
    turn: Turn = "local"
    prefix_padding_ms: int = 600
    silence_duration_ms: int = 500
    semantic_silence_ms: int = 300
    semantic_unfinished_ms: int = 500
    interrupt_mode: str = ""
    interrupt_keywords: tuple[str, ...] = ()
    input_codec: Codec = "opus"
    input_rate: int = 16000
    output_codec: Codec = "opus"
    output_rate: int = 24000
    output_frame_ms: float = 60
    output_bitrate: int = 24000
    output_cbr: bool | None = None
    limit_frames: int | None = None
    limit_period_s: int = 1
    voice_id: str = ""
    speech_rate: int | None = None
    prologue: bool = False
    prologue_text: str = ""
    user_language: str = ""
    chat_config: Mapping[str, Any] = field(default_factory=dict)
    asr_config: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_of("turn", self.turn, tuple(TURN_DETECTION))
        _one_of("input_codec", self.input_codec, ("opus", "pcm"))
        _one_of("output_codec", self.output_codec, ("opus", "pcm"))
        _one_of("input_rate", self.input_rate, PCM_RATES)
        if self.output_codec == "opus":
            _one_of("output_rate", self.output_rate, OPUS_RATES)
            _one_of("output_frame_ms", self.output_frame_ms, OPUS_FRAME_MS)
        else:
            _one_of("output_rate", self.output_rate, PCM_RATES)
            if not 0 < self.output_frame_ms <= 1000:
                raise ValueError(f"output_frame_ms is {self.output_frame_ms}, not in 0-1000")
        if self.speech_rate is not None and not -50 <= self.speech_rate <= 100:
            raise ValueError(f"speech_rate is {self.speech_rate}, not in -50..100")
        for name in ("prefix_padding_ms", "silence_duration_ms", "semantic_silence_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, below 0")
        if not 100 <= self.semantic_unfinished_ms <= 2000:
            raise ValueError(
                f"semantic_unfinished_ms is {self.semantic_unfinished_ms}, not in 100-2000"
            )
        if self.output_bitrate <= 0:
            raise ValueError(f"output_bitrate is {self.output_bitrate}, not above 0")
        self._check_limit()
        self._check_keywords()

    def _check_limit(self) -> None:
        if self.limit_frames is not None and self.limit_frames < 0:
            raise ValueError(f"limit_frames is {self.limit_frames}, below 0")
        if self.limit_period_s < 1:
            raise ValueError(f"limit_period_s is {self.limit_period_s}, below 1 second")
        needed = 1000 * self.limit_period_s / self.output_frame_ms
        if self.limit_frames and self.limit_frames <= needed:
            raise ValueError(
                f"limit_frames is {self.limit_frames} per {self.limit_period_s} s: playback"
                f" starves, {self.output_frame_ms:g} ms frames need more than {needed:.1f}"
            )

    def _check_keywords(self) -> None:
        if not self.interrupt_mode and not self.interrupt_keywords:
            return
        if self.turn != "server_vad":
            raise ValueError(f"interrupt keywords work with server_vad only, not with {self.turn}")
        _one_of("interrupt_mode", self.interrupt_mode, INTERRUPT_MODES)
        if not 1 <= len(self.interrupt_keywords) <= MAX_KEYWORDS:
            raise ValueError(
                f"interrupt_keywords has {len(self.interrupt_keywords)} words, not 1 to 5"
            )
        for word in self.interrupt_keywords:
            check_keyword(word)

    @property
    def client_decides(self) -> bool:
        """Whether the device itself says where an utterance ends (``client_interrupt``)."""
        return TURN_DETECTION[self.turn] == "client_interrupt"


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(map(str, allowed))}")


def check_keyword(word: str) -> None:
    """Raise ``ValueError`` unless the platform takes ``word`` as an interrupt keyword."""
    try:
        size = len(word.encode("utf-8"))
    except UnicodeEncodeError:
        raise ValueError(f"the interrupt keyword {word!r} is not valid text") from None
    low, high = KEYWORD_BYTES
    if not low <= size <= high:
        raise ValueError(
            f"the interrupt keyword {word!r} has {size} bytes of UTF-8, not {low} to {high}"
        )
    if any(unicodedata.category(char)[0] in "PC" for char in word):
        raise ValueError(f"the interrupt keyword {word!r} contains punctuation")


def chat_update(settings: SessionSettings, conversation_id: str | None = None) -> JsonObject:
    """The ``data`` of ``chat.update``: what is configured, nothing else.

    ``conversation_id`` overrides that of the settings (empty: begin a new conversation).
    ``event_subscriptions`` is left out, which subscribes to everything.
    """
    if conversation_id is None:
        conversation_id = settings.conversation_id
    chat: JsonObject = {}
    if settings.user_id:
        chat["user_id"] = settings.user_id
    if conversation_id:
        chat["conversation_id"] = conversation_id
    chat.update(settings.chat_config)
    data: JsonObject = {"chat_config": chat} if chat else {}
    data["input_audio"] = {
        "format": "pcm",  # for Opus too: bare packets, no container
        "codec": settings.input_codec,
        "sample_rate": settings.input_rate,
        "channel": 1,
        "bit_depth": 16,
    }
    data["output_audio"] = _output_audio(settings)
    data["turn_detection"] = _turn_detection(settings)
    data["need_play_prologue"] = settings.prologue
    if settings.prologue and settings.prologue_text:
        data["prologue_content"] = settings.prologue_text
    asr: JsonObject = {"user_language": settings.user_language} if settings.user_language else {}
    asr.update(settings.asr_config)
    if asr:
        data["asr_config"] = asr
    return data


def _output_audio(settings: SessionSettings) -> JsonObject:
    codec: JsonObject = {"sample_rate": settings.output_rate}
    if settings.output_codec == "opus":
        codec["bitrate"] = settings.output_bitrate
        if settings.output_cbr is not None:
            codec["use_cbr"] = settings.output_cbr
    frame_ms = settings.output_frame_ms
    codec["frame_size_ms"] = int(frame_ms) if float(frame_ms).is_integer() else frame_ms
    frames = settings.limit_frames
    if frames is None:
        frames = math.floor(_PACING_MARGIN * 1000 * settings.limit_period_s / frame_ms + 0.5)
        frames = max(frames, math.floor(1000 * settings.limit_period_s / frame_ms) + 1)
    if frames:
        codec["limit_config"] = {"period": settings.limit_period_s, "max_frame_num": frames}
    output: JsonObject = {
        "codec": settings.output_codec,
        f"{settings.output_codec}_config": codec,
    }
    if settings.speech_rate is not None:
        output["speech_rate"] = settings.speech_rate
    if settings.voice_id:
        output["voice_id"] = settings.voice_id
    return output


def _turn_detection(settings: SessionSettings) -> JsonObject:
    kind = TURN_DETECTION[settings.turn]
    detection: JsonObject = {"type": kind}
    if kind == "client_interrupt":
        return detection
    # Sources disagree on the defaults, so the values are always said.
    detection["prefix_padding_ms"] = settings.prefix_padding_ms
    detection["silence_duration_ms"] = settings.silence_duration_ms
    if kind == "semantic_vad":
        detection["semantic_vad_config"] = {
            "silence_threshold_ms": settings.semantic_silence_ms,
            "semantic_unfinished_wait_time_ms": settings.semantic_unfinished_ms,
        }
    if settings.interrupt_keywords:
        detection["interrupt_config"] = {
            "mode": settings.interrupt_mode,
            "keywords": list(settings.interrupt_keywords),
        }
    return detection
