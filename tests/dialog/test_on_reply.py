"""What the platform sends: in order, out of order, too late, or not at all."""

from __future__ import annotations

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, only, over, problems


class TestTranscript:
    def test_an_utterance_without_words_is_not_waited_for(self) -> None:
        talk = Talk().online().thinking()
        talk(ev.CommitAcknowledged)
        actions = talk(ev.Transcript, "  ", True)
        assert over(actions) == (False, "nothing_heard")
        assert problems(actions) == []

    def test_unless_the_words_belong_to_an_earlier_one(self) -> None:
        talk = Talk().online().created()
        assert talk(ev.Transcript, "", True) == []
        talk(ev.Stop)
        talk.thinking()
        assert talk(ev.Transcript, "", True) == [], "this commit is not acknowledged yet"


class TestWhoseChat:
    def test_sound_before_the_turn_is_announced_is_adopted(self) -> None:
        talk = Talk().online().thinking()
        assert only(talk.packet("c1"), act.Play)
        assert talk(ev.TurnCreated, "c1") == []
        assert only(talk.packet("c1"), act.Play)

    def test_a_chat_nobody_asked_for_is_not_heard(self) -> None:
        talk = Talk().online()
        assert talk(ev.TurnCreated, "c1") == []
        assert only(talk.packet("c1"), act.Play) == []
        talk.thinking()
        assert only(talk.packet("c1"), act.Play) == [], "once dead, always dead"

    def test_the_leftover_of_a_cancelled_request_is_not_the_answer(self) -> None:
        talk = Talk().online()
        talk.thinking()
        talk(ev.CommitAcknowledged)
        talk(ev.Stop)
        talk.thinking()
        talk(ev.TurnCreated, "old")
        assert only(talk.packet("old"), act.Play) == []
        talk(ev.TurnCanceled, 2)
        assert talk.state is State.THINKING
        talk(ev.CommitAcknowledged)
        talk(ev.TurnCreated, "new")
        assert only(talk.packet("old"), act.Play) == []
        assert only(talk.packet("new"), act.Play)

    def test_a_silent_cancel_is_settled_by_the_next_acknowledgement(self) -> None:
        talk = Talk().online().thinking()
        talk(ev.CommitAcknowledged)
        talk(ev.Stop)
        talk.thinking()
        talk(ev.CommitAcknowledged)
        talk(ev.TurnCreated, "new")
        assert only(talk.packet("new"), act.Play)

    def test_a_chat_taken_in_doubt_gives_way_to_the_next(self) -> None:
        talk = Talk().online().thinking()
        talk(ev.Stop)
        talk.thinking()
        talk(ev.TurnCreated, "old")
        assert only(talk.packet("old"), act.Play)
        actions = talk(ev.TurnCreated, "new")
        assert only(actions, act.CutPlayback)
        assert talk.state is State.THINKING
        assert only(talk.packet("old"), act.Play) == []
        assert only(talk.packet("new"), act.Play)

    def test_and_to_the_answer_to_our_cancel(self) -> None:
        talk = Talk().online()
        talk(ev.Ask, "one")
        talk(ev.Ask, "two")
        talk(ev.TurnCreated, "old")
        talk(ev.TurnCanceled, 3)
        assert talk.state is State.THINKING
        assert only(talk.packet("old"), act.Play) == []
        talk(ev.TurnCreated, "new")
        assert only(talk.packet("new"), act.Play)

    def test_a_chat_that_sounds_while_nobody_waits_is_never_adopted(self) -> None:
        talk = Talk().online().listening()
        talk.packet("stray")
        talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
        assert only(talk.packet("stray"), act.Play) == []
        assert talk.state is State.THINKING


class TestCanceled:
    @pytest.mark.parametrize("situation", ["thinking", "speaking", "tool"])
    @pytest.mark.parametrize("code", [2, 3])
    def test_somebody_elses_cancel_ends_the_turn(self, situation: str, code: int) -> None:
        talk = Talk().online()
        getattr(talk, situation)()
        actions = talk(ev.TurnCanceled, code)
        assert only(actions, act.Interrupted) == [act.Interrupted(talk.now, "server")]
        assert not only(actions, act.CancelTurn)
        assert talk.state is State.IDLE

    def test_the_answer_to_our_own_cancel_does_not_hurt_the_next_turn(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.Stop)
        talk.thinking()
        assert talk(ev.TurnCanceled, 2) == []
        assert talk.state is State.THINKING

    def test_in_rest_and_while_listening_it_means_nothing(self) -> None:
        talk = Talk().online()
        assert talk(ev.TurnCanceled, 1) == []
        talk.listening()
        assert talk(ev.TurnCanceled, 2) == []


class TestFailures:
    def test_a_failed_turn_keeps_the_session(self) -> None:
        talk = Talk().online().created()
        actions = talk(ev.TurnFailed, "c1", 4013, "busy")
        assert problems(actions) == ["4013"]
        assert over(actions) == (False, "failed")
        assert talk.state is State.IDLE

    def test_the_failure_of_a_dead_chat_is_nobodys(self) -> None:
        talk = Talk().online().created("old")
        talk(ev.Stop)
        talk.created("new")
        assert talk(ev.TurnFailed, "old", 4013, "busy") == []

    def test_a_refused_request_ends_the_turn_with_the_handle_for_support(self) -> None:
        talk = Talk().online().thinking()
        actions = talk(ev.RequestRefused, 4000, "bad parameter", "log7")
        (problem,) = only(actions, act.Problem)
        assert problem.code == "4000"
        assert "log7" in problem.message
        assert over(actions) == (False, "refused")
        assert talk(ev.RequestRefused, 4000, "again", "log8") == []

    def test_the_refusal_of_our_cancel_is_not_that_of_the_request(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.Stop)
        talk(ev.Ask, "q")
        assert talk(ev.RequestRefused, 4000, "nothing to cancel", "log") == []
        assert over(talk(ev.RequestRefused, 4000, "bad", "log")) == (False, "refused")

    def test_a_question_into_a_running_chat_is_asked_once_more(self) -> None:
        talk = Talk().online()
        talk(ev.Ask, "q")
        assert talk(ev.RequestRefused, 4016, "running", "log") == [
            act.CancelTurn(),
            act.SendQuestion("q"),
        ]
        assert talk(ev.TurnCanceled, 2) == []
        talk(ev.TurnCreated, "c1")
        assert only(talk.packet("c1"), act.Play)

    def test_but_only_once(self) -> None:
        talk = Talk().online()
        talk(ev.Ask, "q")
        talk(ev.RequestRefused, 4016, "running", "log")
        assert over(talk(ev.RequestRefused, 4016, "running", "log")) == (False, "refused")

    def test_speech_without_a_chat_is_not_refused_for_a_running_one(self) -> None:
        talk = Talk().online()
        talk(ev.Say, "hello")
        assert talk(ev.RequestRefused, 4016, "running", "log") == []
        assert over(talk(ev.RequestRefused, 4000, "bad", "log")) == (False, "refused")

    def test_a_refused_cancel_is_settled_even_when_nothing_waits(self) -> None:
        talk = Talk().online().thinking()
        talk(ev.Stop)
        talk(ev.RequestRefused, 4000, "nothing to cancel", "log")
        talk(ev.Ask, "q")
        talk(ev.TurnCreated, "c1")
        assert only(talk.packet("c1"), act.Play)
        assert talk(ev.TurnCreated, "c2") == [], "the first was taken without doubt"

    def test_a_spoken_request_cannot_be_repeated_but_the_old_chat_is_cancelled(self) -> None:
        talk = Talk().online().thinking()
        actions = talk(ev.RequestRefused, 4016, "running", "log")
        assert over(actions) == (False, "refused")
        assert only(actions, act.CancelTurn)

    def test_a_turn_without_sound_is_answered_by_its_text(self) -> None:
        talk = Talk().online().created()
        talk(ev.ReplyText, "c1", "hi", True)
        assert over(talk(ev.TurnEnded, "c1")) == (True, "answered")
        talk.created("c2")
        assert over(talk(ev.TurnEnded, "c2")) == (False, "empty")


class TestPrologue:
    def test_it_is_heard_and_is_no_turn(self) -> None:
        talk = Talk(prologue=True).online()
        assert only(talk.packet(""), act.Play)
        talk(ev.ReplyAudioEnded, "")
        actions = talk.drain()
        assert only(actions, act.TurnOver, act.TurnReport) == []
        assert talk.state is State.IDLE
        assert talk.engine.turns == 0

    def test_it_is_heard_muted_but_only_where_one_was_ordered(self) -> None:
        for prologue in (True, False):
            talk = Talk(prologue=prologue)
            talk(ev.Mute)
            talk.online()
            assert bool(only(talk.packet(""), act.Play)) is prologue

    def test_it_gives_way_to_a_person(self) -> None:
        talk = Talk(prologue=True, barge_in="confirmed").online()
        talk.packet("")
        actions = talk(ev.SpeechStart, talk.now)
        assert only(actions, act.Interrupted)
        assert only(talk.packet(""), act.Play) == []
        talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
        assert only(talk.packet("", after=5.0), act.Play) == []
        assert talk.state is State.THINKING
