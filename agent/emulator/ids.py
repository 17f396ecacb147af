"""Ids as the platform makes them: int64 decimals, event UUIDs, log ids.

All of them are strings on the wire. Recorded platform ids carry the Unix time in seconds in
their upper 32 bits, and recorded log ids are ``02``, 13 digits of milliseconds and 38 hexadecimal
digits; both shapes are kept so that a client which stores them in a column or checks them with a
pattern meets the real thing.
"""

from __future__ import annotations

import random
import time
import uuid

# Odd, so that stepping by it walks all 2**32 low halves before one comes again.
_STEP = 0x9E3779B1


class Ids:
    """Source of fresh ids. One seed gives one sequence, apart from the time inside the ids."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._low = self._random.getrandbits(32)

    def number(self) -> str:
        """A new int64 as decimal text, never twice within 2**32 calls."""
        self._low = (self._low + _STEP) & 0xFFFFFFFF
        return str((int(time.time()) << 32) | self._low)

    def event(self) -> str:
        """A new event id: a UUID, version 4."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def call(self) -> str:
        """A new id of a tool call."""
        return f"call_{self._random.getrandbits(96):024x}"

    def logid(self) -> str:
        """A new log id, 53 characters."""
        return f"02{int(time.time() * 1000):013d}{self._random.getrandbits(152):038x}"
