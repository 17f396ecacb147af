"""What the microphone's endpointer and the speaker's DAC report."""

from __future__ import annotations

from agent.dialog.actions import Duck, State, Unduck
from agent.dialog.core import Core
from agent.dialog.events import (
    FalseAlarm,
    Onset,
    PlaybackDrained,
    PlaybackStarted,
    SpeechEnd,
    SpeechStart,
)
from agent.dialog.states import Link
from agent.dialog.turn import EndsBy

# --- the microphone ---------------------------------------------------------------------------


def _hears(core: Core) -> bool:
    """The endpointer decides turns here, and its microphone is open."""
    return not core.settings.server_turn and not core.muted and core.gate_open


def _answering(core: Core) -> bool:
    """Somebody who speaks now speaks into an answer."""
    return core.state is State.SPEAKING or (
        core.state in (State.THINKING, State.TOOL) and core.playback.active
    )


def onset(core: Core, event: Onset) -> None:
    if not _hears(core) or not _answering(core):
        return
    if core.settings.barge_in == "confirmed" and not core.ducked:
        core.ducked = True
        core.emit(Duck())
    elif core.settings.barge_in == "instant":
        _barge_in(core, event.t, confirmed=False)


def _barge_in(core: Core, t: float, *, confirmed: bool) -> None:
    """Speech stops the answer, and is heard where it can be sent."""
    core.interrupt(t, "speech")
    if core.blocked_until is not None or core.link is Link.DOWN:
        core.rest(t)
        return
    turn = core.begin_listening(t, EndsBy.ENDPOINT, speech_seen=confirmed)
    turn.provisional = not confirmed


def _unduck(core: Core) -> None:
    if core.ducked:
        core.ducked = False
        core.emit(Unduck())


def false_alarm(core: Core, event: FalseAlarm) -> None:
    core.in_speech = False
    _unduck(core)
    turn = core.turn
    if turn is not None and turn.provisional and core.state is State.LISTENING:
        core.end_turn(event.t, False, "false_alarm")
        core.rest(event.t)


def speech_start(core: Core, event: SpeechStart) -> None:
    if not _hears(core):
        return
    t = event.t
    core.in_speech = True
    turn = core.turn
    if core.state is State.LISTENING and turn is not None:
        if turn.ends_by is not EndsBy.ENDPOINT:
            return
        turn.speech_seen = True
        turn.provisional = False
        turn.commit_pending = False
        if turn.pending_until is None:
            core.deadline = core.listening_deadline(t, turn)
        return
    if core.resting:
        reachable = core.blocked_until is None and core.link is not Link.DOWN
        if core.settings.turn == "local" and reachable:
            core.begin_listening(t, EndsBy.ENDPOINT, speech_seen=True)
        return
    # Before the answer sounds, only where no button is meant to begin the turns.
    if core.settings.speech_interrupts and (_answering(core) or core.settings.turn == "local"):
        _barge_in(core, t, confirmed=True)


def speech_end(core: Core, event: SpeechEnd) -> None:
    core.in_speech = False
    _unduck(core)
    turn = core.turn
    if turn is None or core.state is not State.LISTENING:
        return
    turn.speech_last = event.t_last
    if turn.ends_by is EndsBy.ENDPOINT:
        turn.speech_seen = True
        turn.provisional = False
        core.commit(event.t)


# --- the speaker ------------------------------------------------------------------------------


def started(core: Core, event: PlaybackStarted) -> None:
    turn = core.turn
    if turn is None or turn.reported or turn.chatless or turn.first_audio_t is None:
        return
    if core.playback.active and event.generation == core.playback.generation:
        turn.reported = True
        core.emit(turn.report(event.t))


def drained(core: Core, event: PlaybackDrained) -> None:
    t = event.t
    over, actions = core.playback.drained(event.generation)
    core.extend(actions)
    if actions and core.state is State.SPEAKING:
        core.enter_speaking(t)
    if not over:
        return
    core.quiet(t)
    if core.state is State.SPEAKING and core.turn is not None:
        core.end_turn(t, True, "spoken" if core.turn.chatless else "answered")
        core.rest(t)
