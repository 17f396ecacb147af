import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.sendqueue import SendQueue


def drain(queue: SendQueue) -> list[bytes]:
    return [queue.pop() for _ in range(len(queue))]


def test_the_oldest_audio_goes_first_and_control_never():
    queue = SendQueue(max_age=10.0, max_count=2, max_bytes=1000)
    for n, data in enumerate([b"a1", b"control", b"a2", b"a3", b"a4"]):
        queue.push(data, data != b"control", float(n))
    queue.trim(4.0)
    assert queue.dropped == 2 and queue.size == len(b"controla3a4")
    assert drain(queue) == [b"control", b"a3", b"a4"]
    with pytest.raises(IndexError):
        queue.pop()


def test_age_counts_from_the_push():
    queue = SendQueue(max_age=0.4, max_count=99, max_bytes=1000)
    queue.push(b"old", True, 1.0)
    queue.push(b"new", True, 1.3)
    queue.trim(1.38)
    assert queue.dropped == 0
    queue.trim(1.42)
    assert drain(queue) == [b"new"]


def test_audio_can_be_dropped_as_a_whole():
    queue = SendQueue(max_age=9.0, max_count=9, max_bytes=9)
    for data, droppable in ((b"x", True), (b"keep", False), (b"y", True)):
        queue.push(data, droppable, 0.0)
    queue.drop_audio()
    assert queue.dropped == 2 and drain(queue) == [b"keep"] and queue.size == 0
    queue.push(b"z", False, 0.0)
    queue.clear()
    assert len(queue) == 0 and queue.size == 0 and queue.dropped == 2


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 50), st.floats(0, 0.3), st.integers(0, 2)),
        max_size=60,
    )
)
@settings(max_examples=100, deadline=None)
def test_limits_hold_after_every_trim(steps):
    queue = SendQueue(max_age=0.4, max_count=5, max_bytes=120)
    now = 0.0
    pushed: list[tuple[bytes, bool, float]] = []
    popped: list[bytes] = []
    for n, (droppable, size, wait, pops) in enumerate(steps):
        now += wait
        data = f"{n}:".encode() + b"x" * size
        queue.push(data, droppable, now)
        pushed.append((data, droppable, now))
        queue.trim(now)
        popped += [queue.pop() for _ in range(min(pops, len(queue)))]
    rest = drain(queue)
    waiting = [entry for entry in pushed if entry[0] in rest]
    audio = [entry for entry in waiting if entry[1]]
    assert len(audio) <= 5 and sum(len(entry[0]) for entry in audio) <= 120
    assert all(now - entry[2] < 0.4 for entry in audio)
    sent = popped + rest
    assert sent == [entry[0] for entry in pushed if entry[0] in sent]
    assert {entry[0] for entry in pushed if not entry[1]} <= set(sent)
    assert len(sent) + queue.dropped == len(pushed)
