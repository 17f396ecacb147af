"""PortAudio devices, with a stand-in for the library: names, errors, callbacks, closing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from audio import portaudio
from audio.errors import DeviceBusy, DeviceFailed, DeviceNotFound, LibraryMissing


class FakePortAudioError(Exception):
    pass


FakePortAudioError.__name__ = "PortAudioError"


class FakeStream:
    """Records how it was opened; the test calls its callback."""

    def __init__(self, library: FakeLibrary, **options: object) -> None:
        for refused, error in library.refuse.items():
            if options.get(refused[0]) == refused[1]:
                raise error
        self.__dict__.update(options)
        self.latency = 0.04
        self.active = False
        self.closed = False
        self.library = library
        library.streams.append(self)

    def start(self) -> None:
        if self.library.start_error:
            raise self.library.start_error
        self.active = True

    def abort(self) -> None:
        if self.library.hang:
            threading.Event().wait(30)
        if self.library.gone:
            raise FakePortAudioError("Stream is stopped", -9983)
        self.active = False

    def close(self) -> None:
        self.closed = True


class FakeLibrary(types.ModuleType):
    """As much of sounddevice as is used."""

    PortAudioError = FakePortAudioError

    def __init__(self, devices: list[tuple[str, int, int]]) -> None:
        super().__init__("sounddevice")
        self.devices = [
            {
                "name": name,
                "hostapi": 0,
                "max_input_channels": inputs,
                "max_output_channels": outputs,
                "default_samplerate": 48000.0,
                "default_low_input_latency": 0.01,
                "default_low_output_latency": 0.02,
            }
            for name, inputs, outputs in devices
        ]
        self.default: dict[str, int] = {}
        self.streams: list[FakeStream] = []
        self.refuse: dict[tuple[str, object], Exception] = {}
        self.start_error: Exception | None = None
        self.hang = False
        self.gone = False
        self.restarts: list[str] = []

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self, kind: str | None = None) -> object:
        if kind is None:
            return self.devices
        if kind not in self.default:
            raise FakePortAudioError("Error querying device -1")
        return {"index": self.default[kind]}

    def RawInputStream(self, **options: object) -> FakeStream:
        return FakeStream(self, **options)

    RawOutputStream = RawInputStream

    def _terminate(self) -> None:
        self.restarts.append("terminate")

    def _initialize(self) -> None:
        self.restarts.append("initialize")


Install = Callable[[list[tuple[str, int, int]]], FakeLibrary]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    def put(devices: list[tuple[str, int, int]]) -> FakeLibrary:
        library = FakeLibrary(devices)
        monkeypatch.setitem(sys.modules, "sounddevice", library)
        return library

    return put


CARDS = [("bcm2835 Headphones", 0, 8), ("USB Mic: Audio (hw:1,0)", 1, 0), ("USB DAC", 0, 2)]


def times(adc: float = 0.0, dac: float = 0.0, current: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(inputBufferAdcTime=adc, outputBufferDacTime=dac, currentTime=current)


def test_devices_are_listed_with_rates_and_latency(install: Install) -> None:
    install(CARDS)
    mic = portaudio.list_devices()[1]
    assert mic == portaudio.DeviceInfo("USB Mic: Audio (hw:1,0)", 1, 1, 0, 48000, 10.0, "ALSA")
    assert portaudio.list_devices()[2].low_latency_ms == 20.0


@pytest.mark.parametrize("name", ["USB Mic: Audio (hw:1,0)", "1", "usb mic", "hw:1,0"])
def test_a_microphone_is_found_by_name_index_or_part_of_its_name(
    install: Install, name: str
) -> None:
    library = install(CARDS)
    stream = portaudio.open_capture(name, wake=lambda: None)
    assert stream.name == "USB Mic: Audio (hw:1,0)"
    assert library.streams[0].device == 1
    assert stream.rate == 48000
    assert library.streams[0].blocksize == 960


def test_an_exact_name_wins_over_longer_ones_and_over_the_index(install: Install) -> None:
    library = install([("pulse", 0, 2), ("pulse monitor", 0, 2), ("0", 0, 2)])
    portaudio.open_playback("pulse", wake=lambda: None)
    portaudio.open_playback("0", wake=lambda: None)
    assert [stream.device for stream in library.streams] == [0, 2]


def test_an_empty_name_is_the_default_device(install: Install) -> None:
    library = install(CARDS)
    library.default = {"output": 2}
    assert portaudio.open_playback("", wake=lambda: None).name == "USB DAC"
    library.default = {}
    assert portaudio.open_playback("", wake=lambda: None).name == "bcm2835 Headphones"


def test_an_unknown_name_lists_the_devices_of_that_direction(install: Install) -> None:
    install(CARDS)
    with pytest.raises(DeviceNotFound) as caught:
        portaudio.open_playback("jabra", wake=lambda: None)
    message = str(caught.value)
    assert '"jabra"' in message
    assert '"bcm2835 Headphones"' in message
    assert '"USB DAC"' in message
    assert "Mic" not in message


def test_a_name_for_several_devices_lists_just_those(install: Install) -> None:
    install([*CARDS, ("USB DAC 2", 0, 2)])
    with pytest.raises(DeviceNotFound, match='"USB DAC", "USB DAC 2"') as caught:
        portaudio.open_playback("usb", wake=lambda: None)
    assert "bcm" not in str(caught.value)


def test_no_device_at_all_is_said(install: Install) -> None:
    install([("USB DAC", 0, 2)])
    with pytest.raises(DeviceNotFound, match="no microphone at all"):
        portaudio.open_capture("", wake=lambda: None)


@pytest.mark.parametrize("stage", ["open", "start"])
@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (FakePortAudioError("Device unavailable", -9985), DeviceBusy, "fuser"),
        (
            FakePortAudioError("Unanticipated host error", -9999, (0, -16, "resource busy")),
            DeviceBusy,
            "in use",
        ),
        (FakePortAudioError("No such file or directory", -9999), DeviceNotFound, "gone"),
        (FakePortAudioError("Invalid sample rate", -9997), DeviceFailed, "48000"),
        (FakePortAudioError("Invalid number of channels", -9998), DeviceFailed, "1 channels"),
        (FakePortAudioError("Insufficient memory", -9992), DeviceFailed, "cannot be opened"),
    ],
)
def test_errors_of_portaudio_are_translated(
    install: Install, stage: str, error: Exception, kind: type[Exception], words: str
) -> None:
    library = install(CARDS)
    if stage == "open":
        library.refuse[("channels", 1)] = error
    else:
        library.start_error = error
    with pytest.raises(kind, match=words):
        portaudio.open_capture("1", wake=lambda: None)
    assert all(stream.closed for stream in library.streams)


def test_a_missing_portaudio_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for attempt in (
        portaudio.list_devices,
        lambda: portaudio.open_capture("", wake=lambda: None),
        lambda: portaudio.open_playback("", wake=lambda: None),
    ):
        with pytest.raises(LibraryMissing, match="apt-get install libportaudio2"):
            attempt()


def test_importing_the_module_loads_no_portaudio() -> None:
    code = "import sys, audio.portaudio, audio.filedevice; sys.exit('sounddevice' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ).returncode == 0


def test_captured_blocks_land_in_the_buffer_with_the_time_they_ended(install: Install) -> None:
    library = install(CARDS)
    woken: list[float] = []
    stream = portaudio.open_capture("1", rate=16000, wake=lambda: woken.append(time.monotonic()))
    block = np.arange(320, dtype=np.int16)
    # 320 samples that began 60 ms ago ended 40 ms ago.
    library.streams[0].callback(block.tobytes(), 320, times(adc=5.0, current=5.06), None)
    assert stream.buffer.last_block_t == pytest.approx(woken[0] - 0.04, abs=0.01)
    out = np.zeros(320, dtype=np.int16)
    assert stream.buffer.ring.read_into(out) == 320
    assert np.array_equal(out, block)
    # A clock without sense is not believed.
    library.streams[0].callback(block.tobytes(), 320, times(adc=0.0, current=9e9), "overflow")
    assert stream.buffer.last_block_t == pytest.approx(woken[1], abs=0.01)
    assert stream.xruns == 1
    assert stream.buffer.blocks == 2


def test_one_channel_of_an_array_can_be_picked(install: Install) -> None:
    library = install([("array", 4, 0)])
    stream = portaudio.open_capture("array", rate=16000, channels=4, pick=2, wake=lambda: None)
    block = np.tile(np.array([1, 2, 3, 4], dtype=np.int16), 320)
    library.streams[0].callback(block.tobytes(), 320, times(), None)
    out = np.zeros(320, dtype=np.int16)
    stream.buffer.ring.read_into(out)
    assert out.tolist() == [3] * 320


def test_playback_renders_and_knows_the_time_of_the_dac(install: Install) -> None:
    library = install(CARDS)
    woken: list[float] = []
    stream = portaudio.open_playback("2", wake=lambda: woken.append(time.monotonic()))
    assert stream.latency_s == 0.04
    stream.output.write(np.full(4000, 5000, dtype=np.int16))
    data = bytearray(2 * 960)
    library.streams[0].callback(data, 960, times(dac=7.03, current=7.0), "underflow")
    assert np.frombuffer(data, dtype=np.int16)[-1] == 5000
    assert stream.output.dac_time_of(0) == pytest.approx(woken[0] + 0.03, abs=0.01)
    assert stream.xruns == 1
    library.streams[0].callback(data, 960, times(dac=0.0, current=7.0), None)
    assert stream.output.dac_time_of(960) == pytest.approx(woken[1] + 0.04, abs=0.01)


def test_a_speaker_that_refuses_mono_is_opened_in_stereo(install: Install) -> None:
    library = install(CARDS)
    library.refuse[("channels", 1)] = FakePortAudioError("Invalid number of channels", -9998)
    stream = portaudio.open_playback("2", wake=lambda: None)
    assert stream.channels == 2
    stream.output.write(np.arange(4000, dtype=np.int16))
    data = bytearray(4 * 960)
    library.streams[0].callback(data, 960, times(), None)
    frames = np.frombuffer(data, dtype=np.int16).reshape(-1, 2)
    assert np.array_equal(frames[:, 0], frames[:, 1])
    assert frames[959, 0] == 959


def test_a_device_that_ends_wakes_its_owner(install: Install) -> None:
    library = install(CARDS)
    woken: list[None] = []
    stream = portaudio.open_capture("1", wake=lambda: woken.append(None))
    library.streams[0].active = False
    library.streams[0].finished_callback()
    assert woken == [None]
    assert not stream.active


@pytest.mark.parametrize("gone", [False, True])
def test_closing_is_final_even_if_the_device_is_gone(install: Install, gone: bool) -> None:
    library = install(CARDS)
    stream = portaudio.open_capture("1", wake=lambda: None)
    assert stream.active
    library.gone = gone
    assert stream.close()
    assert library.streams[0].closed
    assert not stream.active
    assert stream.close(), "twice is harmless"


def test_closing_a_hung_portaudio_gives_up(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portaudio, "CLOSE_LIMIT_S", 0.1)
    library = install(CARDS)
    stream = portaudio.open_capture("1", wake=lambda: None)
    library.hang = True
    begin = time.monotonic()
    assert not stream.close()
    assert time.monotonic() - begin < 1.0


def test_refresh_starts_portaudio_again(install: Install) -> None:
    library = install(CARDS)
    portaudio.refresh()
    assert library.restarts == ["terminate", "initialize"]
