"""Loudness of a block of samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FLOOR_DBFS = -96.0
"""What silence reads: just below one least significant bit of 16 (-90.3 dBFS)."""


def dbfs(samples: NDArray[np.int16]) -> float:
    """RMS level of int16 samples in dB of full scale, never below ``FLOOR_DBFS``.

    Full scale is a constant of 32 768: a full-scale sine reads -3.0 dBFS. No samples are silence.
    """
    if not len(samples):
        return FLOOR_DBFS
    # float32 keeps 24 bits of a square, which is within 1e-6 dB; int16 would overflow.
    wide = samples.astype(np.float32)
    power = float(np.dot(wide, wide)) / len(samples)
    if power <= 0.0:
        return FLOOR_DBFS
    return max(FLOOR_DBFS, 10.0 * math.log10(power / 32768.0**2))
