"""The event stream: one whole JSON object a line, whatever the reader does."""

from __future__ import annotations

import contextlib
import json
import os
import time
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


def pipe(tmp_path: Path) -> tuple[EventLog, int]:
    """A stream into a pipe of 64 KiB, and the end to read from."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    return EventLog(str(path)), reader


def drain(reader: int) -> bytes:
    data = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(reader, 65536):
            data += piece
    return data


def test_a_reader_that_goes_away_does_not_hurt(tmp_path: Path) -> None:
    log, reader = pipe(tmp_path)
    os.close(reader)
    log.emit(1.0, "ready")
    log.emit(2.0, "ready")
    log.close()


def test_a_reader_that_stops_reading_holds_nothing_up(tmp_path: Path) -> None:
    log, reader = pipe(tmp_path)
    begun = time.monotonic()
    for at in range(2000):
        log.emit(float(at), "transcript", text="x" * 1000, final=False)
    assert time.monotonic() - begun < 5
    assert log.dropped > 0
    data = b""
    while piece := drain(reader):
        data += piece
        log.flush()
    lines = [json.loads(line) for line in data.splitlines()]
    assert len(lines) + log.dropped == 2000
    assert [line["t"] for line in lines] == [float(at) for at in range(len(lines))]
    log.emit(3000.0, "ready")
    assert json.loads(drain(reader))["t"] == 3000.0
    log.close()
    os.close(reader)


def test_half_of_a_character_is_told_as_an_escape(tmp_path: Path) -> None:
    path = tmp_path / "events"
    log = EventLog(str(path))
    log.emit(1.0, "reply_text", text="\ud83d", final=False)
    log.emit(2.0, "exit", code=0)
    log.close()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["text"] == "\ud83d"
    assert json.loads(lines[1])["code"] == 0


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write events to .*No such file"):
        EventLog(str(tmp_path / "nowhere" / "events"))
