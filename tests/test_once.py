"""When --once ends, and how."""

from __future__ import annotations

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from agent.errors import ServiceUnreachable
from agent.once import ATTEMPTS, PATIENCE_S, Once


def idle(once: Once, t: float) -> None:
    once.event(ev.LinkReady(t))
    once.action(act.EnterState(t, State.IDLE))


def answered(once: Once, t: float) -> None:
    once.action(act.OpenUplink(True))
    once.action(act.EnterState(t, State.SPEAKING))
    once.action(act.TurnOver(t, True, "drained"))
    once.action(act.EnterState(t, State.IDLE))


def test_it_ends_with_zero_after_the_answer_of_a_file() -> None:
    once = Once(waits_for_file=True)
    idle(once, 0.0)
    answered(once, 1.0)
    assert once.result(1.0, input_finished=False) is None
    assert once.result(2.0, input_finished=True) is None
    assert once.result(3.1, input_finished=True) == 0


def test_a_file_without_speech_ends_with_a_reason() -> None:
    once = Once(waits_for_file=True)
    idle(once, 0.0)
    assert once.result(1.0, True) is None
    with pytest.raises(ServiceUnreachable, match="no speech was found"):
        once.result(1.1 + PATIENCE_S, True)


def test_a_turn_without_an_answer_says_why() -> None:
    once = Once(waits_for_file=True)
    idle(once, 0.0)
    once.action(act.OpenUplink(True))
    once.action(act.TurnOver(1.0, False, "the platform gave no answer within 15 s"))
    once.result(1.0, True)
    with pytest.raises(ServiceUnreachable, match="gave no answer within 15 s"):
        once.result(1.1 + PATIENCE_S, True)


def test_with_a_real_microphone_the_first_answer_ends_it() -> None:
    once = Once(waits_for_file=False)
    idle(once, 0.0)
    assert once.result(100.0, False) is None
    answered(once, 101.0)
    assert once.result(101.0, False) == 0


def test_it_does_not_end_while_a_turn_runs() -> None:
    once = Once(waits_for_file=True)
    idle(once, 0.0)
    once.action(act.OpenUplink(True))
    once.action(act.EnterState(1.0, State.THINKING))
    assert once.result(1.0, True) is None
    assert once.result(60.0, True) is None


def test_it_gives_up_after_some_failed_connections() -> None:
    once = Once(waits_for_file=True)
    error = ServiceUnreachable("nobody there")
    assert once.failed(error, 1) is None
    assert once.failed(error, ATTEMPTS) is error


def test_speech_that_began_no_turn_is_another_reason() -> None:
    once = Once(waits_for_file=True)
    idle(once, 0.0)
    once.event(ev.SpeechStart(0.5, 0.3))
    assert once.result(1.0, True) is None
    with pytest.raises(ServiceUnreachable, match="began no turn"):
        once.result(1.1 + PATIENCE_S, True)
