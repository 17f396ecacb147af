"""What one daemon is made of, and what its parts may ask of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent import __version__
from agent.button import Button
from agent.config import Config, ws_base
from agent.dialog.engine import Engine
from agent.dialog.events import Event
from agent.link import Link, Watcher
from agent.sound import Sound, is_file
from agent.statefile import StateFile
from agent.tools import ToolBox
from agent.uplink import Uplink
from audio.endpointer import Endpointer

Recorder = Callable[[NDArray[np.int16], float], None]


@dataclass(slots=True)
class Parts:
    """Everything one daemon is made of."""

    config: Config
    engine: Engine
    link: Link
    uplink: Uplink
    sound: Sound
    endpointer: Endpointer
    tools: ToolBox
    state: StateFile
    volume: int
    device_id: str
    buttons: list[Button] = field(default_factory=list)
    recorder: Recorder | None = None

    @property
    def has_input_file(self) -> bool:
        """Whether the microphone is a WAV file."""
        return is_file(self.config.audio.input)

    @property
    def describes(self) -> str:
        """One line for the log."""
        c = self.config
        return (
            f"talkbox {__version__}, device {self.device_id}, profile {c.device.profile},"
            f" bot {c.coze.bot_id} at {ws_base(c)}, turn {c.conversation.turn}"
        )

    def set_volume(self, percent: int) -> None:
        """Change the volume now and for good."""
        self.volume = percent
        self.sound.speaker.set_volume(percent)
        self.state.update(volume=percent)

    def remember_conversation(self) -> None:
        """Keep the conversation for the next start."""
        conversation_id = self.link.session.conversation_id
        if conversation_id and conversation_id != self.state.saved.conversation_id:
            self.state.update(conversation_id=conversation_id, bot_id=self.config.coze.bot_id)

    def counters(self) -> dict[str, Any]:
        """What was dropped, concealed or ignored so far."""
        speaker, session = self.sound.speaker, self.link.session
        return {
            "stale_audio": self.engine.stale_audio + speaker.stale,
            "concealed_ms": round(speaker.concealed_ms),
            "bad_packets": speaker.bad_packets,
            "underruns": self.sound.playback.output.underruns,
            "overrun_samples": self.sound.overrun,
            "dropped_early": session.dropped_early,
            "malformed_frames": session.malformed,
            "unknown_events": sum(session.unknown.values()),
            "reconnects": self.link.lost,
        }


class Host(Watcher, Protocol):
    """What the parts may ask of the daemon that they belong to."""

    parts: Parts

    def wake(self) -> None:
        """There is something to do; from any thread, never blocks."""

    def post(self, event: Event) -> None:
        """Tell the dialog engine something."""

    def now(self) -> float:
        """Monotonic seconds."""
