"""MP3, by the LAME encoder of an optional package."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.emulator.fields import Refusal

# What MPEG-1 layer III offers, in kbit/s.
_BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
DEFAULT_BIT_RATE = 64_000
"""The documentation states none; plenty for one voice."""


def require() -> None:
    """Raises ``Refusal`` 4000 where the encoder is not installed."""
    try:
        import lameenc  # noqa: F401
    except ImportError:
        raise Refusal(
            "invalid parameter: data.output_audio.codec mp3 needs the Python package lameenc, "
            "which is not installed where this emulator runs"
        ) from None


def encode(pieces: list[NDArray[np.int16]], rate: int, bit_rate: int) -> list[bytes]:
    """One MP3 stream, mono at ``rate`` Hz (32, 44.1 or 48 kHz), in as many parts as ``pieces``.

    The nearest bitrate (bit/s) that MP3 has is taken. Encoders look ahead: a part holds what was
    complete by then, maybe nothing, and the last one all the rest.
    """
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_bit_rate(min(_BITRATES, key=lambda kbit: abs(kbit * 1000 - bit_rate)))
    encoder.set_in_sample_rate(rate)
    # Else LAME would choose a lower one for a low bitrate.
    encoder.set_out_sample_rate(rate)
    encoder.set_channels(1)
    encoder.set_quality(7)
    encoder.silence()
    parts = [bytes(encoder.encode(piece.astype("<i2").tobytes())) for piece in pieces]
    if parts:
        parts[-1] += bytes(encoder.flush())
    return parts
