"""One bad client at 10 000 frames a second, seen from outside."""

import pytest

from bench.emulator_flood import measure


@pytest.mark.realtime
@pytest.mark.parametrize("kind", ["garbage", "alternating"])
def test_a_flood_is_cut_off_and_neither_others_nor_memory_notice(kind: str) -> None:
    figures = measure(kind, 1.5, 0.5)
    assert figures["frames_per_s"] > 5000
    assert figures["cut_offs"] > 10
    # A blink; it is about 10 ms on an idle machine.
    assert figures["flooded_ms"]["median"] < 60
    assert figures["flooded_ms"]["p99"] < 400
    assert figures["rss_after_mib"] - figures["rss_before_mib"] < 8
