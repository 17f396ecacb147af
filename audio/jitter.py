"""Holds what has arrived until enough of it is there to play without a gap.

Depth of the queue is never shortened: an answer that arrives faster than real time is no delay,
only its start is. Pure: the caller passes the time.
"""

from __future__ import annotations

from collections import deque

PREFILL_MS = 120.0
"""Covers the usual stall of a home Wi-Fi; a larger one is heard as a later start of every turn."""

MAX_MS = 120_000.0
"""Two minutes of one answer. As 24 kbit/s Opus that is 360 kB, as 24 kHz PCM 5.8 MB."""

# Sums of many durations are compared with a threshold.
_EPSILON_MS = 1e-6


class JitterBuffer:
    """FIFO of packets with a start rule, bounded in milliseconds of sound.

    Playing starts once ``prefill_ms`` are queued, once ``finish`` says that no more will come, or
    once the first packet has waited for ``prefill_ms``, whichever is first. After ``starved`` the
    same rule holds again.
    """

    def __init__(self, prefill_ms: float = PREFILL_MS, max_ms: float = MAX_MS) -> None:
        """Raises ValueError where ``prefill_ms`` is negative or more than ``max_ms``."""
        if not 0.0 <= prefill_ms <= max_ms:
            raise ValueError("prefill_ms must be between 0 and max_ms")
        self.prefill_ms = prefill_ms
        self.max_ms = max_ms
        self.refused = 0
        """Packets not taken because the buffer was full or finished; the newest are refused."""
        self.refused_ms = 0.0
        self._packets: deque[tuple[bytes, float]] = deque()
        self._queued_ms = 0.0
        self._waiting_since: float | None = None
        self._flowing = False
        self._finished = False

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def queued_ms(self) -> float:
        """Sound that waits, in ms."""
        return self._queued_ms

    @property
    def finished(self) -> bool:
        """``finish`` was called since the last ``clear``."""
        return self._finished

    @property
    def flowing(self) -> bool:
        """Playing has started and has not starved since."""
        return self._flowing

    def push(self, payload: bytes, ms: float, t: float) -> bool:
        """Append a packet of ``ms`` > 0 milliseconds that came at ``t`` (s); False = refused."""
        if ms <= 0.0:
            raise ValueError(f"a packet lasts longer than 0 ms, not {ms!r}")
        if self._finished or self._queued_ms + ms > self.max_ms + _EPSILON_MS:
            self.refused += 1
            self.refused_ms += ms
            return False
        if self._waiting_since is None:
            self._waiting_since = t
        self._packets.append((payload, ms))
        self._queued_ms += ms
        return True

    def finish(self) -> None:
        """No more packets will come: what is there may play at once."""
        self._finished = True

    def ready(self, t: float) -> bool:
        """Whether ``pop(t)`` gives a packet."""
        if not self._packets:
            return False
        if self._flowing or self._finished:
            return True
        if self._queued_ms >= self.prefill_ms - _EPSILON_MS:
            return True
        since = self._waiting_since
        return since is not None and (t - since) * 1000.0 >= self.prefill_ms - _EPSILON_MS

    def pop(self, t: float) -> bytes | None:
        """The oldest packet, or None while the buffer fills or is empty."""
        if not self.ready(t):
            return None
        payload, ms = self._packets.popleft()
        self._flowing = True
        # Set to zero when empty, or rounding of a long answer would stay behind.
        self._queued_ms = self._queued_ms - ms if self._packets else 0.0
        return payload

    def starved(self, t: float) -> None:
        """The player ran dry: fill up to the prefill again. What is queued now waits from ``t``."""
        self._flowing = False
        self._waiting_since = t if self._packets else None

    def clear(self) -> None:
        """Forget all packets and ``finish``; the counters stay."""
        self._packets.clear()
        self._queued_ms = 0.0
        self._waiting_since = None
        self._flowing = False
        self._finished = False
