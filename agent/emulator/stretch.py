"""Speaking faster or slower at the same pitch: waveform-similarity overlap-add.

After Verhelst and Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for
high quality time-scale modification of speech", ICASSP 1993.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]

_WINDOW_MS = 30
_SEARCH_MS = 8


def stretch(samples: Samples, rate: int, speed: float) -> Samples:
    """``samples`` (int16 mono at ``rate`` Hz) spoken ``speed`` times as fast, 0.5 to 2."""
    hop = rate * _WINDOW_MS // 2000
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)
    reach = rate * _SEARCH_MS // 1000
    wanted = round(len(samples) / speed)
    steps = -(-wanted // hop)
    padding = np.zeros(reach + 2 * hop, dtype=np.float32)
    source = np.concatenate([padding, samples.astype(np.float32), padding, padding])
    result = np.zeros((steps + 2) * hop, dtype=np.float32)
    at = reach + hop
    for step in range(steps + 1):
        nominal = min(round(step * hop * speed) + reach + hop, len(source) - 3 * hop - reach)
        if step:
            # Of all places near the nominal one, the window that best continues the last one.
            follow = source[at + hop : at + 2 * hop]
            around = source[nominal - reach : nominal + reach + hop]
            at = nominal - reach + int(np.argmax(np.correlate(around, follow, mode="valid")))
        else:
            at = nominal
        result[step * hop : (step + 2) * hop] += window * source[at : at + 2 * hop]
    return np.clip(result[hop : hop + wanted], -32768, 32767).astype(np.int16)
