"""What happens when time has passed and nothing else has."""

from __future__ import annotations

from agent.dialog import on_link
from agent.dialog.actions import Problem, State
from agent.dialog.core import Core
from agent.dialog.events import Tick
from agent.dialog.on_tools import submit_tools
from agent.dialog.states import Link
from agent.dialog.turn import EndsBy, Turn


def expire(core: Core, event: Tick) -> None:
    """Carry out every deadline that has passed, those of the link before those of the turn."""
    t = event.t
    if core.link_deadline is not None and t >= core.link_deadline:
        on_link.connect_timed_out(core, t)
    if core.blocked_until is not None and t >= core.blocked_until:
        on_link.block_over(core, t)
    if core.deadline is not None and t >= core.deadline:
        if core.state is State.LISTENING:
            _give_up_listening(core, t)
        else:
            _give_up(core, t)
    idle = idle_deadline(core)
    if idle is not None and t >= idle:
        on_link.close_idle(core, t)


def idle_deadline(core: Core) -> float | None:
    s = core.settings
    if s.server_turn or s.idle_close_s == 0:
        return None
    if core.state is not State.IDLE or core.link is not Link.READY:
        return None
    return core.idle_since + s.idle_close_s


def _give_up_listening(core: Core, t: float) -> None:
    """The deadline of listening has passed."""
    turn = core.turn
    if turn is None:
        return
    if not turn.speech_seen:
        core.end_turn(t, False, "false_alarm" if turn.provisional else "no_speech")
        core.rest(t)
    elif turn.pending_until is not None and t >= turn.pending_until:
        core.fail(
            t,
            "offline",
            "The platform could not be reached in time for what was said.",
            remedy="Check the network.",
        )
    elif turn.ends_by is EndsBy.SERVER:
        core.end_turn(t, False, "no_end")
        core.rest(t)
    else:
        core.commit(t)


def _give_up(core: Core, t: float) -> None:
    """The deadline of a running turn has passed."""
    turn = core.turn
    if turn is None:
        return
    if core.state is State.TOOL:
        submit_tools(core, t)
    elif core.state is State.THINKING:
        _no_answer(core, t, turn)
    elif core.playback.finished:
        core.fail(
            t,
            "drain_missed",
            "The speaker did not report the end of the answer.",
            remedy="Check the output device.",
        )
    else:
        core.fail(
            t,
            "reply_stalled",
            "The answer stopped in the middle.",
            remedy="Check the network.",
        )


def _no_answer(core: Core, t: float, turn: Turn) -> None:
    if not turn.sent:
        core.fail(
            t,
            "offline",
            "The platform could not be reached in time for this request.",
            remedy="Check the network.",
        )
        return
    core.silent_misses += 1
    silent = core.silent_misses >= 2
    core.emit(Problem(t, "no_answer", "The platform did not answer in time.", "Ask again."))
    core.drop_turn(t, "no_answer")
    if silent:
        core.silent_misses = 0
        core.reconnect(t, "no answer twice in a row")
    core.rest(t)
