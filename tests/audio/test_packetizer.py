"""Packets of the right length, whatever the frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.errors import CodecError, LibraryMissing
from audio.opus import OpusDecoder, packet_ms, require
from audio.packetizer import Packetizer

try:
    require()
    missing = ""
except LibraryMissing as error:
    missing = str(error)

needs_libopus = pytest.mark.skipif(bool(missing), reason=missing or "libopus is there")
SIGNAL = (np.arange(16000) * 7 % 20000 - 10000).astype(np.int16)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(0, 2500), max_size=15), ms=st.sampled_from([10, 20, 40, 60, 100]))
def test_pcm_packets_are_the_signal_padded_at_the_end(sizes: list[int], ms: int) -> None:
    packetizer = Packetizer("pcm", packet_ms=ms)
    signal = np.resize(SIGNAL, sum(sizes))
    packets: list[bytes] = []
    start = 0
    for size in sizes:
        packets += packetizer.feed(signal[start : start + size])
        start += size
        assert packetizer.pending == start - 16 * ms * len(packets)
    packets += packetizer.flush()
    assert packetizer.flush() == []
    assert {len(packet) for packet in packets} <= {32 * ms}
    heard = np.frombuffer(b"".join(packets), dtype="<i2")
    assert np.array_equal(heard[: len(signal)], signal)
    assert not heard[len(signal) :].any()
    assert len(heard) - len(signal) < 16 * ms


@needs_libopus
@pytest.mark.parametrize("ms", [10, 20, 40, 60])
def test_an_opus_packet_is_one_frame(ms: int) -> None:
    packetizer = Packetizer("opus", packet_ms=ms)
    packets = []
    for start in range(0, 3200, 320):
        packets += packetizer.feed(SIGNAL[start : start + 320])
    packets += packetizer.flush()
    assert len(packets) == -(-200 // ms)
    decoder = OpusDecoder(16000)
    for packet in packets:
        assert packet[0] & 3 == 0
        assert packet_ms(packet) == ms
        assert len(decoder.decode(packet)) == 16 * ms


@needs_libopus
def test_flush_pads_with_silence_not_with_what_was_before() -> None:
    packetizer, whole = Packetizer("opus"), Packetizer("opus")
    padded = np.concatenate([SIGNAL[:1280], np.zeros(640, np.int16)])
    assert packetizer.feed(SIGNAL[:1280]) + packetizer.flush() == whole.feed(padded)


@needs_libopus
def test_reset_drops_what_is_pending_and_the_codec_state() -> None:
    used, fresh = Packetizer("opus"), Packetizer("opus")
    used.feed(SIGNAL[:2000])
    used.reset()
    assert used.pending == 0
    assert used.flush() == []
    assert used.feed(SIGNAL[:1920]) == fresh.feed(SIGNAL[:1920])


def test_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError):
        Packetizer("mp3")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Packetizer("pcm", packet_ms=0)
    with pytest.raises(CodecError):
        Packetizer("opus", packet_ms=30)
    with pytest.raises(TypeError):
        Packetizer("pcm").feed(np.zeros(320))  # type: ignore[arg-type]
