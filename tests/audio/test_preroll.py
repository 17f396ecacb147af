"""What was heard just before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.preroll import PreRoll


def test_keeps_the_newest_frames_in_order() -> None:
    preroll = PreRoll(60)
    for k in range(10):
        preroll.push(np.full(320, k, dtype=np.int16))
    kept = preroll.drain()
    assert kept.reshape(3, 320)[:, 0].tolist() == [7, 8, 9]
    assert len(preroll.drain()) == 0


def test_keeps_whole_frames_for_odd_lengths() -> None:
    preroll = PreRoll(50)
    for k in range(10):
        preroll.push(np.full(320, k, dtype=np.int16))
    assert preroll.drain()[::320].tolist() == [7, 8, 9]


def test_copies_what_is_pushed() -> None:
    preroll = PreRoll(40)
    frame = np.ones(320, dtype=np.int16)
    preroll.push(frame)
    frame[:] = 5
    assert preroll.drain().max() == 1


def test_nothing_is_kept_for_zero_ms_or_after_clear() -> None:
    none = PreRoll(0)
    none.push(np.ones(320, dtype=np.int16))
    assert len(none) == len(none.drain()) == 0
    some = PreRoll(40)
    some.push(np.ones(320, dtype=np.int16))
    some.clear()
    assert len(some.drain()) == 0
    with pytest.raises(ValueError):
        PreRoll(-1)


@given(ms=st.integers(1, 300), sizes=st.lists(st.integers(1, 700), max_size=30))
def test_holds_enough_and_not_a_frame_more(ms: int, sizes: list[int]) -> None:
    preroll = PreRoll(ms)
    signal = (np.arange(sum(sizes)) % 30000).astype(np.int16)
    start = 0
    for size in sizes:
        preroll.push(signal[start : start + size])
        start += size
    held = len(preroll)
    assert held >= min(start, preroll.wanted)
    assert held < preroll.wanted + max(sizes, default=1)
    assert np.array_equal(preroll.drain(), signal[start - held :])
