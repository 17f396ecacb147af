"""Voices: from a sentence to samples, offline.

Each voice speaks as two persons, so that in a demonstration the one who asks and the one who
answers can be told apart: ``"agent"`` and ``"person"``.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import threading
import zlib
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.errors import Transient
from audio.resampler import resample

from .chinese import is_chinese
from .environment import THREADS, is_installed, load

Samples = NDArray[np.int16]
Who = Literal["agent", "person"]

SPEECH_DBFS = -20.0
"""RMS of what every voice says, so that none is louder than another."""

_PEAK = 29_000.0  # -1 dBFS
_AUDIBLE = 100  # -50 dBFS, 30 dB below the speech


class Voice(Protocol):
    """``speak`` blocks and returns int16 mono and its rate in Hz.

    ``Transient`` where a program it needs fails.
    """

    def speak(self, sentence: str, who: Who) -> tuple[Samples, int]: ...

    def warm_up(self) -> None: ...

    def describe(self) -> str: ...


def trimmed(samples: Samples, rate: int) -> Samples:
    """Without the silence that a synthesiser puts around a sentence, but for 30 ms of it.

    It would be heard as waiting time: hibari begins 0.3 s late.
    """
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _AUDIBLE)
    if not len(loud):
        return samples
    margin = round(rate * 0.03)
    return samples[max(0, int(loud[0]) - margin) : int(loud[-1]) + margin]


def levelled(wave: NDArray[Any]) -> Samples:
    """``wave`` at ``SPEECH_DBFS``, less where its peaks would clip; silence stays silence."""
    samples = np.asarray(wave, dtype=np.float64)
    rms = float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0
    if rms == 0.0:
        return np.zeros(len(samples), dtype=np.int16)
    gain = min(32768.0 * 10 ** (SPEECH_DBFS / 20) / rms, _PEAK / float(np.max(np.abs(samples))))
    return np.rint(samples * gain).astype(np.int16)


class Hibari:
    """hibari-tts with the one voice that its package carries: English at 24 kHz.

    The person is the same voice, said faster and played slower: lower, as from a larger throat.
    """

    RATE = 24_000
    _PERSON_RATE = 20_160
    _PERSON_SPEED = 1.15
    _SEED = 1

    def __init__(self) -> None:
        self._engine: Any = None
        self._lock = threading.Lock()

    @staticmethod
    def is_available() -> bool:
        return is_installed("hibari", "onnxruntime")

    def _load(self) -> Any:
        with self._lock:
            if self._engine is None:
                # "heart" is in the package; any other voice would be downloaded.
                self._engine = load("hibari").Hibari(voice="heart", threads=THREADS)
            return self._engine

    def warm_up(self) -> None:
        """Load the model and the lexicon, and say a word to nobody."""
        self.speak("Hello.", "agent")

    def speak(self, sentence: str, who: Who) -> tuple[Samples, int]:
        engine = self._load()
        speed = self._PERSON_SPEED if who == "person" else 1.0
        samples = trimmed(levelled(engine(sentence, speed=speed, seed=self._SEED)), self.RATE)
        if who == "person":
            samples = resample(samples, self._PERSON_RATE, self.RATE)
        return samples, self.RATE

    def describe(self) -> str:
        return "hibari (neural, English)"


class Espeak:
    """espeak-ng, called as a program: a robot, but it speaks Chinese too."""

    PROGRAM = "espeak-ng"
    _VOICES: ClassVar[dict[tuple[Who, bool], tuple[str, int]]] = {
        ("agent", False): ("en-us", 150),
        ("person", False): ("en-us+f2", 130),
        ("agent", True): ("cmn", 150),
        ("person", True): ("cmn+f2", 150),
    }
    _TIMEOUT_S = 20.0

    @staticmethod
    def is_available() -> bool:
        return shutil.which(Espeak.PROGRAM) is not None

    def warm_up(self) -> None:
        """Nothing to load."""

    def speak(self, sentence: str, who: Who) -> tuple[Samples, int]:
        voice, words_per_minute = self._VOICES[who, is_chinese(sentence)]
        # The text goes in by standard input: a sentence may begin with a dash.
        command = [self.PROGRAM, "-v", voice, "-s", str(words_per_minute), "--stdin", "--stdout"]
        try:
            done = subprocess.run(
                command, input=sentence.encode(), capture_output=True, timeout=self._TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Transient(f"{self.PROGRAM} did not speak: {error}.") from error
        if done.returncode != 0:
            reason = done.stderr.decode("utf-8", "replace").strip()[:200]
            raise Transient(f"{self.PROGRAM} ended with status {done.returncode}: {reason}.")
        samples, rate = _streamed_wav(done.stdout)
        return levelled(samples), rate

    def describe(self) -> str:
        return "espeak-ng"


def _streamed_wav(data: bytes) -> tuple[Samples, int]:
    """Samples and rate of a WAV whose header, written before the end was known, lies on length."""
    start = data.find(b"data") + 8
    if data[:4] != b"RIFF" or start < 8 or len(data) < 44:
        raise Transient(f"{Espeak.PROGRAM} returned no sound ({len(data)} bytes).")
    rate = int(struct.unpack_from("<I", data, 24)[0])
    usable = (len(data) - start) // 2 * 2
    return np.frombuffer(data[start : start + usable], dtype="<i2").astype(np.int16), rate


class Tone:
    """No voice at all: one note for each word, so that an answer is at least heard."""

    RATE = 16_000
    _NOTE_S = 0.16
    _MOST_NOTES = 40
    # A pentatonic scale over A3: any order of these sounds agreeable.
    _SCALE_HZ = (220.0, 246.9, 277.2, 329.6, 370.0, 440.0)

    def warm_up(self) -> None:
        """Nothing to load."""

    def speak(self, sentence: str, who: Who) -> tuple[Samples, int]:
        words = list(sentence) if is_chinese(sentence) else sentence.split()
        octave = 2.0 if who == "person" else 1.0
        notes = [self._note(word, octave) for word in words[: self._MOST_NOTES]]
        wave = np.concatenate(notes) if notes else np.zeros(0)
        return levelled(wave), self.RATE

    def _note(self, word: str, octave: float) -> NDArray[np.float64]:
        pitch = self._SCALE_HZ[zlib.crc32(word.lower().encode()) % len(self._SCALE_HZ)] * octave
        time = np.arange(round(self._NOTE_S * self.RATE)) / self.RATE
        envelope = np.minimum(1.0, time / 0.01) * np.exp(-time / 0.06)
        note: NDArray[np.float64] = np.sin(2 * np.pi * pitch * time) * envelope
        return note

    def describe(self) -> str:
        return "tones (no voice is installed)"


class Bilingual:
    """``english`` for English; sentences with Chinese characters go to ``other``."""

    def __init__(self, english: Voice, other: Voice) -> None:
        self._english = english
        self._other = other

    def warm_up(self) -> None:
        self._english.warm_up()

    def speak(self, sentence: str, who: Who) -> tuple[Samples, int]:
        return (self._other if is_chinese(sentence) else self._english).speak(sentence, who)

    def describe(self) -> str:
        return f"{self._english.describe()}, {self._other.describe()} for Chinese"
