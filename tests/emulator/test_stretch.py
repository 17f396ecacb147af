import numpy as np
import pytest

from agent.emulator.stretch import stretch


@pytest.mark.parametrize("speed", [0.5, 0.75, 1.3, 2.0])
def test_the_length_changes_and_the_pitch_does_not(speed: float) -> None:
    time = np.arange(16000) / 16000
    samples = (8000 * np.sin(2 * np.pi * 200 * time)).astype(np.int16)
    result = stretch(samples, 16000, speed)
    assert len(result) == round(16000 / speed)
    spectrum = np.abs(np.fft.rfft(result))
    assert spectrum.argmax() * 16000 / len(result) == pytest.approx(200, abs=2)
    middle = result[2000:-2000].astype(float)
    assert np.sqrt((middle**2).mean()) == pytest.approx(8000 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("length", [0, 1, 100, 700])
def test_short_pieces(length: int) -> None:
    assert len(stretch(np.ones(length, np.int16), 16000, 2.0)) == round(length / 2)
