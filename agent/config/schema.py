"""All settings: six sections of typed values, each with its default, limits and meaning.

The fields below are the only place where a key is described. The loader, ``talkbox config``, the
commented default file and ``docs/configuration.md`` are all derived from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from agent.config.key import Key, key_from

T = TypeVar("T")

# Languages of the chat socket's asr_config.user_language: the chat documentation's list and the
# SDKs' list disagree, so both are let through.
_LANGUAGES = (
    *("common", "zh", "cant", "sc", "en", "ja", "ko", "fr", "id", "es", "pt", "ms", "ru"),
    *("en-US", "ja-JP", "id-ID", "es-MX", "pt-BR", "de-DE", "fr-FR", "ko-KR", "fil-PH"),
    *("ms-MY", "th-TH", "ar-SA"),
)


def _key(default: T, meaning: str, **hints: Any) -> T:
    """A dataclass field that also carries what ``Key`` needs."""
    made: Any = field(default=default, metadata={"meaning": meaning, **hints})
    value: T = made
    return value


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """Who this device is."""

    id: str = _key(
        "",
        "Text id of this device. Empty: derived from the board's serial number or the machine-id.",
        form="id",
    )
    profile: str = _key(
        "generic",
        "Firmware profile: a name from `talkbox profile list`, or the path of a profile file.",
    )
    language: str = _key("zh", "Language of spoken and written prompts.", choices=("zh", "en"))
    state_dir: str = _key(
        "",
        "Where state is kept. Empty: $STATE_DIRECTORY, /var/lib/talkbox or ~/.local/state/talkbox.",
        form="path",
    )


@dataclass(frozen=True, slots=True)
class CozeConfig:
    """Which platform, bot and user."""

    region: str = _key(
        "cn",
        "Region of the account: cn is api.coze.cn, com is api.coze.com.",
        choices=("cn", "com"),
    )
    api_base: str = _key(
        "", "Base address of the REST interface instead of the region's.", form="http_url"
    )
    ws_base: str = _key(
        "",
        "Base address of the sockets. Empty: derived from api_base, else the region's.",
        form="ws_url",
    )
    bot_id: str = _key("", "The bot to talk to; needed by `talkbox run`.", form="word")
    user_id: str = _key("", "User id sent to the platform. Empty: the device's id.", form="word")
    conversation: str = _key(
        "resume",
        "After a start: resume the last conversation, or begin a new one.",
        choices=("resume", "new"),
    )
    ca_file: str = _key(
        "",
        "PEM file with the certificate authorities to trust. Empty: $TALKBOX_CA_FILE, "
        "else the system's.",
        form="path",
    )


@dataclass(frozen=True, slots=True)
class AuthConfig:
    """How the device obtains access."""

    method: str = _key(
        "token",
        "How access is obtained. This version serves token (see Secrets).",
        choices=("token", "device_code", "jwt", "http"),
    )
    client_id: str = _key("", "OAuth client id, for device_code and jwt.", form="word")
    token_url: str = _key(
        "", "Back end that hands out short-lived tokens, for http.", form="http_url"
    )


@dataclass(frozen=True, slots=True)
class ConversationConfig:
    """Turn taking, voice and volume."""

    turn: str = _key(
        "local",
        "Who decides that you have finished: the device (local), the button (push_to_talk) or "
        "the platform (server_vad, semantic_vad). wake_word is not served by this version.",
        choices=("local", "push_to_talk", "wake_word", "server_vad", "semantic_vad"),
        profile=True,
    )
    barge_in: str = _key(
        "auto",
        "How an answer is interrupted: off, button, keyword, confirmed (speech ducks the answer "
        "and stops it once confirmed) or instant. auto: confirmed where the profile says that "
        "the hardware cancels echo (but not with push_to_talk), else button.",
        choices=("auto", "off", "button", "keyword", "confirmed", "instant"),
        profile=True,
    )
    keywords: tuple[str, ...] = _key(
        (),
        'Words that interrupt, for barge_in = "keyword": 1 to 5 of 6 to 24 bytes each '
        "(2 to 8 Chinese characters), without punctuation.",
    )
    prologue: bool = _key(False, "Speak the opening line when a conversation begins.")
    prologue_text: str = _key("", "The opening line. Empty: the bot's own.")
    idle_close_s: int = _key(
        180,
        "The socket is closed after this long without a turn, and opened again when needed.",
        low=1,
        high=86400,
        zero="never",
        unit="s",
    )
    voice_id: str = _key("", "Voice of the answers. Empty: the bot's own.", form="word")
    speech_rate: int = _key(
        0, "Speaking rate: -50 is half, 100 is double speed.", low=-50, high=100
    )
    volume: int = _key(
        70,
        "Volume; `talkbox volume` changes it while it runs.",
        low=0,
        high=100,
        unit="percent",
        profile=True,
    )
    user_language: str = _key(
        "common",
        "Language the platform's recognition expects; common is Chinese and English.",
        choices=_LANGUAGES,
    )
    silence_ms: int = _key(
        500,
        "Silence that ends your turn. Lower answers sooner, higher lets you pause.",
        low=100,
        high=3000,
        unit="ms",
        profile=True,
    )
    min_speech_ms: int = _key(
        140,
        "Speech shorter than this is taken for noise.",
        low=40,
        high=1000,
        unit="ms",
        profile=True,
    )
    max_utterance_s: int = _key(
        30, "An utterance is ended after this long.", low=1, high=120, unit="s", profile=True
    )
    confirm_vad: bool = _key(
        False,
        "Confirm speech with the Silero detector (needs the extra `vad`): deaf to keyboards and "
        "music, for about 1 ms of processor time per 32 ms of sound.",
        profile=True,
    )


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """Sound devices and codecs; each key overrides the profile."""

    input: str = _key(
        "",
        "Microphone: part of a name from `talkbox devices`, or a WAV file. Empty: the default.",
        profile=True,
    )
    output: str = _key(
        "",
        "Speaker: part of a name from `talkbox devices`, or a WAV file. Empty: the default.",
        profile=True,
    )
    input_rate: int = _key(
        0,
        "Sample rate the microphone is opened with.",
        low=8000,
        high=192000,
        zero="the device's own",
        unit="Hz",
        profile=True,
    )
    output_rate: int = _key(
        0,
        "Sample rate the speaker is opened with.",
        low=8000,
        high=192000,
        zero="the device's own",
        unit="Hz",
        profile=True,
    )
    input_channels: int = _key(
        1, "Channels the microphone is opened with.", low=1, high=32, profile=True
    )
    input_channel: int | str = _key(
        0,
        "The channel that is heard, counted from 0, or the mean of all.",
        low=0,
        high=31,
        words=("mean",),
        profile=True,
    )
    block_ms: int = _key(20, "Length of a device block.", low=5, high=100, unit="ms", profile=True)
    frame_ms: int = _key(
        20,
        "Frame of the pipeline: everything is tuned for 20.",
        choices=(20,),
        unit="ms",
        profile=True,
    )
    packet_ms: int = _key(
        60,
        "Sound per packet sent: 60 costs a third of the messages of 20 for 40 ms of delay.",
        choices=(10, 20, 40, 60),
        unit="ms",
        profile=True,
    )
    codec: str = _key(
        "opus",
        "Codec towards the platform; pcm costs about ten times the bandwidth.",
        choices=("opus", "pcm"),
        profile=True,
    )
    bitrate: int = _key(24000, "Opus bit rate.", low=6000, high=128000, unit="bit/s", profile=True)
    complexity: int = _key(
        0,
        "Effort of the Opus encoder; 8 costs almost four times the processor time of 0.",
        low=0,
        high=10,
        profile=True,
    )
    output_codec: str = _key("opus", "Codec of the answers.", choices=("opus", "pcm"), profile=True)
    output_frame_ms: int = _key(
        60,
        "Sound per packet received.",
        choices=(10, 20, 40, 60),
        unit="ms",
        profile=True,
    )
    prefill_ms: int = _key(
        120,
        "Sound queued before an answer starts to play; more rides out a bad network.",
        low=0,
        high=2000,
        unit="ms",
        profile=True,
    )
    preroll_ms: int = _key(
        300,
        "Sound from before the detected onset that is sent along, so no syllable is lost.",
        low=0,
        high=2000,
        unit="ms",
        profile=True,
    )


@dataclass(frozen=True, slots=True)
class QuotaConfig:
    """Spending limits. The names are fixed; this version enforces none and refuses a limit."""

    source: str = _key(
        "local",
        "Who keeps count. This version serves local and none.",
        choices=("local", "coze", "http", "none"),
    )
    limit: int = _key(
        0,
        "Allowance per window. This version serves only 0.",
        low=1,
        high=1_000_000_000,
        zero="unlimited",
    )
    unit: str = _key("voice_seconds", "What is counted.", choices=("voice_seconds", "turns"))
    window: str = _key(
        "day", "When the count starts again.", choices=("hour", "day", "month", "total")
    )
    warn_at: float = _key(
        0.8, "Share of the allowance at which a warning is spoken.", low=0.0, high=1.0
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The effective settings. ``path`` is the file read, ``origins`` where each key came from."""

    device: DeviceConfig = field(default_factory=DeviceConfig)
    coze: CozeConfig = field(default_factory=CozeConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
    conversation: ConversationConfig = field(default_factory=ConversationConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    quota: QuotaConfig = field(default_factory=QuotaConfig)
    path: Path | None = None
    origins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


SECTIONS: dict[str, type[Any]] = {
    "device": DeviceConfig,
    "coze": CozeConfig,
    "auth": AuthConfig,
    "conversation": ConversationConfig,
    "audio": AudioConfig,
    "quota": QuotaConfig,
}

KEYS: dict[str, Key] = {
    f"{section}.{entry.name}": key_from(section, entry.name, entry.default, dict(entry.metadata))
    for section, kind in SECTIONS.items()
    for entry in dataclasses.fields(kind)
}
