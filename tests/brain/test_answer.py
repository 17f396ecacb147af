from __future__ import annotations

from agent.emulator.brain.answer import Answer, ToolRequest


def test_answers_compare_by_value() -> None:
    assert Answer("Okay.") == Answer("Okay.", None)
    assert ToolRequest("set_volume", {"percent": 40}) == ToolRequest("set_volume", {"percent": 40})


def test_requests_do_not_share_arguments() -> None:
    ToolRequest("a").arguments["percent"] = 1
    assert ToolRequest("a").arguments == {}
