"""Keeps what the microphone heard and what the speaker played, on the same clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.picture import Track
from audio.output import OutputBuffer
from audio.ring import Ring
from audio.wav import WavWriter

Samples = NDArray[np.int16]

# A conversation longer than this is kept on disk only; the picture shows its beginning.
PICTURE_S = 300
TAP_S = 2.0


class Recording:
    """Two WAV files that grow, and the first minutes of both for a picture."""

    def __init__(self, person: Path, box: Path, mic_rate: int, output: OutputBuffer) -> None:
        """Taps ``output`` from now on. Raises ``WavError`` when a file cannot be written."""
        self._mic_rate = mic_rate
        self._out_rate = output.rate
        self._person = WavWriter(person, mic_rate)
        self._box = WavWriter(box, output.rate)
        self._tap = Ring(round(output.rate * TAP_S))
        output.tap = self._tap
        self._buffer = np.zeros(self._tap.capacity, dtype=np.int16)
        self._heard: list[Samples] = []
        self._played: list[Samples] = []
        self._heard_t0: float | None = None
        self._played_t0: float | None = None

    def microphone(self, samples: Samples, t: float) -> None:
        """One frame whose last sample was taken at ``t``."""
        if self._heard_t0 is None:
            self._heard_t0 = t - len(samples) / self._mic_rate
        self._person.write(samples)
        if self._person.samples < PICTURE_S * self._mic_rate:
            self._heard.append(samples.copy())

    def speaker(self, now: float) -> None:
        """Take what was played since the last call."""
        n = self._tap.readable
        if n == 0:
            return
        self._tap.read_into(self._buffer[:n])
        if self._played_t0 is None:
            self._played_t0 = now - n / self._out_rate
        self._box.write(self._buffer[:n])
        if self._box.samples < PICTURE_S * self._out_rate:
            self._played.append(self._buffer[:n].copy())

    def close(self) -> tuple[Track, Track]:
        """Finish both files; the tracks for the picture."""
        self._person.close()
        self._box.close()
        return (
            _track(self._heard, self._mic_rate, self._heard_t0),
            _track(self._played, self._out_rate, self._played_t0),
        )


def _track(pieces: list[Samples], rate: int, t0: float | None) -> Track:
    samples = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)
    return Track(samples, rate, t0 or 0.0)
