"""What people ask for: by button, by command line, by typing."""

from __future__ import annotations

from agent.dialog import on_link
from agent.dialog.actions import CloseCapture, OpenCapture, Problem, State
from agent.dialog.core import Core
from agent.dialog.events import Ask, Listen, Mute, Release, Say, Stop, Unmute
from agent.dialog.states import Link
from agent.dialog.turn import EndsBy, Kind

BUTTON = "button"


def listen(core: Core, event: Listen) -> None:
    t = event.t
    held = core.settings.turn == "push_to_talk" and event.by == BUTTON
    if core.state is State.LISTENING:
        if held:
            _hold(core, t)
        elif core.turn is not None:
            core.turn.provisional = False
        return
    if core.muted:
        core.emit(Problem(t, "muted", "The microphone is muted.", "Unmute it first."))
        return
    sounding = core.state is State.SPEAKING or core.playback.active
    if event.by == BUTTON and core.settings.barge_in == "off" and sounding:
        return
    core.interrupt(t, event.by)
    if not on_link.usable(core, t):
        core.rest(t)
        return
    if core.settings.server_turn and core.link is not Link.READY:
        core.emit(
            Problem(t, "offline", "The device is not connected to the platform yet.", "Try again.")
        )
        core.rest(t)
        return
    if core.settings.server_turn:
        core.begin_listening(t, EndsBy.SERVER, speech_seen=False)
    elif held:
        core.begin_listening(t, EndsBy.RELEASE, speech_seen=True)
    else:
        core.begin_listening(t, EndsBy.ENDPOINT, speech_seen=core.in_speech)


def _hold(core: Core, t: float) -> None:
    """A button takes over an utterance that speech would have ended."""
    turn = core.turn
    if turn is None or turn.ends_by is EndsBy.RELEASE:
        return
    turn.ends_by = EndsBy.RELEASE
    turn.begun = t
    turn.speech_seen = True
    turn.provisional = False
    turn.commit_pending = False
    if turn.pending_until is None:
        core.deadline = core.listening_deadline(t, turn)


def release(core: Core, event: Release) -> None:
    turn = core.turn
    if turn is None or core.state is not State.LISTENING or turn.ends_by is not EndsBy.RELEASE:
        return
    if turn.commit_pending:
        return
    if event.t - turn.begun < core.settings.min_press_s:
        core.end_turn(event.t, False, "too_short")
        core.rest(event.t)
        return
    if turn.speech_last is None:
        turn.speech_last = event.t
    core.commit(event.t)


def stop(core: Core, event: Stop) -> None:
    if core.turn is None:
        return
    core.interrupt(event.t, event.by)
    core.rest(event.t)


def mute(core: Core, event: Mute) -> None:
    core.interrupt(event.t, "mute")
    if core.uplink_open:
        core.abandon_uplink()
    if not core.muted:
        core.muted = True
        core.in_speech = False
        core.server_speech = None
        core.emit(CloseCapture())
    core.rest(event.t)


def unmute(core: Core, event: Unmute) -> None:
    if not core.muted:
        return
    core.muted = False
    core.emit(OpenCapture())
    if core.resting:
        core.rest(event.t)


def ask(core: Core, event: Ask) -> None:
    if on_link.usable(core, event.t):
        core.interrupt(event.t, "message", replaced=True)
        core.request(event.t, Kind.ASK, event.text)


def say(core: Core, event: Say) -> None:
    if on_link.usable(core, event.t):
        core.interrupt(event.t, "message")
        core.request(event.t, Kind.SAY, event.text)
