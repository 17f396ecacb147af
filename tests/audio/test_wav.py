"""WAV files of all sorts, good and bad."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.errors import WavError
from audio.wav import WavWriter, read_wav

RAMP = (np.arange(-200, 200) * 160).astype(np.int16)


def riff(
    data: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = 16000,
    bits: int = 16,
    claim: int | None = None,
    before: bytes = b"",
    extensible: bool = False,
    align: int | None = None,
) -> bytes:
    align = channels * bits // 8 if align is None else align
    head = struct.pack(
        "<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * align, align, bits
    )
    if extensible:
        guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
        head += struct.pack("<HHI", 22, bits, 0) + guid
    size = len(data) if claim is None else claim
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(head)) + head
    body += b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def packed24(values: np.ndarray) -> bytes:
    wide = values.astype("<i4")
    return wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


ENCODINGS = [
    ("int8", 1, 8, ((RAMP.astype(np.int32) // 256) + 128).astype(np.uint8).tobytes(), 256),
    ("int16", 1, 16, RAMP.astype("<i2").tobytes(), 0),
    ("int24", 1, 24, packed24(RAMP.astype(np.int32) * 256), 0),
    ("int32", 1, 32, (RAMP.astype("<i4") * 65536).tobytes(), 0),
    ("float32", 3, 32, (RAMP.astype("<f4") / 32768).tobytes(), 0),
]


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("name", "tag", "bits", "data", "error"), ENCODINGS)
def test_every_encoding_reads_alike(
    tmp_path: Path, name: str, tag: int, bits: int, data: bytes, error: int, extensible: bool
) -> None:
    path = write(tmp_path / f"{name}.wav", riff(data, tag=tag, bits=bits, extensible=extensible))
    samples, rate = read_wav(path)
    assert (rate, samples.dtype, len(samples)) == (16000, np.int16, 400)
    assert np.abs(samples.astype(int) - RAMP).max() <= error


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_channels_are_averaged(tmp_path: Path, channels: int) -> None:
    frames = np.stack([RAMP // (k + 1) for k in range(channels)], axis=1).astype("<i2")
    path = write(tmp_path / "many.wav", riff(frames.tobytes(), channels=channels))
    samples, _ = read_wav(path)
    assert np.abs(samples - frames.astype(float).mean(axis=1)).max() <= 0.5


def test_floats_out_of_range_are_clipped(tmp_path: Path) -> None:
    data = np.array([2.0, -2.0, 1.0, np.nan, 0.0], dtype="<f4").tobytes()
    samples, _ = read_wav(write(tmp_path / "f.wav", riff(data, tag=3, bits=32)))
    assert samples.tolist() == [32767, -32768, 32767, 0, 0]


def test_other_chunks_are_skipped(tmp_path: Path) -> None:
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"bext" + struct.pack("<I", 2) + b"xy"
    content = riff(RAMP.tobytes(), before=odd) + b"id3 " + struct.pack("<I", 4) + b"last"
    assert np.array_equal(read_wav(write(tmp_path / "c.wav", content))[0], RAMP)


def test_an_odd_format_chunk_is_padded(tmp_path: Path) -> None:
    plain = riff(RAMP.tobytes())
    odd = plain[:16] + struct.pack("<I", 19) + plain[20:36] + b"\1\0x\0" + plain[36:]
    assert np.array_equal(read_wav(write(tmp_path / "odd.wav", odd))[0], RAMP)


@pytest.mark.parametrize("rate", [4000, 11025, 44100, 192000])
def test_any_rate(tmp_path: Path, rate: int) -> None:
    assert read_wav(write(tmp_path / "r.wav", riff(RAMP.tobytes(), rate=rate)))[1] == rate


def test_a_stream_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    for claim in (0xFFFFFFFF, 0x7FFFF000):
        path = write(tmp_path / "pipe.wav", riff(RAMP.tobytes(), claim=claim))
        assert np.array_equal(read_wav(path)[0], RAMP)


def test_longer_than_one_block(tmp_path: Path) -> None:
    long = np.random.default_rng(1).integers(-32768, 32768, (100_000, 2)).astype("<i2")
    samples, _ = read_wav(write(tmp_path / "l.wav", riff(long.tobytes(), channels=2)))
    assert np.array_equal(samples, np.rint(long.mean(axis=1)).astype(np.int16))


BAD = {
    "truncated": (riff(RAMP.tobytes(), claim=1000), "200 of 1000 bytes"),
    "A-law": (riff(b"x" * 80, tag=6, bits=8), "A-law"),
    "ADPCM": (riff(b"x" * 80, tag=0x11, bits=4, align=256), "IMA ADPCM"),
    "unknown codec": (riff(b"x" * 80, tag=0x1234, bits=8), "0x1234"),
    "no samples": (riff(b""), "0 samples"),
    "half a frame": (riff(b"x", channels=2), "0 samples"),
    "nothing": (b"", "not a WAV"),
    "text": (b"once upon a time", "not a WAV"),
    "Ogg": (b"OggS" + bytes(60), "an Ogg file"),
    "MP3": (b"ID3\x04" + bytes(60), "an MP3 file"),
    "MP4": (b"\0\0\0\x20ftypM4A " + bytes(60), "an MP4 file"),
    "AVI": (b"RIFF\x20\0\0\0AVI " + bytes(60), "not a WAV"),
    "no data chunk": (riff(RAMP.tobytes())[:36], "before any samples"),
    "no fmt chunk": (b"RIFF\x04\0\0\0WAVE", "before any format"),
    "short fmt": (b"RIFF\x10\0\0\0WAVEfmt \x04\0\0\0\x01\0\x01\0", "cut short"),
    "rate": (riff(RAMP.tobytes(), rate=3999), "3999 Hz"),
    "channels": (riff(RAMP.tobytes(), channels=9), "9 channels"),
    "no channels": (riff(RAMP.tobytes(), channels=0), "0 channels"),
    "bits": (riff(RAMP.tobytes(), bits=12, align=2), "12 bits"),
    "doubles": (riff(bytes(80), tag=3, bits=64), "64 bits"),
    "align": (riff(RAMP.tobytes(), align=3), "3 bytes per frame"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, hint = BAD[name]
    path = write(tmp_path / "bad.wav", content)
    with pytest.raises(WavError) as caught:
        read_wav(path)
    message = str(caught.value)
    assert hint in message
    assert str(path) in message
    assert "\n" not in message


def test_the_advice_can_be_pasted(tmp_path: Path) -> None:
    path = write(tmp_path / "two words.wav", b"OggS")
    with pytest.raises(WavError) as caught:
        read_wav(path)
    command = shlex.split(str(caught.value).split("convert it with: ")[1])
    assert command == ["sox", str(path), *["-r", "16000", "-c", "1", "-b", "16", "out.wav"]]


def test_missing_directory_and_forbidden_files(tmp_path: Path) -> None:
    with pytest.raises(WavError, match="No such file"):
        read_wav(tmp_path / "none.wav")
    with pytest.raises(WavError, match="Is a directory"):
        read_wav(tmp_path)
    secret = write(tmp_path / "secret.wav", riff(RAMP.tobytes()))
    secret.chmod(0)
    if os.geteuid():
        with pytest.raises(WavError, match="Permission denied"):
            read_wav(secret)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_damage_raises_nothing_else(tmp_path_factory: pytest.TempPathFactory, data) -> None:  # type: ignore[no-untyped-def]
    content = bytearray(riff(RAMP.tobytes(), extensible=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 79))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = write(tmp_path_factory.getbasetemp() / "damaged.wav", bytes(content[:cut]))
    try:
        samples, rate = read_wav(path)
    except WavError:
        return
    assert len(samples) > 0
    assert 4000 <= rate <= 192000


def test_written_files_read_back(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    with WavWriter(path, 24000) as writer:
        writer.write(RAMP[:100])
        writer.write(RAMP[100:])
        assert writer.samples == 400
    writer.close()
    samples, rate = read_wav(path)
    assert rate == 24000
    assert np.array_equal(samples, RAMP)
    with wave.open(str(path)) as judge:
        assert (judge.getnchannels(), judge.getsampwidth(), judge.getnframes()) == (1, 2, 400)


@pytest.mark.skipif(shutil.which("sox") is None, reason="sox is not installed")
def test_sox_agrees(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "a.wav", 16000) as writer:
        writer.write(RAMP)
    command = ["sox", "-D", str(tmp_path / "a.wav"), "-b", "24", str(tmp_path / "b.wav")]
    subprocess.run(command, check=True, capture_output=True)
    assert np.array_equal(read_wav(tmp_path / "b.wav")[0], RAMP)


def test_the_header_is_right_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "live.wav"
    writer = WavWriter(path, 16000)
    for k in range(1, 4):
        writer.write(RAMP)
        assert len(read_wav(path)[0]) == 400 * k
    writer.close()


def test_a_killed_writer_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "killed.wav"
    code = (
        "import sys, numpy as np\nfrom audio.wav import WavWriter\n"
        "writer = WavWriter(sys.argv[1], 16000)\n"
        "while True:\n    writer.write(np.ones(320, np.int16)); print('x', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for _ in range(5):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
    samples, _ = read_wav(path)
    assert len(samples) >= 5 * 320
    assert len(samples) % 320 == 0


def test_writing_where_one_cannot(tmp_path: Path) -> None:
    with pytest.raises(WavError, match="No such file"):
        WavWriter(tmp_path / "none" / "out.wav", 16000)
    writer = WavWriter(tmp_path / "out.wav", 16000)
    with pytest.raises(TypeError):
        writer.write(np.zeros(3))  # type: ignore[arg-type]
    writer.close()
    with pytest.raises(WavError, match="closed"):
        writer.write(RAMP)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_wav_error() -> None:
    with pytest.raises(WavError, match="No space left"):
        WavWriter("/dev/full", 16000)


def test_a_pipe_gets_a_header_of_unknown_length(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with WavWriter(pipe, 16000) as writer:
        writer.write(RAMP)
    heard = os.read(reader, 4096)
    os.close(reader)
    assert np.array_equal(read_wav(write(tmp_path / "copy.wav", heard))[0], RAMP)
