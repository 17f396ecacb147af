"""Patience and its end."""

from __future__ import annotations

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, only, over, problems


def test_the_first_event_has_fifteen_seconds() -> None:
    talk = Talk().online().thinking()
    assert talk.wait(14.9) == []
    actions = talk.wait(0.2)
    assert problems(actions) == ["no_answer"]
    assert over(actions) == (False, "no_answer")
    assert only(actions, act.CancelTurn)
    assert talk.state is State.IDLE


def test_every_event_of_the_turn_gives_thirty_more() -> None:
    talk = Talk().online().created()
    assert talk.wait(29.0) == []
    talk(ev.ReplyText, "c1", "well", False)
    assert talk.wait(29.0) == []
    assert problems(talk.wait(2.0)) == ["no_answer"]


def test_events_of_other_chats_give_none() -> None:
    talk = Talk().online().created()
    talk(ev.ReplyText, "c9", "well", False, after=20.0)
    assert problems(talk.wait(11.0)) == ["no_answer"]


def test_a_server_that_stays_dumb_twice_is_reconnected() -> None:
    talk = Talk().online().thinking()
    assert not only(talk.wait(16.0), act.Reconnect)
    talk.thinking()
    assert only(talk.wait(16.0), act.Reconnect)
    assert talk.state is State.OFFLINE


def test_a_server_that_says_anything_at_all_is_not() -> None:
    talk = Talk().online()
    for _ in range(3):
        talk.thinking()
        talk(ev.CommitAcknowledged)
        assert not only(talk.wait(16.0), act.Reconnect)
