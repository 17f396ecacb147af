"""What was heard and what was played, kept on one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.recording import Recording
from audio.output import OutputBuffer
from audio.wav import read_wav


def test_both_ends_are_kept_with_their_times(tmp_path: Path) -> None:
    output = OutputBuffer(24000)
    recording = Recording(tmp_path / "q.wav", tmp_path / "a.wav", 16000, output)
    block = np.zeros(480, dtype=np.int16)
    sound = np.full(24000 // 10, 5000, dtype=np.int16)
    output.write(sound)
    output.finish()
    for n in range(10):
        now = 100.0 + n * 0.02
        recording.microphone(np.full(320, n, dtype=np.int16), now)
        output.render(block, now, 0.0)
        recording.speaker(now)
    person, box = recording.close()
    assert person.t0 == pytest.approx(99.98)
    assert box.t0 == pytest.approx(99.98)
    assert len(person.samples) == 3200
    assert len(box.samples) == 4800
    heard, rate = read_wav(tmp_path / "a.wav")
    assert rate == 24000
    assert (heard == box.samples).all()
    assert (np.abs(heard[200:2000] - 5000) < 2).all()
    assert (heard[2400:] == 0).all()
    asked, _ = read_wav(tmp_path / "q.wav")
    assert (asked == person.samples).all()
