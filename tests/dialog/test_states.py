from __future__ import annotations

import pytest

from agent.dialog.actions import EnterState, State
from agent.dialog.core import Core
from agent.dialog.settings import DialogSettings
from agent.dialog.states import ACTIVE, REST, TRANSITIONS, IllegalTransition


def test_the_table_names_every_state_and_none_twice() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(State) == REST | ACTIVE
    assert not REST & ACTIVE
    for state, following in TRANSITIONS.items():
        assert state not in following


def test_every_active_state_can_end_in_every_rest_state() -> None:
    for state in ACTIVE:
        assert TRANSITIONS[state] >= REST


def test_a_closed_microphone_never_leads_to_listening() -> None:
    assert State.LISTENING not in TRANSITIONS[State.MUTED]
    assert State.LISTENING not in TRANSITIONS[State.BLOCKED]
    assert State.LISTENING not in TRANSITIONS[State.OFFLINE]


@pytest.mark.parametrize("old", list(State))
@pytest.mark.parametrize("new", list(State))
def test_only_the_table_opens_doors(old: State, new: State) -> None:
    core = Core(DialogSettings())
    core.state = old
    if new is old:
        core.enter(1.0, new)
        assert core.take() == []
    elif new in TRANSITIONS[old]:
        core.enter(1.0, new)
        assert core.take() == [EnterState(1.0, new)]
    else:
        with pytest.raises(IllegalTransition, match=f"{old} to {new}"):
            core.enter(1.0, new)
        assert core.state is old
