"""From frames to the packets that go over the wire: Opus, or plain little-endian samples."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audio.opus import OpusEncoder

Samples = NDArray[np.int16]


class Packetizer:
    """Gathers samples to packets of ``packet_ms``; a packet of Opus is one Opus frame.

    60 ms packets cost a third of the messages of 20 ms ones, and half of the bytes.
    """

    def __init__(
        self,
        codec: Literal["opus", "pcm"],
        rate: int = 16000,
        packet_ms: int = 60,
        bitrate: int = 24000,
        complexity: int = 0,
        dtx: bool = False,
    ) -> None:
        """``rate`` in Hz, ``packet_ms`` 10, 20, 40 or 60 for Opus and 10 to 1000 for PCM.

        ``bitrate`` (bit/s), ``complexity`` (0 to 10) and ``dtx`` concern Opus. Raises
        ``CodecError`` for values that Opus does not know, ``ValueError`` for other bad ones,
        ``LibraryMissing`` without libopus.
        """
        if codec not in ("opus", "pcm"):
            raise ValueError(f"the codec is opus or pcm, not {codec}")
        if codec == "pcm" and not 10 <= packet_ms <= 1000:
            raise ValueError(f"a PCM packet lasts 10 to 1000 ms, not {packet_ms}")
        self.codec = codec
        self.packet_ms = packet_ms
        self.packet_samples = rate * packet_ms // 1000
        self._encoder = (
            OpusEncoder(rate, bitrate=bitrate, complexity=complexity, frame_ms=packet_ms, dtx=dtx)
            if codec == "opus"
            else None
        )
        self._packet: Samples = np.zeros(self.packet_samples, dtype=np.int16)
        self._filled = 0

    @property
    def pending(self) -> int:
        """Samples that wait for their packet to fill."""
        return self._filled

    def feed(self, frame: Samples) -> list[bytes]:
        """Add samples (int16, 1-D, any length); returns the packets that are now full.

        ``TypeError`` for another dtype or shape.
        """
        if frame.dtype != np.int16 or frame.ndim != 1:
            raise TypeError(f"need int16 mono, got {frame.dtype} of shape {frame.shape}")
        packets = []
        taken = 0
        while taken < len(frame):
            n = min(len(frame) - taken, self.packet_samples - self._filled)
            self._packet[self._filled : self._filled + n] = frame[taken : taken + n]
            self._filled += n
            taken += n
            if self._filled == self.packet_samples:
                packets.append(self._encode())
        return packets

    def flush(self) -> list[bytes]:
        """The last packet, filled up with silence; none if nothing is pending."""
        if not self._filled:
            return []
        self._packet[self._filled :] = 0
        return [self._encode()]

    def reset(self) -> None:
        """Drop what is pending; the next packet begins a new stream."""
        self._filled = 0
        if self._encoder is not None:
            self._encoder.reset()

    def _encode(self) -> bytes:
        self._filled = 0
        if self._encoder is not None:
            return self._encoder.encode(self._packet)
        return self._packet.astype("<i2", copy=False).tobytes()
