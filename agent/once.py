"""When ``--once`` is over, and with which exit code. Pure: told what happens, asked what now."""

from __future__ import annotations

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import Action, State
from agent.dialog.events import Event
from agent.errors import EXIT_OK, ServiceUnreachable, TalkboxError

# Silence after the end of the input file in which speech may still be decided: the longest
# sensible hangover (2 s) and some.
PATIENCE_S = 4.0
# Failed connections in a row after which nobody waits any longer.
ATTEMPTS = 3


class Once:
    """Watches one question and its answer."""

    def __init__(self, waits_for_file: bool) -> None:
        """``waits_for_file``: the question is a file; else the first answer ends it."""
        self._file = waits_for_file
        self._answered = 0
        self._open_turn = False
        self._last_reason = ""
        self._state = State.OFFLINE
        self._quiet_since: float | None = None
        self._ready = False
        self._speech = False

    def event(self, event: Event) -> None:
        """Something reached the dialog engine."""
        if isinstance(event, ev.LinkReady):
            self._ready = True
        elif isinstance(event, ev.SpeechStart):
            self._speech = True

    def action(self, action: Action) -> None:
        """The dialog engine asked for something."""
        match action:
            case act.EnterState():
                self._state = action.state
            case act.OpenUplink() | act.SendQuestion():
                self._open_turn = True
            case act.TurnOver():
                self._open_turn = False
                self._answered += action.answered
                self._last_reason = action.reason

    def failed(self, error: TalkboxError, in_a_row: int) -> TalkboxError | None:
        """A connection failed; returns the error to end with, if it is time."""
        return error if in_a_row >= ATTEMPTS else None

    def result(self, now: float, input_finished: bool) -> int | None:
        """The exit code when all is over, else ``None``.

        Raises ``ServiceUnreachable`` when the question ended without an answer.
        """
        resting = self._state in (State.IDLE, State.MUTED) and self._ready
        if not resting or (self._file and not input_finished):
            self._quiet_since = None
            return None
        if not self._file:
            if self._answered:
                return EXIT_OK
            return self._no_answer() if self._last_reason else None
        if self._quiet_since is None:
            self._quiet_since = now
        if self._answered and now - self._quiet_since > 1.0:
            return EXIT_OK
        if now - self._quiet_since > PATIENCE_S:
            return self._no_answer()
        return None

    def _no_answer(self) -> int:
        if self._last_reason:
            raise ServiceUnreachable(f"no answer came: {self._last_reason}")
        if self._speech:
            raise ServiceUnreachable(
                "no answer came, because the speech in the input began no turn",
                remedy='With conversation.turn = "push_to_talk" a turn needs the button.',
            )
        raise ServiceUnreachable(
            "no answer came, because no speech was found in the input",
            remedy="Check its level, and conversation.min_speech_ms.",
        )
