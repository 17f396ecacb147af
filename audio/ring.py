"""A ring of int16 samples between one producer thread and one consumer thread.

``write_index`` and ``read_index`` count samples since the ring was made and never go back: they
double as a sample clock. Only the producer moves the first, only the consumer moves the second,
and each moves its own index after the samples are in place. Under the interpreter lock that order
is what the other side sees, so a real-time callback never waits for a lock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


class Ring:
    """Single-producer, single-consumer ring of ``capacity`` mono int16 samples.

    A full ring refuses the newest samples (``overrun`` counts them); an empty one leaves the rest
    of the reader's buffer alone (``underrun`` counts what was missing). Both counters only grow.
    Nothing is allocated after construction but array views.
    """

    __slots__ = ("_buffer", "capacity", "overrun", "read_index", "underrun", "write_index")

    def __init__(self, capacity: int) -> None:
        """``capacity`` in samples, at least 1; ``ValueError`` otherwise."""
        if capacity < 1:
            raise ValueError(f"a ring needs room for at least one sample, not {capacity}")
        self.capacity = capacity
        self._buffer: Samples = np.zeros(capacity, dtype=np.int16)
        self.write_index = 0
        self.read_index = 0
        self.overrun = 0
        self.underrun = 0

    @property
    def readable(self) -> int:
        """Samples that wait to be read."""
        return self.write_index - self.read_index

    @property
    def writable(self) -> int:
        """Samples that fit now."""
        return self.capacity - (self.write_index - self.read_index)

    # ----- producer -------------------------------------------------------------------------

    def write(self, samples: Samples) -> int:
        """Append ``samples`` (int16, 1-D), oldest first; return how many fitted.

        What does not fit is the newest end of ``samples``: it is dropped and counted as overrun.
        """
        _check(samples)
        wanted = len(samples)
        first, second = self.reserve(wanted)
        split = len(first)
        accepted = split + len(second)
        first[:] = samples[:split]
        if len(second):
            second[:] = samples[split:accepted]
        self.write_index += accepted
        if accepted < wanted:
            self.overrun += wanted - accepted
        return accepted

    def reserve(self, n: int) -> tuple[Samples, Samples]:
        """Writable views of up to ``n`` free samples, in order; the second is empty unless wrapped.

        Fill them from the front and call ``commit`` with the number filled.
        """
        return self._views(self.write_index, min(n, self.writable))

    def commit(self, n: int) -> None:
        """Hand the first ``n`` reserved samples to the reader; ``ValueError`` if they don't fit."""
        if not 0 <= n <= self.writable:
            raise ValueError(f"cannot commit {n} samples, {self.writable} are free")
        self.write_index += n

    def count_overrun(self, n: int) -> None:
        """Note ``n`` samples that a producer using ``reserve`` had to drop."""
        self.overrun += n

    # ----- consumer -------------------------------------------------------------------------

    def read_into(self, out: Samples) -> int:
        """Move samples to the front of ``out`` (int16, 1-D); return how many there were.

        The rest of ``out`` is left as it is, and counted as underrun.
        """
        _check(out)
        first, second = self.peek(len(out))
        split = len(first)
        got = split + len(second)
        out[:split] = first
        if len(second):
            out[split:got] = second
        self.read_index += got
        if got < len(out):
            self.underrun += len(out) - got
        return got

    def peek(self, n: int) -> tuple[Samples, Samples]:
        """Views of up to ``n`` waiting samples, in order; the second is empty unless wrapped.

        They stay valid until ``skip`` or ``read_into`` passes them. Counts no underrun.
        """
        return self._views(self.read_index, min(n, self.readable))

    def skip(self, n: int) -> int:
        """Drop up to ``n`` waiting samples; return how many were dropped."""
        dropped = max(0, min(n, self.readable))
        self.read_index += dropped
        return dropped

    def skip_to(self, index: int) -> int:
        """Drop what was written before sample ``index``; return how many were dropped.

        An index already read, or not yet written, is taken as the nearest one that can be read.
        """
        return self.skip(index - self.read_index)

    def _views(self, index: int, n: int) -> tuple[Samples, Samples]:
        n = max(0, n)
        start = index % self.capacity
        end = start + n
        buffer = self._buffer
        if end <= self.capacity:
            return buffer[start:end], buffer[:0]
        return buffer[start:], buffer[: end - self.capacity]


def _check(samples: Samples) -> None:
    # A float array would be cast in silence, to zeros more often than not.
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise TypeError(f"need int16 samples in one dimension, got {samples.dtype} {samples.shape}")
