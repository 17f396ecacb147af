"""Payloads back to samples: Opus packets, and PCM bytes cut anywhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.depacketizer import PCM_PIECE_MS, OpusDepacketizer, PcmDepacketizer
from audio.errors import CodecError
from audio.opus import OpusEncoder


def sine(n: int, rate: int, hz: float = 440.0) -> np.ndarray:
    return np.rint(9000 * np.sin(2 * np.pi * hz * np.arange(n) / rate)).astype(np.int16)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=20))
def test_pcm_bytes_survive_any_split(cuts: list[int]) -> None:
    samples = sine(4000, 24000)
    data = samples.tobytes()
    stream = PcmDepacketizer(24000, 24000)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [piece for start, end in pairwise(edges) for piece in stream.split(data[start:end])]
    out = np.concatenate([stream.decode(payload) for payload, _ in pieces])
    assert np.array_equal(out, samples)
    assert sum(ms for _, ms in pieces) == pytest.approx(4000 / 24)
    assert all(0 < ms <= PCM_PIECE_MS for _, ms in pieces)


def test_pcm_keeps_its_odd_byte_over_a_change_of_the_output_rate() -> None:
    stream = PcmDepacketizer(16000, 48000)
    data = sine(1601, 16000).tobytes()
    first = stream.split(data[:1001])
    stream.set_output_rate(16000)
    rest = stream.split(data[1001:])
    out = np.concatenate([stream.decode(payload) for payload, _ in first + rest])
    assert np.array_equal(out, sine(1601, 16000))


def test_pcm_is_resampled_to_the_output_rate_without_loss_of_length() -> None:
    stream = PcmDepacketizer(24000, 44100)
    out = [stream.decode(payload) for payload, _ in stream.split(sine(24000, 24000).tobytes())]
    out.append(stream.flush())
    assert np.concatenate(out).size == 44100


def test_pcm_conceals_nothing() -> None:
    stream = PcmDepacketizer(24000, 24000)
    assert not stream.conceals
    assert stream.conceal(20).size == 0


@pytest.mark.parametrize("rate", [16000, 24000, 44100, 48000])
def test_opus_comes_out_at_the_output_rate(rate: int) -> None:
    encoder = OpusEncoder(16000, frame_ms=60)
    tone = sine(960 * 10, 16000)
    stream = OpusDepacketizer(rate)
    out = []
    for start in range(0, tone.size, 960):
        [(packet, ms)] = stream.split(encoder.encode(tone[start : start + 960]))
        assert ms == 60
        out.append(stream.decode(packet))
    out.append(stream.flush())
    heard = np.concatenate(out).astype(float)
    assert heard.size == pytest.approx(rate * 0.6, abs=1)
    spectrum = np.abs(np.fft.rfft(heard[heard.size // 2 :]))
    hz = np.argmax(spectrum) * rate / (heard.size - heard.size // 2)
    assert hz == pytest.approx(440, abs=5)


def test_opus_conceals_what_never_came() -> None:
    stream = OpusDepacketizer(48000)
    stream.decode(OpusEncoder(16000, frame_ms=20).encode(sine(320, 16000)))
    assert stream.conceals
    assert stream.conceal(20).size == 960


@pytest.mark.parametrize("garbage", [b"", b"OggS" + bytes(60), b"\x03"])
def test_garbage_keeps_its_place_and_raises_only_when_it_is_due(garbage: bytes) -> None:
    stream = OpusDepacketizer(24000)
    [(payload, ms)] = stream.split(garbage)
    assert payload == garbage
    assert ms > 0
    with pytest.raises(CodecError):
        stream.decode(payload)
