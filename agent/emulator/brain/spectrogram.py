"""The log-mel spectrogram that Whisper was trained on, in numpy.

Parameters as published with the model (Radford et al., "Robust Speech Recognition via Large-Scale
Weak Supervision", 2022): 16 kHz, 25 ms Hann window, 10 ms hop, 80 mel bands on the Slaney scale.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
HOP = 160
FRAMES_PER_SECOND = RATE // HOP
_WINDOW = 400
_BANDS = 80
# Slaney's mel scale: linear below 1 kHz, then logarithmic.
_LINEAR_HZ = 200.0 / 3.0
_KNEE_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def log_mel(samples: NDArray[np.int16], seconds: float) -> NDArray[np.float32]:
    """(80, seconds * 100) log-mel of 16 kHz int16 mono, padded or cut to ``seconds``."""
    length = round(seconds * RATE)
    wave = np.zeros(length + _WINDOW, dtype=np.float32)
    kept = min(len(samples), length)
    middle = _WINDOW // 2
    wave[middle : middle + kept] = samples[:kept].astype(np.float32) / 32768.0
    # The ends are mirrored, as in training.
    wave[:middle] = wave[2 * middle : middle : -1]
    wave[middle + length :] = wave[middle + length - 2 : length - 2 : -1]
    frames = np.lib.stride_tricks.sliding_window_view(wave, _WINDOW)[::HOP][: length // HOP]
    power = np.abs(np.fft.rfft(frames * _hann(), axis=1)).astype(np.float32) ** 2
    mel = np.log10(np.maximum(power @ _mel_filters().T, 1e-10)).T
    mel = np.maximum(mel, mel.max() - 8.0)
    scaled: NDArray[np.float32] = np.ascontiguousarray((mel + 4.0) / 4.0, dtype=np.float32)
    return scaled


@lru_cache(maxsize=1)
def _hann() -> NDArray[np.float32]:
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=1)
def _mel_filters() -> NDArray[np.float32]:
    """(80, 201) triangles of equal area, from 0 Hz to 8 kHz."""
    edges = _mel_to_hz(np.linspace(0.0, _hz_to_mel(RATE / 2), _BANDS + 2))
    bins = np.linspace(0.0, RATE / 2, _WINDOW // 2 + 1)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * 2.0 / (high - low)).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _LINEAR_HZ
    return float(_KNEE_HZ / _LINEAR_HZ + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE_HZ / _LINEAR_HZ
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - knee))
    return np.asarray(np.where(mel < knee, mel * _LINEAR_HZ, above))
