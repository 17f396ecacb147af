"""From the blocks of a capture callback to 20 ms frames at the pipeline's rate, with their time.

``CaptureBuffer`` is the callback's half: it moves samples and takes notes. ``Microphone`` is the
other half, on the thread that works.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio.resampler import Resampler
from audio.ring import Ring

Samples = NDArray[np.int16]


class Frame(NamedTuple):
    """``samples``: int16 mono; ``t``: monotonic seconds at which the last of them ended."""

    samples: Samples
    t: float


class CaptureBuffer:
    """Takes interleaved blocks from a real-time callback and keeps one channel of them.

    When nobody reads for ``seconds`` the newest samples are dropped and counted in ``overrun``.
    """

    def __init__(
        self, rate: int, channels: int = 1, pick: int | None = None, seconds: float = 2.0
    ) -> None:
        """``rate`` in Hz; ``pick`` is the channel (from 0) to keep, ``None`` the mean of all.

        ``ValueError`` for a channel that does not exist.
        """
        if channels < 1:
            raise ValueError(f"a microphone cannot have {channels} channels")
        if pick is not None and not 0 <= pick < channels:
            raise ValueError(f"there is no channel {pick}, the device has {channels}")
        self.rate = rate
        self.channels = channels
        self.ring = Ring(int(rate * seconds))
        self.blocks = 0
        """Blocks received."""
        self.last_block_t: float | None = None
        """End time of the newest block, ``None`` before the first."""
        self.stamp: tuple[int, float] = (0, 0.0)
        """Newest sample index (exclusive) and the monotonic time at which it ended."""
        self._pick = 0 if channels == 1 else pick
        self._sums = np.zeros(self.ring.capacity if self._pick is None else 0, dtype=np.int32)

    @property
    def overrun(self) -> int:
        """Samples dropped because nobody read."""
        return self.ring.overrun

    def on_block(self, block: Samples, t_end: float) -> None:
        """Callback side: take a block of int16, shape (n, channels), that ended at ``t_end`` (s).

        Allocates nothing but views and two numbers.
        """
        ring = self.ring
        n = len(block)
        first, second = ring.reserve(n)
        split = len(first)
        accepted = split + len(second)
        if self._pick is not None:
            first[:] = block[:split, self._pick]
            second[:] = block[split:accepted, self._pick]
        elif accepted:
            sums = self._sums[:accepted]
            # Channel by channel: a sum along a short axis takes three times as long.
            sums[:] = block[:accepted, 0]
            for channel in range(1, self.channels):
                np.add(sums, block[:accepted, channel], out=sums)
            np.floor_divide(sums, self.channels, out=sums)
            first[:] = sums[:split]
            second[:] = sums[split:]
        ring.commit(accepted)
        if accepted < n:
            ring.count_overrun(n - accepted)
        self.stamp = (ring.write_index, t_end - (n - accepted) / self.rate)
        self.last_block_t = t_end
        self.blocks += 1


class Microphone:
    """Cuts what a ``CaptureBuffer`` holds into frames, resampled where the rates differ."""

    def __init__(self, buffer: CaptureBuffer, target_rate: int = 16000, frame_ms: int = 20) -> None:
        """``target_rate`` in Hz; a frame is ``target_rate * frame_ms / 1000`` samples."""
        self.buffer = buffer
        self.target_rate = target_rate
        self.frame_samples = target_rate * frame_ms // 1000
        same = buffer.rate == target_rate
        self._resampler = None if same else Resampler(buffer.rate, target_rate)
        self._pending: Samples = np.zeros(4 * self.frame_samples, dtype=np.int16)
        self._held = 0
        self._origin = buffer.ring.read_index
        self._delivered = 0
        self._t = float("-inf")

    def frames(self) -> list[Frame]:
        """All whole frames there are by now, oldest first; their times never go back.

        A frame's time is counted back from the newest block, so a late callback moves all frames
        of a call alike. Resampling does not shift it: the samples stand where they were spoken.
        """
        index, t_end = self.buffer.stamp
        frames = []
        if self._resampler is None:
            ring = self.buffer.ring
            for _ in range(ring.readable // self.frame_samples):
                samples: Samples = np.empty(self.frame_samples, dtype=np.int16)
                ring.read_into(samples)
                frames.append(self._frame(samples, index, t_end))
            return frames
        self._convert(self._resampler)
        size = self.frame_samples
        done = 0
        while self._held - done >= size:
            samples = self._pending[done : done + size].copy()
            done += size
            frames.append(self._frame(samples, index, t_end))
        self._pending[: self._held - done] = self._pending[done : self._held]
        self._held -= done
        return frames

    def reset(self) -> None:
        """Drop what is queued; the next frame begins with the next sample captured."""
        ring = self.buffer.ring
        ring.skip(ring.readable)
        if self._resampler is not None:
            self._resampler.reset()
        self._held = 0
        self._origin = ring.read_index
        self._delivered = 0

    def _convert(self, resampler: Resampler) -> None:
        ring = self.buffer.ring
        for view in ring.peek(ring.readable):
            if not len(view):
                continue
            samples = resampler.process(view)
            ring.skip(len(view))
            total = self._held + len(samples)
            if total > len(self._pending):
                grown: Samples = np.zeros(2 * total, dtype=np.int16)
                grown[: self._held] = self._pending[: self._held]
                self._pending = grown
            self._pending[self._held : total] = samples
            self._held = total

    def _frame(self, samples: Samples, index: int, t_end: float) -> Frame:
        self._delivered += len(samples)
        end = self._origin + self._delivered * self.buffer.rate / self.target_rate
        self._t = max(self._t, t_end - (index - end) / self.buffer.rate)
        return Frame(samples, self._t)
