"""The last moments before speech was recognised as such, so that no first syllable is lost."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]


class PreRoll:
    """Keeps the newest whole frames that together last at least ``ms`` milliseconds."""

    def __init__(self, ms: int, rate: int = 16000) -> None:
        """``ms`` may be 0 (keeps nothing); ``ValueError`` if negative. ``rate`` in Hz."""
        if ms < 0:
            raise ValueError(f"a pre-roll cannot last {ms} ms")
        self.wanted = ms * rate // 1000
        """Samples that are kept at least, once so many have been pushed."""
        self._frames: deque[Samples] = deque()
        self._held = 0

    def __len__(self) -> int:
        """Samples held now."""
        return self._held

    def push(self, frame: Samples) -> None:
        """Add a frame (int16, 1-D, any length); it is copied."""
        if not self.wanted:
            return
        self._frames.append(frame.copy())
        self._held += len(frame)
        while self._held - len(self._frames[0]) >= self.wanted:
            self._held -= len(self._frames.popleft())

    def drain(self) -> Samples:
        """Everything held, oldest first, as a new int16 array; nothing is held afterwards."""
        frames = list(self._frames)
        self.clear()
        return np.concatenate(frames) if frames else np.empty(0, dtype=np.int16)

    def clear(self) -> None:
        """Forget everything held."""
        self._frames.clear()
        self._held = 0
