"""Opus by way of libopus and ``opuslib_next``, with its sharp edges covered.

The binding checks no lengths (a short buffer encodes whatever lies behind it in memory), copies
decoded audio through a Python list, and looks for libopus in a way that fails on minimal systems.
Here every length is checked first, audio moves through preallocated buffers, and libopus is
opened by its soname. The binding is imported when the first codec is made, not with this module.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.errors import CodecError, LibraryMissing

Samples = NDArray[np.int16]

RATES = (8000, 12000, 16000, 24000, 48000)
"""Sample rates (Hz) that Opus encodes from and decodes to (RFC 6716, section 2)."""

FRAME_MS = (10, 20, 40, 60)
"""Frame durations (ms) offered for encoding; the voice modes of Opus know no others."""

MAX_PACKET_MS = 120.0
"""Longest audio in one packet (RFC 6716, section 3.2.5, requirement R5)."""

_SONAME = "libopus.so.0"
_INSTALL = "libopus is not installed, install it with: sudo apt-get install libopus0"
_MAX_PACKET_BYTES = 3 * 1276 + 7  # 60 ms are at most three 20 ms frames of 1275 bytes and headers
_APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}
_SILK_MS = (10.0, 20.0, 40.0, 60.0)
_CELT_MS = (2.5, 5.0, 10.0, 20.0)

_import_lock = threading.Lock()
_loaded: Any = None


def require() -> None:
    """Raise ``LibraryMissing``, saying what to install, unless Opus can be used."""
    _binding()


def packet_ms(payload: bytes) -> float:
    """Duration in ms that the header of an Opus packet announces (RFC 6716, sections 3.1, 3.2).

    Raises ``CodecError`` for an empty packet, a frame count of zero, or more than 120 ms.
    """
    if not payload:
        raise CodecError("an empty packet is no Opus packet")
    toc = payload[0]
    config = toc >> 3
    if config < 12:
        frame_ms = _SILK_MS[config & 3]
    elif config < 16:
        frame_ms = _SILK_MS[config & 1]
    else:
        frame_ms = _CELT_MS[config & 3]
    code = toc & 3
    if code < 3:
        return frame_ms if code == 0 else 2 * frame_ms
    frames = payload[1] & 0x3F if len(payload) > 1 else 0
    total = frames * frame_ms
    if not 0 < total <= MAX_PACKET_MS:
        raise CodecError(f"no Opus packet: its header announces {frames} frames, {total:g} ms")
    return total


class OpusEncoder:
    """Encodes mono int16 frames of one fixed duration; one frame becomes one packet.

    ``frame_samples`` is the number of samples that every ``encode`` takes.
    """

    def __init__(
        self,
        rate: int = 16000,
        *,
        bitrate: int = 24000,
        complexity: int = 0,
        frame_ms: int = 20,
        dtx: bool = False,
        application: str = "voip",
    ) -> None:
        """``rate`` in Hz (one of ``RATES``), ``bitrate`` in bit/s (500 to 512 000), ``complexity``
        0 to 10, ``frame_ms`` one of ``FRAME_MS``, ``application`` voip, audio or lowdelay.

        Raises ``CodecError`` for any other value, ``LibraryMissing`` without libopus.
        """
        _require_rate(rate)
        if frame_ms not in FRAME_MS:
            raise CodecError(f"an Opus frame lasts 10, 20, 40 or 60 ms, not {frame_ms}")
        if not 500 <= bitrate <= 512_000:
            raise CodecError(f"the Opus bitrate is 500 to 512000 bit/s, not {bitrate}")
        if not 0 <= complexity <= 10:
            raise CodecError(f"the Opus complexity is 0 to 10, not {complexity}")
        if application not in _APPLICATIONS:
            raise CodecError(f"the Opus application is voip, audio or lowdelay, not {application}")
        binding = _binding()
        self.rate = rate
        self.frame_ms = frame_ms
        self.frame_samples = rate * frame_ms // 1000
        self._codec = binding.Encoder(rate, 1, _APPLICATIONS[application])
        self._codec.bitrate = bitrate
        self._codec.complexity = complexity
        self._codec.dtx = int(dtx)
        self._encode = binding.api.encoder.libopus_encode
        self._pcm: Samples = np.zeros(self.frame_samples, dtype=np.int16)
        self._pcm_pointer = _pointer(self._pcm)
        self._packet = ctypes.create_string_buffer(_MAX_PACKET_BYTES)

    @property
    def bitrate(self) -> int:
        """Bits per second, as libopus reports them."""
        return int(self._codec.bitrate)

    @property
    def complexity(self) -> int:
        """0 to 10, as libopus reports it."""
        return int(self._codec.complexity)

    @property
    def dtx(self) -> bool:
        """Whether libopus says that discontinuous transmission is on."""
        return bool(self._codec.dtx)

    def encode(self, samples: Samples) -> bytes:
        """Encode exactly ``frame_samples`` int16 samples to one packet.

        Raises ``CodecError`` for any other length, shape or type.
        """
        if samples.dtype != np.int16 or samples.shape != (self.frame_samples,):
            raise CodecError(
                f"the encoder takes {self.frame_samples} int16 samples at a time, "
                f"got {samples.dtype} of shape {samples.shape}"
            )
        self._pcm[:] = samples
        size = self._encode(
            self._codec.encoder_state,
            self._pcm_pointer,
            self.frame_samples,
            self._packet,
            _MAX_PACKET_BYTES,
        )
        if size < 0:
            raise CodecError(f"libopus refused to encode a frame (error {size})")
        return ctypes.string_at(self._packet, size)

    def reset(self) -> None:
        """Forget the signal so far; the settings stay."""
        self._codec.reset_state()


class OpusDecoder:
    """Decodes Opus packets of any duration to mono int16 at one rate."""

    def __init__(self, rate: int) -> None:
        """``rate`` in Hz, one of ``RATES``; ``CodecError`` otherwise.

        Raises ``LibraryMissing`` without libopus.
        """
        _require_rate(rate)
        binding = _binding()
        self.rate = rate
        self._codec = binding.Decoder(rate, 1)
        self._decode = binding.api.decoder.libopus_decode
        self._pcm: Samples = np.zeros(int(rate * MAX_PACKET_MS / 1000), dtype=np.int16)
        self._pcm_pointer = _pointer(self._pcm)

    def decode(self, payload: bytes) -> Samples:
        """The samples of one packet, as many as its header announces; a new array.

        Raises ``CodecError`` for anything that is no Opus packet. A file container (Ogg, WAV) or
        an empty payload is refused before the decoder sees it.
        """
        if payload.startswith((b"OggS", b"RIFF")):
            container = "an Ogg stream" if payload.startswith(b"OggS") else "a WAV file"
            raise CodecError(f"a bare Opus packet was expected, this is {container}")
        return self._run(payload, round(packet_ms(payload) * self.rate / 1000))

    def conceal(self, ms: float) -> Samples:
        """``ms`` of made-up continuation for audio that never came, rounded up to 2.5 ms.

        It fades to silence within some 100 ms. ``CodecError`` unless 0 < ms <= 1000.
        """
        if not 0 < ms <= 1000:
            raise CodecError(f"can conceal up to 1000 ms, not {ms:g}")
        step = self.rate // 400
        left = -int(-ms // 2.5) * step
        pieces = []
        while left > 0:
            piece = min(left, 8 * step)
            pieces.append(self._run(b"", piece))
            left -= piece
        return np.concatenate(pieces)

    def reset(self) -> None:
        """Forget the signal so far, as a new stream begins."""
        self._codec.reset_state()

    def _run(self, payload: bytes, expected: int) -> Samples:
        # An empty payload makes libopus conceal; it then fills exactly the size it is given.
        size = self._decode(
            self._codec.decoder_state, payload, len(payload), self._pcm_pointer, expected, 0
        )
        if size < 0:
            raise CodecError(f"no Opus packet: libopus refused {len(payload)} bytes (error {size})")
        return self._pcm[:size].copy()


def _require_rate(rate: int) -> None:
    if rate not in RATES:
        raise CodecError(f"Opus works at 8000, 12000, 16000, 24000 or 48000 Hz, not {rate}")


def _pointer(samples: Samples) -> Any:
    return samples.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))


def _binding() -> Any:
    global _loaded
    if _loaded is None:
        with _import_lock:
            _loaded = _load()
    return _loaded


def _load() -> Any:
    # The binding asks find_library(), which needs ldconfig or a compiler (absent from minimal
    # systems) and starts processes for some 35 ms. Opening the soname asks the loader itself; the
    # binding is then handed the name that works.
    search = ctypes.util.find_library
    located: str | None = _SONAME
    try:
        ctypes.CDLL(_SONAME)
    except OSError:
        located = search("opus")
    if located is None:
        raise LibraryMissing(_INSTALL)

    def find_library(name: str) -> str | None:
        return located if name == "opus" else search(name)

    ctypes.util.find_library = find_library
    try:
        import opuslib_next
    except ImportError as error:
        raise LibraryMissing(
            "the Python package opuslib-next is not installed: pip install opuslib-next"
        ) from error
    except OSError as error:
        raise LibraryMissing(f"{_INSTALL} ({error})") from error
    finally:
        ctypes.util.find_library = search
    return opuslib_next
