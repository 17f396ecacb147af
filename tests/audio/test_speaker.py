"""The speaker on a virtual clock: generations, starvation, drain, level, bad packets."""

from __future__ import annotations

import numpy as np
import pytest

from audio.opus import OpusEncoder
from audio.output import OutputBuffer
from audio.speaker import DUCK_GAIN, Drained, Speaker, SpeakerEvent, Started, Starved, volume_gain

RATE = 24000
TICK = 0.02
BLOCK = 480


def tone(ms: int, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    n = rate * ms // 1000
    return np.rint(8000 * np.sin(2 * np.pi * hz * np.arange(n) / rate)).astype(np.int16)


def opus_packets(count: int, frame_ms: int = 60) -> list[bytes]:
    encoder = OpusEncoder(16000, frame_ms=frame_ms)
    samples = tone(count * frame_ms, 16000)
    n = encoder.frame_samples
    return [encoder.encode(samples[i * n : (i + 1) * n]) for i in range(count)]


class Room:
    """A speaker, its device and a clock: at each tick one pump, then one block."""

    def __init__(self, delay: float = 0.0, rate: int = RATE, **options: object) -> None:
        self.output = OutputBuffer(rate)
        self.speaker = Speaker(self.output, **options)  # type: ignore[arg-type]
        self.delay = delay
        self.now = 100.0
        self.events: list[tuple[float, SpeakerEvent]] = []
        self.blocks: list[np.ndarray] = []

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.events += [(self.now, event) for event in self.speaker.pump(self.now)]
            out = np.full(self.output.rate // 50, 32000, dtype=np.int16)
            self.output.render(out, self.now, self.delay)
            self.blocks.append(out)
            self.now += TICK

    def run_dry(self, limit: int = 500) -> None:
        for _ in range(limit):
            if not self.speaker.busy:
                return
            self.tick()
        raise AssertionError("the speaker never came to an end")

    def of(self, kind: type) -> list[SpeakerEvent]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def heard(self) -> np.ndarray:
        return np.concatenate(self.blocks)


def test_an_answer_starts_plays_and_drains_with_the_times_of_the_dac() -> None:
    room = Room(delay=0.05)
    room.speaker.begin(1)
    for packet in opus_packets(10):
        assert room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    begin = room.now
    room.run_dry()
    [started] = room.of(Started)
    [drained] = room.of(Drained)
    assert started == Started(1, pytest.approx(begin + 0.05))
    assert drained == Drained(1, pytest.approx(begin + 0.05 + 0.6))
    assert [type(event) for _, event in room.events] == [Started, Drained]
    [reported] = [now for now, event in room.events if isinstance(event, Drained)]
    assert reported >= drained.t, "not before the last sample has left the DAC"
    assert room.output.underruns == 0
    assert np.count_nonzero(room.heard()) > 0.9 * 0.6 * RATE


def test_pcm_arrives_sample_for_sample_whatever_the_split() -> None:
    room = Room(codec="pcm", pcm_rate=RATE)
    samples = tone(500)
    data = samples.tobytes()
    room.speaker.begin(1)
    for start in range(0, len(data), 777):
        room.speaker.push(1, data[start : start + 777], room.now)
    room.speaker.finish(1)
    room.run_dry()
    heard = room.heard()
    assert np.array_equal(heard[120 : samples.size - 120], samples[120:-120])
    assert not heard[samples.size :].any()


def test_a_device_at_44100_gets_the_whole_answer() -> None:
    room = Room(rate=44100)
    room.speaker.begin(1)
    for packet in opus_packets(10):
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert room.output.written == pytest.approx(0.6 * 44100, abs=1)
    assert len(room.of(Drained)) == 1


def test_no_more_than_ahead_ms_is_decoded() -> None:
    room = Room(ahead_ms=200)
    room.speaker.begin(1)
    for packet in opus_packets(50):
        room.speaker.push(1, packet, room.now)
    for _ in range(20):
        room.tick()
        assert room.output.queued <= 0.2 * RATE
    assert room.speaker.queued_ms == pytest.approx(3000 - 400, abs=1)


def test_playing_waits_for_the_prefill() -> None:
    room = Room(prefill_ms=120)
    packets = opus_packets(2)
    room.speaker.begin(1)
    room.speaker.push(1, packets[0], room.now)
    room.tick(2)
    assert room.output.written == 0
    room.speaker.push(1, packets[1], room.now)
    room.tick()
    assert room.output.written == 0.12 * RATE


def test_an_old_generation_never_reaches_the_output() -> None:
    room = Room()
    packets = opus_packets(10)
    room.speaker.begin(4)
    assert not room.speaker.push(3, packets[0], room.now)
    room.speaker.begin(3)
    room.speaker.cut(2)
    room.speaker.finish(3)
    assert room.speaker.generation == 4
    assert room.speaker.stale == 4
    room.tick(20)
    assert room.output.written == 0
    assert room.events == []


def test_a_cut_is_silent_within_one_block_and_reports_no_drain() -> None:
    room = Room()
    room.speaker.begin(1)
    for packet in opus_packets(40):
        room.speaker.push(1, packet, room.now)
    room.tick(10)
    assert room.speaker.busy
    room.speaker.cut(2)
    assert not room.speaker.busy
    assert not room.speaker.push(1, opus_packets(1)[0], room.now)
    before = len(room.blocks)
    room.tick(20)
    after = np.concatenate(room.blocks[before:])
    assert not after[120:].any()
    assert room.of(Drained) == []


def test_the_generation_a_cut_names_is_accepted() -> None:
    room = Room()
    room.speaker.cut(5)
    for packet in opus_packets(3):
        assert room.speaker.push(5, packet, room.now)
    room.speaker.finish(5)
    room.run_dry()
    assert [event.generation for event in room.of(Drained)] == [5]


def test_a_new_generation_replaces_the_old_and_only_it_drains() -> None:
    room = Room()
    room.speaker.begin(1)
    for packet in opus_packets(40):
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.tick(5)
    room.speaker.begin(2)
    for packet in opus_packets(5):
        room.speaker.push(2, packet, room.now)
    room.speaker.finish(2)
    room.run_dry()
    assert [event.generation for event in room.of(Started)] == [1, 2]
    assert [event.generation for event in room.of(Drained)] == [2]


def test_a_newer_packet_begins_its_generation_by_itself() -> None:
    room = Room()
    room.speaker.begin(1)
    assert room.speaker.push(2, opus_packets(1)[0], room.now)
    assert room.speaker.generation == 2


def test_a_finished_generation_without_audio_drains_at_once() -> None:
    room = Room()
    room.speaker.begin(1)
    room.speaker.finish(1)
    assert room.speaker.busy
    assert room.speaker.pump(room.now) == [Drained(1, room.now)]
    assert room.speaker.pump(room.now) == []
    assert not room.speaker.busy


def test_what_comes_after_finish_is_refused_and_counted() -> None:
    room = Room()
    room.speaker.begin(1)
    room.speaker.finish(1)
    assert not room.speaker.push(1, opus_packets(1)[0], room.now)
    assert room.speaker.late == 1


def test_a_short_gap_is_concealed_without_starving() -> None:
    room = Room()
    packets = opus_packets(8)
    room.speaker.begin(1)
    for packet in packets[:2]:
        room.speaker.push(1, packet, room.now)
    room.tick(7)
    for packet in packets[2:]:
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert 0 < room.speaker.concealed_ms <= 60
    assert room.of(Starved) == []
    assert room.output.underruns == 0


def test_a_long_gap_starves_once_then_refills_and_goes_on() -> None:
    room = Room(delay=0.03)
    packets = opus_packets(8)
    room.speaker.begin(1)
    begin = room.now
    for packet in packets[:3]:
        room.speaker.push(1, packet, room.now)
    room.tick(50)
    [starved] = room.of(Starved)
    # 180 ms of audio and 60 ms of concealment, then silence from the DAC's point of view.
    assert starved == Starved(1, pytest.approx(begin + 0.03 + 0.18 + 0.06))
    assert room.speaker.concealed_ms == 60
    assert room.speaker.busy
    written = room.output.written
    room.speaker.push(1, packets[3], room.now)
    room.tick()
    assert room.output.written == written, "the prefill is asked for again"
    for packet in packets[4:]:
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert len(room.of(Started)) == 1
    assert len(room.of(Starved)) == 1
    assert len(room.of(Drained)) == 1
    assert room.output.underruns == 1


def test_the_end_of_an_answer_is_neither_a_gap_nor_concealed() -> None:
    room = Room()
    room.speaker.begin(1)
    for packet in opus_packets(3):
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert room.speaker.concealed_ms == 0
    assert room.output.underruns == 0


def test_a_bad_packet_is_replaced_by_as_much_concealment() -> None:
    room = Room()
    packets = opus_packets(6)
    packets[3] = b"OggS" + packets[3]
    room.speaker.begin(1)
    for packet in packets:
        assert room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert room.speaker.bad_packets == 1
    assert room.speaker.concealed_ms == 60
    assert room.output.written == 0.36 * RATE


def test_a_stream_of_garbage_mutes_its_generation_only() -> None:
    room = Room()
    room.speaker.begin(1)
    for _ in range(40):
        room.speaker.push(1, b"RIFF" + bytes(40), room.now)
    room.tick(30)
    assert room.speaker.bad_packets == 10
    room.speaker.push(1, opus_packets(1)[0], room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert not room.heard().any()
    assert len(room.of(Drained)) == 1
    room.speaker.begin(2)
    for packet in opus_packets(3):
        room.speaker.push(2, packet, room.now)
    room.speaker.finish(2)
    room.run_dry()
    assert room.heard().any()


@pytest.mark.parametrize(("percent", "gain"), [(0, 0.0), (50, 0.125), (100, 1.0)])
def test_volume_is_a_cubic_taper(percent: float, gain: float) -> None:
    assert volume_gain(percent) == pytest.approx(gain)


@pytest.mark.parametrize("percent", [-1, 101, float("nan")])
def test_a_nonsense_volume_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percentage"):
        Room().speaker.set_volume(percent)


def test_duck_lowers_by_12_db_within_one_block_and_a_new_answer_lifts_it() -> None:
    room = Room(codec="pcm", pcm_rate=RATE)
    room.speaker.begin(1)
    room.speaker.push(1, np.full(RATE, 8000, dtype=np.int16).tobytes(), room.now)
    room.tick(3)
    room.speaker.duck()
    room.tick(2)
    assert room.blocks[-1].tolist() == [round(8000 * DUCK_GAIN)] * BLOCK
    room.speaker.unduck()
    room.tick(2)
    assert room.blocks[-1].tolist() == [8000] * BLOCK
    room.speaker.duck()
    room.speaker.begin(2)
    assert room.output.gain == 1.0


def test_volume_zero_is_silence_and_still_drains() -> None:
    room = Room()
    room.speaker.set_volume(0)
    room.speaker.begin(1)
    for packet in opus_packets(5):
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.run_dry()
    assert not room.heard()[BLOCK:].any()
    assert len(room.of(Drained)) == 1


def test_a_clip_plays_when_nothing_else_does() -> None:
    room = Room()
    clip = tone(900, 16000)
    assert room.speaker.play(clip, 16000)
    assert not room.speaker.play(clip, 16000), "one at a time"
    begin = room.now
    room.run_dry()
    assert room.now - begin == pytest.approx(0.9, abs=2 * TICK)
    assert room.events == [], "it belongs to no generation"
    assert room.output.underruns == 0
    room.speaker.begin(1)
    for packet in opus_packets(5):
        room.speaker.push(1, packet, room.now)
    room.tick()
    assert not room.speaker.play(clip, 16000)


def test_a_clip_is_stopped_by_a_new_answer() -> None:
    room = Room()
    room.speaker.play(tone(2000), RATE)
    room.tick(5)
    room.speaker.begin(1)
    before = len(room.blocks)
    room.tick(5)
    assert not np.concatenate(room.blocks[before:])[120:].any()
    assert not room.speaker.busy


def test_an_answer_queues_behind_a_clip_of_its_own_generation() -> None:
    room = Room(codec="pcm", pcm_rate=RATE)
    room.speaker.begin(1)
    assert room.speaker.play(np.full(2400, 1000, dtype=np.int16), RATE)
    room.speaker.push(1, np.full(7200, 3000, dtype=np.int16).tobytes(), room.now)
    room.speaker.finish(1)
    begin = room.now
    room.run_dry()
    [started] = room.of(Started)
    assert started.t == pytest.approx(begin + 0.1)
    heard = room.heard()
    assert heard[1200] == 1000
    assert heard[4800] == 3000


def test_the_answer_goes_on_through_a_device_opened_again() -> None:
    room = Room()
    room.speaker.set_volume(50)
    room.speaker.begin(1)
    for packet in opus_packets(20):
        room.speaker.push(1, packet, room.now)
    room.speaker.finish(1)
    room.tick(5)
    room.output = OutputBuffer(48000)
    room.speaker.attach(room.output)
    assert room.output.gain == pytest.approx(0.125)
    room.run_dry()
    assert room.output.written > 0.7 * 48000
    assert len(room.of(Drained)) == 1


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="codec"):
        Room(codec="mp3")
