"""Every legal combination of codec, container, rate and frame, against an independent library.

libsndfile writes what the emulator reads and reads what it writes; bare Opus packets, which it does
not know, are encoded by libopus directly and decoded by it in Ogg pages.
"""

import io
import itertools
import struct
from typing import Any

import numpy as np
import opuslib_next
import pytest
import soundfile
from numpy.typing import NDArray

from agent.emulator import mp3
from agent.emulator.audio_in import RATE, open_decoder
from agent.emulator.audio_out import AudioEncoder, Piece
from agent.emulator.config import Rules, default_config, merge
from agent.emulator.fields import Refusal
from agent.emulator.ogg import checksum
from agent.emulator.schema import MP3_RATES, OPUS_FRAMES_MS, OPUS_RATES, PCM_RATES

Floats = NDArray[np.float64]

SECONDS = 0.6


def voice(rate: int, seconds: float = SECONDS) -> Floats:
    """A gliding voice below 3 kHz in syllables, the same at every rate; peak about 0.5."""
    t = np.arange(round(rate * seconds)) / rate
    phase = 2 * np.pi * (150 * t + 60 * t**2)
    wave = sum(np.sin(k * phase + k) / k for k in range(1, 9))
    return np.asarray(0.25 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 7 * t)))


def likeness(heard: NDArray[Any], wanted: NDArray[Any], most_delay: int) -> float:
    """The best correlation of the two over all delays of ``heard`` up to ``most_delay``."""
    size = min(len(heard), len(wanted))
    sound = np.concatenate([heard.astype(float), np.zeros(most_delay)])[: size + most_delay]
    wanted = wanted[:size].astype(float)
    points = len(sound) + size
    spectrum = np.fft.rfft(sound, points) * np.conj(np.fft.rfft(wanted, points))
    dots = np.fft.irfft(spectrum, points)[: most_delay + 1]
    energy = np.concatenate([[0], np.cumsum(sound**2)])
    energy = energy[size : size + most_delay + 1] - energy[: most_delay + 1]
    return float((dots / np.sqrt(energy * (wanted**2).sum() + 1e-9)).max())


# --- up ---------------------------------------------------------------------------------------

SUBTYPES = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24"}


def written(rate: int, channels: int, shape: str, subtype: str) -> bytes:
    samples = np.stack([voice(rate)] * channels, axis=1)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=shape, subtype=subtype)
    return file.getvalue()


def heard(payload: bytes, step: int, **config: Any) -> NDArray[np.int16]:
    data = {"input_audio": config}
    decoder = open_decoder(merge(default_config(), data)["input_audio"])
    pieces = [payload[at : at + step] for at in range(0, len(payload), step)]
    return np.concatenate([*(decoder.feed(piece) for piece in pieces), decoder.flush()])


def check_up(samples: NDArray[np.int16], least: float, delay: int = 8) -> None:
    wanted = voice(RATE)
    assert abs(len(samples) - len(wanted)) <= 2
    assert likeness(samples, wanted, delay) > least


@pytest.mark.parametrize(
    ("rate", "channels", "depth"), list(itertools.product(PCM_RATES, (1, 2), (8, 16, 24)))
)
def test_pcm_up(rate: int, channels: int, depth: int) -> None:
    raw = written(rate, channels, "RAW", SUBTYPES[depth])
    config = {"sample_rate": rate, "channel": channels, "bit_depth": depth}
    step = channels * depth // 8 * 161
    check_up(heard(raw, step, format="pcm", codec="pcm", **config), 0.995)


@pytest.mark.parametrize(
    ("rate", "channels", "depth"), list(itertools.product(PCM_RATES, (1, 2), (8, 16, 24)))
)
def test_the_header_of_a_wav_decides(rate: int, channels: int, depth: int) -> None:
    wav = written(rate, channels, "WAV", SUBTYPES[depth])
    check_up(heard(wav, 1001, format="wav", sample_rate=8000, channel=2, bit_depth=8), 0.995)


@pytest.mark.parametrize(("law", "subtype"), [("g711a", "ALAW"), ("g711u", "ULAW")])
def test_g711_up(law: str, subtype: str) -> None:
    raw = written(8000, 1, "RAW", subtype)
    check_up(heard(raw, 160, format="pcm", codec=law, sample_rate=8000), 0.995)


@pytest.mark.parametrize(
    ("rate", "channels", "ms"),
    [(r, c, ms) for r in OPUS_RATES for c in (1, 2) for ms in OPUS_FRAMES_MS if r in PCM_RATES],
)
def test_bare_opus_packets_up(rate: int, channels: int, ms: float) -> None:
    encoder = opuslib_next.Encoder(rate, channels, "audio")
    encoder.bitrate = 64000
    frame = round(rate * ms / 1000)
    mono = (voice(rate) * 32767).astype("<i2")
    samples = np.repeat(mono[: len(mono) // frame * frame], channels)
    decoder = open_decoder(
        merge(
            default_config(),
            {
                "input_audio": {
                    "format": "pcm",
                    "codec": "opus",
                    "sample_rate": rate,
                    "channel": channels,
                }
            },
        )["input_audio"]
    )
    size = frame * channels
    packets = [
        encoder.encode(samples[at : at + size].tobytes(), frame)
        for at in range(0, len(samples), size)
    ]
    found = np.concatenate([decoder.feed(packet) for packet in packets])
    assert len(found) == len(packets) * RATE * ms // 1000
    assert likeness(found, voice(RATE), 320) > 0.97


@pytest.mark.parametrize(("rate", "channels"), list(itertools.product(OPUS_RATES, (1, 2))))
def test_opus_in_ogg_pages_up(rate: int, channels: int) -> None:
    ogg = written(rate, channels, "OGG", "OPUS")
    found = heard(ogg, 777, format="ogg", codec="opus", sample_rate=16000, channel=channels)
    assert len(found) >= SECONDS * RATE
    assert likeness(found, voice(RATE), 640) > 0.97


# --- down -------------------------------------------------------------------------------------

TTS_RATE = 24000
TAIL_S = 0.3


def said(**output: Any) -> tuple[list[Piece], AudioEncoder]:
    rules = Rules()
    config = merge(default_config(), {"output_audio": output}, rules=rules)["output_audio"]
    encoder = AudioEncoder(config)
    speech = (voice(TTS_RATE) * 32767).astype(np.int16)
    return encoder.sentence(speech, TTS_RATE), encoder


def read(data: bytes, **raw: Any) -> tuple[NDArray[np.int16], int]:
    samples, rate = soundfile.read(io.BytesIO(data), dtype="int16", **raw)
    return samples, rate


def joined(pieces: list[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


def check_down(
    samples: NDArray[np.int16], rate: int, least: float, frame: int = 1, delay: int = 8
) -> None:
    expected = round((SECONDS + TAIL_S) * rate)
    assert expected - 2 <= len(samples) <= expected + frame + 2
    assert likeness(samples, voice(rate), delay) > least
    assert np.abs(samples[round((SECONDS + 0.1) * rate) :].astype(int)).max() < 200


@pytest.mark.parametrize(
    ("rate", "ms"), list(itertools.product(PCM_RATES, (0, 0.5, 20, 33.3, 60, 1000)))
)
def test_pcm_down(rate: int, ms: float) -> None:
    pieces, _ = said(codec="pcm", pcm_config={"sample_rate": rate, "frame_size_ms": ms})
    frame = round(rate * ms / 1000)
    if frame:
        assert {len(piece.data) for piece in pieces} == {2 * frame}
    raw = {"samplerate": rate, "channels": 1, "format": "RAW", "subtype": "PCM_16"}
    check_down(*read(joined(pieces), **raw, endian="LITTLE"), 0.995, max(1, frame))


@pytest.mark.parametrize(
    ("law", "ms"), list(itertools.product(("g711a", "g711u"), (0, 10, 20, 60)))
)
def test_g711_down(law: str, ms: int) -> None:
    pieces, _ = said(codec=law, pcm_config={"frame_size_ms": ms})
    if ms:
        assert {len(piece.data) for piece in pieces} == {8 * ms}
    subtype = {"g711a": "ALAW", "g711u": "ULAW"}[law]
    raw = {"samplerate": 8000, "channels": 1, "format": "RAW", "subtype": subtype}
    check_down(*read(joined(pieces), **raw), 0.995, 8 * ms)


def ogg(packets: list[bytes], ms: float) -> bytes:
    """An Ogg Opus file (RFC 7845) of bare packets, one to a page."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    file = b""
    for number, packet in enumerate([head, tags, *packets]):
        granule = max(0, round((number - 1) * ms * 48))
        flags = (number == 0) * 2 + (number == len(packets) + 1) * 4
        lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        start = struct.pack("<4sBBqII", b"OggS", 0, flags, granule, 1, number)
        rest = bytes([len(lacing)]) + lacing + packet
        file += start + struct.pack("<I", checksum(start + bytes(4) + rest)) + rest
    return file


@pytest.mark.parametrize(
    ("rate", "ms", "cbr", "bitrate"),
    list(itertools.product(OPUS_RATES, OPUS_FRAMES_MS, (False, True), (16000, 48000))),
)
def test_opus_down(rate: int, ms: float, cbr: bool, bitrate: int) -> None:
    settings = {"sample_rate": rate, "frame_size_ms": ms, "use_cbr": cbr, "bitrate": bitrate}
    pieces, _ = said(codec="opus", opus_config=settings)
    assert len(pieces) == -(-(SECONDS + TAIL_S) * 1000 // ms)
    sizes = {len(piece.data) for piece in pieces}
    if cbr:
        assert sizes == {round(bitrate * ms / 8000)}
    else:
        assert len(sizes) > 1
    samples, decoded_rate = read(ogg([piece.data for piece in pieces], ms))
    assert decoded_rate == 48000
    # A voice does not fit into 5 bytes every 2.5 ms; what little is left of it is in place.
    least = {40_000: 0.3, 80_000: 0.6}.get(round(bitrate * ms), 0.95)
    expected = round((SECONDS + TAIL_S) * 48000)
    assert expected <= len(samples) <= expected + ms * 48
    assert likeness(samples, voice(48000), 960) > least


@pytest.mark.parametrize(
    ("ms", "bitrate", "cbr"), list(itertools.product(OPUS_FRAMES_MS, (500, 6000, 512000), (0, 1)))
)
def test_opus_at_the_ends_of_the_bitrates(ms: float, bitrate: int, cbr: int) -> None:
    settings = {
        "sample_rate": 48000,
        "frame_size_ms": ms,
        "use_cbr": bool(cbr),
        "bitrate": bitrate,
    }
    pieces, _ = said(codec="opus", opus_config=settings)
    samples, _ = read(ogg([piece.data for piece in pieces], ms))
    assert len(samples) == len(pieces) * ms * 48


@pytest.mark.parametrize(
    ("rate", "bit_rate"), list(itertools.product(MP3_RATES, (8000, 64000, 1_600_000)))
)
def test_mp3_down(rate: int, bit_rate: int) -> None:
    pieces, _ = said(codec="mp3", mp3_config={"sample_rate": rate, "bit_rate": bit_rate})
    samples, decoded_rate = read(joined(pieces))
    assert decoded_rate == rate
    expected = (SECONDS + TAIL_S) * rate
    # Whole frames of 1152 samples, and the delay of encoder and decoder.
    assert expected - 1152 <= len(samples) <= expected + 4 * 1152
    assert likeness(samples, voice(rate), 3000) > 0.95
    assert sum(piece.ms for piece in pieces) == pytest.approx((SECONDS + TAIL_S) * 1000, abs=1)


def test_without_the_encoder_mp3_is_refused_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lameenc", None)
    with pytest.raises(Refusal, match="lameenc") as caught:
        merge(default_config(), {"output_audio": {"codec": "mp3"}})
    assert caught.value.code == 4000
    with pytest.raises(Refusal, match="lameenc"):
        mp3.require()


# --- rate and loudness ------------------------------------------------------------------------

CODECS: list[dict[str, Any]] = [
    {"codec": "pcm"},
    {"codec": "g711u"},
    {"codec": "opus", "opus_config": {"frame_size_ms": 20}},
    {"codec": "mp3"},
]


@pytest.mark.parametrize(
    ("output", "speech_rate"), list(itertools.product(CODECS, (-50, -20, 30, 100)))
)
def test_speech_rate_changes_the_length_only(output: dict[str, Any], speech_rate: int) -> None:
    pieces, encoder = said(**output, speech_rate=speech_rate)
    ms = sum(piece.ms for piece in pieces)
    assert ms == pytest.approx(SECONDS * 1000 / (1 + speech_rate / 100) + TAIL_S * 1000, abs=21)
    if output["codec"] != "pcm":
        return
    samples = np.frombuffer(joined(pieces), "<i2")
    middle = len(samples) // 3
    spectrum = np.abs(np.fft.rfft(samples[middle - 2400 : middle + 2400] * np.hanning(4800)))
    hz = spectrum.argmax() * encoder.rate / 4800
    # The voice glides from 150 Hz up, so the same place in it has the same pitch.
    at = middle / encoder.rate * (1 + speech_rate / 100)
    assert hz == pytest.approx(150 + 120 * at, abs=15)


@pytest.mark.parametrize("loudness_rate", [-50, -20, 0, 40, 100])
def test_loudness_rate_is_a_factor(loudness_rate: int) -> None:
    pieces, _ = said(codec="pcm", loudness_rate=loudness_rate)
    samples = np.frombuffer(joined(pieces), "<i2")[: round(SECONDS * TTS_RATE)]
    wanted = np.clip(voice(TTS_RATE) * 32767 * (1 + loudness_rate / 100), -32768, 32767)
    assert np.abs(samples - wanted).max() <= 3
