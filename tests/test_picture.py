"""The picture of a conversation: what it draws, measured on its own pixels."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.errors import UsageError
from agent.picture import Conversation, Track, draw, envelope


def tone(seconds: float, rate: int) -> Any:
    t = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * 300 * t) * 16384).astype(np.int16)


def test_the_envelope_keeps_every_peak() -> None:
    samples = np.zeros(50_001, dtype=np.int16)
    samples[31_234] = 30_000
    samples[7] = -30_000
    times, low, high = envelope(Track(samples, 10_000, 5.0), columns=100)
    assert len(times) <= 100
    assert high.max() == pytest.approx(30_000 / 32768)
    assert low.min() == pytest.approx(-30_000 / 32768)
    assert times[int(high.argmax())] == pytest.approx(5.0 + 3.1234, abs=0.06)


def test_an_empty_track_has_no_envelope() -> None:
    times, low, high = envelope(Track(np.zeros(0, dtype=np.int16), 16000, 0.0))
    assert len(times) == len(low) == len(high) == 0


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib import image

    conversation = Conversation(
        Track(tone(2, 16000), 16000, 100.0),
        Track(tone(4, 24000), 24000, 100.5),
        states=[(100.0, "idle"), (100.5, "listening"), (102.0, "speaking"), (104.0, "idle")],
        latencies=[(101.9, 102.8)],
        heard=[(102.0, "what time is it")],
        answered=[(102.8, "It is ten o'clock, and this is a caption that is much too long " * 2)],
    )
    path = tmp_path / "conversation.png"
    draw(conversation, path)
    pixels = image.imread(path)
    height, width = pixels.shape[:2]
    assert width > 1000
    assert height > 400
    person = np.array([0x1F, 0x5F, 0xA8]) / 255
    drawn = np.abs(pixels[:, :, :3] - person).max(axis=2) < 0.1
    assert drawn.sum() > 1000


def test_without_matplotlib_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    silence = Track(np.zeros(10, dtype=np.int16), 16000, 0.0)
    with pytest.raises(UsageError, match=r"talkbox\[demo\]"):
        draw(Conversation(silence, silence), tmp_path / "x.png")
