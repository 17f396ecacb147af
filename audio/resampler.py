"""Streaming sample-rate conversion of int16 mono between any two integer rates.

A polyphase windowed-sinc filter. Below 0.9 of the lower Nyquist frequency it is flat within
0.1 dB; from the lower Nyquist frequency up it is down by more than 60 dB, so nothing audible
folds back. Coefficients are multiples of 2**-30 held in float64: every product and every partial
sum is exact, and the output does not depend, to the bit, on how the input was cut into blocks.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

# Kaiser design (J. F. Kaiser, 1974): attenuation in dB gives the window's shape, attenuation and
# transition width give its length. 68 dB leaves a margin over the 60 dB that are promised.
_ATTENUATION_DB = 68.0
_TRANSITION = 0.1  # of the lower Nyquist frequency, ending at it
_QUANTUM = 2.0**30
_FEW_PHASES = 16
_GATHER_ROWS = 1024
_ONE_SHOT_BLOCK = 16384


class Resampler:
    """Converts a stream from ``source_rate`` to ``target_rate`` (Hz), block by block.

    Output sample ``m`` stands at ``m / target_rate`` seconds of the input: nothing is shifted.
    It can be computed once ``delay_samples`` more input samples are known, so the first block
    yields that much less and ``flush`` yields the rest. N input samples give, in all,
    ceil(N * target_rate / source_rate) output samples. How many one call returns depends only on
    the number of samples put in before and now.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Rates in Hz, from 1000 to 384 000; ``ValueError`` otherwise.

        The coefficient table of two rates with little in common is large: 44 101 to 16 000 Hz
        takes 30 MB. The usual pairs take between 1 kB and 600 kB.
        """
        for rate in (source_rate, target_rate):
            if not 1000 <= rate <= 384_000:
                raise ValueError(f"cannot resample at {rate} Hz")
        self.source_rate = source_rate
        self.target_rate = target_rate
        common = math.gcd(source_rate, target_rate)
        self._up = target_rate // common
        self._down = source_rate // common
        self._table = _coefficients(self._up, self._down) if self._up != self._down else None
        self._taps = 0 if self._table is None else self._table.shape[1]
        self.delay_samples = self._taps // 2
        """Source samples by which the output lags: 126 (2.6 ms) from 48 to 16 kHz."""
        # Grows to the largest block seen and is kept: history in front, the new block behind.
        self._work = np.zeros(self._taps + 1024)
        self._held = 0
        self._turn = 0
        self.reset()

    def reset(self) -> None:
        """Forget the signal so far, as a new stream begins."""
        self._held = max(0, self.delay_samples - 1)
        self._work[: self._held] = 0.0
        self._turn = 0

    def process(self, samples: Samples) -> Samples:
        """Take a block (int16, 1-D, any length), return what can be computed; a new array.

        Results beyond the int16 range are clipped. ``TypeError`` for another dtype or shape.
        """
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise TypeError(f"need int16 mono, got {samples.dtype} of shape {samples.shape}")
        if self._table is None:
            return samples.copy()
        return self._advance(samples, len(samples))

    def flush(self) -> Samples:
        """The last samples, as if silence followed; the next ``process`` begins a new stream."""
        if self._table is None:
            return np.empty(0, dtype=np.int16)
        tail = self._advance(np.zeros(self.delay_samples, dtype=np.int16), self.delay_samples)
        self.reset()
        return tail

    def _advance(self, samples: Samples, n: int) -> Samples:
        held = self._held
        total = held + n
        if total > len(self._work):
            grown = np.zeros(2 * total)
            grown[:held] = self._work[:held]
            self._work = grown
        work = self._work
        work[held:total] = samples
        up, down = self._up, self._down
        # Output j of this call reads the window that starts at (offset + j * down) // up.
        offset = self._turn * down % up
        count = max(0, -((offset - (total - self._taps + 1) * up) // down))
        result = np.empty(count)
        if count:
            if up <= _FEW_PHASES:
                self._by_phase(result, offset)
            else:
                self._by_row(result, offset)
            np.rint(result, out=result)
            np.clip(result, -32768.0, 32767.0, out=result)
        start = (offset + count * down) // up
        self._held = total - start
        work[: self._held] = work[start:total]
        self._turn = (self._turn + count) % up
        return result.astype(np.int16)

    def _by_phase(self, result: NDArray[np.float64], offset: int) -> None:
        # All outputs of one phase read windows at equal distances: a view, no copy.
        assert self._table is not None
        up, down = self._up, self._down
        for first in range(min(up, len(result))):
            out = result[first::up]
            windows: NDArray[np.float64] = np.ndarray(
                (len(out), self._taps),
                np.float64,
                self._work,
                (offset + first * down) // up * 8,
                (down * 8, 8),
            )
            np.einsum("ij,j->i", windows, self._table[(self._turn + first) % up], out=out)

    def _by_row(self, result: NDArray[np.float64], offset: int) -> None:
        # Many phases: gather one window per output, then multiply row by row.
        assert self._table is not None
        up, down, taps = self._up, self._down, self._taps
        windows: NDArray[np.float64] = np.ndarray(
            (len(self._work) - taps + 1, taps), np.float64, self._work, 0, (8, 8)
        )
        done = 0
        while done < len(result):
            row = (self._turn + done) % up
            n = min(len(result) - done, up - row, _GATHER_ROWS)
            starts = (offset + np.arange(done, done + n) * down) // up
            np.einsum(
                "ij,ij->i", windows[starts], self._table[row : row + n], out=result[done : done + n]
            )
            done += n


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """All of ``samples`` (int16, 1-D) at ``target_rate``: ceil(N * target / source) samples."""
    resampler = Resampler(source_rate, target_rate)
    pieces = [
        resampler.process(samples[start : start + _ONE_SHOT_BLOCK])
        for start in range(0, len(samples), _ONE_SHOT_BLOCK)
    ]
    pieces.append(resampler.flush())
    return np.concatenate(pieces)


@lru_cache(maxsize=4)
def _coefficients(up: int, down: int) -> NDArray[np.float64]:
    """Row r weighs the window of output r, r + up, ...; columns are input samples, oldest first."""
    stretch = max(1.0, down / up)
    half = math.ceil((_ATTENUATION_DB - 7.95) / (2.285 * _TRANSITION * math.pi) / 2 * stretch)
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    cutoff = (1.0 - _TRANSITION / 2) / stretch  # cycles per two input samples
    phase = np.arange(up) * down % up / up
    time = np.arange(1 - half, half + 1)[np.newaxis, :] - phase[:, np.newaxis]
    window = np.i0(beta * np.sqrt(np.clip(1.0 - (time / half) ** 2, 0.0, None))) / np.i0(beta)
    rows = cutoff * np.sinc(cutoff * time) * window
    rows /= rows.sum(axis=1, keepdims=True)  # a constant keeps its level in every phase
    table: NDArray[np.float64] = np.rint(rows * _QUANTUM) / _QUANTUM
    table.flags.writeable = False
    return table
