"""Loudness."""

from __future__ import annotations

import numpy as np
import pytest

from audio.level import FLOOR_DBFS, dbfs


def test_reference_levels() -> None:
    assert dbfs(np.full(320, -32768, dtype=np.int16)) == pytest.approx(0.0, abs=1e-4)
    sine = np.rint(32767 * np.sin(2 * np.pi * np.arange(1600) / 16)).astype(np.int16)
    assert dbfs(sine) == pytest.approx(-3.01, abs=0.01)
    assert dbfs(np.ones(320, dtype=np.int16)) == pytest.approx(-90.31, abs=0.01)


def test_silence_and_nothing_read_the_floor() -> None:
    assert dbfs(np.zeros(320, dtype=np.int16)) == FLOOR_DBFS
    assert dbfs(np.zeros(0, dtype=np.int16)) == FLOOR_DBFS
    lone = np.zeros(100_000, dtype=np.int16)
    lone[0] = 1
    assert dbfs(lone) == FLOOR_DBFS
