"""What the platform sends: in order, out of order, too late, or not at all."""

from __future__ import annotations

import json

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, call, kinds, only, over, problems


class TestPatience:
    def test_the_first_event_has_fifteen_seconds(self) -> None:
        talk = Talk().online().thinking()
        assert talk.wait(14.9) == []
        actions = talk.wait(0.2)
        assert problems(actions) == ["no_answer"]
        assert over(actions) == (False, "no_answer")
        assert only(actions, act.CancelTurn)
        assert talk.state is State.IDLE

    def test_every_event_of_the_turn_gives_thirty_more(self) -> None:
        talk = Talk().online().created()
        assert talk.wait(29.0) == []
        talk(ev.ReplyText, "c1", "well", False)
        assert talk.wait(29.0) == []
        assert problems(talk.wait(2.0)) == ["no_answer"]

    def test_events_of_other_chats_give_none(self) -> None:
        talk = Talk().online().created()
        talk(ev.ReplyText, "c9", "well", False, after=20.0)
        assert problems(talk.wait(11.0)) == ["no_answer"]

    def test_a_server_that_stays_dumb_twice_is_reconnected(self) -> None:
        talk = Talk().online().thinking()
        assert not only(talk.wait(16.0), act.Reconnect)
        talk.thinking()
        assert only(talk.wait(16.0), act.Reconnect)
        assert talk.state is State.OFFLINE

    def test_a_server_that_says_anything_at_all_is_not(self) -> None:
        talk = Talk().online()
        for _ in range(3):
            talk.thinking()
            talk(ev.CommitAcknowledged)
            assert not only(talk.wait(16.0), act.Reconnect)

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


class TestTools:
    def test_all_results_go_back_in_one_message(self) -> None:
        talk = Talk().online().created()
        calls = (call("a"), call("b", "set_volume"))
        actions = talk(ev.ToolsRequested, "c1", calls)
        assert only(actions, act.RunTools) == [act.RunTools("c1", calls)]
        assert talk.state is State.TOOL
        assert talk(ev.ToolFinished, "c1", ev.ToolOutput("b", "2")) == []
        assert talk(ev.ToolFinished, "c1", ev.ToolOutput("b", "again")) == []
        assert talk(ev.ToolFinished, "c9", ev.ToolOutput("a", "other")) == []
        actions = talk(ev.ToolFinished, "c1", ev.ToolOutput("a", "1"))
        assert only(actions, act.SubmitTools) == [
            act.SubmitTools("c1", (ev.ToolOutput("a", "1"), ev.ToolOutput("b", "2")))
        ]
        assert talk.state is State.THINKING
        assert only(talk.packet("c1"), act.Play)

    def test_a_slow_tool_becomes_an_error_text(self) -> None:
        talk = Talk().online().tool()
        talk(ev.ToolFinished, "c1", ev.ToolOutput("t1", "1"))
        (submit,) = only(talk.wait(10.0), act.SubmitTools)
        assert submit.outputs[0] == ev.ToolOutput("t1", "1")
        assert "error" in json.loads(submit.outputs[1].output)
        assert talk(ev.ToolFinished, "c1", ev.ToolOutput("t2", "late")) == []

    def test_the_filler_plays_on_and_the_answer_follows_in_the_same_breath(self) -> None:
        talk = Talk().online().speaking()
        generation = talk.engine.generation
        actions = talk(ev.ToolsRequested, "c1", (call("t1"),))
        assert kinds(actions) == [act.RunTools, act.EnterState]
        assert kinds(talk.packet("c1")) == [act.Play]
        assert talk.state is State.TOOL
        talk(ev.ToolFinished, "c1", ev.ToolOutput("t1", "1"))
        assert kinds(talk.packet("c1")) == [act.Play, act.EnterState]
        assert talk.engine.generation == generation
        talk(ev.TurnEnded, "c1")
        assert over(talk.drain()) == (True, "answered")

    @pytest.mark.parametrize("drained_during_the_tool", [False, True])
    def test_a_filler_that_was_ended_is_heard_out_before_the_answer(
        self, drained_during_the_tool: bool
    ) -> None:
        talk = Talk().online().speaking()
        talk(ev.ReplyAudioEnded, "c1")
        talk(ev.ToolsRequested, "c1", (call("t1"),))
        actions = []
        if drained_during_the_tool:
            talk.drain()
            assert talk.state is State.TOOL
        talk(ev.ToolFinished, "c1", ev.ToolOutput("t1", "1"))
        actions += talk.packet("c1")
        if not drained_during_the_tool:
            assert only(actions, act.Play) == []
            actions += talk.drain()
        assert kinds(only(actions, act.BeginPlayback, act.Play)) == [act.BeginPlayback, act.Play]
        talk(ev.TurnEnded, "c1")
        assert over(talk.drain()) == (True, "answered")

    def test_a_repeated_request_runs_nothing_twice(self) -> None:
        talk = Talk().online().tool()
        assert talk(ev.ToolsRequested, "c1", (call("t1"), call("t2"))) == []
        for number in ("t1", "t2"):
            talk(ev.ToolFinished, "c1", ev.ToolOutput(number, "1"))
        assert talk(ev.ToolsRequested, "c1", (call("t1"), call("t2"))) == []
        assert talk.state is State.THINKING
        assert only(talk(ev.ToolsRequested, "c1", (call("t3"),)), act.RunTools)

    def test_an_interrupt_drops_the_results(self) -> None:
        talk = Talk().online().tool()
        actions = talk(ev.Stop)
        assert only(actions, act.CancelTurn)
        for number in ("t1", "t2"):
            assert talk(ev.ToolFinished, "c1", ev.ToolOutput(number, "1")) == []

    def test_a_turn_may_end_while_its_tools_run(self) -> None:
        talk = Talk().online().speaking()
        talk(ev.ToolsRequested, "c1", (call("t1"),))
        talk(ev.TurnEnded, "c1")
        assert talk.state is State.SPEAKING
        assert over(talk.drain()) == (True, "answered")


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


class TestServerVad:
    def test_a_turn_in_free_talk(self) -> None:
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

    def test_the_devices_own_endpointer_decides_nothing(self) -> None:
        talk = Talk(turn="semantic_vad", barge_in="confirmed").online()
        assert talk(ev.SpeechStart, talk.now) == []
        talk.listening()
        assert talk(ev.SpeechEnd, talk.now, "silence") == []
        assert talk.state is State.LISTENING

    def test_a_turn_may_begin_without_vad_events(self) -> None:
        talk = Talk(turn="server_vad").online()
        talk(ev.TurnCreated, "c1")
        assert talk.state is State.THINKING
        assert only(talk.packet("c1"), act.Play)

    @pytest.mark.parametrize("barge_in", ["off", "button"])
    def test_half_duplex_hears_nothing_while_it_speaks(self, barge_in: str) -> None:
        talk = Talk(turn="server_vad", barge_in=barge_in).online().created()
        assert only(talk.packet("c1"), act.AbandonUplink)
        assert talk(ev.ServerSpeechStarted) == []
        talk(ev.TurnEnded, "c1")
        assert not only(talk.drain(), act.OpenUplink)
        assert only(talk.wait(0.3), act.OpenUplink) == [act.OpenUplink(preroll=False)]

    @pytest.mark.parametrize("barge_in", ["confirmed", "instant"])
    def test_speech_the_server_hears_interrupts(self, barge_in: str) -> None:
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
    def test_or_its_cancel_does_whichever_comes_first(self, barge_in: str) -> None:
        talk = Talk(turn="server_vad", barge_in=barge_in).online().speaking()
        assert only(talk(ev.TurnCanceled, 1), act.Interrupted)
        assert talk.state is State.LISTENING
        assert talk(ev.ServerSpeechStarted) == []
        talk(ev.ServerSpeechStopped)
        assert talk.state is State.THINKING

    def test_with_keywords_only_the_cancel_cuts(self) -> None:
        talk = Talk(turn="server_vad", barge_in="keyword").online().speaking()
        assert talk(ev.ServerSpeechStarted) == []
        assert talk(ev.ServerSpeechStopped) == []
        assert only(talk(ev.TurnCanceled, 1), act.CutPlayback)
        assert talk.state is State.IDLE, "the keyword has been spoken already"

    def test_who_goes_on_while_the_server_thinks_is_listened_to(self) -> None:
        talk = Talk(turn="server_vad").online().created()
        actions = talk(ev.ServerSpeechStarted)
        assert over(actions) == (False, "interrupted")
        assert talk.state is State.LISTENING

    def test_a_turn_the_server_begins_over_the_answer_is_taken(self) -> None:
        talk = Talk(turn="server_vad", barge_in="keyword").online().speaking()
        talk(ev.TurnEnded, "c1")
        actions = talk(ev.TurnCreated, "c2")
        assert over(actions) == (False, "interrupted")
        assert talk.state is State.THINKING
        assert only(talk.packet("c2"), act.Play)

    def test_a_cancelled_utterance_does_not_come_back_as_a_turn(self) -> None:
        talk = Talk(turn="server_vad").online().thinking()
        talk(ev.Stop)
        assert talk(ev.TurnCreated, "old") == []
        assert talk.state is State.IDLE
        talk(ev.TurnCanceled, 2)
        talk(ev.TurnCreated, "new")
        assert talk.state is State.THINKING

    def test_a_press_without_words_goes_back_to_idle_with_open_ears(self) -> None:
        talk = Talk(turn="server_vad").online()
        assert kinds(talk(ev.Listen, "button")) == [act.EnterState]
        assert over(talk.wait(8.0)) == (False, "no_speech")
        assert talk.engine.uplink_open

    @pytest.mark.parametrize("kind", [ev.Ask, ev.Say])
    def test_what_the_server_does_not_know_yet_is_cancelled_by_us(self, kind: type) -> None:
        talk = Talk(turn="server_vad").online()
        talk(kind, "hello")
        assert only(talk(ev.ServerSpeechStarted), act.CancelTurn)
        assert talk.state is State.LISTENING
        if kind is ev.Ask:
            assert talk(ev.TurnCreated, "old") == []
            assert talk.state is State.LISTENING

    def test_a_cancel_no_longer_doubts_the_utterance_that_follows_it(self) -> None:
        talk = Talk(turn="server_vad").online().thinking()
        talk(ev.Listen, "button")
        assert talk(ev.TurnCreated, "old") == []
        talk(ev.ServerSpeechStarted)
        talk(ev.ServerSpeechStopped, after=0.5)
        talk(ev.TurnCreated, "new")
        assert only(talk.packet("new"), act.Play)
