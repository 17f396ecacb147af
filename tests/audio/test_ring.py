"""The ring, against a plain list."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from audio.ring import Ring


def ramp(start: int, n: int) -> np.ndarray:
    return (np.arange(start, start + n) % 30000).astype(np.int16)


class RingMachine(RuleBasedStateMachine):
    @initialize(capacity=st.integers(1, 40))
    def make(self, capacity: int) -> None:
        self.ring = Ring(capacity)
        self.model: list[int] = []
        self.written = self.read = self.overrun = self.underrun = self.serial = 0

    def fresh(self, n: int) -> np.ndarray:
        samples = ramp(self.serial, n)
        self.serial += n
        return samples

    @rule(n=st.integers(0, 60))
    def write(self, n: int) -> None:
        samples = self.fresh(n)
        accepted = min(n, self.ring.capacity - len(self.model))
        assert self.ring.write(samples) == accepted
        self.model += samples[:accepted].tolist()
        self.written += accepted
        self.overrun += n - accepted

    @rule(n=st.integers(0, 60), share=st.floats(0, 1))
    def reserve_and_commit(self, n: int, share: float) -> None:
        first, second = self.ring.reserve(n)
        room = min(n, self.ring.capacity - len(self.model))
        assert len(first) + len(second) == room
        samples = self.fresh(room)
        first[:] = samples[: len(first)]
        second[:] = samples[len(first) :]
        filled = int(room * share)
        self.ring.commit(filled)
        self.model += samples[:filled].tolist()
        self.written += filled

    @rule(n=st.integers(0, 60))
    def read_into(self, n: int) -> None:
        out = np.full(n, -7, dtype=np.int16)
        got = min(n, len(self.model))
        assert self.ring.read_into(out) == got
        assert out[:got].tolist() == self.model[:got]
        assert out[got:].tolist() == [-7] * (n - got)
        del self.model[:got]
        self.read += got
        self.underrun += n - got

    @rule(n=st.integers(0, 60))
    def peek(self, n: int) -> None:
        first, second = self.ring.peek(n)
        assert [*first.tolist(), *second.tolist()] == self.model[:n]

    @rule(n=st.integers(-3, 60))
    def skip(self, n: int) -> None:
        dropped = max(0, min(n, len(self.model)))
        assert self.ring.skip(n) == dropped
        del self.model[:dropped]
        self.read += dropped

    @rule(offset=st.integers(-10, 60))
    def skip_to(self, offset: int) -> None:
        dropped = max(0, min(offset, len(self.model)))
        assert self.ring.skip_to(self.read + offset) == dropped
        del self.model[:dropped]
        self.read += dropped

    @invariant()
    def counters_agree(self) -> None:
        if not hasattr(self, "ring"):
            return
        ring = self.ring
        assert (ring.write_index, ring.read_index) == (self.written, self.read)
        assert ring.readable == len(self.model)
        assert ring.writable == ring.capacity - len(self.model)
        assert (ring.overrun, ring.underrun) == (self.overrun, self.underrun)


TestRingMachine = RingMachine.TestCase
TestRingMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_peek_gives_views_not_copies() -> None:
    ring = Ring(8)
    ring.write(ramp(0, 6))
    first, _ = ring.peek(6)
    again, _ = ring.peek(6)
    assert np.shares_memory(first, again)


def test_what_does_not_fit_is_the_newest() -> None:
    ring = Ring(4)
    assert ring.write(ramp(0, 6)) == 4
    out = np.zeros(4, dtype=np.int16)
    ring.read_into(out)
    assert out.tolist() == [0, 1, 2, 3]
    assert ring.overrun == 2


def test_refuses_what_would_be_cast_in_silence() -> None:
    ring = Ring(4)
    with pytest.raises(TypeError):
        ring.write(np.zeros(2, dtype=np.float32))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        ring.read_into(np.zeros((2, 1), dtype=np.int16))
    assert ring.write_index == ring.underrun == 0


def test_refuses_impossible_sizes() -> None:
    with pytest.raises(ValueError):
        Ring(0)
    with pytest.raises(ValueError):
        Ring(4).commit(5)
    with pytest.raises(ValueError):
        Ring(4).commit(-1)


def test_two_threads_lose_and_invent_nothing() -> None:
    ring = Ring(997)
    total = 200_000
    heard: list[np.ndarray] = []

    def consume() -> None:
        out = np.zeros(313, dtype=np.int16)
        got = 0
        while got < total:
            n = ring.read_into(out)
            heard.append(out[:n].copy())
            got += n

    thread = threading.Thread(target=consume)
    thread.start()
    sent = 0
    while sent < total:
        sent += ring.write(ramp(sent, min(257, total - sent, ring.writable)))
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert np.array_equal(np.concatenate(heard), ramp(0, total))
    assert ring.overrun == 0
