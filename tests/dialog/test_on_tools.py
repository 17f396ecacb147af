"""Tools in the middle of a turn."""

from __future__ import annotations

import json

import pytest

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from tests.dialog.harness import Talk, call, kinds, only, over


def test_all_results_go_back_in_one_message() -> None:
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


def test_a_slow_tool_becomes_an_error_text() -> None:
    talk = Talk().online().tool()
    talk(ev.ToolFinished, "c1", ev.ToolOutput("t1", "1"))
    (submit,) = only(talk.wait(10.0), act.SubmitTools)
    assert submit.outputs[0] == ev.ToolOutput("t1", "1")
    assert "error" in json.loads(submit.outputs[1].output)
    assert talk(ev.ToolFinished, "c1", ev.ToolOutput("t2", "late")) == []


def test_the_filler_plays_on_and_the_answer_follows_in_the_same_breath() -> None:
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
    drained_during_the_tool: bool,
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


def test_a_repeated_request_runs_nothing_twice() -> None:
    talk = Talk().online().tool()
    assert talk(ev.ToolsRequested, "c1", (call("t1"), call("t2"))) == []
    for number in ("t1", "t2"):
        talk(ev.ToolFinished, "c1", ev.ToolOutput(number, "1"))
    assert talk(ev.ToolsRequested, "c1", (call("t1"), call("t2"))) == []
    assert talk.state is State.THINKING
    assert only(talk(ev.ToolsRequested, "c1", (call("t3"),)), act.RunTools)


def test_an_interrupt_drops_the_results() -> None:
    talk = Talk().online().tool()
    actions = talk(ev.Stop)
    assert only(actions, act.CancelTurn)
    for number in ("t1", "t2"):
        assert talk(ev.ToolFinished, "c1", ev.ToolOutput(number, "1")) == []


def test_a_turn_may_end_while_its_tools_run() -> None:
    talk = Talk().online().speaking()
    talk(ev.ToolsRequested, "c1", (call("t1"),))
    talk(ev.TurnEnded, "c1")
    assert talk.state is State.SPEAKING
    assert over(talk.drain()) == (True, "answered")
