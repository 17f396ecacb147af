"""Whole recordings, as files bring them: to samples for the ears, and from samples for callers."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
from numpy.typing import NDArray

from agent.emulator import mp3
from agent.emulator.audio_in import RATE, OggDecoder, PcmDecoder, WavDecoder
from agent.emulator.audio_out import PacketEncoder
from agent.emulator.fields import Refusal
from agent.emulator.meter import Gauge
from agent.emulator.ogg import checksum
from agent.emulator.service import Service
from agent.emulator.stretch import stretch
from agent.emulator.usage import ASR_FILE
from audio.errors import AudioError
from audio.resampler import resample

Samples = NDArray[np.int16]

CONTENT_TYPES = {
    "wav": "audio/wav",
    "pcm": "audio/pcm",
    "ogg_opus": "audio/ogg",
    "mp3": "audio/mpeg",
}

RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Rates (Hz) of speech over REST."""

_OPUS_RATES = (8000, 16000, 24000, 48000)
_OPUS_FRAME_MS = 20
_OPUS_BITRATE = 32_000
# Samples at 48 kHz that the encoder looks ahead (RFC 7845, section 4.2).
_PRE_SKIP = 312
_FOREIGN = (
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"\xff\xf2", "mp3"),
    (b"\xff\xf1", "aac"),
    (b"\xff\xf9", "aac"),
    (b"fLaC", "flac"),
    (b"\x1aE\xdf\xa3", "webm"),
)
_LONGEST_S = 30 * 60
# What a recogniser takes at once, and how much of its end may be cut off.
_PIECE_S, _SEARCH_S = 30, 20


def decode(data: bytes, *, rate: int = 0, channels: int = 1) -> Samples:
    """A WAV or Ogg Opus file, or raw 16-bit PCM where a ``rate`` is given, as 16 kHz mono int16.

    Blocks; run it in the worker. Raises ``Refusal`` 4303 for other formats and recordings of more
    than 30 minutes, 4304 for broken ones.
    """
    if not data.startswith((b"RIFF", b"OggS")):
        kind = next((name for magic, name in _FOREIGN if data.startswith(magic)), "")
        if data[4:8] == b"ftyp":
            kind = "m4a"
        if kind or not rate:
            what = f"{kind} audio" if kind else "the format of the file"
            raise Refusal(f"{what} is not decoded here, send wav, or opus in ogg", 4303)
    decoder = (
        WavDecoder()
        if data.startswith(b"RIFF")
        else OggDecoder()
        if data.startswith(b"OggS")
        else PcmDecoder(rate, channels)
    )
    if isinstance(decoder, PcmDecoder):
        data = data[: len(data) - len(data) % decoder.block]
    try:
        samples = np.concatenate([decoder.feed(data), decoder.flush()])
    except (Refusal, AudioError) as error:
        raise Refusal(f"the audio file is broken: {error}", 4304) from None
    if len(samples) > _LONGEST_S * RATE:
        raise Refusal("the recording is longer than 30 minutes", 4303)
    return samples


async def hear(service: Service, data: bytes, *, rate: int = 0, gauge: Gauge | None = None) -> str:
    """What is said in a recording; ``gauge`` counts its length.

    It is heard piece by piece, so that somebody who talks meanwhile need not wait for the whole.
    """
    samples = await service.worker.run(decode, data, rate=rate)
    words = [await service.worker.run(service.brain.hear, piece, RATE) for piece in cut(samples)]
    if gauge is not None:
        gauge.heard(len(samples) * 1000 / RATE, ASR_FILE)
    return " ".join(word for word in words if word)


def cut(samples: Samples) -> list[Samples]:
    """16 kHz mono in pieces of 20 to 30 s, cut where it is quietest."""
    pieces = []
    while len(samples) > _PIECE_S * RATE:
        late = samples[_SEARCH_S * RATE : _PIECE_S * RATE].astype(np.int32)
        levels = np.abs(late).reshape(-1, RATE // 50).sum(axis=1)
        at = _SEARCH_S * RATE + int(levels.argmin()) * (RATE // 50)
        pieces.append(np.ascontiguousarray(samples[:at]))
        samples = samples[at:]
    return [*pieces, np.ascontiguousarray(samples)] if len(samples) else pieces


async def speak(
    service: Service, text: str, rate: int, *, speed: float = 1.0, gain: float = 1.0
) -> Samples:
    """``text`` spoken, at ``rate`` Hz; sentence by sentence, so that others get a word in."""

    def say(sentence: str) -> Samples:
        samples, voice_rate = service.brain.speak(sentence)
        if speed != 1:
            samples = stretch(samples, voice_rate, speed)
        return resample(samples, voice_rate, rate) if voice_rate != rate else samples

    said = [await service.worker.run(say, one) for one in service.brain.sentences(text)]
    if not said:
        return np.zeros(0, dtype=np.int16)
    whole = np.concatenate(said)
    if gain != 1:
        whole = np.clip(whole.astype(np.float32) * gain, -32768, 32767).astype(np.int16)
    return np.ascontiguousarray(whole)


def encode(samples: Samples, rate: int, kind: str) -> bytes:
    """A file of one of ``CONTENT_TYPES``. Raises ``Refusal`` where an encoder is not installed."""
    if kind == "pcm":
        return samples.astype("<i2").tobytes()
    if kind == "wav":
        return _wav(samples, rate)
    if kind == "mp3":
        mp3.require()
        return b"".join(mp3.encode([samples], rate, mp3.DEFAULT_BIT_RATE))
    return _ogg(samples, rate)


def _wav(samples: Samples, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


def _ogg(samples: Samples, rate: int) -> bytes:
    """Ogg pages as RFC 7845 wants them: two headers, then one packet a page."""
    if rate not in _OPUS_RATES:
        samples, rate = resample(samples, rate, 48_000), 48_000
    frame = rate * _OPUS_FRAME_MS // 1000
    total = -(-(len(samples) + _PRE_SKIP * rate // 48_000) // frame)
    padded = np.zeros(total * frame, dtype=np.int16)
    padded[: len(samples)] = samples
    encoder = PacketEncoder(rate, _OPUS_BITRATE, frame, cbr=False)
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, _PRE_SKIP, rate, 0, 0)
    vendor = b"talkbox"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    pages = [_page(head, 0, 0, 2), _page(tags, 1, 0, 0)]
    # The last position cuts the padding off; positions count samples at 48 kHz.
    end = _PRE_SKIP + len(samples) * 48_000 // rate
    for at in range(total):
        packet = encoder.encode(padded[at * frame : (at + 1) * frame])
        position = min((at + 1) * frame * 48_000 // rate, end)
        pages.append(_page(packet, at + 2, position, 4 if at == total - 1 else 0))
    return b"".join(pages)


def _page(packet: bytes, number: int, position: int, flags: int) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = b"OggS" + struct.pack("<BBqIII", 0, flags, position, 1, number, 0)
    page = head + bytes([len(lacing)]) + lacing + packet
    return page[:22] + checksum(page).to_bytes(4, "little") + page[26:]
