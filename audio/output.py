"""Last stage before the DAC: a ring that is played without a click, and knows when it was heard.

The device callback calls ``OutputBuffer.render``; one other thread writes, cuts and sets the gain.
Between two neighbouring output samples there is never a larger step than the signal makes by
itself, plus one step of a fade: running dry, a cut and the start after either are faded.

The fade is an envelope that moves by at most ``1 / fade`` a sample and never exceeds the number of
samples left divided by ``fade``. It therefore reaches zero exactly at the last sample there is,
without holding anything back, and turns up again where more audio arrives in time.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from audio.ring import Ring

FADE_MS = 5.0
"""Long enough that no click is heard, short enough that a cut is over within one 20 ms block."""

MAX_GAIN = 8.0
"""+18 dB; beyond it speech is nothing but clipping."""

# At 20 ms a block these are the last 1.28 s: the writer asks about what was played just now.
_HISTORY = 64


class OutputBuffer:
    """Mono int16 ring at the rate of the device, at most ``seconds`` long.

    One producer, one consumer (the device callback), no lock. Indices count samples from the
    beginning of time of this buffer and never wrap; a sample has the same index for both sides.
    """

    def __init__(self, rate: int, *, seconds: float = 0.5, fade_ms: float = FADE_MS) -> None:
        """``rate`` in Hz. Raises ValueError for a rate, length or fade that is not positive."""
        if rate <= 0 or seconds <= 0 or fade_ms <= 0:
            raise ValueError("rate, seconds and fade_ms must be positive")
        self.rate = rate
        self._ring = Ring(max(1, round(rate * seconds)))
        capacity = self._ring.capacity
        self._fade = max(1, round(rate * fade_ms / 1000))
        self._step = 1.0 / self._fade

        self.tap: Ring | None = None
        """Every played block is copied there, for those who record; full, it drops the newest."""

        # Written by the producer, read by the callback.
        self._cut_mark = 0
        self._final = 0
        self._target_gain = 1.0

        # Written by the callback.
        self._envelope = 0.0
        self._gain = 1.0
        self._flowing = False
        self._underruns = 0
        self._missing = 0
        self._blocks = 0
        self._starts = [0] * _HISTORY
        self._ends = [0] * _HISTORY
        self._times = [0.0] * _HISTORY

        # Room for the largest block that can be played at once, so that render allocates none.
        self._ordinal = np.arange(1, capacity + 1, dtype=np.float32)
        self._samples = np.zeros(capacity, dtype=np.float32)
        self._factor = np.zeros(capacity, dtype=np.float32)
        self._tail = np.zeros(capacity, dtype=np.float32)

    # --- producer -----------------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """Samples that fit."""
        return self._ring.capacity

    @property
    def writable(self) -> int:
        """Samples that can be written now. After a cut the room comes back with the next block."""
        return self._ring.writable

    @property
    def queued(self) -> int:
        """Samples that will still be played (what a cut has condemned does not count)."""
        ring = self._ring
        return max(0, ring.write_index - max(ring.read_index, self._cut_mark))

    @property
    def written(self) -> int:
        """Index of the next sample to be written."""
        return self._ring.write_index

    @property
    def consumed(self) -> int:
        """Index of the next sample that the callback will take."""
        return self._ring.read_index

    @property
    def underruns(self) -> int:
        """Times the audio ran dry before ``finish`` had said that it may."""
        return self._underruns

    @property
    def missing(self) -> int:
        """Samples of silence played in such gaps, up to the end of the block each began in."""
        return self._missing

    @property
    def gain(self) -> float:
        """The gain asked for last."""
        return self._target_gain

    def write(self, samples: NDArray[np.int16]) -> int:
        """Queue mono samples; returns how many fitted (the rest, the newest, is not taken)."""
        return self._ring.write(samples)

    def finish(self) -> None:
        """What was written so far is complete: running dry after it is no underrun."""
        self._final = self._ring.write_index

    def cut(self) -> None:
        """Drop all that was written: the next block fades it out and skips to what comes after."""
        index = self._ring.write_index
        self._final = index
        self._cut_mark = index

    def set_gain(self, linear: float) -> None:
        """Linear gain, reached within the next block of 5 ms or more (above 1: with 5 ms a unit).

        Raises ValueError outside 0 to ``MAX_GAIN``.
        """
        if not 0.0 <= linear <= MAX_GAIN:
            raise ValueError(f"gain must be between 0 and {MAX_GAIN:g}, not {linear!r}")
        self._target_gain = float(linear)

    def dac_time_of(self, index: int) -> float | None:
        """Monotonic time at which sample ``index`` leaves the DAC.

        None where it has not been taken by the device yet, or was skipped by a cut. For samples
        older than some 1.3 s of playing the answer is counted back from the oldest block known.
        """
        blocks = self._blocks
        if index < 0 or blocks == 0:
            return None
        slot = 0
        for block in range(blocks - 1, max(-1, blocks - 1 - _HISTORY), -1):
            slot = block % _HISTORY
            if index >= self._starts[slot]:
                if index >= self._ends[slot]:
                    return None
                break
        return self._times[slot] + (index - self._starts[slot]) / self.rate

    def position(self, now: float) -> int:
        """Index of the sample leaving the DAC at ``now``; where nothing sounds, the next one."""
        blocks = self._blocks
        slot = 0
        for block in range(blocks - 1, max(-1, blocks - 1 - _HISTORY), -1):
            slot = block % _HISTORY
            elapsed = now - self._times[slot]
            if elapsed >= 0:
                index = self._starts[slot] + int(elapsed * self.rate)
                if index < self._ends[slot]:
                    return index
                return self._ring.read_index if block == blocks - 1 else self._ends[slot]
        return self._starts[slot]

    # --- device callback ----------------------------------------------------------------------

    def render(self, out: NDArray[np.int16], now: float, dac_delay_s: float) -> None:
        """Fill ``out``, shape (n,) int16, with the next block.

        ``now`` is the monotonic time of the call and ``dac_delay_s`` how much later its first
        sample will leave the DAC. Takes no lock and allocates nothing that grows.
        """
        self._render(out, now, dac_delay_s)
        tap = self.tap
        if tap is not None:
            tap.write(out)

    def _render(self, out: NDArray[np.int16], now: float, dac_delay_s: float) -> None:
        # The mark is read before the write index, so that it is never ahead of what is seen.
        mark = self._cut_mark
        ring = self._ring
        start = ring.read_index
        final = self._final
        available = ring.write_index - start
        size = out.shape[0]
        if mark > start:
            if self._envelope > 0.0:
                count = self._fade_old(out, available)
                self._flowing = False
                self._note(start, start + count, now + dac_delay_s)
                if self._envelope > 0.0:
                    # The block was shorter than the fade: the next one goes on with it.
                    ring.skip_to(start + count)
                else:
                    ring.skip_to(max(mark, start + count))
                return
            ring.skip_to(mark)
            start = mark
            available = max(0, ring.write_index - mark)
        count = min(available, size)
        if count:
            self._play(out, count, available)
            ring.skip_to(start + count)
            self._note(start, start + count, now + dac_delay_s)
        if count < size:
            out[count:] = 0
            self._envelope = 0.0
            self._gain = self._target_gain
            if start + count != final and (count or self._flowing):
                self._underruns += 1
                self._missing += size - count
        self._flowing = count == size

    def _note(self, start: int, end: int, t: float) -> None:
        if end > start:
            slot = self._blocks % _HISTORY
            self._starts[slot] = start
            self._ends[slot] = end
            self._times[slot] = t
            self._blocks += 1

    def _play(self, out: NDArray[np.int16], count: int, available: int) -> None:
        step = self._step
        envelope: NDArray[np.float32] | None = None
        if self._envelope < 1.0 or available - count < self._fade:
            # Both ramps at once: up from where the last block ended, down to the last sample.
            envelope = self._factor[:count]
            tail = self._tail[:count]
            ordinal = self._ordinal[:count]
            np.multiply(ordinal, step, out=envelope)
            envelope += self._envelope
            np.subtract(available, ordinal, out=tail)
            tail *= step
            np.minimum(envelope, tail, out=envelope)
            np.minimum(envelope, 1.0, out=envelope)
            self._envelope = min(self._envelope + count * step, (available - count) * step, 1.0)
        self._scale(out, count, envelope)

    def _fade_old(self, out: NDArray[np.int16], available: int) -> int:
        """Fade out what a cut has condemned, zeros after it; returns the samples used."""
        wanted = math.ceil(self._envelope * self._fade)
        count: int = min(wanted, available, out.shape[0])
        envelope = self._factor[:count]
        np.multiply(self._ordinal[:count], -self._step, out=envelope)
        envelope += self._envelope
        np.maximum(envelope, 0.0, out=envelope)
        self._scale(out, count, envelope)
        out[count:] = 0
        # The envelope never exceeds samples left / fade, so ``available`` is not what stops it.
        left = self._envelope - count * self._step
        self._envelope = left if count < wanted and left > 0.0 else 0.0
        return count

    def _scale(
        self, out: NDArray[np.int16], count: int, envelope: NDArray[np.float32] | None
    ) -> None:
        """The next ``count`` samples of the ring times gain and envelope, saturating."""
        first, second = self._ring.peek(count)
        split = first.shape[0]
        gain, target = self._gain, self._target_gain
        if envelope is None and gain == target == 1.0:
            out[:split] = first
            out[split:count] = second
            return
        samples = self._samples[:count]
        samples[:split] = first
        samples[split:] = second
        if envelope is not None:
            samples *= envelope
        if gain != target:
            # The whole block is the ramp, but never steeper than a fade: a short block gets a part.
            size = out.shape[0]
            step = (target - gain) / size
            if abs(step) <= self._step:
                self._gain = target if count == size else gain + count * step
            else:
                step = math.copysign(self._step, step)
                self._gain = gain + count * step
            ramp = self._factor[:count]
            np.multiply(self._ordinal[:count], step, out=ramp)
            ramp += gain
            samples *= ramp
        elif gain != 1.0:
            samples *= gain
        np.rint(samples, out=samples)
        if gain > 1.0 or target > 1.0:
            np.maximum(samples, -32768.0, out=samples)
            np.minimum(samples, 32767.0, out=samples)
        out[:count] = samples
