"""Rules across keys: what this version cannot serve is refused, never ignored."""

from __future__ import annotations

import unicodedata

from agent.config.key import shown
from agent.config.schema import Config
from agent.errors import ConfigError


def check(config: Config) -> None:
    """Raise ``ConfigError`` with one sentence for the first combination that cannot be served."""
    _check_auth(config)
    _check_quota(config)
    _check_turn(config)
    _check_audio(config)


def require_bot(config: Config) -> None:
    """Raise ``ConfigError`` unless a bot is named."""
    if not config.coze.bot_id:
        file = config.path or "/etc/talkbox/talkbox.toml"
        raise ConfigError(
            "no bot is named: coze.bot_id is empty",
            remedy=f'Set bot_id = "…" below [coze] in {file}, or TALKBOX_COZE__BOT_ID.',
        )


def resolve_barge_in(config: Config, echo_cancelled: bool) -> str:
    """``conversation.barge_in`` with ``auto`` decided.

    Speech may interrupt only where the hardware takes the device's own voice out of the
    microphone (``echo_cancelled`` of the profile) and the microphone is not the button's to open;
    anywhere else the device would interrupt itself.
    """
    talk = config.conversation
    if talk.barge_in != "auto":
        return talk.barge_in
    return "confirmed" if echo_cancelled and talk.turn != "push_to_talk" else "button"


def _refuse(config: Config, path: str, why: str) -> ConfigError:
    section, name = path.split(".")
    value = getattr(getattr(config, section), name)
    origin = config.origins.get(path, "default")
    return ConfigError(f"{origin}: {path} = {shown(value)} {why}")


def _check_auth(config: Config) -> None:
    if config.auth.method != "token":
        raise _refuse(
            config,
            "auth.method",
            'is not served by this version: only "token" is, with $TALKBOX_TOKEN, a systemd '
            "credential or the state directory's file 'token'",
        )


def _check_quota(config: Config) -> None:
    if config.quota.source in ("coze", "http"):
        raise _refuse(
            config, "quota.source", 'is not served by this version: use "local" or "none"'
        )
    if config.quota.limit > 0:
        raise _refuse(
            config,
            "quota.limit",
            "cannot be enforced by this version: only 0 (unlimited) is served",
        )


def _check_turn(config: Config) -> None:
    talk = config.conversation
    if talk.turn == "wake_word":
        raise _refuse(
            config,
            "conversation.turn",
            'is not served by this version: use "local", "push_to_talk", "server_vad" or '
            '"semantic_vad"',
        )
    for word in talk.keywords:
        size = len(word.encode())
        if not 6 <= size <= 24:
            raise _refuse(
                config,
                "conversation.keywords",
                f"has {shown(word)} of {size} bytes: a keyword has 6 to 24 bytes of UTF-8 "
                "(2 to 8 Chinese characters)",
            )
        if any(unicodedata.category(letter).startswith("P") for letter in word):
            raise _refuse(
                config,
                "conversation.keywords",
                f"has {shown(word)}: punctuation is not allowed in a keyword",
            )
    if len(talk.keywords) > 5:
        raise _refuse(
            config,
            "conversation.keywords",
            f"has {len(talk.keywords)} words: at most 5 are allowed",
        )
    if talk.barge_in != "keyword":
        if talk.keywords:
            raise _refuse(
                config,
                "conversation.keywords",
                'is used only with conversation.barge_in = "keyword"',
            )
        return
    if talk.turn not in ("server_vad", "semantic_vad"):
        raise _refuse(
            config,
            "conversation.barge_in",
            'needs conversation.turn = "server_vad" or "semantic_vad", because it is the '
            "platform that listens for the keywords",
        )
    if not talk.keywords:
        raise _refuse(
            config, "conversation.barge_in", "needs 1 to 5 words in conversation.keywords"
        )


def _check_audio(config: Config) -> None:
    audio = config.audio
    if isinstance(audio.input_channel, int) and audio.input_channel >= audio.input_channels:
        raise _refuse(
            config,
            "audio.input_channel",
            f"is not there: audio.input_channels = {audio.input_channels}, and channels are "
            "counted from 0",
        )
    if audio.codec == "pcm" and audio.packet_ms % audio.frame_ms:
        raise _refuse(
            config,
            "audio.packet_ms",
            f'is not a multiple of audio.frame_ms = {audio.frame_ms}, which codec = "pcm" needs',
        )
