"""The connection comes, goes, sleeps and is forbidden."""

from __future__ import annotations

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from agent.dialog.states import Link
from tests.dialog.harness import Talk, kinds, only, over, problems


def test_the_device_is_idle_once_the_session_is_configured() -> None:
    talk = Talk()
    assert talk.state is State.OFFLINE
    assert talk(ev.LinkConnecting) == [act.EnterState(talk.now, State.CONNECTING)]
    assert talk(ev.LinkReady) == [act.EnterState(talk.now, State.IDLE)]
    assert talk(ev.LinkDown, "reset") == [act.EnterState(talk.now, State.OFFLINE)]


def test_connecting_is_given_up_and_tried_again() -> None:
    talk = Talk()
    talk(ev.LinkConnecting)
    actions = talk.wait(20.0)
    assert problems(actions) == ["connect_timeout"]
    assert only(actions, act.Reconnect)
    assert talk.state is State.OFFLINE
    talk(ev.LinkConnecting)
    talk(ev.LinkReady)
    assert talk.state is State.IDLE


def test_a_lost_link_lets_the_answer_play_out() -> None:
    talk = Talk().online().speaking()
    actions = talk(ev.LinkDown, "reset")
    assert kinds(actions) == [act.FinishPlayback]
    assert talk.state is State.SPEAKING
    assert only(talk.packet("c1"), act.Play) == []
    actions = talk.drain()
    assert over(actions) == (True, "answered")
    assert talk.state is State.OFFLINE


def test_a_lost_link_while_thinking_loses_the_turn_and_says_so() -> None:
    talk = Talk().online().created()
    actions = talk(ev.LinkDown, "reset")
    assert problems(actions) == ["turn_lost"]
    assert over(actions) == (False, "link_down")
    assert not only(actions, act.CancelTurn), "nobody is there to be told"
    assert talk.state is State.OFFLINE


def test_a_lost_link_in_mid_utterance_loses_nothing() -> None:
    talk = Talk().online().listening()
    assert talk(ev.LinkDown, "reset", after=1.0) == []
    assert talk.state is State.LISTENING
    talk(ev.LinkConnecting, after=0.5)
    assert talk(ev.LinkReady, after=0.5) == [act.ResendUplink()]
    actions = talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
    assert kinds(actions) == [act.CommitUplink, act.EnterState]
    assert talk.state is State.THINKING


def test_an_utterance_that_ends_without_a_link_is_committed_when_it_is_back() -> None:
    talk = Talk().online().listening()
    talk(ev.LinkDown, "reset", after=1.0)
    talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
    assert talk.state is State.LISTENING
    talk(ev.LinkConnecting, after=0.5)
    actions = talk(ev.LinkReady, after=0.5)
    assert kinds(actions) == [act.ResendUplink, act.CommitUplink, act.EnterState]
    assert talk.state is State.THINKING


def test_who_goes_on_speaking_is_not_cut_off_by_the_returning_link() -> None:
    talk = Talk().online().listening()
    talk(ev.LinkDown, "reset")
    talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
    talk(ev.SpeechStart, talk.now, after=1.0)
    assert kinds(talk(ev.LinkReady, after=1.0)) == [act.ResendUplink]
    assert talk.state is State.LISTENING
    talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
    assert talk.state is State.THINKING


def test_a_commit_does_not_wait_for_a_link_for_ever() -> None:
    talk = Talk().online().listening()
    talk(ev.LinkDown, "reset")
    talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
    actions = talk.wait(20.0)
    assert problems(actions) == ["offline"]
    assert over(actions) == (False, "offline")
    assert kinds(actions).count(act.AbandonUplink) == 1
    assert talk.state is State.OFFLINE


def test_a_session_configured_twice_is_no_new_session() -> None:
    talk = Talk().online().listening()
    assert talk(ev.LinkReady) == []


def test_a_link_replaced_without_a_word_is_a_lost_link() -> None:
    talk = Talk().online().created()
    assert over(talk(ev.LinkConnecting)) == (False, "link_down")
    assert talk.state is State.CONNECTING


class TestIdleClose:
    def test_a_quiet_link_is_closed_and_the_device_stays_ready(self) -> None:
        talk = Talk().online()
        actions = talk.wait(179.0)
        assert actions == []
        assert talk.wait(2.0) == [act.CloseLink("idle")]
        assert talk.state is State.IDLE
        assert talk.engine.link is Link.DORMANT
        assert talk(ev.LinkDown, "closed") == []
        assert talk.state is State.IDLE

    def test_speech_opens_the_link_and_is_sent_when_it_is_there(self) -> None:
        talk = Talk().online()
        talk.wait(181.0)
        actions = talk(ev.SpeechStart, talk.now)
        assert kinds(actions) == [act.OpenLink, act.OpenUplink, act.EnterState]
        talk(ev.LinkConnecting)
        talk(ev.SpeechEnd, talk.now, "silence", after=0.3)
        actions = talk(ev.LinkReady, after=0.3)
        assert kinds(actions) == [act.ResendUplink, act.CommitUplink, act.EnterState]

    @pytest.mark.parametrize(
        ("kind", "sent"), [(ev.Ask, act.SendQuestion("hi")), (ev.Say, act.SendSpeech("hi"))]
    )
    def test_a_request_is_kept_until_the_link_is_there(self, kind: type, sent: act.Action) -> None:
        talk = Talk().online()
        talk.wait(181.0)
        actions = talk(kind, "hi")
        assert kinds(actions) == [act.OpenLink, act.EnterState]
        assert talk.state is State.THINKING
        talk(ev.LinkConnecting)
        assert talk(ev.LinkReady, after=0.4) == [sent]

    def test_only_the_newest_request_is_kept(self) -> None:
        talk = Talk().online()
        talk.wait(181.0)
        talk(ev.Ask, "one")
        actions = talk(ev.Ask, "two")
        assert over(actions) == (False, "interrupted")
        assert not only(actions, act.CancelTurn)
        assert talk(ev.LinkReady) == [act.SendQuestion("two")]

    def test_a_kept_request_is_given_up(self) -> None:
        talk = Talk().online()
        talk.wait(181.0)
        talk(ev.Ask, "one")
        talk(ev.LinkDown, "refused", after=1.0)
        actions = talk.wait(20.0)
        assert "offline" in problems(actions)
        assert over(actions) == (False, "offline")

    def test_zero_means_never_and_server_modes_keep_listening(self) -> None:
        for talk in (Talk(idle_close_s=0.0).online(), Talk(turn="server_vad").online()):
            assert not only(talk.wait(5000.0), act.CloseLink)

    def test_a_turn_restarts_the_wait(self) -> None:
        talk = Talk(echo_guard_s=0.0).online()
        talk.wait(170.0)
        talk.speaking()
        talk(ev.TurnEnded, "c1")
        talk.drain()
        assert talk.wait(179.0) == []
        assert only(talk.wait(2.0), act.CloseLink)


class TestBlocked:
    def test_a_block_ends_by_itself(self) -> None:
        talk = Talk().online()
        actions = talk(ev.LinkBlocked, talk.now + 60.0, "quota used")
        assert problems(actions) == ["blocked"]
        assert talk.state is State.BLOCKED
        talk(ev.LinkDown, "closed")
        assert talk.state is State.BLOCKED
        actions = talk.wait(60.0)
        assert only(actions, act.Reconnect)
        assert talk.state is State.OFFLINE

    def test_a_block_with_the_link_kept_ends_in_idle(self) -> None:
        talk = Talk().online()
        talk(ev.LinkBlocked, talk.now + 60.0, "quota used")
        actions = talk.wait(60.0)
        assert not only(actions, act.Reconnect)
        assert talk.state is State.IDLE

    def test_requests_are_refused_with_the_reason(self) -> None:
        talk = Talk().online()
        talk(ev.LinkBlocked, float("inf"), "account in arrears")
        for event in (ev.Ask(talk.now, "q"), ev.Say(talk.now, "s"), ev.Listen(talk.now)):
            (problem,) = only(talk.give(event), act.Problem)
            assert problem.code == "blocked"
            assert "account in arrears" in problem.message
        assert talk(ev.SpeechStart, talk.now) == []
        assert talk.engine.deadline() is None

    def test_a_block_ends_the_turn_but_not_a_sounding_answer(self) -> None:
        talk = Talk().online().thinking()
        assert over(talk(ev.LinkBlocked, talk.now + 9.0, "quota")) == (False, "blocked")
        talk = Talk().online().speaking()
        talk(ev.LinkBlocked, talk.now + 99.0, "quota")
        assert talk.state is State.SPEAKING
        assert over(talk.drain()) == (True, "answered")
        assert talk.state is State.BLOCKED

    def test_a_refused_connection_is_not_tried_again_before_its_time(self) -> None:
        talk = Talk()
        talk(ev.LinkConnecting)
        talk(ev.LinkBlocked, talk.now + 600.0, "quota")
        assert not only(talk.wait(599.0), act.Reconnect)
        assert only(talk.wait(1.0), act.Reconnect)

    def test_the_uplink_of_the_server_modes_is_shut(self) -> None:
        talk = Talk(turn="server_vad").online()
        assert only(talk(ev.LinkBlocked, talk.now + 9.0, "quota"), act.AbandonUplink)
        assert only(talk.wait(9.0), act.OpenUplink)
        talk = Talk(turn="server_vad", barge_in="confirmed").online().speaking()
        assert only(talk(ev.LinkBlocked, talk.now + 99.0, "quota"), act.AbandonUplink)
        assert talk.state is State.SPEAKING
