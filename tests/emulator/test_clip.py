"""Recordings in all formats, there and back."""

import numpy as np
import pytest

from agent.emulator.clip import cut, decode, encode
from agent.emulator.fields import Refusal
from tests.emulator.doubles import silence, tone
from tests.emulator.rest import wav


def pitch(samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate: int = 16000) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(spectrum.argmax() * rate / len(samples))


@pytest.mark.parametrize("kind", ["wav", "ogg_opus"])
@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_a_tone_comes_back_as_it_went(kind: str, rate: int) -> None:
    samples = decode(encode(tone(1000, rate), rate, kind))
    assert len(samples) == pytest.approx(16000, abs=16000 * 0.04)
    assert pitch(samples) == pytest.approx(300, abs=3)


def test_raw_samples_need_their_rate() -> None:
    raw = encode(tone(500, 24000), 24000, "pcm")
    assert pitch(decode(raw + b"\0", rate=24000)) == pytest.approx(300, abs=3)
    with pytest.raises(Refusal) as caught:
        decode(raw)
    assert caught.value.code == 4303


@pytest.mark.parametrize(
    ("head", "named"),
    [(b"ID3\4", "mp3"), (b"\xff\xfb", "mp3"), (b"fLaC", "flac"), (b"\0\0\0 ftypM4A ", "m4a")],
)
def test_formats_that_are_not_decoded_are_named(head: bytes, named: str) -> None:
    with pytest.raises(Refusal, match=named) as caught:
        decode(head + bytes(100), rate=16000)
    assert caught.value.code == 4303


def test_long_recordings_are_heard_in_pieces_cut_in_pauses() -> None:
    speech = np.concatenate([tone(24_000), silence(300), tone(20_000), silence(300), tone(12_000)])
    pieces = cut(speech)
    assert np.array_equal(np.concatenate(pieces), speech)
    assert [len(piece) // 16_000 for piece in pieces] == [24, 20, 12]
    assert cut(silence(0)) == []


def test_broken_files() -> None:
    ogg = encode(tone(200), 16000, "ogg_opus")
    for data in (b"RIFF" + bytes(50), ogg[:100] + b"x" + ogg[101:]):
        with pytest.raises(Refusal) as caught:
            decode(data)
        assert caught.value.code == 4304


def test_very_long_recordings_are_refused() -> None:
    with pytest.raises(Refusal, match="30 minutes"):
        decode(wav(silence(31 * 60 * 1000, 8000), 8000))
