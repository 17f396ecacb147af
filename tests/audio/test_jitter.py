"""The jitter buffer against a plain model of its rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.jitter import JitterBuffer

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from([10, 20, 60])),
        st.tuples(st.just("push"), st.sampled_from([20, 60])),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([5, 20, 60, 200])),
        st.tuples(st.just("starved"), st.just(0)),
        st.tuples(st.just("finish"), st.just(0)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=80,
)


class Model:
    """The rule in the plainest words, in whole milliseconds."""

    def __init__(self, prefill: int, limit: int) -> None:
        self.prefill = prefill
        self.limit = limit
        self.queue: list[tuple[bytes, int]] = []
        self.since: int | None = None
        self.playing = False
        self.finished = False

    @property
    def depth(self) -> int:
        return sum(ms for _, ms in self.queue)

    def push(self, payload: bytes, ms: int, t: int) -> bool:
        if self.finished or self.depth + ms > self.limit:
            return False
        if self.since is None:
            self.since = t
        self.queue.append((payload, ms))
        return True

    def ready(self, t: int) -> bool:
        if not self.queue:
            return False
        waited = self.since is not None and t - self.since >= self.prefill
        return self.playing or self.finished or self.depth >= self.prefill or waited

    def pop(self, t: int) -> bytes | None:
        if not self.ready(t):
            return None
        self.playing = True
        return self.queue.pop(0)[0]


@settings(max_examples=200, deadline=None)
@given(OPERATIONS, st.sampled_from([0, 60, 120]), st.sampled_from([300, 1000]))
def test_it_does_what_the_model_does(
    operations: list[tuple[str, int]], prefill: int, limit: int
) -> None:
    buffer = JitterBuffer(prefill, limit)
    model = Model(prefill, limit)
    t = 0
    refused = 0
    for number, (what, n) in enumerate(operations):
        if what == "push":
            payload = str(number).encode()
            taken = model.push(payload, n, t)
            refused += not taken
            assert buffer.push(payload, n, t / 1000) is taken
        elif what == "pop":
            assert buffer.pop(t / 1000) == model.pop(t)
        elif what == "wait":
            t += n
        elif what == "starved":
            buffer.starved(t / 1000)
            model.playing = False
            model.since = t if model.queue else None
        elif what == "finish":
            buffer.finish()
            model.finished = True
        else:
            buffer.clear()
            model = Model(prefill, limit)
        assert buffer.ready(t / 1000) is model.ready(t)
        assert buffer.queued_ms == pytest.approx(model.depth)
        assert buffer.queued_ms <= limit
        assert len(buffer) == len(model.queue)
        assert buffer.refused == refused


def test_a_burst_starts_at_once() -> None:
    buffer = JitterBuffer(prefill_ms=120)
    for _ in range(2):
        buffer.push(b"x", 60, 0.0)
    assert buffer.ready(0.0)


def test_a_trickle_starts_when_the_first_packet_has_waited() -> None:
    buffer = JitterBuffer(prefill_ms=120)
    buffer.push(b"x", 20, 1.0)
    assert not buffer.ready(1.119)
    assert buffer.ready(1.12)


def test_a_short_answer_starts_when_it_is_complete() -> None:
    buffer = JitterBuffer(prefill_ms=120)
    buffer.push(b"x", 20, 0.0)
    assert buffer.pop(0.0) is None
    buffer.finish()
    assert buffer.pop(0.0) == b"x"


def test_after_starving_the_prefill_is_asked_for_again() -> None:
    buffer = JitterBuffer(prefill_ms=120)
    buffer.push(b"a", 120, 0.0)
    assert buffer.pop(0.0) == b"a"
    buffer.push(b"b", 60, 0.1)
    assert buffer.ready(0.1), "flowing: no prefill"
    assert buffer.pop(0.1) == b"b"
    buffer.starved(0.2)
    buffer.push(b"c", 60, 0.3)
    assert not buffer.ready(0.3)
    buffer.push(b"d", 60, 0.35)
    assert buffer.pop(0.35) == b"c"


def test_two_minutes_are_held_and_the_newest_refused_and_counted() -> None:
    buffer = JitterBuffer()
    taken = sum(buffer.push(b"x", 60, 0.0) for _ in range(2100))
    assert taken == 2000
    assert buffer.queued_ms == pytest.approx(120_000)
    assert buffer.refused == 100
    assert buffer.refused_ms == pytest.approx(6000)


@pytest.mark.parametrize("ms", [0.0, -20.0])
def test_a_packet_without_duration_is_refused(ms: float) -> None:
    with pytest.raises(ValueError, match="0 ms"):
        JitterBuffer().push(b"x", ms, 0.0)


def test_a_prefill_beyond_the_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="prefill"):
        JitterBuffer(prefill_ms=500, max_ms=100)
