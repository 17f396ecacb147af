"""G.711: 8-bit A-law and mu-law, by table (ITU-T G.711)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

LAWS = ("g711a", "g711u")


def decode(law: str, payload: bytes) -> NDArray[np.int16]:
    """The int16 samples of an 8 kHz G.711 stream; ``law`` is ``g711a`` or ``g711u``."""
    return _decoding(law)[np.frombuffer(payload, dtype=np.uint8)]


def encode(law: str, samples: NDArray[np.int16]) -> bytes:
    """One byte per int16 sample, the nearest value the law can express."""
    return _encoding(law)[samples.view(np.uint16)].tobytes()


@cache
def _decoding(law: str) -> NDArray[np.int16]:
    codes = np.arange(256, dtype=np.int32)
    if law == "g711u":
        codes = ~codes & 0xFF
        magnitude = ((((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)) - 0x84
        return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)
    codes ^= 0x55
    segment = (codes & 0x70) >> 4
    magnitude = ((codes & 0x0F) << 4) + np.where(segment == 0, 8, 0x108)
    magnitude <<= np.maximum(segment - 1, 0)
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


@cache
def _encoding(law: str) -> NDArray[np.uint8]:
    values = _decoding(law).astype(np.int32)
    # Of the two zeros of mu-law the positive one, 0xFF, is the customary silence; a stable sort
    # of the reversed table puts it first.
    codes = np.arange(255, -1, -1)
    codes = codes[np.argsort(values[codes], kind="stable")]
    levels = values[codes]
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    right = np.clip(np.searchsorted(levels, samples), 1, 255)
    nearer_left = samples - levels[right - 1] < levels[right] - samples
    chosen = np.where(nearer_left, right - 1, right)
    first_of_level = np.searchsorted(levels, levels[chosen])
    return codes[first_of_level].astype(np.uint8)
