from __future__ import annotations

import struct
import subprocess
from typing import Any

import numpy as np
import pytest

from agent.emulator.brain import voice
from agent.emulator.brain.voice import (
    SPEECH_DBFS,
    Bilingual,
    Espeak,
    Hibari,
    Samples,
    Tone,
    Voice,
    Who,
    levelled,
    trimmed,
)
from agent.errors import Transient
from audio.level import dbfs

needs_hibari = pytest.mark.skipif(
    not Hibari.is_available(), reason="requirements/brain.txt is not installed"
)
needs_espeak = pytest.mark.skipif(
    not Espeak.is_available(), reason="the program espeak-ng is not installed"
)


def pitch(samples: Samples, rate: int) -> float:
    """Hz of the strongest periodicity between 70 and 350 Hz, by autocorrelation."""
    wave = samples.astype(np.float64)
    spectrum = np.abs(np.fft.rfft(wave, 2 * len(wave))) ** 2
    correlation = np.fft.irfft(spectrum)
    low, high = rate // 350, rate // 70
    return rate / float(low + int(np.argmax(correlation[low:high])))


def wav_stream(samples: Samples, rate: int) -> bytes:
    """What espeak-ng writes to a pipe: the length in the header is a placeholder."""
    header = b"RIFF" + struct.pack("<I", 0x7FFFF024) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return header + b"data" + struct.pack("<I", 0x7FFFF000) + samples.tobytes()


@pytest.mark.parametrize("scale", [1e-4, 0.1, 1.0, 20_000.0])
def test_every_voice_is_equally_loud(scale: float) -> None:
    wave = np.sin(np.arange(16_000) / 9.0) * scale
    assert dbfs(levelled(wave)) == pytest.approx(SPEECH_DBFS, abs=0.1)


def test_peaks_do_not_clip() -> None:
    wave = np.zeros(16_000)
    wave[::4000] = 1.0
    assert 28_000 < np.abs(levelled(wave).astype(int)).max() < 32_000


@pytest.mark.parametrize("wave", [np.zeros(0), np.zeros(100)])
def test_silence_stays_silent(wave: Any) -> None:
    samples = levelled(wave)
    assert len(samples) == len(wave)
    assert not samples.any()


@pytest.mark.parametrize("text", ["Hello there.", "你好", "?"])
def test_tones(text: str) -> None:
    samples, rate = Tone().speak(text, "agent")
    assert samples.dtype == np.int16
    assert 0 < len(samples) < 3 * rate
    assert dbfs(samples) > -30


def test_tones_have_one_note_for_each_word_up_to_a_limit() -> None:
    one, two, many = (len(Tone().speak("la " * n, "agent")[0]) for n in (1, 2, 1000))
    assert two == 2 * one
    assert many == 40 * one
    assert len(Tone().speak("  ", "agent")[0]) == 0


def test_tones_of_person_and_agent_differ() -> None:
    assert not np.array_equal(Tone().speak("la", "agent")[0], Tone().speak("la", "person")[0])


def test_espeak_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[list[str], bytes]] = []

    def run(command: list[str], *, input: bytes, **_: Any) -> subprocess.CompletedProcess[bytes]:
        calls.append((command, input))
        wave = np.arange(-100, 100, dtype=np.int16)
        return subprocess.CompletedProcess(command, 0, wav_stream(wave, 22_050), b"")

    monkeypatch.setattr(voice.subprocess, "run", run)
    samples, rate = Espeak().speak("-x dangerous", "agent")
    assert (len(samples), rate) == (200, 22_050)
    command, text = calls[0]
    assert text == b"-x dangerous"
    assert "-x dangerous" not in command
    Espeak().speak("你好", "person")
    assert any(part.startswith("cmn") for part in calls[1][0])
    assert calls[0][0] != calls[1][0]


@pytest.mark.parametrize(
    ("code", "output"), [(1, b""), (0, b""), (0, b"RIFF" + bytes(20)), (0, b"nonsense" * 20)]
)
def test_espeak_failure_is_told(monkeypatch: pytest.MonkeyPatch, code: int, output: bytes) -> None:
    done = subprocess.CompletedProcess(["espeak-ng"], code, output, b"no such voice")
    monkeypatch.setattr(voice.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(Transient, match="espeak-ng"):
        Espeak().speak("Hello.", "agent")


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), subprocess.TimeoutExpired("x", 20)])
def test_espeak_that_cannot_run_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def run(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(voice.subprocess, "run", run)
    with pytest.raises(Transient, match="did not speak"):
        Espeak().speak("Hello.", "agent")


class Named:
    def __init__(self, name: str) -> None:
        self.name = name
        self.said: list[str] = []

    def speak(self, sentence: str, who: Who) -> tuple[Samples, int]:
        self.said.append(sentence)
        return np.zeros(1, np.int16), 16_000

    def warm_up(self) -> None:
        self.said.append("")

    def describe(self) -> str:
        return self.name


def test_bilingual_sends_chinese_to_the_other_voice() -> None:
    english, other = Named("a"), Named("b")
    both = Bilingual(english, other)
    both.warm_up()
    both.speak("Hello.", "agent")
    both.speak("你好", "agent")
    assert (english.said, other.said) == (["", "Hello."], ["你好"])
    assert both.describe() == "a, b for Chinese"


@needs_espeak
@pytest.mark.parametrize("who", ["agent", "person"])
@pytest.mark.parametrize("text", ["What time is it?", "现在几点", "--help", "-7 plus 3"])
def test_espeak_speaks(text: str, who: Who) -> None:
    samples, rate = Espeak().speak(text, who)
    assert rate == 22_050
    assert len(samples) > 0.3 * rate
    assert dbfs(samples) == pytest.approx(SPEECH_DBFS, abs=3)


@needs_espeak
def test_espeak_persons_differ() -> None:
    agent, person = (Espeak().speak("What time is it now?", who) for who in ("agent", "person"))
    assert pitch(*person) > 1.3 * pitch(*agent)


@pytest.fixture(scope="module")
def hibari() -> Hibari:
    return Hibari()


@needs_hibari
def test_hibari_speaks_the_same_twice(hibari: Hibari) -> None:
    first, rate = hibari.speak("What time is it?", "agent")
    again, _ = hibari.speak("What time is it?", "agent")
    assert rate == 24_000
    assert np.array_equal(first, again)
    assert 0.6 * rate < len(first) < 3 * rate


@needs_hibari
def test_hibari_person_is_lower_at_about_the_same_pace(hibari: Hibari) -> None:
    text = "What is six times twelve?"
    agent, person = (hibari.speak(text, who) for who in ("agent", "person"))
    assert pitch(*person) < 0.92 * pitch(*agent)
    assert len(person[0]) == pytest.approx(len(agent[0]), rel=0.2)


@needs_hibari
@pytest.mark.parametrize("text", ["", "?", "…", "42", "a" * 300])
def test_hibari_survives_odd_text(hibari: Hibari, text: str) -> None:
    samples, rate = hibari.speak(text, "person")
    assert samples.dtype == np.int16
    assert rate == 24_000


def test_voices_tell_what_they_are() -> None:
    voices: list[Voice] = [Hibari(), Espeak(), Tone()]
    assert len({each.describe() for each in voices}) == 3
    Espeak().warm_up()
    Tone().warm_up()


def test_silence_around_a_sentence_is_cut_off_but_not_inside() -> None:
    tone = (5000 * np.sin(np.arange(2400) / 5)).astype(np.int16)
    gap = np.zeros(24_000, dtype=np.int16)
    cut = trimmed(np.concatenate([gap, tone, gap, tone, gap]), 24_000)
    assert len(cut) == pytest.approx(24_000 + 4800 + 2 * 720, abs=20)
    assert not len(trimmed(np.zeros(0, dtype=np.int16), 24_000))
    assert len(trimmed(gap, 24_000)) == 24_000
