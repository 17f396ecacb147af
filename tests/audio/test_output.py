"""The output buffer: no click whatever happens, and the time at which each sample is heard."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.output import OutputBuffer

RATE = 24000
BLOCK = 480
FADE = 120
AMPLITUDE = 12000.0


class Tone:
    """An endless sine; its phase runs on with the samples taken, cuts or not."""

    def __init__(self, hz: float = 300.0, amplitude: float = AMPLITUDE) -> None:
        self.step = 2 * np.pi * hz / RATE
        self.amplitude = amplitude
        self.at = 0

    def take(self, n: int) -> np.ndarray:
        index = np.arange(self.at, self.at + n)
        self.at += n
        return np.rint(self.amplitude * np.sin(self.step * index)).astype(np.int16)

    @property
    def steepest(self) -> float:
        """Largest step between neighbours, rounding included."""
        return self.amplitude * 2 * np.sin(self.step / 2) + 1


class Device:
    """Calls render as a sound card does, on a virtual clock."""

    def __init__(self, output: OutputBuffer, delay: float = 0.0) -> None:
        self.output = output
        self.delay = delay
        self.now = 0.0
        self.blocks: list[np.ndarray] = []

    def block(self, n: int = BLOCK) -> np.ndarray:
        out = np.full(n, 32000, dtype=np.int16)
        self.output.render(out, self.now, self.delay)
        self.now += n / RATE
        self.blocks.append(out)
        return out

    def played(self) -> np.ndarray:
        return np.concatenate(self.blocks) if self.blocks else np.zeros(0, dtype=np.int16)


def steps(samples: np.ndarray) -> np.ndarray:
    edges = np.concatenate(([0], samples.astype(np.int64)))
    return np.abs(np.diff(edges))


ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 2000)),
    st.tuples(st.just("render"), st.sampled_from([1, 7, 60, 119, 121, 240, 480, 960])),
    st.tuples(st.just("render"), st.just(BLOCK)),
    st.tuples(st.just("cut"), st.just(0)),
    st.tuples(st.just("finish"), st.just(0)),
    st.tuples(st.just("gain"), st.sampled_from([0, 10, 25, 50, 100])),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ACTIONS, min_size=1, max_size=60), st.sampled_from([120.0, 300.0, 1900.0]))
def test_no_step_is_larger_than_signal_and_fades_make_it(
    schedule: list[tuple[str, int]], hz: float
) -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    tone = Tone(hz)
    shortest = BLOCK
    for what, n in schedule:
        if what == "write":
            output.write(tone.take(min(n, output.writable)))
        elif what == "render":
            shortest = min(shortest, n)
            device.block(n)
        elif what == "cut":
            output.cut()
        elif what == "finish":
            output.finish()
        else:
            output.set_gain(n / 100)
    device.block(BLOCK)
    device.block(BLOCK)
    # One step of the envelope and one of the gain ramp may add to a step of the signal.
    fades = AMPLITUDE / FADE + AMPLITUDE * min(1 / FADE, 1 / shortest)
    assert steps(device.played()).max() <= tone.steepest + fades + 1


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 1500), st.sampled_from([100, 240, 480, 960])),
        min_size=1,
        max_size=40,
    ),
    st.floats(0.0, 0.3),
)
def test_every_sample_is_played_once_and_its_dac_time_is_known(
    schedule: list[tuple[int, int]], delay: float
) -> None:
    output = OutputBuffer(RATE)
    device = Device(output, delay)
    # A constant makes the envelope visible: whatever is not zero was a sample.
    expected: list[float] = []
    for written, n in schedule:
        output.write(np.full(min(written, output.writable), 1000, dtype=np.int16))
        begin = device.now
        before = output.consumed
        device.block(n)
        taken = output.consumed - before
        expected += [begin + delay + i / RATE for i in range(taken)]
    assert output.consumed == len(expected)
    assert output.dac_time_of(output.consumed) is None
    assert output.dac_time_of(-1) is None
    recent = expected[-1000:]
    for offset, t in enumerate(recent):
        found = output.dac_time_of(len(expected) - len(recent) + offset)
        assert found == pytest.approx(t, abs=1e-9)


def test_a_steady_stream_is_bit_exact() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    tone = Tone()
    sent = [tone.take(5000)]
    output.write(sent[0])
    for _ in range(50):
        device.block()
        sent.append(tone.take(BLOCK))
        assert output.write(sent[-1]) == BLOCK
    played = device.played()
    reference = np.concatenate(sent)[: played.size]
    assert np.array_equal(played[FADE:], reference[FADE:])
    assert output.underruns == 0


def test_running_dry_fades_out_to_the_very_last_sample() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.write(np.full(BLOCK + 300, 10000, dtype=np.int16))
    device.block()
    last = device.block()
    assert np.array_equal(last[: 300 - FADE], np.full(300 - FADE, 10000))
    tail = last[300 - FADE : 300].astype(int)
    assert np.all(np.diff(tail) < 0)
    assert tail[-1] == 0
    assert not last[300:].any()


def test_more_audio_in_time_turns_a_fade_up_again() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.write(np.full(BLOCK + 60, 10000, dtype=np.int16))
    first = device.block()
    assert first[-1] == pytest.approx(10000 * 60 / FADE, abs=1)
    output.write(np.full(2000, 10000, dtype=np.int16))
    second = device.block()
    assert second[0] > first[-1]
    assert second[60] == 10000
    assert output.underruns == 0


def test_a_cut_is_over_within_one_block_and_new_audio_follows() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.write(np.full(8000, 10000, dtype=np.int16))
    device.block()
    output.cut()
    assert output.queued == 0
    output.write(np.full(2000, -5000, dtype=np.int16))
    assert output.queued == 2000
    fading = device.block()
    assert np.all(np.diff(fading[:FADE].astype(int)) < 0)
    assert not fading[FADE:].any()
    fresh = device.block()
    assert fresh[FADE:].tolist() == [-5000] * (BLOCK - FADE)
    assert output.underruns == 0


def test_a_cut_while_silent_costs_no_block() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.write(np.full(4000, 10000, dtype=np.int16))
    output.cut()
    output.write(np.full(1000, -5000, dtype=np.int16))
    assert device.block()[FADE:].tolist() == [-5000] * (BLOCK - FADE)


def test_a_cut_gives_its_room_back_with_the_next_block() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    assert output.write(np.full(20000, 1000, dtype=np.int16)) == output.capacity
    device.block()
    output.cut()
    device.block()
    assert output.writable == output.capacity


def test_samples_a_cut_skips_have_no_dac_time() -> None:
    output = OutputBuffer(RATE)
    device = Device(output, delay=0.05)
    output.write(np.full(6000, 1000, dtype=np.int16))
    device.block()
    output.cut()
    output.write(np.full(2000, 1000, dtype=np.int16))
    device.block()
    device.block()
    assert output.dac_time_of(BLOCK + FADE - 1) is not None
    assert output.dac_time_of(BLOCK + FADE) is None or output.consumed > 6000
    assert output.dac_time_of(5999) is None
    assert output.dac_time_of(6000) == pytest.approx(2 * BLOCK / RATE + 0.05)


def test_gain_is_reached_within_one_block_without_a_step() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.write(np.full(6000, 10000, dtype=np.int16))
    device.block()
    output.set_gain(0.25)
    ramp = device.block()
    assert ramp[-1] == 2500
    assert steps(ramp)[1:].max() <= 10000 / BLOCK + 1
    assert device.block().tolist() == [2500] * BLOCK


@pytest.mark.parametrize("block", [1, 16, 100])
@pytest.mark.parametrize("change", ["gain", "cut"])
def test_blocks_shorter_than_a_fade_share_it(block: int, change: str) -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.write(np.full(8000, 10000, dtype=np.int16))
    device.block()
    if change == "cut":
        output.cut()
    else:
        output.set_gain(0.0)
    for _ in range(2 * FADE // block + 1):
        device.block(block)
    assert steps(device.played()).max() <= 10000 / FADE + 1
    assert device.played()[-1] == 0


def test_gain_above_unity_saturates_and_never_wraps() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    output.set_gain(4.0)
    output.write(np.tile(np.array([30000, -30000], dtype=np.int16), 2000))
    device.block()
    loud = device.block()
    assert loud.max() == 32767
    assert loud.min() == -32768
    assert np.array_equal(np.sign(loud.astype(int)), np.tile([1, -1], BLOCK // 2))


@pytest.mark.parametrize("gain", [-0.1, 9.0, float("nan")])
def test_a_nonsense_gain_is_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="gain"):
        OutputBuffer(RATE).set_gain(gain)


@pytest.mark.parametrize(
    ("rate", "seconds", "fade_ms"), [(0, 0.5, 5.0), (RATE, 0.0, 5.0), (RATE, 0.5, 0.0)]
)
def test_nonsense_sizes_are_refused(rate: int, seconds: float, fade_ms: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        OutputBuffer(rate, seconds=seconds, fade_ms=fade_ms)


def test_an_underrun_is_a_gap_that_nobody_announced() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    device.block()
    assert output.underruns == 0, "silence before anything was written is none"
    output.write(Tone().take(BLOCK + 100))
    device.block()
    device.block()
    device.block()
    assert output.underruns == 1, "one gap is one underrun, however long"
    assert output.missing == BLOCK - 100
    output.write(Tone().take(BLOCK + 100))
    output.finish()
    device.block()
    device.block()
    device.block()
    assert output.underruns == 1, "an announced end is none"


def test_position_follows_the_dac_and_not_the_callback() -> None:
    output = OutputBuffer(RATE)
    device = Device(output, delay=0.1)
    assert output.position(0.0) == 0
    output.write(Tone().take(4800))
    device.block()
    device.block()
    assert output.position(0.05) == 0, "rendered, but not heard yet"
    half = 0.5 / RATE
    assert output.position(0.11 + half) == 240
    assert output.position(0.13 + half) == 720
    assert output.position(5.0) == 960, "nothing more was rendered"


def test_times_of_long_ago_are_counted_back() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    tone = Tone()
    for _ in range(200):
        output.write(tone.take(BLOCK))
        device.block()
    assert output.dac_time_of(0) == pytest.approx(0.0, abs=1e-6)


def test_a_writer_and_a_callback_in_two_threads_make_no_click() -> None:
    output = OutputBuffer(RATE)
    device = Device(output)
    tone = Tone(200.0)
    stop = threading.Event()

    def write() -> None:
        taken = 0
        while not stop.is_set():
            taken += output.write(tone.take(min(97, output.writable)))
            if taken > 3000:
                output.cut()
                taken = 0

    writer = threading.Thread(target=write)
    interval = sys.getswitchinterval()
    # Threads change places after some bytecodes instead of after 5 ms: many more interleavings.
    sys.setswitchinterval(1e-6)
    try:
        writer.start()
        deadline = time.monotonic() + 10
        enough = False
        while not enough and time.monotonic() < deadline:
            for _ in range(50):
                device.block()
            # A busy machine may give the writer little time: go on until it was really heard.
            enough = tone.at >= 100_000 and np.count_nonzero(device.played()) > 10_000
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        writer.join()
    played = device.played()
    assert tone.at >= 100_000
    assert np.count_nonzero(played) > 10_000
    assert steps(played).max() <= tone.steepest + AMPLITUDE / FADE + 1
