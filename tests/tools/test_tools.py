from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialog.events import ToolCall
from agent.tools import ToolBox


class Device:
    """A device with a volume that may be broken."""

    def __init__(self) -> None:
        self.percent = 50
        self.broken = False
        self.info: dict[str, Any] = {"model": "kiosk"}

    def get(self) -> int:
        return self.percent

    def set(self, percent: int) -> None:
        if self.broken:
            raise RuntimeError("no sound card")
        self.percent = percent

    def box(self) -> ToolBox:
        return ToolBox(
            get_volume=self.get,
            set_volume=self.set,
            device_info=lambda: self.info,
            clock=lambda: datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        )

    def run(self, name: str, arguments: str = "{}", kind: str = "function") -> dict[str, Any]:
        output = self.box().run(ToolCall("id7", name, arguments, kind))
        assert output.id == "id7"
        result = json.loads(output.output)
        assert isinstance(result, dict)
        return result


def test_the_time_is_that_of_the_device() -> None:
    for arguments in ("{}", "", " ", "null"):
        assert Device().run("get_time", arguments) == {
            "date": "2026-03-04",
            "time": "05:06:07",
            "weekday": "Wednesday",
            "timezone": "UTC",
        }


@pytest.mark.parametrize(
    ("arguments", "percent"),
    [
        ('{"percent": 40}', 40),
        ('{"volume": 0}', 0),
        ('{"percent": 100}', 100),
        ('{"percent": 40.0}', 40),
        ('{"percent": "35"}', 35),
        ('{"percent": "35%"}', 35),
        ('{"delta": 20}', 70),
        ('{"delta": -60}', 0),
        ('{"delta": 100}', 100),
        ('{"percent": 30, "delta": null}', 30),
    ],
)
def test_the_volume_is_set_as_models_write_it(arguments: str, percent: int) -> None:
    device = Device()
    assert device.run("set_volume", arguments) == {"ok": True, "percent": percent}
    assert device.percent == percent


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('{"percent": 101}', "between 0 and 100"),
        ('{"percent": -1}', "between 0 and 100"),
        ('{"delta": 1000}', "between -100 and 100"),
        ('{"percent": 40.5}', "whole number"),
        ('{"percent": true}', "whole number"),
        ('{"percent": "loud"}', "whole number"),
        ('{"percent": "inf"}', "whole number"),
        ('{"percent": 1e999}', "whole number"),
        ('{"percent": [40]}', "whole number"),
        ('{"percent": NaN}', "valid JSON"),
        ("{}", "exactly 1"),
        ('{"percent": null}', "exactly 1"),
        ('{"percent": 4, "delta": 4}', "exactly 1"),
        ('{"path": "/etc"}', "does not take 'path'"),
        ("[40]", "JSON object"),
        ("40", "JSON object"),
        ("{percent", "valid JSON"),
        ("[" * 4000, "valid JSON"),
        (" " * 5000, "too long"),
    ],
)
def test_senseless_arguments_change_nothing_and_are_explained(arguments: str, says: str) -> None:
    device = Device()
    assert says in device.run("set_volume", arguments)["error"]
    assert device.percent == 50


def test_an_unknown_tool_is_told_what_there_is() -> None:
    result = Device().run("run_shell", '{"command": "id"}')
    assert "run_shell" in result["error"]
    assert result["known_tools"] == ["get_time", "set_volume", "get_device_info"]


def test_tools_without_arguments_take_none() -> None:
    assert "takes nothing" in Device().run("get_time", '{"zone": "UTC"}')["error"]


def test_the_device_is_described() -> None:
    device = Device()
    assert device.run("get_device_info") == {"model": "kiosk"}
    device.info = {"bad": object()}
    assert "failed" in device.run("get_device_info")["error"]


def test_a_question_node_gets_an_error_not_silence() -> None:
    assert "reply_message" in Device().run("ask_user", kind="reply_message")["error"]


def test_a_failing_part_becomes_a_text() -> None:
    device = Device()
    device.broken = True
    assert device.run("set_volume", '{"percent": 4}') == {
        "error": "set_volume failed: no sound card"
    }


@given(
    name=st.sampled_from(("get_time", "set_volume", "get_device_info", "", "\x00")),
    arguments=st.one_of(
        st.text(max_size=50),
        st.dictionaries(
            st.sampled_from(("percent", "volume", "delta", "x")),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        ).map(json.dumps),
    ),
)
@settings(max_examples=200, deadline=None)
def test_nothing_ever_raises_or_leaves_the_scale(name: str, arguments: str) -> None:
    device = Device()
    device.run(name, arguments)
    assert 0 <= device.percent <= 100
