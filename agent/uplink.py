"""From microphone frames to packets of one utterance.

Between utterances the last moments are kept (pre-roll), so that the first syllable is never lost.
During an utterance every packet is also kept, so that a socket that breaks can be given the whole
of it again. Both are bounded: the pre-roll by its length, the utterance by ``max_utterance_ms``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from audio.packetizer import Packetizer
from audio.preroll import PreRoll

Samples = NDArray[np.int16]


class Uplink:
    """``frame`` is called for every 20 ms frame; packets come out while the uplink is open."""

    def __init__(
        self,
        packetizer: Packetizer,
        *,
        preroll_ms: int,
        keep_ms: int,
        rate: int = 16000,
        frame_ms: int = 20,
    ) -> None:
        """``preroll_ms``: how much sound from before the opening is sent.

        ``keep_ms``: the longest utterance that can be sent again; of a longer one the start is
        forgotten (and it cannot be sent again).
        """
        self._packetizer = packetizer
        self._preroll = PreRoll(preroll_ms, rate)
        self._frame = rate * frame_ms // 1000
        self._keep = keep_ms
        self._kept: list[bytes] = []
        self._kept_ms = 0
        self._whole = True
        self.is_open = False

    def open(self, preroll: bool) -> list[bytes]:
        """Begin an utterance; returns the packets of the pre-roll."""
        self._packetizer.reset()
        self._kept, self._kept_ms, self._whole = [], 0, True
        self.is_open = True
        past = self._preroll.drain()
        packets: list[bytes] = []
        if preroll:
            for start in range(0, len(past) - self._frame + 1, self._frame):
                packets += self._feed(past[start : start + self._frame])
        return packets

    def frame(self, samples: Samples) -> list[bytes]:
        """Take one frame (int16, 20 ms); returns packets to send, none while closed."""
        if not self.is_open:
            self._preroll.push(samples)
            return []
        return self._feed(samples)

    def close(self) -> list[bytes]:
        """End the utterance; returns the last, silence-padded packet. It can still be resent."""
        if not self.is_open:
            return []
        self.is_open = False
        last = self._packetizer.flush()
        self._keep_packets(last)
        return last

    def forget(self) -> None:
        """Give the utterance up, and what was heard before it."""
        self.is_open = False
        self._kept, self._kept_ms = [], 0
        self._packetizer.reset()
        self._preroll.clear()

    def resend(self) -> list[bytes]:
        """Everything of the current or last utterance, if it is still whole."""
        return list(self._kept) if self._whole else []

    def _feed(self, samples: Samples) -> list[bytes]:
        packets = self._packetizer.feed(samples)
        self._keep_packets(packets)
        return packets

    def _keep_packets(self, packets: list[bytes]) -> None:
        if not packets or not self._whole:
            return
        self._kept += packets
        self._kept_ms += self._packetizer.packet_ms * len(packets)
        if self._kept_ms > self._keep:
            self._kept, self._whole = [], False
