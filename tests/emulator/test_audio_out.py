import itertools
from typing import Any

import numpy as np
import pytest

from agent.emulator import g711
from agent.emulator.audio_out import AudioEncoder, PacketEncoder
from agent.emulator.config import default_config, merge
from audio.errors import CodecError
from audio.opus import OpusDecoder, packet_ms
from tests.emulator.doubles import tone


def output(**audio: Any) -> dict[str, Any]:
    merged: dict[str, Any] = merge(default_config(), {"output_audio": audio})["output_audio"]
    return merged


SPEECH = tone(2000, 24000)


def test_unframed_pcm_has_the_recorded_shape() -> None:
    pieces = AudioEncoder(output()).sentence(SPEECH, 24000)
    sizes = [len(piece.data) for piece in pieces]
    assert all(size % 2 == 0 for size in sizes)
    assert sizes[0] == 10800
    assert sizes[-2:] == [1200, 14400]
    assert pieces[-1].data == bytes(14400)
    assert len(set(sizes)) > 3
    assert max(sizes) <= 14400
    joined = np.frombuffer(b"".join(piece.data for piece in pieces), "<i2")
    assert (joined[:48000] == SPEECH).all()
    assert len(joined) == 48000 + 7200


def test_small_remainders_occur() -> None:
    pieces = AudioEncoder(output(), seed=1).sentence(tone(20000, 24000), 24000)
    sizes = [len(piece.data) for piece in pieces]
    assert 12000 in sizes
    assert any(4 <= size <= 300 for size in sizes)


@pytest.mark.parametrize("ms", [0, 1, 24, 30, 240, 260])
def test_short_sentences(ms: int) -> None:
    pieces = AudioEncoder(output()).sentence(tone(ms, 24000), 24000)
    assert sum(len(piece.data) for piece in pieces) == 24 * 2 * ms + 14400
    assert all(piece.data for piece in pieces)


def test_framed_pcm_is_exact_and_the_last_frame_is_padded_or_short() -> None:
    config = output(pcm_config={"sample_rate": 16000, "frame_size_ms": 50})
    padded = AudioEncoder(config).sentence(tone(120, 16000), 16000)
    assert [len(piece.data) for piece in padded] == [1600] * 9
    short = AudioEncoder(config, pad_last_frame=False).sentence(tone(120, 16000), 16000)
    assert [len(piece.data) for piece in short] == [1600] * 8 + [640]


@pytest.mark.parametrize(
    ("frame_ms", "rate"),
    list(itertools.product([2.5, 5, 10, 20, 40, 60], [8000, 12000, 24000, 48000])),
)
def test_an_opus_packet_lasts_exactly_frame_size_ms(frame_ms: float, rate: int) -> None:
    config = output(codec="opus", opus_config={"sample_rate": rate, "frame_size_ms": frame_ms})
    pieces = AudioEncoder(config).sentence(tone(130, 24000), 24000)
    assert {packet_ms(piece.data) for piece in pieces} == {frame_ms}
    assert len(pieces) == -(-(130 + 300) // frame_ms)


def test_constant_bitrate_has_one_size_and_variable_has_not() -> None:
    cbr = {"sample_rate": 16000, "bitrate": 16000, "use_cbr": True, "frame_size_ms": 60}
    pieces = AudioEncoder(output(codec="opus", opus_config=cbr)).sentence(SPEECH, 24000)
    assert {len(piece.data) for piece in pieces} == {120}
    vbr = AudioEncoder(output(codec="opus", opus_config={**cbr, "use_cbr": False}))
    assert len({len(piece.data) for piece in vbr.sentence(SPEECH, 24000)}) > 3


def test_opus_decodes_to_what_was_said() -> None:
    config = output(codec="opus", opus_config={"sample_rate": 16000, "frame_size_ms": 60})
    decoder = OpusDecoder(16000)
    pieces = AudioEncoder(config).sentence(SPEECH, 24000)
    heard = np.concatenate([decoder.decode(piece.data) for piece in pieces])
    spectrum = np.abs(np.fft.rfft(heard[:32000]))
    assert spectrum.argmax() * 16000 / 32000 == pytest.approx(300, abs=1)


@pytest.mark.parametrize("law", g711.LAWS)
def test_g711_is_8_khz_and_one_byte_a_sample(law: str) -> None:
    config = output(codec=law, pcm_config={"frame_size_ms": 20})
    pieces = AudioEncoder(config).sentence(SPEECH, 24000)
    assert {len(piece.data) for piece in pieces} == {160}
    assert len(pieces) == 2300 // 20


def test_rate_and_loudness() -> None:
    fast = AudioEncoder(output(speech_rate=100), tail_ms=0).sentence(SPEECH, 24000)
    assert sum(len(piece.data) for piece in fast) == len(SPEECH)
    soft = AudioEncoder(output(loudness_rate=-50), tail_ms=0).sentence(SPEECH, 24000)
    heard = np.frombuffer(b"".join(piece.data for piece in soft), "<i2")
    assert (heard == (SPEECH * 0.5).astype(np.int16)).all()


def test_offsets_say_where_speech_begins_and_leave_the_tail_out() -> None:
    config = output(pcm_config={"sample_rate": 24000, "frame_size_ms": 100})
    offsets = [piece.offset_ms for piece in AudioEncoder(config).sentence(tone(250, 24000), 24000)]
    assert offsets == [0, 100, 200, 250, 250, 250]


def test_the_packet_encoder_refuses_a_wrong_length() -> None:
    encoder = PacketEncoder(16000, 16000, 320, cbr=True)
    with pytest.raises(CodecError):
        encoder.encode(np.zeros(319, np.int16))
