from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.pacer import Pacer


def test_a_burst_goes_at_once_and_the_rest_waits_for_the_next_window() -> None:
    pacer = Pacer(1, 3)
    assert [pacer.due(10.0) for _ in range(7)] == [10, 10, 10, 11, 11, 11, 12]


def test_windows_are_counted_from_the_first_frame() -> None:
    pacer = Pacer(2, 1)
    assert pacer.due(0.5) == 0.5
    assert pacer.due(1.0) == 2.5
    assert pacer.due(7.0) == 7.0
    assert pacer.due(7.1) == 8.5


def test_an_unused_place_is_not_kept_for_later() -> None:
    pacer = Pacer(1, 2)
    pacer.due(0)
    assert [pacer.due(5.2) for _ in range(3)] == [5.2, 5.2, 6.0]


@given(st.integers(1, 3), st.integers(1, 5), st.lists(st.floats(0, 0.7), min_size=1, max_size=60))
@settings(max_examples=50)
def test_no_window_ever_takes_more(period: int, most: int, gaps: list[float]) -> None:
    pacer = Pacer(period, most)
    now = 0.0
    sent = []
    for gap in gaps:
        now = pacer.due(now + gap)
        sent.append(now)
    assert sent == sorted(sent)
    windows = [int((t - sent[0]) / period + 1e-9) for t in sent]
    assert max(windows.count(window) for window in windows) <= most
