"""Carries out what the dialog engine asks for. Knows every part, decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import Action
from agent.dialog.events import Event
from agent.link import Link
from agent.reporter import Reporter
from agent.sound import Sound
from agent.tools import ToolBox
from agent.uplink import Uplink
from audio.endpointer import Endpointer


class Performer:
    """One method per action; ``perform`` finds it by type."""

    def __init__(
        self,
        *,
        link: Link,
        uplink: Uplink,
        sound: Sound,
        endpointer: Endpointer,
        tools: ToolBox,
        reporter: Reporter,
        post: Callable[[Event], None],
    ) -> None:
        self._link = link
        self._uplink = uplink
        self._sound = sound
        self._endpointer = endpointer
        self._tools = tools
        self._reporter = reporter
        self._post = post
        self.gate_open = True
        self._table: dict[type[Any], Callable[[Any, float], None]] = {
            act.OpenUplink: self._open_uplink,
            act.CommitUplink: self._commit_uplink,
            act.AbandonUplink: self._abandon_uplink,
            act.ResendUplink: self._resend_uplink,
            act.CancelTurn: lambda action, now: self._link.cancel(now),
            act.SendQuestion: lambda action, now: self._link.ask(action.text, now),
            act.SendSpeech: lambda action, now: self._link.say(action.text, now),
            act.SubmitTools: lambda action, now: self._link.submit(
                action.chat_id, action.outputs, now
            ),
            act.Reconnect: lambda action, now: self._link.reconnect(action.reason, now),
            act.CloseLink: lambda action, now: self._link.rest(action.reason, now),
            act.OpenLink: lambda action, now: self._link.open(now),
            act.BeginPlayback: lambda action, now: self._sound.speaker.begin(action.generation),
            act.Play: self._play,
            act.FinishPlayback: lambda action, now: self._sound.speaker.finish(action.generation),
            act.CutPlayback: lambda action, now: self._sound.speaker.cut(action.generation),
            act.Duck: self._duck,
            act.Unduck: self._unduck,
            act.Gate: self._gate,
            act.CloseCapture: self._close_capture,
            act.OpenCapture: lambda action, now: self._sound.open_capture(),
            act.RunTools: self._run_tools,
        }

    def perform(self, action: Action, now: float) -> None:
        """Carry out one action; what only people need to know is the reporter's."""
        method = self._table.get(type(action))
        if method is not None:
            method(action, now)

    def _open_uplink(self, action: act.OpenUplink, now: float) -> None:
        for packet in self._uplink.open(action.preroll):
            self._link.append(packet, now)

    def _commit_uplink(self, action: act.CommitUplink, now: float) -> None:
        for packet in self._uplink.close():
            self._link.append(packet, now)
        self._link.complete(now)

    def _abandon_uplink(self, action: act.AbandonUplink, now: float) -> None:
        self._uplink.forget()
        self._endpointer.reset()
        self._link.clear(now)

    def _resend_uplink(self, action: act.ResendUplink, now: float) -> None:
        for packet in self._uplink.resend():
            self._link.append(packet, now, again=True)

    def _play(self, action: act.Play, now: float) -> None:
        self._sound.speaker.push(action.generation, action.payload, now)

    def _duck(self, action: act.Duck, now: float) -> None:
        self._sound.speaker.duck()
        self._reporter.duck(now, True)

    def _unduck(self, action: act.Unduck, now: float) -> None:
        self._sound.speaker.unduck()
        self._reporter.duck(now, False)

    def _gate(self, action: act.Gate, now: float) -> None:
        if action.open != self.gate_open:
            # What was heard while the gate was closed is our own answer: nobody's speech.
            self._endpointer.reset()
            if not self._uplink.is_open:
                self._uplink.forget()
        self.gate_open = action.open

    def _close_capture(self, action: act.CloseCapture, now: float) -> None:
        self._sound.close_capture()
        self._uplink.forget()
        self._endpointer.reset()

    def _run_tools(self, action: act.RunTools, now: float) -> None:
        for call in action.calls:
            self._post(ev.ToolFinished(now, action.chat_id, self._tools.run(call)))
