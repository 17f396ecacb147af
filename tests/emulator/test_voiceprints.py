"""Voices as vectors."""

import numpy as np
import pytest

from agent.emulator.fields import Refusal
from agent.emulator.voiceprints import score, voiceprint
from tests.emulator.doubles import silence, tone
from tests.emulator.test_rest_audio import voice


def test_loudness_does_not_count() -> None:
    samples = voice(180.0)
    softly = (samples // 4).astype(np.int16)
    assert score(voiceprint(samples), voiceprint(softly)) > 95


def test_a_voice_is_most_like_itself() -> None:
    prints = {pitch: voiceprint(voice(pitch)) for pitch in (100.0, 160.0, 240.0)}
    for pitch, print in prints.items():
        again = voiceprint(voice(pitch * 1.01, seed=5))
        scores = {other: score(again, known) for other, known in prints.items()}
        assert max(scores, key=lambda other: scores[other]) == pitch
        assert score(print, print) == 100


def test_what_is_too_short_or_silent_is_no_voice() -> None:
    for samples in (tone(400), silence(2000)):
        with pytest.raises(Refusal) as caught:
            voiceprint(samples)
        assert caught.value.code == 4304
