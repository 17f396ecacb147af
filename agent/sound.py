"""The microphone and the speaker of one daemon: real devices or WAV files, by the same interface.

A name that ends in ``.wav`` is a file; ``null`` is silence in and nothing out; everything else is
a device. Files run on one clock of their own at real-time pace. Exactly one side wakes the loop at
each device tick: the microphone while it is open, else the speaker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.errors import DeviceFailed
from audio.filedevice import FileCapture, FileClock, FilePlayback
from audio.microphone import Microphone
from audio.portaudio import CaptureStream, PlaybackStream, open_capture, open_playback
from audio.speaker import Speaker
from audio.wav import read_wav

PIPELINE_RATE = 16000
FILE_OUTPUT_RATE = 24000
# A device that has not called back for this long is dead (reliability: frames must arrive).
STALL_S = 2.0


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """Names as in the configuration; rates in Hz, 0 for the device's own; times in ms."""

    input: str = ""
    output: str = ""
    input_rate: int = 0
    output_rate: int = 0
    input_channels: int = 1
    input_channel: int | None = None
    block_ms: int = 20
    codec: str = "opus"
    pcm_rate: int = 24000
    prefill_ms: int = 120
    volume: int = 70


def is_file(name: str) -> bool:
    """Whether a device name means a WAV file."""
    return name.lower().endswith(".wav")


class Sound:
    """Opens both ends and says when one of them has died."""

    def __init__(self, settings: SoundSettings, wake: Callable[[], None]) -> None:
        """Opens the speaker; the microphone waits for ``open_capture``.

        Raises ``DeviceError``, ``LibraryMissing`` or ``WavError``.
        """
        self._settings = settings
        self._wake = wake
        self._clock: FileClock | None = None
        self._clip: tuple[NDArray[np.int16], int] | None = None
        if is_file(settings.input):
            self._clip = read_wav(settings.input)
        self._capture: CaptureStream | FileCapture | None = None
        self.microphone: Microphone | None = None
        self._playback = self._open_playback()
        self.speaker = Speaker(
            self._playback.output,
            codec=settings.codec,
            pcm_rate=settings.pcm_rate,
            prefill_ms=settings.prefill_ms,
        )
        self.speaker.set_volume(settings.volume)
        self._opened_at: float | None = None

    @property
    def describes(self) -> str:
        """Both ends in words, for the log."""
        source = self._capture.name if self._capture else "closed"
        return f"microphone {source}, speaker {self._playback.name}"

    @property
    def output_rate(self) -> int:
        """Rate of the speaker in Hz."""
        return self._playback.rate

    @property
    def playback(self) -> PlaybackStream | FilePlayback:
        """The speaker's stream, for those who record what it plays."""
        return self._playback

    @property
    def capturing(self) -> bool:
        """Whether the microphone is open."""
        return self._capture is not None

    @property
    def source(self) -> FileCapture | None:
        """The microphone, when it is a file or silence: clips can be queued there."""
        return self._capture if isinstance(self._capture, FileCapture) else None

    def open_capture(self) -> None:
        """Open the microphone. Raises ``DeviceError`` or ``LibraryMissing``."""
        if self._capture is not None:
            return
        settings = self._settings
        if is_file(settings.input) or settings.input == "null":
            capture = FileCapture(
                rate=PIPELINE_RATE, wake=self._wake, name=settings.input, block_ms=settings.block_ms
            )
            self._files().attach(capture)
            self._capture = capture
        else:
            self._capture = open_capture(
                settings.input,
                wake=self._wake,
                block_ms=settings.block_ms,
                rate=settings.input_rate or None,
                channels=settings.input_channels,
                pick=settings.input_channel,
            )
        self.microphone = Microphone(self._capture.buffer, PIPELINE_RATE)
        # A microphone that has just been opened gets its time for the first block.
        self._opened_at = None

    def close_capture(self) -> None:
        """Close the microphone for real: no sample is read until it is opened again."""
        capture, self._capture, self.microphone = self._capture, None, None
        if isinstance(capture, FileCapture):
            self._files().detach(capture)
        if capture is not None and capture.close() is False:
            raise DeviceFailed("the microphone hangs and cannot be closed")

    @property
    def overrun(self) -> int:
        """Microphone samples lost because nobody read them in time."""
        return self._capture.buffer.overrun if self._capture is not None else 0

    def play_input(self) -> None:
        """Begin to speak the input file, once."""
        if self._clip is not None and self.source is not None:
            samples, rate = self._clip
            self._clip = None
            self.source.queue(samples, rate)

    @property
    def input_finished(self) -> bool:
        """Whether the input is a file and all of it has been spoken."""
        return self._clip is None and self.source is not None and self.source.exhausted

    def stalled(self, now: float) -> str:
        """Which end has died, in words; empty while both live."""
        if self._opened_at is None:
            self._opened_at = now
        if now - self._opened_at < STALL_S:
            return ""
        if self._capture is not None:
            last = self._capture.buffer.last_block_t or self._opened_at
            if not self._capture.active or now - last > STALL_S:
                return f"the microphone {self._capture.name} has stopped"
        if not self._playback.active:
            why = getattr(self._playback, "error", None)
            return f"the speaker {self._playback.name} has stopped" + (f": {why}" if why else "")
        return ""

    def close(self) -> bool:
        """Close everything; False if a device hung."""
        clean = True
        if self._clock is not None:
            self._clock.stop()
        for stream in (self._capture, self._playback):
            if stream is not None:
                clean = stream.close() is not False and clean
        self._capture = None
        return clean

    def _open_playback(self) -> PlaybackStream | FilePlayback:
        settings = self._settings
        if is_file(settings.output) or settings.output == "null":
            playback = FilePlayback(
                Path(settings.output) if is_file(settings.output) else None,
                rate=settings.output_rate or FILE_OUTPUT_RATE,
                wake=self._wake_unless_capturing,
                block_ms=settings.block_ms,
            )
            self._files().attach(playback)
            return playback
        return open_playback(
            settings.output,
            wake=self._wake_unless_capturing,
            block_ms=settings.block_ms,
            rate=settings.output_rate or None,
        )

    def _wake_unless_capturing(self) -> None:
        if self._capture is None:
            self._wake()

    def _files(self) -> FileClock:
        if self._clock is None:
            self._clock = FileClock(block_ms=self._settings.block_ms)
            self._clock.start()
        return self._clock
