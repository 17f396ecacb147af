"""Files as devices, on a virtual clock; one short run on the real one."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from audio.errors import WavError
from audio.filedevice import FileCapture, FileClock, FilePlayback
from audio.microphone import Microphone
from audio.wav import read_wav


def ramp(n: int) -> np.ndarray:
    return (np.arange(n) % 20000 + 1).astype(np.int16)


def captured(capture: FileCapture) -> np.ndarray:
    out = np.zeros(capture.buffer.ring.readable, dtype=np.int16)
    capture.buffer.ring.read_into(out)
    return out


def test_clips_are_heard_one_after_the_other_in_silence() -> None:
    capture = FileCapture(16000)
    clock = FileClock()
    clock.attach(capture)
    clock.tick(1.00)
    assert capture.exhausted
    capture.queue(ramp(500), 16000)
    capture.queue(ramp(100), 16000)
    assert not capture.exhausted
    clock.tick(1.02)
    clock.tick(1.04)
    assert capture.exhausted
    clock.tick(1.06)
    heard = captured(capture)
    assert not heard[:320].any()
    assert np.array_equal(heard[320:820], ramp(500))
    assert np.array_equal(heard[820:920], ramp(100))
    assert not heard[920:].any()
    assert capture.clip_ended_at == pytest.approx(1.00 + 600 / 16000)
    assert capture.buffer.last_block_t == 1.06


def test_a_clip_of_another_rate_is_resampled() -> None:
    capture = FileCapture(16000)
    capture.queue(ramp(44100), 44100)
    for tick in range(60):
        capture.tick(tick * 0.02)
    assert np.count_nonzero(captured(capture)) == pytest.approx(16000, abs=200)
    assert capture.clip_ended_at == pytest.approx(0.98, abs=0.001)


def test_frames_of_the_pipeline_come_out_with_their_times() -> None:
    capture = FileCapture(16000)
    capture.queue(ramp(640), 16000)
    microphone = Microphone(capture.buffer)
    for tick in (1, 2):
        capture.tick(tick * 0.02)
    frames = microphone.frames()
    assert [frame.t for frame in frames] == pytest.approx([0.02, 0.04])
    assert np.array_equal(np.concatenate([frame.samples for frame in frames]), ramp(640))


@pytest.mark.parametrize("rate", [11025, 16000, 44100])
def test_no_rate_drifts(rate: int) -> None:
    capture = FileCapture(rate)
    taken = 0
    for tick in range(500):
        capture.tick(tick * 0.02)
        taken += captured(capture).size
    assert taken == rate * 10


def test_the_file_is_what_the_speaker_played_silence_included(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    playback = FilePlayback(path, rate=24000)
    playback.tick(5.00)
    playback.output.write(np.full(960, 7000, dtype=np.int16))
    playback.tick(5.02)
    playback.tick(5.04)
    playback.tick(5.06)
    assert playback.output.dac_time_of(0) == pytest.approx(5.02)
    assert playback.close()
    samples, rate = read_wav(path)
    assert rate == 24000
    assert samples.size == 4 * 480
    assert not samples[:480].any()
    assert np.all(samples[600:1320] == 7000)
    assert not samples[1440:].any()


def test_the_file_is_whole_without_closing(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    playback = FilePlayback(path)
    playback.tick(0.0)
    playback.tick(0.02)
    assert read_wav(path)[0].size == 960
    playback.close()


def test_a_null_speaker_plays_at_the_same_pace_to_nowhere() -> None:
    playback = FilePlayback(None, rate=16000)
    playback.output.write(ramp(1000))
    for tick in range(3):
        playback.tick(tick * 0.02)
    assert playback.name == "null"
    assert playback.output.consumed == 960


def test_a_file_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(WavError, match="cannot write"):
        FilePlayback(tmp_path / "no" / "out.wav")


def test_a_full_disk_stops_the_speaker_and_not_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    playback = FilePlayback(tmp_path / "out.wav")
    assert playback._writer is not None
    monkeypatch.setattr(playback._writer, "write", _no_room)
    clock = FileClock()
    clock.attach(playback)
    clock.tick(0.0)
    clock.tick(0.02)
    assert not playback.active
    assert isinstance(playback.error, WavError)


def _no_room(samples: np.ndarray) -> None:
    raise WavError("cannot write out.wav: No space left on device")


def test_each_block_wakes_its_owner_until_closed() -> None:
    woken: list[str] = []
    capture = FileCapture(wake=lambda: woken.append("microphone"))
    playback = FilePlayback(None, wake=lambda: woken.append("speaker"))
    clock = FileClock()
    clock.attach(playback)
    clock.attach(capture)
    clock.tick(0.0)
    assert woken == ["speaker", "microphone"]
    clock.detach(playback)
    clock.tick(0.02)
    capture.close()
    clock.tick(0.04)
    assert woken == ["speaker", "microphone", "microphone"]
    assert not capture.active


def test_nonsense_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        FileCapture(0)


class Late:
    """Holds up the clock once, then notes the times it is told."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.real: list[float] = []
        self.enough = threading.Event()

    def tick(self, now: float) -> None:
        self.told.append(now)
        self.real.append(time.monotonic())
        if len(self.told) == 3:
            time.sleep(0.1)
        if len(self.told) == 20:
            self.enough.set()


@pytest.mark.realtime
def test_the_thread_keeps_pace_and_catches_up_without_dropping() -> None:
    clock = FileClock(block_ms=10)
    device = Late()
    clock.attach(device)
    clock.start()
    assert device.enough.wait(5)
    clock.stop()
    told = np.array(device.told)
    assert np.diff(told) == pytest.approx(np.full(told.size - 1, 0.010), abs=1e-6)
    assert min(np.array(device.real) - told) >= 0, "never early"
    count = len(device.told)
    time.sleep(0.05)
    assert len(device.told) == count, "stopped means stopped"
