"""The dialog engine: timestamped events in, actions out; no socket, no thread, no clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from agent.dialog import deadlines, on_device, on_link, on_people, on_reply, on_tools, on_vad
from agent.dialog import events as ev
from agent.dialog.actions import Action, State
from agent.dialog.core import Core
from agent.dialog.settings import DialogSettings
from agent.dialog.states import Link
from agent.dialog.turn import Kind

Handler = Callable[[Core, Any], None]


HANDLERS: dict[type[Any], Handler] = {
    ev.LinkConnecting: on_link.connecting,
    ev.LinkReady: on_link.ready,
    ev.LinkDown: on_link.down,
    ev.LinkBlocked: on_link.blocked,
    ev.ServerSpeechStarted: on_vad.speech_started,
    ev.ServerSpeechStopped: on_vad.speech_stopped,
    ev.Transcript: on_reply.transcript,
    ev.ReplyText: on_reply.text,
    ev.CommitAcknowledged: on_reply.acknowledged,
    ev.TurnCreated: on_reply.created,
    ev.ReplyAudio: on_reply.audio,
    ev.ReplyAudioEnded: on_reply.audio_ended,
    ev.TurnEnded: on_reply.ended,
    ev.TurnFailed: on_reply.failed,
    ev.TurnCanceled: on_reply.canceled,
    ev.ToolsRequested: on_tools.tools_requested,
    ev.RequestRefused: on_reply.refused,
    ev.Onset: on_device.onset,
    ev.SpeechStart: on_device.speech_start,
    ev.SpeechEnd: on_device.speech_end,
    ev.FalseAlarm: on_device.false_alarm,
    ev.PlaybackStarted: on_device.started,
    ev.PlaybackDrained: on_device.drained,
    ev.Listen: on_people.listen,
    ev.Release: on_people.release,
    ev.Stop: on_people.stop,
    ev.Mute: on_people.mute,
    ev.Unmute: on_people.unmute,
    ev.Ask: on_people.ask,
    ev.Say: on_people.say,
    ev.ToolFinished: on_tools.tool_finished,
    ev.Tick: deadlines.expire,
}


class Engine:
    """Whose turn it is. Give it every event in order of ``t`` and carry out what it returns.

    Deadlines are only acted upon by ``Tick``: send one when ``deadline()`` has come. The engine
    begins offline, unmuted, with an open gate, a closed uplink and generation 0.
    """

    def __init__(self, settings: DialogSettings) -> None:
        self._core = Core(settings)

    @property
    def settings(self) -> DialogSettings:
        return self._core.settings

    @property
    def state(self) -> State:
        return self._core.state

    @property
    def link(self) -> Link:
        """The connection; ``dormant`` is one we closed ourselves and shall open again."""
        return self._core.link

    @property
    def muted(self) -> bool:
        return self._core.muted

    @property
    def generation(self) -> int:
        """Number of the newest answer or cut; only sound of this number may be queued."""
        return self._core.playback.generation

    @property
    def uplink_open(self) -> bool:
        return self._core.uplink_open

    @property
    def turns(self) -> int:
        """Turns begun so far; each ends with exactly one ``TurnOver``."""
        return self._core.turns

    @property
    def stale_audio(self) -> int:
        """Packets of dead or unknown chats that were dropped, and of overfull waiting room."""
        return self._core.stale_audio + self._core.playback.held_dropped

    def opening(self, t: float) -> bool:
        """Whether the platform's opening line is awaited or sounds: what is said now is lost."""
        core = self._core
        expected = core.state is not State.MUTED and t < core.prologue_until
        sounds = core.turn is not None and core.turn.kind is Kind.PROLOGUE
        return core.settings.prologue and (expected or sounds or core.guard_until is not None)

    def answers(self, chat_id: str) -> bool:
        """Whether ``chat_id`` is the running turn's; what comes of any other is left over."""
        turn = self._core.turn
        return turn is not None and turn.chat_id == chat_id

    def handle(self, event: ev.Event) -> list[Action]:
        """What to do about ``event``, in this order."""
        core = self._core
        HANDLERS[type(event)](core, event)
        core.settle(event.t)
        return core.take()

    def deadline(self) -> float | None:
        """When the next ``Tick`` is due, in monotonic seconds; ``None`` for never."""
        core = self._core
        candidates = (
            core.deadline,
            core.link_deadline,
            core.blocked_until,
            core.guard_until,
            deadlines.idle_deadline(core),
        )
        times = [time for time in candidates if time is not None and math.isfinite(time)]
        return min(times, default=None)
