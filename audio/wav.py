"""Reading any ordinary WAV file as int16 mono, and writing one that survives a kill.

The standard library's ``wave`` refuses float samples and the extensible header that many
recorders write, so the chunks are read here.
"""

from __future__ import annotations

import os
import shlex
import stat
import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio.errors import WavError

Samples = NDArray[np.int16]

MIN_RATE = 4000
MAX_RATE = 192_000
MAX_CHANNELS = 8

_PCM = 0x0001
_FLOAT = 0x0003
_EXTENSIBLE = 0xFFFE
# Names by format tag, from the list registered in RFC 2361.
_COMPRESSED = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0045: "G.726 ADPCM",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x0064: "G.726 ADPCM",
    0x00FF: "AAC",
    0x0161: "Windows Media Audio",
}
_MAGICS = (
    (b"ID3", "an MP3 file"),
    (b"\xff\xfb", "an MP3 file"),
    (b"\xff\xf3", "an MP3 file"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "a FLAC file"),
    (b"RF64", "an RF64 file"),
    (b"RIFX", "a big-endian RIFX file"),
    (b"FORM", "an AIFF file"),
    (b".snd", "an AU file"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM file"),
)
# Programs that write a WAV to a pipe cannot know its length: they claim this much or more.
_UNKNOWN_LENGTH = 0x7FFF_F000
_BLOCK_FRAMES = 65536
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class _Format(NamedTuple):
    tag: int
    channels: int
    rate: int
    bits: int


def read_wav(path: str | os.PathLike[str]) -> tuple[Samples, int]:
    """All samples of a WAV file as int16 mono, and its rate in Hz (4000 to 192 000).

    Takes integers of 8, 16, 24 or 32 bits and floats of 32, one to eight channels (their mean is
    taken). Raises ``WavError`` for a file that is missing, unreadable, no WAV, compressed,
    truncated or empty; the message is one sentence that says what to do.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise WavError(f"cannot read {path}: {error.strerror or error}") from error


def _read(file: BinaryIO, path: Path) -> tuple[Samples, int]:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise WavError(f"{path} is {_guess(head)}: {_convert(path)}")
    layout: _Format | None = None
    while True:
        header = file.read(8)
        if len(header) < 8:
            missing = "samples" if layout else "format description"
            raise WavError(f"{path} is damaged, it ends before any {missing}: record it again")
        name, size = struct.unpack("<4sI", header)
        if name == b"data" and layout is not None:
            return _samples(file, path, layout, size, end - file.tell()), layout.rate
        if name == b"fmt ":
            layout = _format(file.read(size), path)
            file.seek(size & 1, os.SEEK_CUR)
        else:
            file.seek(size + (size & 1), os.SEEK_CUR)


def _format(chunk: bytes, path: Path) -> _Format:
    if len(chunk) < 16:
        raise WavError(f"{path} is damaged, its format description is cut short: record it again")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        # The sub-format is a GUID whose first two bytes are the plain format tag.
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if tag not in (_PCM, _FLOAT):
        kind = _COMPRESSED.get(tag, f"of format 0x{tag:04x}")
        raise WavError(f"{path} holds compressed sound ({kind}): {_convert(path)}")
    if bits not in ((32,) if tag == _FLOAT else (8, 16, 24, 32)):
        kind = "floats" if tag == _FLOAT else "integers"
        raise WavError(f"{path} holds {kind} of {bits} bits: {_convert(path)}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise WavError(f"{path} has {channels} channels, 1 to 8 can be read: {_convert(path)}")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise WavError(f"{path} claims {rate} Hz, 4000 to 192000 can be read: {_convert(path)}")
    if align != channels * bits // 8:
        raise WavError(f"{path} is damaged, {align} bytes per frame is wrong: {_convert(path)}")
    return _Format(tag, channels, rate, bits)


def _samples(file: BinaryIO, path: Path, layout: _Format, size: int, present: int) -> Samples:
    if size >= _UNKNOWN_LENGTH:
        size = present
    if size > present:
        raise WavError(
            f"{path} is truncated, {size - present} of {size} bytes of sound are missing: "
            "copy or record it again"
        )
    width = layout.bits // 8 * layout.channels
    frames = size // width
    if frames == 0:
        raise WavError(f"{path} holds no sound, 0 samples: record it again")
    mono: Samples = np.empty(frames, dtype=np.int16)
    for start in range(0, frames, _BLOCK_FRAMES):
        n = min(_BLOCK_FRAMES, frames - start)
        block = file.read(n * width)
        if len(block) < n * width:
            raise WavError(f"{path} became shorter while it was read: try again")
        mono[start : start + n] = _to_mono(block, layout)
    return mono


def _to_mono(block: bytes, layout: _Format) -> Samples:
    if layout.bits == 16 and layout.channels == 1:
        return np.frombuffer(block, dtype="<i2").astype(np.int16, copy=False)
    # float64 in units of one 16-bit step: exact for every integer width.
    if layout.tag == _FLOAT:
        wide = np.nan_to_num(np.frombuffer(block, dtype="<f4").astype(np.float64)) * 32768.0
    elif layout.bits == 8:
        wide = (np.frombuffer(block, dtype=np.uint8).astype(np.float64) - 128.0) * 256.0
    elif layout.bits == 16:
        wide = np.frombuffer(block, dtype="<i2").astype(np.float64)
    elif layout.bits == 24:
        padded = np.zeros((len(block) // 3, 4), dtype=np.uint8)
        padded[:, 1:] = np.frombuffer(block, dtype=np.uint8).reshape(-1, 3)
        wide = padded.view("<i4")[:, 0] / 65536.0
    else:
        wide = np.frombuffer(block, dtype="<i4") / 65536.0
    mean = wide.reshape(-1, layout.channels).mean(axis=1)
    mono: Samples = np.clip(np.rint(mean), -32768, 32767).astype(np.int16)
    return mono


def _guess(head: bytes) -> str:
    if not head:
        return "empty, not a WAV file"
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return f"{kind}, not a WAV file"
    return "an MP4 file, not a WAV file" if head[4:8] == b"ftyp" else "not a WAV file"


def _convert(path: Path) -> str:
    return f"convert it with: sox {shlex.quote(str(path))} -r 16000 -c 1 -b 16 out.wav"


class WavWriter:
    """Writes int16 mono samples to a WAV file whose header is right after every ``write``.

    The samples go to the file first, the header after them, both without a buffer in between:
    whoever kills the process leaves a readable file. A pipe gets a header of unknown length.
    Beyond 2 GB (6 h at 48 kHz) the header says unknown length too, which readers take as all.
    """

    def __init__(self, path: str | os.PathLike[str], rate: int) -> None:
        """Creates or empties ``path``; ``rate`` in Hz. Raises ``WavError`` if it cannot."""
        self.path = Path(path)
        self.rate = rate
        self.samples = 0
        """Samples written so far."""
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise self._failed(error) from error
        self._open = True
        self._patchable = stat.S_ISREG(os.fstat(self._file).st_mode)
        try:
            self._put(self._header())
        except OSError as error:
            self.close()
            raise self._failed(error) from error

    def write(self, samples: Samples) -> None:
        """Append int16 samples (1-D). ``WavError`` when the disk is full or the file is closed."""
        if not self._open:
            raise WavError(f"{self.path} is closed already")
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise TypeError(f"need int16 mono, got {samples.dtype} of shape {samples.shape}")
        try:
            self._put(samples.astype("<i2", copy=False).tobytes())
            self.samples += len(samples)
            if self._patchable:
                os.pwrite(self._file, self._header(), 0)
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._open:
            self._open = False
            os.close(self._file)

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _header(self) -> bytes:
        size = 2 * self.samples
        known = self._patchable and size + 36 < _UNKNOWN_LENGTH
        riff, data = (size + 36, size) if known else (0xFFFF_FFFF, 0xFFFF_FFFF)
        return _HEADER.pack(
            *(b"RIFF", riff, b"WAVE", b"fmt ", 16, _PCM, 1, self.rate, 2 * self.rate, 2, 16),
            *(b"data", data),
        )

    def _failed(self, error: OSError) -> WavError:
        return WavError(f"cannot write {self.path}: {error.strerror or error}")
