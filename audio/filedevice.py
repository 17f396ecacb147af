"""A microphone and a speaker that are files, with the interface of the real ones.

One ``FileClock`` drives both, so that they share a time line as a sound card's two ends do. A tick
is a plain call with a time: only the thread knows the real clock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from audio.errors import AudioError
from audio.microphone import CaptureBuffer
from audio.output import OutputBuffer
from audio.resampler import resample
from audio.wav import WavWriter

Samples = NDArray[np.int16]
Wake = Callable[[], None]


def _nobody() -> None:
    """Wakes nobody."""


class Ticked(Protocol):
    """What a ``FileClock`` can drive."""

    def tick(self, now: float) -> None:
        """One block of sound, at monotonic time ``now``."""


class FileClock:
    """Calls every attached device once per block, at real-time pace, for ever.

    Deadlines are absolute, so the pace never drifts; a thread that comes late catches up block by
    block and leaves none out. Devices are told the time at which the block was due.
    """

    def __init__(self, block_ms: int = 20) -> None:
        """``block_ms`` must be that of the devices. Nothing runs before ``start``."""
        self.block_ms = block_ms
        self._devices: list[Ticked] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def attach(self, device: Ticked) -> None:
        """Drive this device from the next tick on."""
        with self._lock:
            self._devices.append(device)

    def detach(self, device: Ticked) -> None:
        """Drive it no more; no tick of it is under way when this returns."""
        with self._lock:
            if device in self._devices:
                self._devices.remove(device)

    def start(self) -> None:
        """Begin to tick in a thread of its own."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="file-clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; returns once its last tick is over."""
        thread, self._thread = self._thread, None
        self._stopping.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def tick(self, now: float) -> None:
        """One block of all devices, in the order they were attached."""
        with self._lock:
            for device in self._devices:
                device.tick(now)

    def _run(self) -> None:
        begin = time.monotonic()
        blocks = 0
        while True:
            blocks += 1
            due = begin + blocks * self.block_ms / 1000
            left = due - time.monotonic()
            if self._stopping.wait(left) if left > 0 else self._stopping.is_set():
                return
            self.tick(due)


class _Blocks:
    """Cuts time into blocks of whole samples whose lengths add up exactly at any rate."""

    def __init__(self, rate: int, block_ms: int) -> None:
        if rate <= 0 or block_ms <= 0:
            raise ValueError("rate and block_ms must be positive")
        self._per_block = rate * block_ms
        self._count = 0
        self.largest = -(-self._per_block // 1000)

    def next(self) -> int:
        """Samples in the next block."""
        begin = self._count * self._per_block // 1000
        self._count += 1
        return self._count * self._per_block // 1000 - begin


class FileCapture:
    """A microphone that hears the clips queued for it, one after the other, and else silence."""

    channels = 1
    latency_s = 0.0

    def __init__(
        self,
        rate: int = 16000,
        *,
        wake: Wake = _nobody,
        name: str = "null",
        block_ms: int = 20,
    ) -> None:
        """``rate`` in Hz; ``wake`` is called after each block. ValueError for a rate below 1."""
        self._blocks = _Blocks(rate, block_ms)
        self.rate = rate
        self.name = name
        self.buffer = CaptureBuffer(rate)
        self.active = True
        self.clip_ended_at: float | None = None
        """Monotonic time at which the last sample of the clip last played ended."""
        self._wake = wake
        self._block = np.zeros((self._blocks.largest, 1), dtype=np.int16)
        self._clips: deque[Samples] = deque()
        self._at = 0

    @property
    def exhausted(self) -> bool:
        """All clips queued so far have been heard; true before the first."""
        return not self._clips

    def queue(self, samples: Samples, rate: int) -> None:
        """Let the microphone hear this (int16 mono at ``rate`` Hz) after what is queued.

        It begins with the next block. A clip of no samples is ignored.
        """
        if samples.size:
            self._clips.append(resample(samples, rate, self.rate))

    def tick(self, now: float) -> None:
        """Hear the block that ends at ``now``."""
        if not self.active:
            return
        n = self._blocks.next()
        block = self._block[:n]
        filled = 0
        while filled < n and self._clips:
            clip = self._clips[0]
            part = clip[self._at : self._at + n - filled]
            block[filled : filled + part.size, 0] = part
            filled += part.size
            self._at += part.size
            if self._at >= clip.size:
                self.clip_ended_at = now - (n - filled) / self.rate
                self._at = 0
                self._clips.popleft()
        block[filled:] = 0
        self.buffer.on_block(block, now)
        self._wake()

    def close(self) -> bool:
        """Hear nothing more; always True."""
        self.active = False
        return True


class FilePlayback:
    """A speaker that writes what it plays, silence included, to a WAV file, or nowhere.

    The file's time line is that of the speaker: its first sample was played at the first tick.
    """

    channels = 1
    latency_s = 0.0

    def __init__(
        self,
        path: str | Path | None,
        rate: int = 24000,
        *,
        wake: Wake = _nobody,
        block_ms: int = 20,
    ) -> None:
        """``path`` None plays to nowhere at the same pace. ``rate`` in Hz.

        Raises WavError where the file cannot be made.
        """
        self.rate = rate
        self.name = "null" if path is None else str(path)
        self.output = OutputBuffer(rate)
        self.active = True
        self.error: AudioError | None = None
        """Why writing stopped (disk full); then ``active`` is False."""
        self._wake = wake
        self._blocks = _Blocks(rate, block_ms)
        self._block = np.zeros(self._blocks.largest, dtype=np.int16)
        self._lock = threading.Lock()
        self._writer = None if path is None else WavWriter(path, rate)

    def tick(self, now: float) -> None:
        """Play one block whose first sample is heard at ``now``."""
        with self._lock:
            if not self.active:
                return
            block = self._block[: self._blocks.next()]
            self.output.render(block, now, 0.0)
            if self._writer is not None:
                try:
                    self._writer.write(block)
                except AudioError as error:
                    self.error = error
                    self.active = False
        self._wake()

    def close(self) -> bool:
        """Play nothing more and complete the file; always True."""
        with self._lock:
            self.active = False
            if self._writer is not None:
                self._writer.close()
        return True
