"""The emulator's brain: it hears, thinks a little, and speaks, all of it offline.

``open_brain`` takes what is installed: from Whisper and a neural voice down to counting the seconds
somebody spoke and answering in tones. See docs/brain.md.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

import numpy as np
from numpy.typing import NDArray

from agent.errors import ConfigError

from . import mind
from .answer import Answer, Memory, ToolRequest
from .ears import Deaf, Ears, Sphinx, Whisper
from .voice import Bilingual, Espeak, Hibari, Tone, Voice, Who

__all__ = ["DEMO_QUESTIONS", "KINDS", "Answer", "Brain", "Memory", "ToolRequest", "open_brain"]

KINDS = ("auto", "full", "grammar", "simple")

DEMO_QUESTIONS: list[str] = [
    "What time is it?",
    "What is six times twelve?",
    "Set the volume to forty percent.",
    "Tell me a joke.",
]
"""Understood word for word by both recognisers when ``speak(question, who="person")`` asks them."""

_REMEDY = "Install it with: pip install --require-hashes -r requirements/{file}."


class Brain:
    """Ears, a mind and a voice. ``hear`` and ``speak`` block: call them from a worker thread."""

    def __init__(
        self,
        ears: Ears,
        voice: Voice,
        *,
        now: Callable[[], datetime] = datetime.now,
        random: Random | None = None,
    ) -> None:
        """``now`` tells the local time of day; ``random`` chooses jokes and throws dice."""
        self._ears = ears
        self._voice = voice
        self._now = now
        self._random = random or Random()

    def hear(self, samples: NDArray[np.int16], rate: int) -> str:
        """The transcript of int16 mono at ``rate`` Hz; "" where nobody spoke.

        Speech without known words comes back in brackets: ``"[2.1 s of speech]"``.
        """
        return self._ears.hear(samples, rate)

    def answer(self, text: str, memory: Memory) -> Answer:
        """What to say to ``text``, or the tool to call before saying anything."""
        return mind.answer(text, memory, self._now(), self._random)

    def after_tool(self, request: ToolRequest, output: str, memory: Memory) -> Answer:
        """What to say once the device has sent ``output`` for ``request``."""
        return mind.after_tool(request, output, memory)

    def speak(self, sentence: str, who: Who = "agent") -> tuple[NDArray[np.int16], int]:
        """``sentence`` as int16 mono and its rate in Hz; ``Transient`` if the voice fails.

        ``who="person"`` is the voice of somebody who asks, for demonstrations.
        """
        return self._voice.speak(sentence, who)

    def sentences(self, text: str) -> list[str]:
        """``text`` in pieces that are spoken one by one."""
        return mind.sentences(text)

    def warm_up(self) -> None:
        """Load the models, so that the first turn is as fast as the second."""
        self._ears.warm_up()
        self._voice.warm_up()

    def describe(self) -> str:
        """One line for the log."""
        return f"ears: {self._ears.describe()}; voice: {self._voice.describe()}"


def open_brain(
    kind: str = "auto",
    language: str = "en",
    *,
    now: Callable[[], datetime] = datetime.now,
    random: Random | None = None,
) -> Brain:
    """A brain of ``kind``; nothing heavy is loaded before ``warm_up`` or the first use.

    ``full`` is Whisper with hibari, ``grammar`` pocketsphinx with espeak-ng, ``simple`` hears
    nothing but time; ``auto`` takes the best ears and the best voice that are installed.
    ``language`` is that of the speech to be heard; ears know English only, so ``"zh"`` hears no
    words, yet typed Chinese is always answered in Chinese.

    ConfigError for an unknown kind or language, and where ``full`` or ``grammar`` is not installed.
    """
    if kind not in KINDS:
        raise ConfigError(f"Unknown brain {kind!r}.", remedy=f"Use one of: {', '.join(KINDS)}.")
    if language not in {"en", "zh"}:
        raise ConfigError(f"The brain does not know the language {language!r}.", remedy="Use en.")
    return Brain(_open_ears(kind, language), _open_voice(kind), now=now, random=random)


def _open_ears(kind: str, language: str) -> Ears:
    if kind == "simple" or language != "en":
        return Deaf()
    if kind == "full" and not Whisper.is_available():
        raise ConfigError(
            "The recogniser of the full brain is not installed.",
            remedy=_REMEDY.format(file="brain.txt"),
        )
    if kind == "grammar" and not Sphinx.is_available():
        raise ConfigError(
            "The recogniser of the grammar brain is not installed.",
            remedy=_REMEDY.format(file="brain-grammar.txt"),
        )
    if kind != "grammar" and Whisper.is_available():
        return Whisper()
    return Sphinx() if Sphinx.is_available() else Deaf()


def _open_voice(kind: str) -> Voice:
    robot: Voice = Espeak() if Espeak.is_available() else Tone()
    if kind == "full" and not Hibari.is_available():
        raise ConfigError(
            "The voice of the full brain is not installed.",
            remedy=_REMEDY.format(file="brain.txt"),
        )
    if kind in {"auto", "full"} and Hibari.is_available():
        return Bilingual(Hibari(), robot)
    return robot
