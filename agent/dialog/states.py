"""Which state may follow which. The engine refuses every other step."""

from __future__ import annotations

from enum import StrEnum

from agent.dialog.actions import State


class Link(StrEnum):
    """The connection, tracked apart from what people see."""

    DOWN = "down"
    CONNECTING = "connecting"
    READY = "ready"
    DORMANT = "dormant"
    """Closed by ourselves after a long silence; opened again when somebody talks."""


REST = frozenset({State.OFFLINE, State.CONNECTING, State.IDLE, State.BLOCKED, State.MUTED})
"""States nobody waits in: no turn runs, they may last for ever."""

ACTIVE = frozenset(set(State) - REST)
"""States of a running turn: each has a deadline."""

TRANSITIONS: dict[State, frozenset[State]] = {
    # A request needs a link, or one on its way.
    State.OFFLINE: REST - {State.OFFLINE},
    State.CONNECTING: (REST - {State.CONNECTING}) | {State.LISTENING, State.THINKING},
    # Speaking without a turn: the prologue.
    State.IDLE: (REST - {State.IDLE}) | {State.LISTENING, State.THINKING, State.SPEAKING},
    # Sound is only accepted for a request, so thinking lies between.
    State.LISTENING: REST | {State.THINKING},
    State.THINKING: REST | {State.LISTENING, State.SPEAKING, State.TOOL},
    State.SPEAKING: REST | {State.LISTENING, State.THINKING, State.TOOL},
    State.TOOL: REST | {State.LISTENING, State.THINKING, State.SPEAKING},
    State.BLOCKED: REST - {State.BLOCKED},
    # Muted is a closed microphone: typed questions still work, listening does not.
    State.MUTED: (REST - {State.MUTED}) | {State.THINKING, State.SPEAKING},
}


class IllegalTransition(RuntimeError):
    """The engine tried a step that is not in ``TRANSITIONS``: a bug, never a circumstance."""

    def __init__(self, old: State, new: State) -> None:
        super().__init__(f"the dialog may not go from {old} to {new}")
