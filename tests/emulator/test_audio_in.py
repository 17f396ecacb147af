import io
import wave
from typing import Any

import numpy as np
import pytest

from agent.emulator import g711
from agent.emulator.audio_in import Samples, open_decoder
from agent.emulator.fields import Refusal
from audio.opus import OpusEncoder
from tests.emulator.doubles import PCM_IN, tone
from tests.emulator.test_ogg import page


def decoded(config: dict[str, Any], pieces: list[bytes]) -> Samples:
    decoder = open_decoder({**PCM_IN, **config})
    return np.concatenate([*(decoder.feed(piece) for piece in pieces), decoder.flush()])


def pitch(samples: Samples) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * 16000 / len(samples))


def wav(samples: Samples, rate: int, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()


def test_pcm_passes_as_it_is() -> None:
    samples = tone(200)
    raw = samples.tobytes()
    assert (decoded({}, [raw[:100], raw[100:]]) == samples).all()


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100, 48000])
def test_pcm_of_every_rate(rate: int) -> None:
    heard = decoded({"sample_rate": rate}, [tone(1000, rate).tobytes()])
    assert len(heard) == 16000
    assert pitch(heard) == pytest.approx(300, abs=1)


def test_stereo_is_mixed() -> None:
    left, right = tone(100), np.zeros(1600, np.int16)
    heard = decoded({"channel": 2}, [np.stack([left, right], axis=1).tobytes()])
    assert np.abs(heard - left / 2).max() <= 1


def test_8_and_24_bits() -> None:
    samples = tone(100)
    eight = ((samples.astype(int) >> 8) + 128).astype(np.uint8).tobytes()
    assert np.abs(decoded({"bit_depth": 8}, [eight]) - samples.astype(int)).max() < 256
    wide = (samples.astype("<i4") << 8).tobytes()
    triples = b"".join(wide[at : at + 3] for at in range(0, len(wide), 4))
    assert (decoded({"bit_depth": 24}, [triples]) == samples).all()


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(Refusal, match="whole number of samples"):
        decoded({}, [b"abc"])


@pytest.mark.parametrize("law", g711.LAWS)
def test_g711(law: str) -> None:
    heard = decoded({"codec": law}, [g711.encode(law, tone(1000, 8000))])
    assert (len(heard), round(pitch(heard))) == (16000, 300)


def test_a_wav_header_decides_and_may_come_in_pieces() -> None:
    file = wav(tone(500, 24000), 24000)
    config = {"format": "wav", "sample_rate": 8000}
    pieces = [file[at : at + 17] for at in range(0, len(file), 17)]
    heard = decoded(config, pieces)
    assert (len(heard), round(pitch(heard))) == (8000, 300)


def test_after_a_flush_a_new_wav_begins() -> None:
    decoder = open_decoder({**PCM_IN, "format": "wav"})
    for _ in range(2):
        samples = np.concatenate([decoder.feed(wav(tone(100), 16000)), decoder.flush()])
        assert (samples == tone(100)).all()
    with pytest.raises(Refusal, match="wav format"):
        decoder.feed(tone(100).tobytes())


def test_what_stands_behind_the_samples_of_a_wav_is_no_audio() -> None:
    file = wav(tone(100), 16000) + b"LIST\4\0\0\0abcd"
    assert len(decoded({"format": "wav"}, [file])) == 1600


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_streamed_wav_without_a_size(size: int) -> None:
    file = bytearray(wav(tone(100), 16000))
    file[40:44] = size.to_bytes(4, "little")
    assert len(decoded({"format": "wav"}, [bytes(file)])) == 1600


@pytest.mark.parametrize("payload", [b"abcd", b"OggS1234", b"RIFF\0\0\0\0AVI fmt "])
def test_what_is_no_wav_is_named(payload: bytes) -> None:
    with pytest.raises(Refusal, match="wav format"):
        decoded({"format": "wav"}, [payload])


def test_a_wav_of_a_strange_kind() -> None:
    file = bytearray(wav(tone(100), 16000))
    file[20:22] = b"\x03\x00"
    with pytest.raises(Refusal, match="not supported"):
        decoded({"format": "wav"}, [bytes(file)])


@pytest.mark.parametrize("shape", ["pcm", "ogg"])
def test_opus_bare_and_in_pages(shape: str) -> None:
    encoder = OpusEncoder(16000, frame_ms=60)
    samples = tone(1200)
    packets = [encoder.encode(samples[at : at + 960]) for at in range(0, len(samples), 960)]
    if shape == "ogg":
        head = page([b"OpusHead"], first=True) + page([b"OpusTags"])
        packets = [head, *(page([packet]) for packet in packets)]
    heard = decoded({"codec": "opus", "format": shape}, packets)
    assert (len(heard), round(pitch(heard))) == (19200, 300)


@pytest.mark.parametrize("payload", [b"", b"OggS", b"RIFF"])
def test_what_is_no_opus_packet(payload: bytes) -> None:
    with pytest.raises(Refusal, match="invalid audio"):
        decoded({"codec": "opus"}, [payload])


def test_broken_pages() -> None:
    with pytest.raises(Refusal, match="Ogg"):
        decoded({"codec": "opus", "format": "ogg"}, [b"\x00" * 40])
