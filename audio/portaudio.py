"""Sound devices through PortAudio, found by name.

PortAudio says little: an unplugged device just stops calling back, and a call into it may never
return. So callbacks only move samples and count, nothing here waits without a limit, and whoever
owns a stream supervises it by progress (``CaptureBuffer.last_block_t``, ``active``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from audio.errors import (
    AudioError,
    DeviceBusy,
    DeviceFailed,
    DeviceNotFound,
    LibraryMissing,
)
from audio.microphone import CaptureBuffer
from audio.output import OutputBuffer

Wake = Callable[[], None]
Direction = Literal["input", "output"]

CLOSE_LIMIT_S = 2.0
"""A PortAudio that has locked up never returns from closing; a healthy one needs some 10 ms."""

# Beyond this a delay reported by the driver is an error in its clock, not a delay.
_ABSURD_DELAY_S = 2.0
_LISTED = 12
_WORDS: dict[Direction, str] = {"input": "microphone", "output": "speaker"}
# From portaudio.h, enum PaErrorCode.
_INVALID_CHANNEL_COUNT = -9998
_INVALID_SAMPLE_RATE = -9997
_INVALID_DEVICE = -9996
_DEVICE_UNAVAILABLE = -9985


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """One device: numbers of channels, Hz, and the lowest latency it recommends, in ms.

    The latency is that of the input where there is one, else of the output.
    """

    name: str
    index: int
    inputs: int
    outputs: int
    default_rate: int
    low_latency_ms: float
    host_api: str


def list_devices() -> list[DeviceInfo]:
    """All devices PortAudio saw when it was loaded or last ``refresh``-ed.

    Raises LibraryMissing where PortAudio is not installed, DeviceFailed where it cannot say.
    """
    sd = _library()
    try:
        apis = [str(api["name"]) for api in sd.query_hostapis()]
        found = list(sd.query_devices())
    except sd.PortAudioError as error:
        raise DeviceFailed(f"PortAudio cannot list the sound devices: {error}") from error
    return [
        DeviceInfo(
            name=str(device["name"]),
            index=index,
            inputs=int(device["max_input_channels"]),
            outputs=int(device["max_output_channels"]),
            default_rate=round(device["default_samplerate"]),
            low_latency_ms=1000.0
            * float(
                device["default_low_input_latency"]
                if device["max_input_channels"] > 0
                else device["default_low_output_latency"]
            ),
            host_api=apis[device["hostapi"]] if device["hostapi"] < len(apis) else "",
        )
        for index, device in enumerate(found)
    ]


def refresh() -> None:
    """Look for devices again. All streams must be closed before: none survives this.

    A device that dies within some 50 ms of a start after this can lock PortAudio up for good, so
    call it only where a name is missing, and open what was found half a second later.
    Raises LibraryMissing, or DeviceFailed where PortAudio does not come up again.
    """
    sd = _library()
    try:
        sd._terminate()
        sd._initialize()
    except sd.PortAudioError as error:
        raise DeviceFailed(f"PortAudio did not start again: {error}") from error


class Stream:
    """What both directions share: an open PortAudio stream and its supervision."""

    def __init__(self, name: str, rate: int, channels: int, wake: Wake) -> None:
        self.name = name
        self.rate = rate
        """Hz."""
        self.channels = channels
        self.latency_s = 0.0
        """What PortAudio says of its own buffers and the driver's."""
        self.xruns = 0
        """Blocks flagged with an overflow or underflow."""
        self._wake = wake
        self._stream: Any = None
        self._port_audio_error: type[Exception] = Exception

    @property
    def active(self) -> bool:
        """False once the device is gone or the stream is closed. A stalled one stays True."""
        stream = self._stream
        if stream is None:
            return False
        try:
            return bool(stream.active)
        except self._port_audio_error:
            return False

    def close(self) -> bool:
        """Stop at once and give the device back.

        False if PortAudio hangs, after ``CLOSE_LIMIT_S``: then only the end of the process helps.
        """
        stream, self._stream = self._stream, None
        if stream is None:
            return True
        return _finished_in_time(lambda: self._shut(stream))

    def _shut(self, stream: Any) -> None:
        for step in (stream.abort, stream.close):
            try:
                step()
            except self._port_audio_error:
                # A device that is gone cannot be stopped any more; what counts is that it is shut.
                continue

    def _start(self, sd: Any, kind: Any, index: int, block: int) -> None:
        """Open and start; lets PortAudioError through."""
        self._port_audio_error = sd.PortAudioError
        stream = kind(
            samplerate=self.rate,
            blocksize=block,
            device=index,
            channels=self.channels,
            dtype="int16",
            latency="low",
            callback=self._on_block,
            # An unplugged device ends its stream and says nothing else.
            finished_callback=self._wake,
        )
        try:
            self.latency_s = float(stream.latency)
            stream.start()
        except sd.PortAudioError:
            _finished_in_time(lambda: self._shut(stream))
            raise
        self._stream = stream

    def _on_block(self, data: Any, frames: int, times: Any, status: Any) -> None:
        raise NotImplementedError


class CaptureStream(Stream):
    """An open microphone; its samples are in ``buffer``."""

    def __init__(
        self, name: str, rate: int, channels: int, wake: Wake, pick: int | None = None
    ) -> None:
        """Made by ``open_capture``."""
        super().__init__(name, rate, channels, wake)
        self.buffer = CaptureBuffer(rate, channels, pick)

    def _on_block(self, data: Any, frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        if status:
            self.xruns += 1
        # PortAudio gives the time of the first sample; the block ended that much before now.
        age = times.currentTime - times.inputBufferAdcTime - frames / self.rate
        if not 0.0 <= age <= _ABSURD_DELAY_S:
            age = 0.0
        block = np.frombuffer(data, dtype=np.int16).reshape(-1, self.channels)
        self.buffer.on_block(block, now - age)
        self._wake()


class PlaybackStream(Stream):
    """An open speaker; it plays ``output``, on all channels alike."""

    def __init__(self, name: str, rate: int, channels: int, wake: Wake, block: int) -> None:
        """Made by ``open_playback``."""
        super().__init__(name, rate, channels, wake)
        self.output = OutputBuffer(rate)
        self._mono = np.zeros(block, dtype=np.int16)

    def _on_block(self, data: Any, frames: int, times: Any, status: Any) -> None:
        now = time.monotonic()
        if status:
            self.xruns += 1
        delay = times.outputBufferDacTime - times.currentTime
        if not 0.0 < delay <= _ABSURD_DELAY_S:
            delay = self.latency_s
        block = np.frombuffer(data, dtype=np.int16)
        if self.channels == 1:
            self.output.render(block, now, delay)
        else:
            mono = self._mono[:frames]
            self.output.render(mono, now, delay)
            block.reshape(-1, self.channels)[:] = mono[:, np.newaxis]
        self._wake()


_Opened = TypeVar("_Opened", bound=Stream)


def open_capture(
    name: str,
    *,
    wake: Wake,
    block_ms: int = 20,
    rate: int | None = None,
    channels: int = 1,
    pick: int | None = None,
) -> CaptureStream:
    """Open and start a microphone.

    ``name``: empty for the default device, else the exact name, an index, or a part of the name
    that only one device has. ``rate`` in Hz, by default the device's own. ``pick`` keeps one
    channel (from 0) instead of the mean. A device that refuses mono is opened in stereo. ``wake``
    is called in the callback after each block and must not block.

    Raises DeviceNotFound, DeviceBusy, DeviceFailed or LibraryMissing.
    """
    sd = _library()
    device = _choose(sd, name, "input")
    rate = rate or device.default_rate

    def make(count: int) -> CaptureStream:
        stream = CaptureStream(device.name, rate, count, wake, pick)
        stream._start(sd, sd.RawInputStream, device.index, rate * block_ms // 1000)
        return stream

    return _opened(sd, device, "input", rate, channels, make)


def open_playback(
    name: str, *, wake: Wake, block_ms: int = 20, rate: int | None = None
) -> PlaybackStream:
    """Open and start a speaker; arguments and errors are those of ``open_capture``."""
    sd = _library()
    device = _choose(sd, name, "output")
    rate = rate or device.default_rate
    block = rate * block_ms // 1000

    def make(count: int) -> PlaybackStream:
        stream = PlaybackStream(device.name, rate, count, wake, block)
        stream._start(sd, sd.RawOutputStream, device.index, block)
        return stream

    return _opened(sd, device, "output", rate, 1, make)


def _opened(
    sd: Any,
    device: DeviceInfo,
    direction: Direction,
    rate: int,
    channels: int,
    make: Callable[[int], _Opened],
) -> _Opened:
    try:
        try:
            return make(channels)
        except sd.PortAudioError as error:
            offered = device.inputs if direction == "input" else device.outputs
            if channels != 1 or offered < 2 or _code(error) != _INVALID_CHANNEL_COUNT:
                raise
            return make(2)
    except sd.PortAudioError as error:
        raise _mapped(error, device, direction, rate, channels) from error


def _library() -> Any:
    try:
        # Loading it starts PortAudio, which takes 50 ms and, with no server there, longer.
        # sounddevice keeps ALSA's pages of complaints off stderr meanwhile.
        import sounddevice
    except (ImportError, OSError) as error:
        raise LibraryMissing(
            "PortAudio is not installed, install it with: sudo apt-get install libportaudio2 "
            f"({error})"
        ) from error
    except Exception as error:
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceFailed(f"PortAudio does not start: {error}") from error
    return sounddevice


def _choose(sd: Any, name: str, direction: Direction) -> DeviceInfo:
    word = _WORDS[direction]
    usable = [
        device
        for device in list_devices()
        if (device.inputs if direction == "input" else device.outputs) > 0
    ]
    if not usable:
        tool = "arecord -l" if direction == "input" else "aplay -l"
        raise DeviceNotFound(f"there is no {word} at all: plug one in and look with: {tool}")
    if not name:
        return _default(sd, usable, direction)
    for device in usable:
        if device.name == name:
            return device
    if name.isdecimal():
        for device in usable:
            if device.index == int(name):
                return device
    matching = [device for device in usable if name.lower() in device.name.lower()]
    if len(matching) == 1:
        return matching[0]
    listed = ", ".join(f'"{device.name}"' for device in (matching or usable)[:_LISTED])
    if matching:
        raise DeviceNotFound(f'"{name}" may be any of {listed}: give the whole name')
    raise DeviceNotFound(f'there is no {word} "{name}", choose one of {listed}')


def _default(sd: Any, usable: list[DeviceInfo], direction: Direction) -> DeviceInfo:
    try:
        index = int(sd.query_devices(kind=direction)["index"])
    except (sd.PortAudioError, ValueError):
        # There is no default although there are devices: a server without a default sink.
        return usable[0]
    return next((device for device in usable if device.index == index), usable[0])


def _code(error: Exception) -> int:
    return int(error.args[1]) if len(error.args) > 1 else 0


def _mapped(
    error: Exception, device: DeviceInfo, direction: Direction, rate: int, channels: int
) -> AudioError:
    code = _code(error)
    text = str(error)
    what = f'the {_WORDS[direction]} "{device.name}"'
    if code == _DEVICE_UNAVAILABLE or "busy" in text.lower():
        return DeviceBusy(f"{what} is in use, see who holds it with: fuser -v /dev/snd/*")
    if code == _INVALID_DEVICE or "no such" in text.lower():
        return DeviceNotFound(f"{what} is gone: plug it in again")
    if code == _INVALID_SAMPLE_RATE:
        return DeviceFailed(f"{what} does not work at {rate} Hz, try {device.default_rate}")
    if code == _INVALID_CHANNEL_COUNT:
        return DeviceFailed(f"{what} does not open with {channels} channels, try another number")
    return DeviceFailed(f"{what} cannot be opened: {text}")


def _finished_in_time(work: Callable[[], None]) -> bool:
    # A daemon thread: one that hangs must not keep the process from ending.
    helper = threading.Thread(target=work, name="portaudio-close", daemon=True)
    helper.start()
    helper.join(CLOSE_LIMIT_S)
    return not helper.is_alive()
