"""The one place that knows every part: builds them from a configuration and joins them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from agent import __version__
from agent.button import Button
from agent.config import Config, ca_file, require_bot, resolve_barge_in, ws_base
from agent.config import profile as profiles
from agent.coze.backoff import Backoff
from agent.coze.session import Session
from agent.coze.settings import Codec, SessionSettings, Turn
from agent.coze.socket import Socket
from agent.coze.target import Target
from agent.credentials import find_token, state_dir
from agent.dialog import events as ev
from agent.dialog.engine import Engine
from agent.dialog.events import Event
from agent.dialog.settings import BargeIn, DialogSettings, TurnMode
from agent.errors import ConfigError
from agent.identity import numeric_id, text_id
from agent.link import Link
from agent.parts import Host, Parts
from agent.sound import Sound, SoundSettings
from agent.statefile import StateFile
from agent.tools import ToolBox
from agent.uplink import Uplink
from audio.endpointer import Endpointer, EndpointSettings
from audio.packetizer import Packetizer
from audio.vad import SileroJudge, WebrtcJudge

# From the first speech frame to the decision that it is speech, beyond min_speech_ms: gaps that
# an onset may contain, and the judge's own delay.
DECISION_SLACK_MS = 200


def compose(config: Config, host: Host, env: dict[str, str]) -> Parts:
    """Build all parts. Raises ``TalkboxError``, ``DeviceError`` or ``LibraryMissing``."""
    require_bot(config)
    directory = state_dir(config, env)
    credentials = env.get("CREDENTIALS_DIRECTORY")
    token = find_token(env, directory, credentials)
    profile = profiles.load_profile(config.device.profile)
    device_id, _ = text_id(config.device.id)
    state = StateFile(directory)
    saved = state.saved
    c, a = config.conversation, config.audio
    volume = c.volume if saved.volume is None else saved.volume
    resume = config.coze.conversation == "resume" and saved.bot_id == config.coze.bot_id
    session_settings = _session_settings(config, saved.conversation_id if resume else "")
    dialog_settings = DialogSettings(
        turn=cast(TurnMode, c.turn),
        barge_in=cast(BargeIn, resolve_barge_in(config, profile.echo_cancelled)),
        prologue=c.prologue,
        max_utterance_s=c.max_utterance_s,
        idle_close_s=c.idle_close_s,
    )

    sound = Sound(
        SoundSettings(
            input=a.input,
            output=a.output,
            input_rate=a.input_rate,
            output_rate=a.output_rate,
            input_channels=a.input_channels,
            input_channel=a.input_channel if isinstance(a.input_channel, int) else None,
            block_ms=a.block_ms,
            codec=a.output_codec,
            pcm_rate=session_settings.output_rate,
            prefill_ms=a.prefill_ms,
            volume=volume,
        ),
        host.wake,
    )
    endpointer = Endpointer(
        EndpointSettings(
            min_speech_ms=c.min_speech_ms,
            hangover_ms=c.silence_ms,
            max_utterance_ms=round(c.max_utterance_s * 1000),
        ),
        WebrtcJudge(mode=3),
        SileroJudge() if c.confirm_vad else None,
    )
    uplink = Uplink(
        Packetizer(cast(Codec, a.codec), 16000, a.packet_ms, a.bitrate, a.complexity),
        preroll_ms=a.preroll_ms + c.min_speech_ms + DECISION_SLACK_MS,
        keep_ms=round(c.max_utterance_s * 1000) + 5000,
    )

    authorities = ca_file(config, env)

    def target() -> Target:
        return Target.chat(
            ws_base(config),
            bot_id=config.coze.bot_id,
            token=token.value,
            device_id=str(numeric_id(device_id)),
            ca_file=str(authorities) if authorities else None,
        )

    target()  # A wrong address is found at the start, not at the first connection.
    link = Link(
        Session(session_settings),
        target,
        lambda where: Socket(where, wake=host.wake),
        Backoff(random.Random()),
        host,
    )
    parts = Parts(
        config=config,
        engine=Engine(dialog_settings),
        link=link,
        uplink=uplink,
        sound=sound,
        endpointer=endpointer,
        tools=_tools(host, config, device_id),
        state=state,
        volume=volume,
        device_id=device_id,
    )
    if profile.button is not None:
        parts.buttons.append(_button(profile.button, host))
    return parts


def _session_settings(config: Config, conversation_id: str) -> SessionSettings:
    c, a = config.conversation, config.audio
    try:
        return SessionSettings(
            bot_id=config.coze.bot_id,
            user_id=config.coze.user_id,
            conversation_id=conversation_id,
            turn=cast(Turn, c.turn),
            silence_duration_ms=c.silence_ms,
            interrupt_mode="keyword_contains" if c.keywords else "",
            interrupt_keywords=tuple(c.keywords),
            input_codec=cast(Codec, a.codec),
            output_codec=cast(Codec, a.output_codec),
            output_frame_ms=a.output_frame_ms,
            voice_id=c.voice_id,
            speech_rate=c.speech_rate or None,
            prologue=c.prologue,
            prologue_text=c.prologue_text,
            user_language=c.user_language,
        )
    except ValueError as error:
        raise ConfigError(f"these settings do not fit together: {error}") from error


def _tools(host: Host, config: Config, device_id: str) -> ToolBox:
    def info() -> dict[str, Any]:
        return {
            "device": device_id,
            "profile": config.device.profile,
            "software": f"talkbox {__version__}",
            "volume": host.parts.volume,
        }

    return ToolBox(
        get_volume=lambda: host.parts.volume,
        set_volume=lambda percent: host.parts.set_volume(percent),
        device_info=info,
        clock=lambda: datetime.now().astimezone(),
    )


def _button(where: profiles.Button, host: Host) -> Button:
    def post(make: Callable[[], Event]) -> Callable[[], None]:
        return lambda: host.post(make())

    pressed = post(lambda: ev.Listen(host.now(), by="button"))
    released = post(lambda: ev.Release(host.now()))
    return Button(where.device, where.code, pressed, released)
