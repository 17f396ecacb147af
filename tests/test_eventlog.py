"""The event stream: one whole JSON object a line, whatever the reader does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.errors import UsageError
from agent.eventlog import EventLog


def test_events_are_one_json_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "events"
    log = EventLog(str(path))
    log.emit(1.23456, "transcript", text="你好\nthere", final=True)
    log.emit(2.0, "exit", code=0)
    log.close()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {"t": 1.2346, "event": "transcript", "text": "你好\nthere", "final": True}
    assert lines[1]["code"] == 0


def test_listeners_hear_what_is_written() -> None:
    heard: list[dict[str, Any]] = []
    log = EventLog()
    log.subscribe(heard.append)
    log.emit(1.0, "ready")
    assert heard == [{"t": 1.0, "event": "ready"}]


def test_a_reader_that_goes_away_does_not_hurt(tmp_path: Path) -> None:
    log = EventLog(str(tmp_path / "events"))
    assert log._stream is not None
    log._stream.close()
    log.emit(1.0, "ready")
    log.emit(2.0, "ready")


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write events to .*No such file"):
        EventLog(str(tmp_path / "nowhere" / "events"))
