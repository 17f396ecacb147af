"""From callback blocks to frames with times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.microphone import CaptureBuffer, Microphone
from audio.resampler import resample


def feed(buffer: CaptureBuffer, samples: np.ndarray, t_start: float, sizes: list[int]) -> None:
    block_start, k = 0, 0
    while block_start < len(samples):
        block = samples[block_start : block_start + sizes[k % len(sizes)]]
        block_start += len(block)
        k += 1
        wide = block.reshape(-1, 1) if block.ndim == 1 else block
        buffer.on_block(wide, t_start + block_start / buffer.rate)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20000, 20000, n).astype(np.int16)


@settings(max_examples=50, deadline=None)
@given(
    rate=st.sampled_from([8000, 16000, 44100, 48000]),
    sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=6),
    reads=st.integers(1, 5),
)
def test_any_block_size_gives_the_same_frames(rate: int, sizes: list[int], reads: int) -> None:
    signal = noise(rate // 2)
    buffer = CaptureBuffer(rate)
    microphone = Microphone(buffer)
    frames = []
    for part in np.array_split(signal, reads):
        feed(buffer, part, 0.0, sizes)
        frames += microphone.frames()
    expected = resample(signal, rate, 16000)
    heard = np.concatenate([frame.samples for frame in frames])
    assert np.array_equal(heard, expected[: len(heard)])
    assert all(frame.samples.shape == (320,) for frame in frames)
    # Only the resampler's lag and less than one frame may still be under way.
    assert len(expected) - len(heard) < 320 + 16000 * 0.006
    assert buffer.overrun == 0


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_times_are_those_of_the_samples(rate: int) -> None:
    buffer = CaptureBuffer(rate)
    microphone = Microphone(buffer)
    frames = []
    for k in range(50):
        feed(buffer, noise(rate // 50), 100.0 + k / 50, [rate // 50])
        frames += microphone.frames()
    assert len(frames) >= 49
    for k, frame in enumerate(frames):
        assert frame.t == pytest.approx(100.0 + (k + 1) * 0.02, abs=1e-6)


def test_times_never_go_back_when_callbacks_jitter() -> None:
    buffer = CaptureBuffer(48000)
    microphone = Microphone(buffer)
    jitter = np.random.default_rng(3).uniform(0, 0.05, 200)
    times = []
    for k in range(200):
        buffer.on_block(np.zeros((960, 1), np.int16), 5 + k * 0.02 + jitter[k])
        times += [frame.t for frame in microphone.frames()]
    assert times == sorted(times)


def test_a_channel_is_picked_or_the_mean_taken() -> None:
    block = np.stack([np.full(320, 100), np.full(320, -300), np.full(320, 500)], axis=1)
    for pick, value in ((0, 100), (1, -300), (2, 500), (None, 100)):
        buffer = CaptureBuffer(16000, channels=3, pick=pick)
        buffer.on_block(block.astype(np.int16), 1.0)
        (frame,) = Microphone(buffer).frames()
        assert set(frame.samples.tolist()) == {value}


def test_the_mean_of_loud_channels_does_not_wrap() -> None:
    buffer = CaptureBuffer(16000, channels=2)
    buffer.on_block(np.full((320, 2), 32767, dtype=np.int16), 1.0)
    buffer.on_block(np.full((320, 2), -32768, dtype=np.int16), 1.02)
    loud, low = Microphone(buffer).frames()
    assert (loud.samples[0], low.samples[0]) == (32767, -32768)


def test_the_mean_survives_the_wrap_of_the_ring() -> None:
    buffer = CaptureBuffer(16000, channels=2, seconds=0.05)
    microphone = Microphone(buffer)
    signal = noise(3200)
    heard = []
    for start in range(0, 3200, 320):
        half = signal[start : start + 320]
        buffer.on_block(np.stack([half, half], axis=1), start / 16000)
        heard += [frame.samples for frame in microphone.frames()]
    assert np.array_equal(np.concatenate(heard), signal)


def test_an_overrun_drops_the_newest_and_keeps_the_clock_right() -> None:
    buffer = CaptureBuffer(16000, seconds=0.1)
    microphone = Microphone(buffer)
    signal = noise(2000)
    feed(buffer, signal, 10.0, [400])
    assert buffer.overrun == 400
    assert (buffer.blocks, buffer.last_block_t) == (5, pytest.approx(10.125))
    frames = microphone.frames()
    assert np.array_equal(np.concatenate([f.samples for f in frames]), signal[:1600])
    assert frames[-1].t == pytest.approx(10.1)
    buffer.on_block(noise(400).reshape(-1, 1), 10.2)
    assert microphone.frames()[0].t == pytest.approx(10.195)


@pytest.mark.parametrize("rate", [16000, 44100])
def test_reset_drops_what_is_queued(rate: int) -> None:
    buffer = CaptureBuffer(rate)
    microphone = Microphone(buffer)
    feed(buffer, noise(rate // 3), 0.0, [777])
    microphone.frames()
    feed(buffer, noise(rate // 7), 0.5, [777])
    microphone.reset()
    assert microphone.frames() == []
    fresh = noise(rate // 5, seed=9)
    feed(buffer, fresh, 1.0, [500])
    frames = microphone.frames()
    assert np.array_equal(frames[0].samples, resample(fresh, rate, 16000)[:320])
    assert frames[0].t == pytest.approx(1.02, abs=1e-4)


def test_frames_are_the_callers_to_keep() -> None:
    buffer = CaptureBuffer(16000, seconds=0.04)
    microphone = Microphone(buffer)
    buffer.on_block(np.ones((320, 1), np.int16), 0.0)
    (kept,) = microphone.frames()
    for _ in range(3):
        buffer.on_block(np.full((320, 1), 9, np.int16), 0.0)
        microphone.frames()
    assert kept.samples.max() == 1


def test_refuses_channels_that_do_not_exist() -> None:
    for channels, pick in ((2, 2), (1, -1), (0, None)):
        with pytest.raises(ValueError):
            CaptureBuffer(16000, channels=channels, pick=pick)
