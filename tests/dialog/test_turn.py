from __future__ import annotations

import json

import pytest

from agent.dialog.events import ToolCall, ToolOutput
from agent.dialog.turn import Kind, ToolRound, Turn


def test_a_report_has_every_part_of_a_spoken_turn() -> None:
    turn = Turn(Kind.VOICE, 0.0, speech_last=10.0, request_t=10.5, first_audio_t=11.25)
    report = turn.report(11.5)
    assert report.speech_end_to_commit_ms == pytest.approx(500.0)
    assert report.commit_to_first_audio_ms == pytest.approx(750.0)
    assert report.first_audio_to_dac_ms == pytest.approx(250.0)
    assert report.total_ms == pytest.approx(1500.0)


def test_a_typed_question_has_no_speech_to_measure_from() -> None:
    report = Turn(Kind.ASK, 0.0, request_t=1.0, first_audio_t=2.0).report(2.1)
    assert report.speech_end_to_commit_ms is None
    assert report.total_ms is None
    assert report.commit_to_first_audio_ms == pytest.approx(1000.0)


def calls(*ids: str) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(call_id, "get_time", "{}") for call_id in ids)


def test_a_round_is_complete_with_the_last_result_in_the_order_of_the_calls() -> None:
    tools = ToolRound("c1")
    assert tools.add(calls("a", "b")) == calls("a", "b")
    assert tools.finished(ToolOutput("b", "2"))
    assert not tools.complete
    assert tools.finished(ToolOutput("a", "1"))
    assert tools.complete
    assert tools.take() == (ToolOutput("a", "1"), ToolOutput("b", "2"))


def test_unknown_repeated_and_late_results_are_not_taken() -> None:
    tools = ToolRound("c1")
    tools.add(calls("a"))
    assert not tools.finished(ToolOutput("z", "1"))
    assert tools.finished(ToolOutput("a", "1"))
    assert not tools.finished(ToolOutput("a", "other"))
    tools.take()
    assert not tools.finished(ToolOutput("a", "late"))


def test_a_repeated_request_runs_nothing_twice_and_missing_results_become_an_error() -> None:
    tools = ToolRound("c1")
    tools.add(calls("a", "a"))
    assert tools.add(calls("a")) == ()
    (output,) = tools.take()
    assert "error" in json.loads(output.output)
    assert tools.add(calls("a")) == ()
    assert tools.add(calls("b")) == calls("b")
