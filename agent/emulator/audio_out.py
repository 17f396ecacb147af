"""Encoding what the emulator says: a sentence of samples in, pieces for the wire out."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.emulator import g711, mp3
from agent.emulator.stretch import stretch
from audio import opus
from audio.errors import CodecError
from audio.resampler import resample

Samples = NDArray[np.int16]

TAIL_MS = 300
"""Silence after every sentence, as recorded: 14 400 bytes of exact zeros at 24 kHz."""

# Shape of unframed audio as recorded at 24 kHz: the first piece has 10 800 bytes, the others
# 12 000 followed by a remainder of up to 300, or up to 300 less; the last before the tail 1 200.
_FIRST_MS = 225
_PIECE_MS = 250
_LAST_MS = 25
_REMAINDER = 150
# Above what 60 ms take at the highest bitrate.
_LONGEST_PACKET = 4000


@dataclass(frozen=True, slots=True)
class Piece:
    """One audio delta: its bytes, where in the speech of its sentence it begins, and its length.

    The tail counts as instantly there, so its pieces share the offset of the speech's end.
    """

    data: bytes
    offset_ms: float
    ms: float = 0.0


class AudioEncoder:
    """Encodes sentences, each for itself: the same sentence always gives the same pieces.

    Codecs begin anew with every sentence, which nobody hears, as each ends in silence. ``config``
    is a validated ``output_audio``. Not to be used from two threads at a time.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        seed: int = 0,
        tail_ms: int = TAIL_MS,
        pad_last_frame: bool = True,
        irregular: bool = True,
    ) -> None:
        self._codec: str = config["codec"]
        section = config["pcm_config" if self._codec in g711.LAWS else f"{self._codec}_config"]
        self.rate = int(section["sample_rate"])
        frame_ms = float(section.get("frame_size_ms") or 0)
        self._frame = max(1, round(self.rate * frame_ms / 1000)) if frame_ms else 0
        self._speed = 1 + config["speech_rate"] / 100
        self._gain = 1 + config["loudness_rate"] / 100
        self._tail = self.rate * tail_ms // 1000
        self._pad = pad_last_frame or self._codec == "opus"
        self._seed = seed
        self._irregular = irregular and self._codec != "mp3"
        self._bit_rate = int(section.get("bit_rate") or mp3.DEFAULT_BIT_RATE)
        self._packets = (
            PacketEncoder(self.rate, section["bitrate"], self._frame, cbr=section["use_cbr"])
            if self._codec == "opus"
            else None
        )

    def sentence(self, samples: Samples, rate: int) -> list[Piece]:
        """The pieces of one sentence of int16 mono ``samples`` at ``rate`` Hz, tail included."""
        speech = self._shaped(samples, rate)
        audio = np.concatenate([speech, np.zeros(self._tail, dtype=np.int16)])
        starts: list[int] = []
        blocks: list[Samples] = []
        start = 0
        for end in self._cuts(len(speech), len(audio)):
            block = audio[start:end]
            if self._frame and self._pad and len(block) < self._frame:
                block = np.concatenate([block, np.zeros(self._frame - len(block), dtype=np.int16)])
            starts.append(start)
            blocks.append(block)
            start = end
        pieces = []
        ms = 0.0
        for at, block, data in zip(starts, blocks, self._encoded(blocks), strict=True):
            ms += len(block) * 1000 / self.rate
            # MP3 looks ahead: a block may be told of with the next.
            if data:
                pieces.append(Piece(data, min(at, len(speech)) * 1000 / self.rate, ms))
                ms = 0.0
        return pieces

    def _shaped(self, samples: Samples, rate: int) -> Samples:
        speech = np.ascontiguousarray(samples, dtype=np.int16)
        if self._speed != 1:
            speech = stretch(speech, rate, self._speed)
        if rate != self.rate:
            speech = resample(speech, rate, self.rate)
        if self._gain != 1:
            louder = speech.astype(np.float32) * self._gain
            speech = np.clip(louder, -32768, 32767).astype(np.int16)
        return speech

    def _cuts(self, speech: int, total: int) -> list[int]:
        """Where the pieces end, in samples."""
        if self._irregular and not self._frame:
            return self._irregular_cuts(speech, total)
        step = self._frame or self.rate * _PIECE_MS // 1000
        return [*range(step, total, step), total] if total else []

    def _irregular_cuts(self, speech: int, total: int) -> list[int]:
        chance = random.Random(self._seed << 32 | speech)
        last = max(0, speech - self.rate * _LAST_MS // 1000)
        cuts: list[int] = []
        at = self.rate * _FIRST_MS // 1000
        whole = self.rate * _PIECE_MS // 1000
        while at < last:
            cuts.append(at)
            remainder = chance.randint(2, _REMAINDER)
            if chance.random() < 0.5:
                if at + whole < last:
                    cuts.append(at + whole)
                at += whole + remainder
            else:
                at += whole - remainder
        return sorted({*cuts, last, speech, total} - {0})

    def _encoded(self, blocks: list[Samples]) -> list[bytes]:
        if self._codec == "mp3":
            return mp3.encode(blocks, self.rate, self._bit_rate)
        if self._packets is not None:
            self._packets.reset()
            return [self._packets.encode(block) for block in blocks]
        if self._codec in g711.LAWS:
            return [g711.encode(self._codec, block) for block in blocks]
        return [block.astype("<i2").tobytes() for block in blocks]


class PacketEncoder:
    """Opus packets of one frame each, with the choices the platform offers and a device's encoder
    does not need: constant bitrate and frames of 2.5 and 5 ms.
    """

    def __init__(self, rate: int, bitrate: int, frame: int, *, cbr: bool) -> None:
        """``frame`` in samples at ``rate`` Hz. Raises ``LibraryMissing`` without libopus."""
        opus.require()
        import opuslib_next

        self._frame = frame
        self._codec = opuslib_next.Encoder(rate, 1, "audio")
        self._codec.bitrate = bitrate
        self._codec.vbr = 0 if cbr else 1
        self._codec.complexity = 5
        self._encode = opuslib_next.api.encoder.encode

    def encode(self, samples: Samples) -> bytes:
        """One packet of exactly ``frame`` samples. Raises ``CodecError`` for any other length."""
        # The binding reads as many samples as it is told, whether they are there or not.
        if len(samples) != self._frame:
            raise CodecError(f"the encoder takes {self._frame} samples, got {len(samples)}")
        # Not the binding's own method: its packets may not be longer than the samples.
        state = self._codec.encoder_state
        return bytes(self._encode(state, samples.tobytes(), self._frame, _LONGEST_PACKET))

    def reset(self) -> None:
        """Forget the signal so far; the settings stay."""
        self._codec.reset_state()
