"""Both ends of the daemon as files: opened, muted for real, supervised."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from agent.sound import STALL_S, Sound, SoundSettings, is_file
from audio.errors import WavError
from audio.wav import WavWriter, read_wav


def test_a_name_that_ends_in_wav_is_a_file() -> None:
    assert is_file("a/b.WAV")
    assert not is_file("hw:1")
    assert not is_file("")


def test_silence_in_and_nowhere_out_tick_at_the_device_pace() -> None:
    woken = threading.Event()
    sound = Sound(SoundSettings(input="null", output="null"), woken.set)
    sound.open_capture()
    assert woken.wait(2)
    assert sound.microphone is not None
    time.sleep(0.1)
    frames = sound.microphone.frames()
    assert 2 <= len(frames) <= 12
    assert all((frame.samples == 0).all() for frame in frames)
    assert sound.close()


def test_mute_closes_the_microphone_and_the_speaker_keeps_the_time() -> None:
    ticks = []
    sound = Sound(SoundSettings(input="null", output="null"), lambda: ticks.append(1))
    sound.open_capture()
    sound.close_capture()
    assert sound.microphone is None
    assert not sound.capturing
    ticks.clear()
    time.sleep(0.15)
    assert len(ticks) >= 3, "the speaker wakes the loop while the microphone is closed"
    sound.open_capture()
    assert sound.capturing
    sound.close()


def test_a_wav_is_spoken_once_and_then_there_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    with WavWriter(path, 8000) as writer:
        writer.write(np.full(800, 1000, dtype=np.int16))
    sound = Sound(SoundSettings(input=str(path), output="null"), lambda: None)
    sound.open_capture()
    assert not sound.input_finished
    sound.play_input()
    sound.play_input()
    time.sleep(0.3)
    assert sound.input_finished
    assert sound.microphone is not None
    heard = np.concatenate([frame.samples for frame in sound.microphone.frames()])
    loud = int((np.abs(heard) > 500).sum())
    assert 1500 <= loud <= 1700, "100 ms at 16 kHz, once"
    sound.close()


def test_what_is_played_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    sound = Sound(SoundSettings(input="null", output=str(path), codec="pcm"), lambda: None)
    sound.speaker.set_volume(100)
    sound.speaker.begin(1)
    sound.speaker.push(1, np.full(24000 // 5, 4000, dtype="<i2").tobytes(), time.monotonic())
    sound.speaker.finish(1)
    deadline = time.monotonic() + 3
    while sound.speaker.busy and time.monotonic() < deadline:
        sound.speaker.pump(time.monotonic())
        time.sleep(0.02)
    assert sound.close()
    samples, rate = read_wav(path)
    assert rate == 24000
    assert int((samples > 3000).sum()) == pytest.approx(4800, abs=300)


def test_a_bad_input_file_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(WavError):
        Sound(SoundSettings(input=str(tmp_path / "none.wav"), output="null"), lambda: None)


def test_either_end_that_stops_is_noticed(tmp_path: Path) -> None:
    sound = Sound(SoundSettings(input="null", output=str(tmp_path / "o.wav")), lambda: None)
    sound.open_capture()
    opened = time.monotonic() - STALL_S - 1
    assert sound.stalled(opened) == "", "just opened: nothing can be said yet"
    time.sleep(0.1)
    now = time.monotonic()
    assert sound.stalled(now) == ""
    assert "microphone null has stopped" in sound.stalled(now + STALL_S + 0.1)
    sound.playback.active = False  # type: ignore[misc]
    assert "o.wav has stopped" in sound.stalled(now)
    sound.close()


def test_a_microphone_opened_again_has_time_for_its_first_block(tmp_path: Path) -> None:
    sound = Sound(SoundSettings(input="null", output=str(tmp_path / "o.wav")), lambda: None)
    long_ago = time.monotonic() - STALL_S - 5
    assert sound.stalled(long_ago) == ""
    sound.open_capture()
    assert sound.stalled(time.monotonic()) == ""
    sound.close_capture()
    sound.open_capture()
    assert sound.stalled(time.monotonic()) == ""
    sound.close()
