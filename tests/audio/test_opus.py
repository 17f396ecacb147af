"""The Opus codec: lengths are checked, settings arrive, garbage does no harm."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio import opus
from audio.errors import CodecError, LibraryMissing
from audio.opus import FRAME_MS, RATES, OpusDecoder, OpusEncoder, packet_ms

try:
    opus.require()
    missing = ""
except LibraryMissing as error:
    missing = str(error)

needs_libopus = pytest.mark.skipif(bool(missing), reason=missing or "libopus is there")


def speechlike(n: int, rate: int = 16000) -> np.ndarray:
    t = np.arange(n) / rate
    buzz = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 12))
    return (
        (6000 * buzz * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))).clip(-30000, 30000).astype(np.int16)
    )


# Frame durations by configuration number: RFC 6716, table 2.
TABLE_2 = [10, 20, 40, 60] * 3 + [10, 20] * 2 + [2.5, 5, 10, 20] * 4


@pytest.mark.parametrize("config", range(32))
def test_packet_duration_of_every_configuration(config: int) -> None:
    frame = TABLE_2[config]
    for stereo in (0, 4):
        toc = config << 3 | stereo
        assert packet_ms(bytes([toc])) == frame
        assert packet_ms(bytes([toc | 1, 0])) == 2 * frame
        assert packet_ms(bytes([toc | 2, 0])) == 2 * frame
        for count in range(64):
            packet = bytes([toc | 3, 0xC0 | count, 0])
            if 0 < count * frame <= 120:
                assert packet_ms(packet) == count * frame
            else:
                with pytest.raises(CodecError):
                    packet_ms(packet)


def test_packets_without_a_duration() -> None:
    for payload in (b"", b"\x03"):
        with pytest.raises(CodecError):
            packet_ms(payload)


@needs_libopus
@pytest.mark.parametrize("frame_ms", FRAME_MS)
@pytest.mark.parametrize("rate", RATES)
def test_a_round_trip_keeps_length_and_likeness(rate: int, frame_ms: int) -> None:
    # The voip application filters the lowest tones, which turns their phase: compare with audio.
    encoder = OpusEncoder(rate, frame_ms=frame_ms, bitrate=40000, complexity=5, application="audio")
    decoder = OpusDecoder(rate)
    n = encoder.frame_samples
    assert n == rate * frame_ms // 1000
    signal = speechlike(n * (1200 // frame_ms), rate)
    heard = []
    for start in range(0, len(signal), n):
        packet = encoder.encode(signal[start : start + n])
        assert packet_ms(packet) == frame_ms
        heard.append(decoder.decode(packet))
        assert heard[-1].dtype == np.int16
        assert len(heard[-1]) == n
    out = np.concatenate(heard).astype(float)
    wanted = signal.astype(float)
    middle = slice(rate // 2, rate)
    best = max(
        float(np.corrcoef(out[middle], np.roll(wanted, shift)[middle])[0, 1])
        for shift in range(rate // 50)
    )
    assert best > 0.99


@needs_libopus
@pytest.mark.parametrize("rate", RATES)
def test_decoding_to_another_rate(rate: int) -> None:
    packet = OpusEncoder(16000, frame_ms=60).encode(speechlike(960))
    assert len(OpusDecoder(rate).decode(packet)) == rate * 60 // 1000


@needs_libopus
def test_settings_reach_libopus() -> None:
    encoder = OpusEncoder(bitrate=17000, complexity=7, dtx=True)
    assert (encoder.bitrate, encoder.complexity, encoder.dtx) == (17000, 7, True)
    assert OpusEncoder().dtx is False
    assert OpusEncoder().complexity == 0


@needs_libopus
def test_dtx_shrinks_silence() -> None:
    encoder = OpusEncoder(dtx=True)
    silence = np.zeros(320, dtype=np.int16)
    sizes = [len(encoder.encode(silence)) for _ in range(60)]
    assert sum(size <= 2 for size in sizes) > 40


@needs_libopus
@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(319, np.int16),
        np.zeros(0, np.int16),
        np.zeros(640, np.int16),
        np.zeros((320, 1), np.int16),
        np.zeros(320, np.float32),
        np.zeros(160, np.int32),
    ],
)
def test_a_wrong_frame_never_reaches_libopus(samples: np.ndarray) -> None:
    with pytest.raises(CodecError, match="320 int16 samples"):
        OpusEncoder().encode(samples)


@needs_libopus
def test_a_strided_frame_is_encoded_as_its_values() -> None:
    stereo = np.stack([speechlike(320), np.zeros(320, np.int16)], axis=1)
    assert OpusEncoder().encode(stereo[:, 0]) == OpusEncoder().encode(speechlike(320))


@needs_libopus
def test_results_are_not_overwritten_by_the_next_call() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder(16000)
    packet = encoder.encode(speechlike(320))
    kept, first = bytes(packet), decoder.decode(packet)
    copy = first.copy()
    decoder.decode(encoder.encode(speechlike(320)[::-1].copy()))
    assert packet == kept
    assert np.array_equal(first, copy)


@needs_libopus
@pytest.mark.parametrize("payload", [b"", b"OggS" + bytes(40), b"RIFF" + bytes(40)])
def test_containers_are_refused_without_touching_the_state(payload: bytes) -> None:
    encoder = OpusEncoder()
    signal = speechlike(320 * 10)
    packets = [encoder.encode(signal[k : k + 320]) for k in range(0, len(signal), 320)]
    clean, disturbed = OpusDecoder(24000), OpusDecoder(24000)
    for packet in packets:
        with pytest.raises(CodecError):
            disturbed.decode(payload)
        assert np.array_equal(clean.decode(packet), disturbed.decode(packet))


@needs_libopus
@settings(max_examples=150, deadline=None)
@given(packets=st.lists(st.binary(max_size=200), max_size=6), rate=st.sampled_from(RATES))
def test_garbage_raises_codec_errors_only(packets: list[bytes], rate: int) -> None:
    decoder = OpusDecoder(rate)
    for payload in packets:
        try:
            samples = decoder.decode(payload)
        except CodecError:
            continue
        assert len(samples) == round(packet_ms(payload) * rate / 1000)
    good = OpusEncoder().encode(speechlike(320))
    assert len(decoder.decode(good)) == rate // 50
    assert len(decoder.conceal(20)) == rate // 50


@needs_libopus
@pytest.mark.parametrize(("ms", "real"), [(20, 20), (2.5, 2.5), (33, 35), (60, 60), (500, 500)])
def test_concealment_lasts_as_asked_and_fades(ms: float, real: float) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder(24000)
    signal = speechlike(320 * 20)
    for start in range(0, len(signal), 320):
        decoder.decode(encoder.encode(signal[start : start + 320]))
    made_up = decoder.conceal(ms)
    assert len(made_up) == real * 24
    assert np.abs(made_up[:48]).max() > 100
    if ms == 500:
        assert np.abs(made_up[-480:]).max() < 50
    for bad in (0, -5, 1001):
        with pytest.raises(CodecError):
            decoder.conceal(bad)


@needs_libopus
def test_reset_is_a_fresh_start() -> None:
    signal = speechlike(320 * 8)
    frames = [signal[k : k + 320] for k in range(0, len(signal), 320)]
    encoder, decoder = OpusEncoder(bitrate=16000), OpusDecoder(16000)
    first = [encoder.encode(frame) for frame in frames]
    sound = [decoder.decode(packet) for packet in first]
    encoder.reset()
    decoder.reset()
    again = [encoder.encode(frame) for frame in frames]
    assert again == first
    assert encoder.bitrate == 16000
    assert all(np.array_equal(decoder.decode(p), s) for p, s in zip(again, sound, strict=True))


@needs_libopus
@pytest.mark.parametrize(
    "arguments",
    [
        {"rate": 44100},
        {"frame_ms": 30},
        {"bitrate": 100},
        {"complexity": 11},
        {"application": "music"},
    ],
)
def test_impossible_settings_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        OpusEncoder(**arguments)  # type: ignore[arg-type]
    with pytest.raises(CodecError):
        OpusDecoder(44100)


def test_without_libopus_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(opus, "_loaded", None)
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(LibraryMissing, match="sudo apt-get install libopus0"):
        opus.require()


def test_importing_loads_neither_libopus_nor_the_binding() -> None:
    code = "import sys, audio.opus, audio.packetizer; sys.exit('opuslib_next' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_libopus
def test_libopus_is_found_where_find_library_fails() -> None:
    code = (
        "import ctypes.util, sys\n"
        "ctypes.util.find_library = refuse = lambda name: None\n"
        "import audio.opus\naudio.opus.require()\n"
        "sys.exit(ctypes.util.find_library is not refuse)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
