"""Tells the outside what happens: the public event stream and the human log.

The dialog engine speaks in events and actions; this room turns both into the names of
docs/events.md. It decides nothing.
"""

from __future__ import annotations

import logging
from collections import deque

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import Action
from agent.dialog.events import Event
from agent.errors import TalkboxError
from agent.eventlog import EventLog

log = logging.getLogger("talkbox")

# Turns whose latencies `talkbox status` sums up.
REMEMBERED_TURNS = 50


class Reporter:
    """One per daemon; also keeps the few facts that ``talkbox status`` shows."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.was_ready = False
        self.heard = ""
        self.answered = ""
        self.turns = 0
        self.last_error = ""
        self.latencies: deque[float] = deque(maxlen=REMEMBERED_TURNS)

    def event(self, event: Event) -> None:
        """Something reached the dialog engine."""
        emit = self._events.emit
        match event:
            case ev.LinkReady():
                if not self.was_ready:
                    self.was_ready = True
                    emit(event.t, "ready")
                log.info("ready")
            case ev.SpeechStart():
                emit(event.t, "speech_start", onset=round(event.t_onset, 4))
            case ev.SpeechEnd():
                emit(event.t, "speech_end", last=round(event.t_last, 4), reason=event.reason)
            case ev.ServerSpeechStarted():
                emit(event.t, "speech_start", by="server")
            case ev.ServerSpeechStopped():
                emit(event.t, "speech_end", by="server")
            case ev.Transcript():
                emit(event.t, "transcript", text=event.text, final=event.final)
                if event.final:
                    self.heard = event.text
                    log.info("heard: %s", event.text or "(nothing)")
            case ev.ReplyText():
                emit(event.t, "reply_text", text=event.text, final=event.final)
                if event.final:
                    self.answered = event.text
                    log.info("answer: %s", event.text)
            case ev.PlaybackStarted():
                emit(event.t, "reply_audio_start", generation=event.generation)
            case ev.PlaybackDrained():
                emit(event.t, "reply_audio_end", generation=event.generation)
            case ev.ToolsRequested():
                names = ", ".join(call.name for call in event.calls)
                emit(event.t, "tool", names=[call.name for call in event.calls])
                log.info("tools wanted: %s", names)
            case ev.LinkDown():
                log.info("connection gone: %s", event.reason)

    def action(self, action: Action) -> None:
        """The dialog engine asked for something."""
        emit = self._events.emit
        match action:
            case act.EnterState():
                emit(action.t, "state", state=str(action.state))
                log.info("%s", action.state)
            case act.Interrupted():
                emit(action.t, "interrupted", by=action.by)
            case act.TurnReport():
                self._latencies(action)
            case act.TurnOver():
                self.turns += action.answered
            case act.Problem():
                self.problem(action.t, action.code, action.message, action.remedy)

    def duck(self, t: float, down: bool) -> None:
        """The answer was lowered or raised."""
        self._events.emit(t, "duck" if down else "unduck")

    def problem(self, t: float, code: str, message: str, remedy: str = "") -> None:
        """Something a person should know."""
        self.last_error = message
        self._events.emit(t, "error", code=code, message=message, remedy=remedy)
        log.warning("%s%s", message, f" {remedy}" if remedy else "")

    def failure(self, t: float, error: TalkboxError) -> None:
        """The link failed."""
        self.last_error = str(error)
        self._events.emit(
            t,
            "error",
            code=error.code or type(error).__name__,
            message=error.message,
            remedy=error.remedy,
            **({"logid": error.logid} if error.logid else {}),
        )
        log.warning("%s", error)

    def reconnect(self, t: float, attempt: int, delay: float, reason: str) -> None:
        """The link will be tried again in ``delay`` seconds."""
        self._events.emit(t, "reconnect", attempt=attempt, delay=round(delay, 3), reason=reason)
        log.info("trying again in %.1f s (attempt %d): %s", delay, attempt, reason)

    def exit(self, t: float, code: int) -> None:
        """The daemon ends."""
        self._events.emit(t, "exit", code=code)

    def _latencies(self, report: act.TurnReport) -> None:
        parts = {
            "speech_end_to_commit_ms": report.speech_end_to_commit_ms,
            "commit_to_first_audio_ms": report.commit_to_first_audio_ms,
            "first_audio_to_dac_ms": report.first_audio_to_dac_ms,
            "total_ms": report.total_ms,
        }
        rounded = {k: None if v is None else round(v, 1) for k, v in parts.items()}
        self._events.emit(report.t, "turn", **rounded)
        if report.total_ms is not None:
            self.latencies.append(report.total_ms)
            log.info("first sound %.0f ms after the end of speech", report.total_ms)
