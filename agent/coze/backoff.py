"""When to knock again: pure, never gives up, and no two devices of a fleet in step.

One outage brings a whole fleet back at once, so the draw is split by how much a person waits.
A device in conversation comes back within a second; one that is idle spreads its first attempt
over a minute, because nobody notices. Later attempts use full jitter, U(0, w) with w doubling up
to ``cap`` (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from typing import Literal

Kind = Literal["active", "idle", "busy", "permanent"]

# A service that says it is busy is left alone for some seconds in any case: [2, 4], [4, 8], ...
_BUSY_S = 4.0
# Quota, balance, a wrong token: looking again costs the platform something and heals nothing
# sooner, but an account may be paid at any time.
_PERMANENT_S = 3600.0
# A server that asks for more than this has made a mistake, or is down for long: look hourly.
_MAX_RETRY_AFTER_S = 3600.0
_MAX_DOUBLINGS = 16


class Backoff:
    """Delays before the next connection attempt, in seconds. One per device, kept over attempts.

    ``rng`` has to be seeded from the operating system (``random.Random()``), never from a clock:
    devices that boot together have the same clock. ``base`` is the width of the first draw in
    conversation; ``cap`` bounds every delay but those of ``permanent`` and ``retry_after``.
    """

    def __init__(self, rng: random.Random, base: float = 1.0, cap: float = 60.0) -> None:
        self._rng = rng
        self._base = base
        self._cap = cap
        self._failures = 0

    @property
    def failures(self) -> int:
        """Delays handed out since the last ``reset``."""
        return self._failures

    def reset(self) -> None:
        """The connection is good (the session is configured, not merely the socket open)."""
        self._failures = 0

    def next(self, kind: Kind, retry_after: float | None = None) -> float:
        """Seconds to wait from now.

        ``active``: somebody is talking with the device; first U(0, base), then
        U(0, min(cap, base * 2^n)). ``idle``: first U(0, cap), then 1 + U(0, min(cap - 1,
        2 base * 2^n)). ``busy``: the service is overloaded; upper half of 4, 8, ... cap.
        ``permanent``: a person has to act; 60 to 75 minutes. ``retry_after`` (seconds, the
        server's wish) comes on top: never earlier than it, and not all at it.
        """
        n = min(self._failures, _MAX_DOUBLINGS)
        self._failures += 1
        delay = self._draw(kind, n)
        if retry_after is not None:
            delay += min(max(0.0, retry_after), _MAX_RETRY_AFTER_S)
        return delay

    def _draw(self, kind: Kind, n: int) -> float:
        uniform = self._rng.uniform
        if kind == "permanent":
            return uniform(_PERMANENT_S, _PERMANENT_S * 1.25)
        if kind == "busy":
            width = min(self._cap, _BUSY_S * 2**n)
            return uniform(width / 2, width)
        if kind == "active":
            return uniform(0.0, min(self._cap, self._base * 2**n))
        if n == 0:
            return uniform(0.0, self._cap)
        return 1.0 + uniform(0.0, max(0.0, min(self._cap - 1.0, 2 * self._base * 2**n)))
