"""Button, command line, typing, mute."""

from __future__ import annotations

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, kinds, only, over, problems


class TestPushToTalk:
    def test_hold_and_release_is_a_turn(self) -> None:
        talk = Talk(turn="push_to_talk").online()
        actions = talk(ev.Listen, "button")
        assert only(actions, act.OpenUplink) == [act.OpenUplink(preroll=True)]
        assert talk(ev.SpeechStart, talk.now, after=0.2) == []
        assert talk(ev.SpeechEnd, talk.now, "silence", after=0.5) == []
        assert kinds(talk(ev.Release, after=1.0)) == [act.CommitUplink, act.EnterState]
        assert talk.state is State.THINKING

    def test_a_slip_of_the_finger_is_no_turn(self) -> None:
        talk = Talk(turn="push_to_talk").online()
        talk(ev.Listen, "button")
        actions = talk(ev.Release, after=0.2)
        assert kinds(actions) == [act.AbandonUplink, act.TurnOver, act.EnterState]
        assert over(actions) == (False, "too_short")

    def test_speech_alone_begins_nothing(self) -> None:
        talk = Talk(turn="push_to_talk", barge_in="confirmed").online()
        assert talk(ev.SpeechStart, talk.now) == []
        talk.thinking()
        assert talk(ev.SpeechStart, talk.now) == []

    def test_a_command_has_no_release_and_ends_by_silence(self) -> None:
        talk = Talk(turn="push_to_talk").online()
        talk(ev.Listen, "command")
        talk(ev.SpeechStart, talk.now, after=1.0)
        assert talk(ev.Release, after=0.5) == []
        talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
        assert talk.state is State.THINKING

    def test_a_button_that_never_comes_up_ends_at_the_longest_utterance(self) -> None:
        talk = Talk(turn="push_to_talk").online()
        talk(ev.Listen, "button")
        assert talk.wait(29.9) == []
        assert only(talk.wait(0.2), act.CommitUplink)
        assert talk(ev.Release) == []

    def test_pressing_interrupts_the_answer(self) -> None:
        talk = Talk(turn="push_to_talk", barge_in="button").online().speaking()
        actions = talk(ev.Listen, "button")
        assert kinds(actions) == [
            act.CutPlayback,
            act.CancelTurn,
            act.Interrupted,
            act.TurnOver,
            act.OpenUplink,
            act.EnterState,
            act.Gate,
        ]
        assert talk.state is State.LISTENING

    def test_unless_nothing_may_interrupt(self) -> None:
        talk = Talk(turn="push_to_talk", barge_in="off").online().speaking()
        assert talk(ev.Listen, "button") == []
        assert talk(ev.Release, after=1.0) == []
        assert talk.state is State.SPEAKING

    def test_the_end_of_speech_is_the_endpointers_or_the_release(self) -> None:
        for spoken, expected in ((True, 700.0), (False, 0.0)):
            talk = Talk(turn="push_to_talk").online()
            talk(ev.Listen, "button")
            if spoken:
                talk(ev.SpeechEnd, talk.now + 0.8, "silence", after=1.0)
            talk(ev.Release, after=0.5)
            talk(ev.TurnCreated, "c1", after=0.3)
            talk.packet("c1", after=0.5)
            (report,) = only(
                talk(ev.PlaybackStarted, talk.engine.generation, after=0.1), act.TurnReport
            )
            assert report.speech_end_to_commit_ms == pytest.approx(expected)
            assert report.commit_to_first_audio_ms == pytest.approx(800.0)


class TestListen:
    def test_nobody_speaks(self) -> None:
        talk = Talk().online()
        assert kinds(talk(ev.Listen)) == [act.OpenUplink, act.EnterState]
        actions = talk.wait(8.0)
        assert kinds(actions) == [act.AbandonUplink, act.TurnOver, act.EnterState]
        assert over(actions) == (False, "no_speech")

    def test_speech_gets_its_full_time(self) -> None:
        talk = Talk().online()
        talk(ev.Listen)
        talk(ev.SpeechStart, talk.now, after=7.0)
        assert talk.wait(30.0) == []
        assert talk.state is State.LISTENING

    def test_speech_that_began_before_the_command_counts(self) -> None:
        talk = Talk(barge_in="off").online().thinking()
        talk(ev.SpeechStart, talk.now)
        talk(ev.Listen)
        assert talk.wait(9.0) == []
        talk(ev.SpeechEnd, talk.now, "silence")
        assert talk.state is State.THINKING

    @pytest.mark.parametrize("situation", ["thinking", "speaking", "tool"])
    def test_it_interrupts_whatever_runs(self, situation: str) -> None:
        talk = Talk().online()
        getattr(talk, situation)()
        actions = talk(ev.Listen)
        assert only(actions, act.CutPlayback, act.CancelTurn, act.Interrupted) == [
            act.CutPlayback(talk.engine.generation),
            act.CancelTurn(),
            act.Interrupted(talk.now, "command"),
        ]
        assert over(actions) == (False, "interrupted")
        assert talk.state is State.LISTENING

    def test_the_preroll_behind_a_closed_gate_is_our_own_voice(self) -> None:
        talk = Talk(barge_in="button").online().speaking()
        assert only(talk(ev.Listen), act.OpenUplink) == [act.OpenUplink(preroll=False)]
        talk = Talk(barge_in="confirmed").online().speaking()
        assert only(talk(ev.Listen), act.OpenUplink) == [act.OpenUplink(preroll=True)]

    def test_offline_and_muted_it_says_why_not(self) -> None:
        talk = Talk()
        assert problems(talk(ev.Listen)) == ["offline"]
        talk.online()(ev.Mute)
        assert problems(talk(ev.Listen)) == ["muted"]
        assert talk.state is State.MUTED


class TestStop:
    @pytest.mark.parametrize("situation", ["listening", "thinking", "speaking", "tool"])
    def test_it_ends_whatever_runs(self, situation: str) -> None:
        talk = Talk().online()
        getattr(talk, situation)()
        assert over(talk(ev.Stop)) == (False, "interrupted")
        assert talk.state is State.IDLE

    def test_in_rest_it_does_nothing(self) -> None:
        assert Talk().online()(ev.Stop) == []

    def test_a_finished_answer_is_not_cancelled_at_the_server(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.TurnEnded, "c1")
        actions = talk(ev.Stop)
        assert only(actions, act.CutPlayback)
        assert not only(actions, act.CancelTurn)


class TestMute:
    @pytest.mark.parametrize("turn", ["local", "server_vad"])
    @pytest.mark.parametrize("situation", ["listening", "thinking", "speaking", "tool"])
    def test_it_silences_and_deafens_in_any_state(self, turn: str, situation: str) -> None:
        talk = Talk(turn=turn).online()
        getattr(talk, situation)()
        actions = talk(ev.Mute)
        assert talk.state is State.MUTED
        assert only(actions, act.CloseCapture)
        assert over(actions)[0] is False
        assert not talk.engine.uplink_open
        interrupted = only(actions, act.Interrupted)
        assert [a.by for a in interrupted] == ([] if situation == "listening" else ["mute"])
        assert bool(only(actions, act.CutPlayback)) is (situation != "listening")

    def test_in_rest_it_only_closes_the_microphone(self) -> None:
        talk = Talk().online()
        assert kinds(talk(ev.Mute)) == [act.CloseCapture, act.EnterState]
        assert talk(ev.Mute) == []
        assert kinds(talk(ev.Unmute)) == [act.OpenCapture, act.EnterState]
        assert talk.state is State.IDLE
        assert talk(ev.Unmute) == []

    def test_it_outlasts_the_link(self) -> None:
        talk = Talk().online()
        talk(ev.Mute)
        talk(ev.LinkDown, "reset")
        talk(ev.LinkConnecting)
        talk(ev.LinkReady)
        assert talk.state is State.MUTED
        talk(ev.LinkDown, "reset")
        talk(ev.Unmute)
        assert talk.state is State.OFFLINE

    def test_a_typed_question_is_answered_and_ends_muted(self) -> None:
        talk = Talk().online()
        talk(ev.Mute)
        assert only(talk(ev.Ask, "q"), act.SendQuestion)
        talk(ev.TurnCreated, "c1")
        talk.packet("c1")
        assert talk.state is State.SPEAKING
        talk(ev.TurnEnded, "c1")
        assert over(talk.drain()) == (True, "answered")
        assert talk.state is State.MUTED

    def test_the_server_modes_hear_nothing_until_unmuted(self) -> None:
        talk = Talk(turn="server_vad").online()
        talk(ev.Mute)
        assert talk(ev.ServerSpeechStarted) == []
        assert talk(ev.TurnCreated, "c9") == []
        assert only(talk(ev.Unmute), act.OpenUplink) == [act.OpenUplink(preroll=False)]


class TestAskAndSay:
    def test_a_question_is_a_turn_without_a_microphone(self) -> None:
        talk = Talk().online()
        assert talk(ev.Ask, "what time") == [
            act.SendQuestion("what time"),
            act.EnterState(talk.now, State.THINKING),
        ]
        talk(ev.TurnCreated, "c1", after=0.3)
        talk.packet("c1", after=0.5)
        (report,) = only(talk(ev.PlaybackStarted, 1, after=0.1), act.TurnReport)
        assert report.total_ms is None
        assert report.commit_to_first_audio_ms == pytest.approx(800.0)
        talk(ev.TurnEnded, "c1")
        assert over(talk.drain()) == (True, "answered")

    @pytest.mark.parametrize("situation", ["thinking", "created", "speaking", "tool"])
    def test_a_question_replaces_the_running_turn_and_the_server_cancels_by_itself(
        self, situation: str
    ) -> None:
        talk = Talk().online()
        getattr(talk, situation)()
        actions = talk(ev.Ask, "another")
        assert not only(actions, act.CancelTurn)
        assert only(actions, act.Interrupted) == [act.Interrupted(talk.now, "message")]
        assert talk.state is State.THINKING
        assert talk(ev.TurnCanceled, 3) == []
        assert talk.state is State.THINKING
        talk(ev.TurnCreated, "c2")
        assert only(talk.packet("c1"), act.Play) == []
        assert only(talk.packet("c2"), act.Play)

    def test_say_is_spoken_without_a_turn_on_the_platform(self) -> None:
        talk = Talk().online()
        assert only(talk(ev.Say, "good morning"), act.SendSpeech)
        talk.packet("")
        assert talk.state is State.SPEAKING
        assert kinds(talk(ev.ReplyAudioEnded, "")) == [act.FinishPlayback]
        assert over(talk.drain()) == (True, "spoken")

    def test_say_interrupts_and_nothing_of_the_old_speech_is_heard(self) -> None:
        talk = Talk().online()
        talk(ev.Say, "one")
        talk.packet("")
        actions = talk(ev.Say, "two")
        assert only(actions, act.CutPlayback, act.CancelTurn, act.SendSpeech) == [
            act.CutPlayback(talk.engine.generation),
            act.CancelTurn(),
            act.SendSpeech("two"),
        ]
        assert only(talk.packet("", after=0.05), act.Play) == []
        assert talk(ev.TurnCanceled, 2) == []
        assert only(talk.packet("", after=0.3), act.Play)

    def test_the_end_of_the_cut_speech_is_not_the_end_of_the_new_one(self) -> None:
        talk = Talk().online()
        talk(ev.Say, "one")
        talk.packet("")
        talk(ev.Say, "two")
        assert talk(ev.ReplyAudioEnded, "", after=0.05) == []
        talk.packet("", after=0.3)
        assert talk.state is State.SPEAKING

    def test_stopped_speech_does_not_come_back(self) -> None:
        talk = Talk().online()
        talk(ev.Say, "one")
        talk.packet("")
        talk(ev.Stop)
        for _ in range(50):
            assert only(talk.packet("", after=0.1), act.Play) == []
        assert talk.engine.stale_audio == 50

    def test_offline_both_say_so(self) -> None:
        talk = Talk()
        assert problems(talk(ev.Ask, "q")) == ["offline"]
        assert problems(talk(ev.Say, "s")) == ["offline"]
        assert talk.engine.turns == 0
