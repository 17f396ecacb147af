"""Decoding what a client appends: every legal codec and container to 16 kHz mono int16."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.emulator import g711
from agent.emulator.fields import Refusal
from agent.emulator.ogg import OggError, OggReader
from audio.errors import CodecError
from audio.opus import OpusDecoder
from audio.resampler import Resampler

Samples = NDArray[np.int16]

RATE = 16000
"""Rate (Hz) of everything behind this module."""

_LONGEST_WAV_HEADER = 65536
_SLICE = 96_000  # bytes; a multiple of every sample size
# Only usual rates: the resampler's tables for two rates with little in common are huge.
_WAV_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def slices(payload: bytes, codec: str) -> Iterator[bytes]:
    """A piece in parts that are decoded in a few milliseconds each; an Opus packet stays whole."""
    step = _SLICE if codec != "opus" else max(1, len(payload))
    for at in range(0, max(1, len(payload)), step):
        yield payload[at : at + step]


class Decoder(Protocol):
    """A stream of appended pieces in, samples out."""

    def check(self, payload: bytes) -> None:
        """Raises ``Refusal`` for a piece whose mere size cannot be right."""

    def feed(self, payload: bytes) -> Samples:
        """The samples (16 kHz) that ``payload`` completes. ``Refusal`` keeps the state."""

    def flush(self) -> Samples:
        """What is still held back, at the end of an utterance; a new stream may begin."""


def open_decoder(config: dict[str, Any]) -> Decoder:
    """The decoder for an ``input_audio`` configuration that was validated."""
    codec, shape = config["codec"], config["format"]
    if codec in g711.LAWS:
        return G711Decoder(codec)
    if codec == "opus":
        return OggDecoder() if shape == "ogg" else PacketDecoder()
    if shape == "wav":
        return WavDecoder()
    return PcmDecoder(int(config["sample_rate"]), int(config["channel"]), int(config["bit_depth"]))


class PcmDecoder:
    """Raw PCM: little endian, 16 or 24 bits signed, or 8 bits unsigned; stereo is averaged."""

    def __init__(self, rate: int, channels: int = 1, bits: int = 16) -> None:
        self._rate = rate
        self._channels = channels
        self._bits = bits
        self._resampler = Resampler(rate, RATE)

    @property
    def block(self) -> int:
        """Bytes of one sample of all channels."""
        return self._channels * self._bits // 8

    def check(self, payload: bytes) -> None:
        if len(payload) % self.block:
            raise Refusal(
                f"invalid audio: a piece of {len(payload)} bytes is no whole number of samples "
                f"of {self.block} bytes"
            )

    def feed(self, payload: bytes) -> Samples:
        self.check(payload)
        return self._resampler.process(self._mono(payload))

    def flush(self) -> Samples:
        return self._resampler.flush()

    def _mono(self, payload: bytes) -> Samples:
        if self._bits == 16:
            samples = np.frombuffer(payload, dtype="<i2").astype(np.int16)
        elif self._bits == 8:
            samples = (np.frombuffer(payload, dtype=np.uint8).astype(np.int16) - 128) << 8
        else:
            # The upper two of three bytes are the sample, to 16 bits.
            triples = np.frombuffer(payload, dtype=np.uint8).reshape(-1, 3)
            samples = np.ascontiguousarray(triples[:, 1:]).view("<i2").reshape(-1).astype(np.int16)
        if self._channels == 1:
            return samples
        mixed: Samples = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        return mixed


class WavDecoder:
    """A WAV whose header stands at the start of the first piece; after a flush a new one begins.

    The header decides about rate, channels and depth, whatever the configuration says.
    """

    def __init__(self) -> None:
        self._head = b""
        self._rest = b""
        self._left = 0
        self._inner: PcmDecoder | G711Decoder | None = None

    def check(self, payload: bytes) -> None:
        """Any size may be right."""

    def feed(self, payload: bytes) -> Samples:
        if self._inner is None:
            head = self._head + payload
            if head[:4] != b"RIFF"[: len(head[:4])] or (len(head) >= 12 and head[8:12] != b"WAVE"):
                raise Refusal("invalid audio: the data is not in wav format, it has no RIFF header")
            begin = self._read_header(head)
            if begin is None:
                if len(head) > _LONGEST_WAV_HEADER:
                    raise Refusal("invalid audio: the wav header has no data chunk")
                self._head = head
                return np.zeros(0, dtype=np.int16)
            self._head = b""
            payload = head[begin:]
        assert self._inner is not None
        payload = self._rest + payload[: self._left]
        self._left -= len(payload) - len(self._rest)
        whole = len(payload) - len(payload) % self._inner.block
        self._rest = payload[whole:]
        return self._inner.feed(payload[:whole])

    def flush(self) -> Samples:
        rest = self._inner.flush() if self._inner is not None else np.zeros(0, dtype=np.int16)
        self._head = self._rest = b""
        self._inner = None
        return rest

    def _read_header(self, head: bytes) -> int | None:
        """Where the samples begin, once the header is complete."""
        at = 12
        layout = b""
        while len(head) >= at + 8:
            name, size = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
            if name == b"data":
                self._inner = _wav_layout(layout)
                # A writer that cannot seek leaves the size at zero or at its maximum.
                self._left = size if 0 < size < 0xFFFFFF00 else 1 << 40
                return at + 8
            if name == b"fmt ":
                layout = head[at + 8 : at + 8 + size]
                if len(layout) < min(size, 16):
                    return None
            at += 8 + size + size % 2
        return None


class G711Decoder:
    """A-law or mu-law at 8 kHz."""

    block = 1

    def __init__(self, law: str) -> None:
        self._law = law
        self._resampler = Resampler(8000, RATE)

    def check(self, payload: bytes) -> None:
        """Any size may be right."""

    def feed(self, payload: bytes) -> Samples:
        return self._resampler.process(g711.decode(self._law, payload))

    def flush(self) -> Samples:
        return self._resampler.flush()


class PacketDecoder:
    """One bare Opus packet per piece."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder(RATE)

    def check(self, payload: bytes) -> None:
        """Any size may be right."""

    def feed(self, payload: bytes) -> Samples:
        try:
            return self._decoder.decode(payload)
        except CodecError as error:
            raise Refusal(f"invalid audio: {error}") from None

    def flush(self) -> Samples:
        self._decoder.reset()
        return np.zeros(0, dtype=np.int16)


class OggDecoder:
    """Opus in Ogg pages."""

    def __init__(self) -> None:
        self._pages = OggReader()
        self._packets = PacketDecoder()

    def check(self, payload: bytes) -> None:
        """Any size may be right."""

    def feed(self, payload: bytes) -> Samples:
        try:
            packets = self._pages.feed(payload)
        except OggError as error:
            raise Refusal(f"invalid audio: {error}") from None
        decoded = [self._packets.feed(packet) for packet in packets if packet]
        return np.concatenate(decoded) if decoded else np.zeros(0, dtype=np.int16)

    def flush(self) -> Samples:
        self._pages = OggReader()
        return self._packets.flush()


def _wav_layout(layout: bytes) -> PcmDecoder | G711Decoder:
    if len(layout) < 16:
        raise Refusal("invalid audio: the wav header has no format chunk")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", layout)
    if tag == 0xFFFE and len(layout) >= 26:
        tag = struct.unpack_from("<H", layout, 24)[0]
    if tag in (6, 7) and channels == 1 and rate == 8000:
        return G711Decoder("g711a" if tag == 6 else "g711u")
    if tag != 1 or bits not in (8, 16, 24) or channels not in (1, 2) or rate not in _WAV_RATES:
        raise Refusal(
            f"invalid audio: a wav of format {tag}, {channels} channels, {rate} Hz, {bits} bits "
            "is not supported"
        )
    return PcmDecoder(rate, channels, bits)
