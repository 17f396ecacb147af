"""What a person sees of a conversation."""

from __future__ import annotations

import io
from typing import Any

from agent.display import BARS, Display


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def conversation() -> list[dict[str, Any]]:
    return [
        {"event": "state", "state": "listening"},
        {"event": "transcript", "text": "what", "final": False},
        {"event": "transcript", "text": "what time is it", "final": True},
        {"event": "reply_text", "text": "It is ten.", "final": True},
        {
            "event": "turn",
            "total_ms": 1100.0,
            "speech_end_to_commit_ms": 500.0,
            "commit_to_first_audio_ms": 580.0,
            "first_audio_to_dac_ms": 20.0,
        },
    ]


def test_a_log_has_one_line_for_each_thing() -> None:
    stream = io.StringIO()
    display = Display(stream)
    for record in conversation():
        display.event(record)
    display.level(-20.0)
    text = stream.getvalue()
    assert "you      what time is it\n" in text
    assert "talkbox  It is ten.\n" in text
    assert "1100 ms" in text
    assert "\x1b" not in text


def test_a_terminal_has_a_moving_level() -> None:
    stream = Terminal()
    display = Display(stream)
    display.event({"event": "state", "state": "listening"})
    display.level(-10.0)
    assert "listening" in stream.getvalue()
    assert "-10.0 dBFS" in stream.getvalue()
    assert any(bar in stream.getvalue() for bar in BARS[5:])
    display.close()
    assert stream.getvalue().endswith("\x1b[2K")


def test_nothing_understood_is_said() -> None:
    stream = io.StringIO()
    Display(stream).event({"event": "transcript", "text": "", "final": True})
    assert "nothing understood" in stream.getvalue()
