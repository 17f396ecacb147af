"""The connection comes and goes; a turn survives that as far as it can."""

from __future__ import annotations

import math

from agent.dialog.actions import CloseLink, Problem, ResendUplink, State
from agent.dialog.core import Core
from agent.dialog.events import LinkBlocked, LinkConnecting, LinkDown, LinkReady
from agent.dialog.states import Link


def connecting(core: Core, event: LinkConnecting) -> None:
    if core.link is Link.READY:
        _lose(core, event.t, "the connection was replaced")
    core.link = Link.CONNECTING
    core.link_deadline = event.t + core.settings.connecting_s
    if core.resting:
        core.rest(event.t)


def ready(core: Core, event: LinkReady) -> None:
    if core.link is Link.READY:
        return
    t = event.t
    core.link = Link.READY
    core.link_deadline = None
    core.silent_misses = 0
    core.lose_link(t)
    if core.settings.prologue:
        core.prologue_until = t + core.settings.prologue_s
    turn = core.turn
    if core.state is State.LISTENING and turn is not None:
        if core.uplink_open:
            core.emit(ResendUplink())
        if turn.commit_pending:
            core.commit(t)
        elif turn.pending_until is not None:
            turn.pending_until = None
            core.deadline = core.listening_deadline(t, turn)
    elif core.state is State.THINKING and turn is not None and not turn.sent:
        core.send_request(t, turn)
    elif core.resting:
        core.rest(t)


def down(core: Core, event: LinkDown) -> None:
    if core.link is Link.DORMANT:
        return
    _lose(core, event.t, event.reason)
    core.link = Link.DOWN
    core.link_deadline = None
    if core.resting:
        core.rest(event.t)


def _lose(core: Core, t: float, reason: str) -> None:
    """The session is gone, and with it what it would still have sent."""
    was_ready = core.link is Link.READY
    core.link = Link.DOWN
    core.lose_link(t)
    turn = core.turn
    if turn is None or not was_ready:
        return
    if core.state is State.SPEAKING:
        _only_play_out(core, t)
    elif core.state in (State.THINKING, State.TOOL) and turn.sent:
        core.fail(
            t,
            "turn_lost",
            f"The connection was lost before the answer: {reason or 'no reason given'}.",
            remedy="Ask again once the device is online.",
            reason="link_down",
        )


def _only_play_out(core: Core, t: float) -> None:
    turn = core.turn
    if turn is None:
        return
    turn.server_ended = True
    if turn.chat_id is not None:
        core.chats.kill(turn.chat_id)
    core.play_out(t)


def blocked(core: Core, event: LinkBlocked) -> None:
    t = event.t
    core.blocked_until = event.until if not math.isnan(event.until) else math.inf
    core.blocked_reason = event.reason
    if core.link is Link.CONNECTING:
        core.link = Link.DOWN
        core.link_deadline = None
    core.emit(
        Problem(
            t,
            "blocked",
            f"The platform does not allow use now: {event.reason or 'no reason given'}.",
            "Check the account and its quota.",
        )
    )
    if core.state is State.SPEAKING:
        _only_play_out(core, t)
        return
    core.drop_turn(t, "blocked")
    core.rest(t)


def block_over(core: Core, t: float) -> None:
    """The time of the block has passed: try again."""
    core.blocked_until = None
    core.blocked_reason = ""
    if core.link is Link.DOWN:
        core.reconnect(t, "the block is over")
    if core.resting:
        core.rest(t)


def connect_timed_out(core: Core, t: float) -> None:
    core.link = Link.DOWN
    core.link_deadline = None
    if core.blocked_until is None:
        core.emit(
            Problem(
                t,
                "connect_timeout",
                f"No session within {core.settings.connecting_s:g} s of connecting.",
                "Check the network.",
            )
        )
        core.reconnect(t, "connecting took too long")
    if core.resting:
        core.rest(t)


def close_idle(core: Core, t: float) -> None:
    """Nobody has talked for long."""
    core.lose_link(t)
    core.link = Link.DORMANT
    core.emit(CloseLink("idle"))


def usable(core: Core, t: float) -> bool:
    """Whether a request of a person can be taken now; says why not."""
    if core.blocked_until is not None:
        core.emit(
            Problem(
                t,
                "blocked",
                f"The platform does not allow use now: {core.blocked_reason or 'no reason given'}.",
                "Check the account and its quota.",
            )
        )
        return False
    if core.link is Link.DOWN:
        core.emit(
            Problem(t, "offline", "The device has no connection to the platform.", "Try again.")
        )
        return False
    return True
