"""The modes in which the server finds the utterances."""

from __future__ import annotations

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, kinds, only, over


def test_a_turn_in_free_talk() -> None:
    talk = Talk(turn="server_vad")
    talk(ev.LinkConnecting)
    assert talk(ev.LinkReady) == [
        act.EnterState(talk.now, State.IDLE),
        act.OpenUplink(preroll=False),
    ]
    assert kinds(talk(ev.ServerSpeechStarted)) == [act.EnterState]
    assert talk.state is State.LISTENING
    assert kinds(talk(ev.ServerSpeechStopped, after=1.0)) == [act.EnterState]
    assert talk.state is State.THINKING
    talk(ev.TurnCreated, "c1")
    talk.packet("c1")
    assert talk.state is State.SPEAKING


def test_the_devices_own_endpointer_decides_nothing() -> None:
    talk = Talk(turn="semantic_vad", barge_in="confirmed").online()
    assert talk(ev.SpeechStart, talk.now) == []
    talk.listening()
    assert talk(ev.SpeechEnd, talk.now, "silence") == []
    assert talk.state is State.LISTENING


def test_a_turn_may_begin_without_vad_events() -> None:
    talk = Talk(turn="server_vad").online()
    talk(ev.TurnCreated, "c1")
    assert talk.state is State.THINKING
    assert only(talk.packet("c1"), act.Play)


@pytest.mark.parametrize("barge_in", ["off", "button"])
def test_half_duplex_hears_nothing_while_it_speaks(barge_in: str) -> None:
    talk = Talk(turn="server_vad", barge_in=barge_in).online().created()
    assert only(talk.packet("c1"), act.AbandonUplink)
    assert talk(ev.ServerSpeechStarted) == []
    talk(ev.TurnEnded, "c1")
    assert not only(talk.drain(), act.OpenUplink)
    assert only(talk.wait(0.3), act.OpenUplink) == [act.OpenUplink(preroll=False)]


@pytest.mark.parametrize("barge_in", ["confirmed", "instant"])
def test_speech_the_server_hears_interrupts(barge_in: str) -> None:
    talk = Talk(turn="server_vad", barge_in=barge_in).online().speaking()
    assert talk.engine.uplink_open
    actions = talk(ev.ServerSpeechStarted)
    assert kinds(actions) == [
        act.CutPlayback,
        act.Interrupted,
        act.TurnOver,
        act.EnterState,
    ]
    assert talk.state is State.LISTENING
    assert talk(ev.TurnCanceled, 1) == []
    assert only(talk.packet("c1"), act.Play) == []


@pytest.mark.parametrize("barge_in", ["confirmed", "instant"])
def test_or_its_cancel_does_whichever_comes_first(barge_in: str) -> None:
    talk = Talk(turn="server_vad", barge_in=barge_in).online().speaking()
    assert only(talk(ev.TurnCanceled, 1), act.Interrupted)
    assert talk.state is State.LISTENING
    assert talk(ev.ServerSpeechStarted) == []
    talk(ev.ServerSpeechStopped)
    assert talk.state is State.THINKING


def test_with_keywords_only_the_cancel_cuts() -> None:
    talk = Talk(turn="server_vad", barge_in="keyword").online().speaking()
    assert talk(ev.ServerSpeechStarted) == []
    assert talk(ev.ServerSpeechStopped) == []
    assert only(talk(ev.TurnCanceled, 1), act.CutPlayback)
    assert talk.state is State.IDLE, "the keyword has been spoken already"


def test_who_goes_on_while_the_server_thinks_is_listened_to() -> None:
    talk = Talk(turn="server_vad").online().created()
    actions = talk(ev.ServerSpeechStarted)
    assert over(actions) == (False, "interrupted")
    assert talk.state is State.LISTENING


def test_a_turn_the_server_begins_over_the_answer_is_taken() -> None:
    talk = Talk(turn="server_vad", barge_in="keyword").online().speaking()
    talk(ev.TurnEnded, "c1")
    actions = talk(ev.TurnCreated, "c2")
    assert over(actions) == (False, "interrupted")
    assert talk.state is State.THINKING
    assert only(talk.packet("c2"), act.Play)


def test_a_cancelled_utterance_does_not_come_back_as_a_turn() -> None:
    talk = Talk(turn="server_vad").online().thinking()
    talk(ev.Stop)
    assert talk(ev.TurnCreated, "old") == []
    assert talk.state is State.IDLE
    talk(ev.TurnCanceled, 2)
    talk(ev.TurnCreated, "new")
    assert talk.state is State.THINKING


def test_a_press_without_words_goes_back_to_idle_with_open_ears() -> None:
    talk = Talk(turn="server_vad").online()
    assert kinds(talk(ev.Listen, "button")) == [act.EnterState]
    assert over(talk.wait(8.0)) == (False, "no_speech")
    assert talk.engine.uplink_open


@pytest.mark.parametrize("kind", [ev.Ask, ev.Say])
def test_what_the_server_does_not_know_yet_is_cancelled_by_us(kind: type) -> None:
    talk = Talk(turn="server_vad").online()
    talk(kind, "hello")
    assert only(talk(ev.ServerSpeechStarted), act.CancelTurn)
    assert talk.state is State.LISTENING
    if kind is ev.Ask:
        assert talk(ev.TurnCreated, "old") == []
        assert talk.state is State.LISTENING


def test_a_cancel_no_longer_doubts_the_utterance_that_follows_it() -> None:
    talk = Talk(turn="server_vad").online().thinking()
    talk(ev.Listen, "button")
    assert talk(ev.TurnCreated, "old") == []
    talk(ev.ServerSpeechStarted)
    talk(ev.ServerSpeechStopped, after=0.5)
    talk(ev.TurnCreated, "new")
    assert only(talk.packet("new"), act.Play)
