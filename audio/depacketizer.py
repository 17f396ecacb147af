"""What came from the network, back to samples at the rate of the speaker.

Two kinds of payload by one interface: Opus packets, and raw PCM cut anywhere.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio import opus
from audio.errors import CodecError
from audio.resampler import Resampler

Samples = NDArray[np.int16]

# A PCM payload of any size is queued in pieces, for the work of one tick to stay bounded.
PCM_PIECE_MS = 60
# What a first packet that cannot be read is taken to last: the frame of the whole pipeline.
_DEFAULT_MS = 20.0


class Depacketizer(Protocol):
    """``split`` when a payload arrives, ``decode`` each piece when it is due."""

    conceals: bool
    """Whether ``conceal`` can make up audio for a gap."""
    last_ms: float
    """Duration of the last good packet, in ms."""

    def split(self, payload: bytes) -> list[tuple[bytes, float]]:
        """Pieces to queue, each with its duration in ms; never raises."""

    def decode(self, payload: bytes) -> Samples:
        """Samples of one piece at the output rate. Raises CodecError for garbage."""

    def conceal(self, ms: float) -> Samples:
        """Made-up continuation of about ``ms`` milliseconds at the output rate."""

    def flush(self) -> Samples:
        """What the resampler still holds, at the end of the stream."""

    def reset(self) -> None:
        """A new stream begins."""

    def set_output_rate(self, rate: int) -> None:
        """Go on with the same stream at another output rate (Hz)."""


class OpusDepacketizer:
    """One Opus packet a payload, decoded straight at the output rate where Opus knows it.

    Otherwise (44.1 kHz and the like) it is decoded at 48 kHz and resampled.
    """

    conceals = True

    def __init__(self, output_rate: int) -> None:
        """Raises LibraryMissing where libopus is not installed."""
        self.last_ms = _DEFAULT_MS
        self._output_rate = 0
        self.set_output_rate(output_rate)

    def set_output_rate(self, rate: int) -> None:
        """See ``Depacketizer``; what the decoder knew of the signal is forgotten."""
        if rate == self._output_rate:
            return
        self._output_rate = rate
        decoded = rate if rate in opus.RATES else max(opus.RATES)
        self._decoder = opus.OpusDecoder(decoded)
        self._resampler = Resampler(decoded, rate) if decoded != rate else None

    def split(self, payload: bytes) -> list[tuple[bytes, float]]:
        """The packet and the duration in its header.

        One that cannot be read keeps its place in the queue: the gap is concealed there.
        """
        try:
            return [(payload, opus.packet_ms(payload))]
        except CodecError:
            return [(payload, self.last_ms)]

    def decode(self, payload: bytes) -> Samples:
        """See ``Depacketizer``."""
        samples = self._decoder.decode(payload)
        self.last_ms = opus.packet_ms(payload)
        return self._at_output_rate(samples)

    def conceal(self, ms: float) -> Samples:
        """See ``Depacketizer``; a multiple of 2.5 ms."""
        return self._at_output_rate(self._decoder.conceal(ms))

    def flush(self) -> Samples:
        """See ``Depacketizer``."""
        return np.zeros(0, dtype=np.int16) if self._resampler is None else self._resampler.flush()

    def reset(self) -> None:
        """See ``Depacketizer``."""
        self._decoder.reset()
        self.last_ms = _DEFAULT_MS
        if self._resampler is not None:
            self._resampler.reset()

    def _at_output_rate(self, samples: Samples) -> Samples:
        return samples if self._resampler is None else self._resampler.process(samples)


class PcmDepacketizer:
    """int16 little-endian mono as a stream of bytes: a payload may end inside a sample."""

    conceals = False

    def __init__(self, rate: int, output_rate: int) -> None:
        """``rate`` of the payloads in Hz."""
        self.last_ms = _DEFAULT_MS
        self._rate = rate
        self._piece = max(2, rate * PCM_PIECE_MS // 1000 * 2)
        self._carry = b""
        self._resampler = Resampler(rate, output_rate)

    def set_output_rate(self, rate: int) -> None:
        """See ``Depacketizer``."""
        if rate != self._resampler.target_rate:
            self._resampler = Resampler(self._rate, rate)

    def split(self, payload: bytes) -> list[tuple[bytes, float]]:
        """Pieces of whole samples, at most ``PCM_PIECE_MS`` each.

        The odd byte is carried here and not at decoding: a payload that is refused for want of
        room must not turn all that follows it into noise.
        """
        whole = self._carry + payload
        even = len(whole) & ~1
        self._carry = whole[even:]
        pieces = [whole[at : min(at + self._piece, even)] for at in range(0, even, self._piece)]
        return [(piece, 500.0 * len(piece) / self._rate) for piece in pieces]

    def decode(self, payload: bytes) -> Samples:
        """See ``Depacketizer``; any even number of bytes is valid."""
        return self._resampler.process(np.frombuffer(payload, dtype="<i2").astype(np.int16))

    def conceal(self, ms: float) -> Samples:
        """Nothing: raw samples say nothing about how they would go on."""
        return np.zeros(0, dtype=np.int16)

    def flush(self) -> Samples:
        """See ``Depacketizer``."""
        return self._resampler.flush()

    def reset(self) -> None:
        """See ``Depacketizer``."""
        self._carry = b""
        self._resampler.reset()
