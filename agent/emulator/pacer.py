"""Pacing of audio frames by ``limit_config``: at most so many in each window of time."""

from __future__ import annotations

import math


class Pacer:
    """Windows of ``period`` seconds, counted from the first frame; each may take ``most`` frames.

    Frames that are ready go out in a burst at the beginning of a window; what exceeds the number
    waits for the next. Pure: time is passed in.
    """

    def __init__(self, period: float, most: int) -> None:
        self._period = period
        self._most = most
        self._start = 0.0
        self._window = -1
        self._used = 0

    def due(self, now: float) -> float:
        """The time (s, not before ``now``) at which the next frame may go; takes its place."""
        if self._window < 0:
            self._start = now
        window = max(self._window, math.floor((now - self._start) / self._period), 0)
        if window > self._window:
            self._window, self._used = window, 0
        elif self._used == self._most:
            self._window, self._used = window + 1, 0
        self._used += 1
        return max(now, self._start + self._window * self._period)
