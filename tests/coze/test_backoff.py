import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.backoff import Backoff

KINDS = st.sampled_from(["active", "idle", "busy", "permanent"])


def draws(kind, n, seed=1):
    """The first delays of many devices for the ``n``-th failure."""
    found = []
    for device in range(400):
        backoff = Backoff(random.Random(seed * 1000 + device))
        for _ in range(n):
            backoff.next(kind)
        found.append(backoff.next(kind))
    return found


class TestWidths:
    @pytest.mark.parametrize(
        ("kind", "n", "low", "high"),
        [
            ("active", 0, 0, 1),
            ("active", 1, 0, 2),
            ("active", 3, 0, 8),
            ("active", 40, 0, 60),
            ("idle", 0, 0, 60),
            ("idle", 1, 1, 5),
            ("idle", 40, 1, 60),
            ("busy", 0, 2, 4),
            ("busy", 1, 4, 8),
            ("busy", 40, 30, 60),
            ("permanent", 0, 3600, 4500),
            ("permanent", 9, 3600, 4500),
        ],
    )
    def test_each_kind_fills_its_width(self, kind, n, low, high):
        found = draws(kind, n)
        assert low <= min(found) and max(found) <= high
        assert min(found) < low + (high - low) * 0.1
        assert max(found) > high - (high - low) * 0.1

    def test_a_reset_begins_anew(self):
        backoff = Backoff(random.Random(3))
        for _ in range(10):
            backoff.next("active")
        assert backoff.failures == 10
        backoff.reset()
        assert backoff.failures == 0 and backoff.next("active") <= 1.0

    def test_base_and_cap_are_the_callers(self):
        backoff = Backoff(random.Random(3), base=0.1, cap=0.5)
        assert backoff.next("active") <= 0.1
        assert max(backoff.next("active") for _ in range(50)) <= 0.5
        assert max(backoff.next("busy") for _ in range(50)) <= 0.5


@given(st.lists(st.tuples(KINDS, st.none() | st.floats(-5, 1e9)), min_size=1, max_size=200))
@settings(max_examples=60, deadline=None)
def test_never_gives_up_and_never_comes_before_retry_after(steps):
    backoff = Backoff(random.Random(5))
    for kind, retry_after in steps:
        delay = backoff.next(kind, retry_after)
        assert 0.0 <= delay <= 4500.0 + 3600.0
        if retry_after is not None:
            assert delay >= min(retry_after, 3600.0)
        elif kind != "permanent":
            assert delay <= 60.0


def test_two_devices_that_boot_together_differ():
    first, second = Backoff(random.Random()), Backoff(random.Random())
    assert [first.next("active") for _ in range(4)] != [second.next("active") for _ in range(4)]


@pytest.mark.parametrize("outage", [1.0, 30.0, 300.0])
def test_a_fleet_does_not_come_back_in_one_second(outage):
    """Virtual time: 5 000 devices, 3 % in conversation; the service is away for ``outage`` s."""
    accepted = []
    for device in range(5000):
        rng = random.Random(device)
        backoff = Backoff(rng)
        kind = "active" if rng.random() < 0.03 else "idle"
        t = 0.0
        while t < outage:
            t += backoff.next(kind)
        accepted.append(t - outage)
    seconds = Counter(int(t) for t in accepted)
    assert max(seconds.values()) <= 0.10 * 5000
    assert sorted(accepted)[int(0.99 * 5000)] <= 60.0
