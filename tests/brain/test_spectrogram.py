from __future__ import annotations

import numpy as np
import pytest

from agent.emulator.brain.spectrogram import RATE, log_mel


def tone(hz: float, seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.rint(8000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.0, 3.5])
def test_shape_is_that_of_the_view(seconds: float) -> None:
    mel = log_mel(tone(440, seconds), 2.0)
    assert mel.shape == (80, 200)
    assert mel.dtype == np.float32
    assert mel.flags.c_contiguous


def test_silence_is_flat_and_at_the_floor() -> None:
    mel = log_mel(np.zeros(RATE, dtype=np.int16), 1.0)
    assert np.all(mel == mel[0, 0])
    assert mel[0, 0] == pytest.approx(-1.5)


def test_range_is_at_most_eight_decades() -> None:
    mel = log_mel(tone(1000, 1.0), 2.0)
    assert float(mel.max() - mel.min()) == pytest.approx(2.0)


def test_a_higher_tone_lies_in_a_higher_band() -> None:
    peaks = [int(np.argmax(log_mel(tone(hz, 1.0), 1.0)[:, 50])) for hz in (200, 500, 1000, 4000)]
    assert peaks == sorted(set(peaks))


def test_ten_milliseconds_are_one_column() -> None:
    samples = np.zeros(RATE, dtype=np.int16)
    samples[RATE // 2 :] = tone(1000, 0.5)
    loud = log_mel(samples, 1.0).max(axis=0)
    assert loud[45] < loud[55] - 1.0


def test_ten_times_the_amplitude_is_two_decades() -> None:
    loud = log_mel(tone(1000, 1.0), 1.0)[:, 50].max()
    soft = log_mel((tone(1000, 1.0) // 10).astype(np.int16), 1.0)[:, 50].max()
    assert float(loud - soft) == pytest.approx(2.0 / 4.0, abs=0.01)
