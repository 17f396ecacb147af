"""What the outside is told."""

from __future__ import annotations

from typing import Any

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from agent.errors import NotPermitted
from agent.eventlog import EventLog
from agent.reporter import Reporter


def reporter() -> tuple[Reporter, list[dict[str, Any]]]:
    records: list[dict[str, Any]] = []
    log = EventLog()
    log.subscribe(records.append)
    return Reporter(log), records


def test_ready_is_told_once() -> None:
    report, records = reporter()
    report.event(ev.LinkReady(1.0))
    report.event(ev.LinkReady(2.0))
    assert records == [{"t": 1.0, "event": "ready"}]


def test_a_turn_in_the_public_names() -> None:
    report, records = reporter()
    report.event(ev.SpeechStart(1.2, 1.0))
    report.action(act.EnterState(1.2, State.LISTENING))
    report.event(ev.SpeechEnd(3.0, 2.5, "silence"))
    report.event(ev.Transcript(3.2, "what time is it", True))
    report.event(ev.ReplyText(3.4, "7", "It is ten", False))
    report.event(ev.ReplyText(3.5, "7", "It is ten.", True))
    report.event(ev.PlaybackStarted(3.6, 1))
    report.action(act.TurnReport(3.6, 500.0, 600.0, 12.34, 1100.0))
    report.event(ev.PlaybackDrained(5.0, 1))
    report.action(act.TurnOver(5.0, True, "drained"))
    names = [record["event"] for record in records]
    assert names == [
        "speech_start",
        "state",
        "speech_end",
        "transcript",
        "reply_text",
        "reply_text",
        "reply_audio_start",
        "turn",
        "reply_audio_end",
    ]
    assert records[7]["first_audio_to_dac_ms"] == 12.3
    assert report.turns == 1
    assert report.heard == "what time is it"
    assert list(report.latencies) == [1100.0]


def test_parts_of_a_turn_without_meaning_are_null() -> None:
    report, records = reporter()
    report.action(act.TurnReport(1.0, None, 300.0, 20.0, None))
    assert records[0]["total_ms"] is None
    assert not report.latencies


def test_failures_carry_code_remedy_and_logid() -> None:
    report, records = reporter()
    report.failure(1.0, NotPermitted("refused", remedy="Log in.", code="4100", logid="L7"))
    assert records[0] == {
        "t": 1.0,
        "event": "error",
        "code": "4100",
        "message": "refused",
        "remedy": "Log in.",
        "logid": "L7",
    }
    assert "refused" in report.last_error


def test_ducking_interrupts_and_retries_have_their_events() -> None:
    report, records = reporter()
    report.duck(1.0, True)
    report.duck(2.0, False)
    report.action(act.Interrupted(3.0, "speech"))
    report.reconnect(4.0, 2, 1.23456, "gone")
    report.exit(5.0, 69)
    assert [record["event"] for record in records] == [
        "duck",
        "unduck",
        "interrupted",
        "reconnect",
        "exit",
    ]
    assert records[3]["delay"] == 1.235
