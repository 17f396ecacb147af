"""The endpointer and the DAC: local turns, barge-in, the gate, the end of an answer."""

from __future__ import annotations

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, kinds, only, over, problems


class TestLocalTurn:
    def test_speech_begins_and_ends_the_utterance(self) -> None:
        talk = Talk().online()
        assert talk(ev.Onset) == []
        actions = talk(ev.SpeechStart, talk.now)
        assert actions == [
            act.OpenUplink(preroll=True),
            act.EnterState(talk.now, State.LISTENING),
        ]
        actions = talk(ev.SpeechEnd, talk.now + 1.5, "silence", after=2.0)
        assert actions == [act.CommitUplink(), act.EnterState(talk.now, State.THINKING)]

    def test_the_whole_turn_and_its_report(self) -> None:
        talk = Talk(barge_in="button").online().listening()
        talk(ev.SpeechEnd, talk.now + 1.5, "silence", after=2.0)
        talk(ev.CommitAcknowledged, after=0.1)
        talk(ev.Transcript, "hello", True, after=0.1)
        talk(ev.TurnCreated, "c1", after=0.1)
        talk(ev.ReplyText, "c1", "hi", False, after=0.1)
        actions = talk.packet("c1", after=0.4)
        assert actions == [
            act.BeginPlayback(1),
            act.Play(1, b"\x48\x0b"),
            act.EnterState(talk.now, State.SPEAKING),
            act.Gate(open=False),
        ]
        (report,) = only(talk(ev.PlaybackStarted, 1, after=0.15), act.TurnReport)
        assert report.speech_end_to_commit_ms == pytest.approx(500)
        assert report.commit_to_first_audio_ms == pytest.approx(800)
        assert report.first_audio_to_dac_ms == pytest.approx(150)
        assert report.total_ms == pytest.approx(1450)
        assert talk(ev.PlaybackStarted, 1) == [], "one report per answer"
        assert talk(ev.ReplyAudioEnded, "c1") == [act.FinishPlayback(1)]
        assert talk(ev.TurnEnded, "c1") == []
        actions = talk(ev.PlaybackDrained, 1, after=1.0)
        assert kinds(actions) == [act.TurnOver, act.EnterState]
        assert talk.state is State.IDLE

    def test_noise_is_no_turn(self) -> None:
        talk = Talk().online()
        assert talk(ev.Onset) == talk(ev.FalseAlarm) == []
        assert talk.engine.turns == 0

    def test_an_endpointer_that_never_ends_is_cut_short(self) -> None:
        talk = Talk().online().listening()
        assert talk.wait(34.9) == []
        assert only(talk.wait(0.2), act.CommitUplink)

    @pytest.mark.parametrize("barge_in", ["off", "button", "keyword"])
    def test_speech_while_thinking_waits_for_the_answer(self, barge_in: str) -> None:
        talk = Talk(barge_in=barge_in).online().created()
        assert talk(ev.SpeechStart, talk.now) == []

    @pytest.mark.parametrize("barge_in", ["confirmed", "instant"])
    def test_or_begins_anew_where_speech_interrupts(self, barge_in: str) -> None:
        talk = Talk(barge_in=barge_in).online().created()
        assert talk(ev.Onset) == []
        actions = talk(ev.SpeechStart, talk.now)
        assert only(actions, act.CancelTurn)
        assert only(actions, act.OpenUplink) == [act.OpenUplink(preroll=True)]
        assert talk.state is State.LISTENING


class TestBargeIn:
    def test_confirmed_ducks_then_cuts_then_listens(self) -> None:
        talk = Talk(barge_in="confirmed").online().speaking()
        generation = talk.engine.generation
        assert talk(ev.Onset) == [act.Duck()]
        actions = talk(ev.SpeechStart, talk.now)
        assert actions[:4] == [
            act.CutPlayback(generation + 1),
            act.Unduck(),
            act.CancelTurn(),
            act.Interrupted(talk.now, "speech"),
        ]
        assert only(actions, act.OpenUplink) == [act.OpenUplink(preroll=True)]
        assert talk.state is State.LISTENING

    def test_confirmed_swells_back_after_a_false_alarm(self) -> None:
        talk = Talk(barge_in="confirmed").online().speaking()
        talk(ev.Onset)
        assert talk(ev.Onset) == []
        assert talk(ev.FalseAlarm) == [act.Unduck()]
        assert talk.state is State.SPEAKING

    def test_a_ducked_answer_that_ends_leaves_nothing_ducked(self) -> None:
        talk = Talk(barge_in="confirmed").online().speaking()
        talk(ev.Onset)
        talk(ev.TurnEnded, "c1")
        assert only(talk.drain(), act.Unduck)

    def test_instant_cuts_at_the_onset_and_rests_after_a_false_alarm(self) -> None:
        talk = Talk(barge_in="instant").online().speaking()
        actions = talk(ev.Onset)
        assert only(actions, act.CutPlayback)
        assert only(actions, act.OpenUplink) == [act.OpenUplink(preroll=True)]
        assert talk.state is State.LISTENING
        actions = talk(ev.FalseAlarm)
        assert kinds(actions) == [act.AbandonUplink, act.TurnOver, act.EnterState]
        assert talk.state is State.IDLE

    def test_instant_goes_on_when_it_was_speech(self) -> None:
        talk = Talk(barge_in="instant").online().speaking()
        talk(ev.Onset)
        assert talk(ev.SpeechStart, talk.now, after=0.1) == []
        assert talk(ev.FalseAlarm) == []
        talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
        assert talk.state is State.THINKING

    @pytest.mark.parametrize("barge_in", ["off", "button", "keyword"])
    def test_otherwise_speech_does_not_reach_the_answer(self, barge_in: str) -> None:
        talk = Talk(barge_in=barge_in).online().speaking()
        assert talk(ev.Onset) == talk(ev.SpeechStart, talk.now) == []
        assert talk.state is State.SPEAKING

    def test_nothing_of_the_old_answer_is_played_after_the_interrupt(self) -> None:
        talk = Talk(barge_in="confirmed").online().speaking("old")
        talk(ev.SpeechStart, talk.now)
        for _ in range(5):
            assert only(talk.packet("old"), act.Play) == []
        talk(ev.SpeechEnd, talk.now, "silence", after=1.0)
        for _ in range(5):
            assert only(talk.packet("old"), act.Play) == []
        talk(ev.TurnCreated, "new")
        assert only(talk.packet("old"), act.Play) == []
        assert only(talk.packet("new"), act.Play)
        assert talk.engine.stale_audio == 11

    def test_without_a_link_the_answer_is_silenced_all_the_same(self) -> None:
        talk = Talk(barge_in="confirmed").online().speaking()
        talk(ev.LinkDown, "reset")
        actions = talk(ev.SpeechStart, talk.now)
        assert only(actions, act.CutPlayback)
        assert not only(actions, act.CancelTurn)
        assert talk.state is State.OFFLINE


class TestGate:
    def test_it_opens_after_the_drain_and_the_echo(self) -> None:
        talk = Talk(barge_in="button").online().speaking()
        talk(ev.TurnEnded, "c1")
        talk.drain()
        assert talk.state is State.IDLE
        assert talk(ev.SpeechStart, talk.now, after=0.1) == [], "that is the echo"
        assert talk.wait(0.2) == [act.Gate(open=True)]

    def test_a_press_opens_it_at_once(self) -> None:
        talk = Talk(barge_in="button").online().speaking()
        assert talk(ev.Listen)[-1] == act.Gate(open=True)

    def test_a_stopped_answer_echoes_too(self) -> None:
        talk = Talk(barge_in="button").online().speaking()
        assert not only(talk(ev.Stop), act.Gate)
        assert talk.wait(0.3) == [act.Gate(open=True)]

    @pytest.mark.parametrize("barge_in", ["confirmed", "instant"])
    def test_where_speech_may_interrupt_it_stays_open(self, barge_in: str) -> None:
        talk = Talk(barge_in=barge_in).online().speaking()
        talk(ev.TurnEnded, "c1")
        talk.drain()
        talk.wait(1.0)
        assert not only(talk.seen, act.Gate)


class TestEndOfAnswer:
    @pytest.mark.parametrize(
        "ends",
        [
            (ev.ReplyAudioEnded,),
            (ev.TurnEnded,),
            (ev.ReplyAudioEnded, ev.TurnEnded),
            (ev.TurnEnded, ev.ReplyAudioEnded),
        ],
    )
    def test_either_end_both_or_any_order_will_do(self, ends: tuple[type, ...]) -> None:
        talk = Talk().online().speaking()
        actions = [a for end in ends for a in talk(end, "c1")]
        assert kinds(actions) == [act.FinishPlayback]
        assert talk.state is State.SPEAKING, "the last sample has not been heard"
        assert over(talk.drain()) == (True, "answered")

    def test_without_any_end_the_answer_stalls(self) -> None:
        talk = Talk().online().speaking()
        for _ in range(99):
            talk.packet("c1", after=0.0)
        assert talk.wait(13.9) == [], "six seconds of sound and eight of patience"
        actions = talk.wait(0.2)
        assert problems(actions) == ["reply_stalled"]
        assert only(actions, act.CutPlayback)
        assert only(actions, act.CancelTurn)
        assert over(actions) == (False, "reply_stalled")

    def test_a_missed_drain_does_not_hang(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.TurnEnded, "c1")
        actions = talk.wait(8.1)
        assert problems(actions) == ["drain_missed"]
        assert not only(actions, act.CancelTurn)
        assert talk.state is State.IDLE

    def test_drains_of_other_generations_are_ignored(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.TurnEnded, "c1")
        current = talk.engine.generation
        assert talk(ev.PlaybackDrained, current - 1) == []
        assert talk(ev.PlaybackDrained, current + 1) == []
        assert talk.state is State.SPEAKING

    def test_sound_after_the_turns_end_is_still_heard(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.TurnEnded, "c1")
        talk.packet("c1")
        actions = talk.drain()
        assert kinds(actions) == [act.BeginPlayback, act.Play, act.FinishPlayback]
        assert over(talk.drain()) == (True, "answered")
