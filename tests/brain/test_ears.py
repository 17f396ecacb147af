from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.emulator.brain import DEMO_QUESTIONS, ears
from agent.emulator.brain.ears import Deaf, Samples, Sphinx, Whisper, loud_blocks, spelled
from agent.emulator.brain.english import normalise
from agent.emulator.brain.voice import Espeak, Hibari, Voice, Who

RATE = 16_000

needs_whisper = pytest.mark.skipif(
    not Whisper.is_available(), reason="requirements/brain.txt is not installed"
)
needs_sphinx = pytest.mark.skipif(
    not Sphinx.is_available(), reason="requirements/brain-grammar.txt is not installed"
)


def noise(seconds: float, rms: float, rate: int = RATE) -> Samples:
    wave = np.random.default_rng(1).standard_normal(round(seconds * rate)) * rms
    return np.rint(wave).astype(np.int16)


def tokens(text: str) -> list[str]:
    return [word.replace(" ", "Ġ") for word in text.replace(" ", "\0 ").split("\0")]


class FakeModel:
    """A recogniser that says what a test wants, by the length of the view in seconds."""

    def __init__(self, by_view: dict[float, tuple[str, float, float]]) -> None:
        self.by_view = by_view
        self.views: list[float] = []

    def generate(self, features: Any, prompts: Any, **options: Any) -> list[Any]:
        view = features.shape[2] / 100
        self.views.append(view)
        text, score, no_speech = self.by_view[view]
        return [SimpleNamespace(sequences=[tokens(text)], scores=[score], no_speech_prob=no_speech)]


def whisper(
    monkeypatch: pytest.MonkeyPatch, by_view: dict[float, tuple[str, float, float]]
) -> tuple[Whisper, FakeModel]:
    model = FakeModel(by_view)
    runtime = SimpleNamespace(
        models=SimpleNamespace(Whisper=lambda *_, **__: model),
        StorageView=SimpleNamespace(from_array=lambda array: array),
        get_model_path=lambda: "model",
    )
    monkeypatch.setattr(ears, "load", lambda name: runtime)
    return Whisper(), model


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 48_000])
def test_deaf_ears_tell_the_length(rate: int) -> None:
    samples = np.concatenate([np.zeros(rate, np.int16), noise(1.5, 2000, rate)])
    assert Deaf().hear(samples, rate) in {"[1.5 s of speech]", "[1.6 s of speech]"}


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), noise(0.05, 3000), noise(3.0, 3)])
def test_silence_is_nothing(samples: Samples) -> None:
    assert Deaf().hear(samples, RATE) == ""
    assert Whisper().hear(samples, RATE) == ""
    assert Sphinx().hear(samples, RATE) == ""


def test_loud_blocks_are_counted_in_tenths_of_a_second() -> None:
    assert loud_blocks(noise(1.0, 1000)) == 10
    assert loud_blocks(np.zeros(RATE, np.int16)) == 0


def test_a_short_utterance_gets_the_short_view(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser, model = whisper(monkeypatch, {15.0: (" What time is it?", -0.1, 0.05)})
    assert recogniser.hear(noise(2.0, 1000), RATE) == "What time is it?"
    assert model.views == [15.0]


def test_a_long_utterance_gets_the_whole_view(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser, model = whisper(monkeypatch, {30.0: (" A long story.", -0.1, 0.05)})
    assert recogniser.hear(noise(12.0, 1000), RATE) == "A long story."
    assert model.views == [30.0]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (" Stop now. Stop now. Stop now. Stop", -0.05),
        (" " + "word " * 60, -0.05),
        (" What?", -1.5),
    ],
)
def test_a_doubtful_transcript_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, text: str, score: float
) -> None:
    recogniser, model = whisper(
        monkeypatch, {15.0: (text, score, 0.05), 30.0: (" Stop now.", -0.1, 0.05)}
    )
    assert recogniser.hear(noise(2.0, 1000), RATE) == "Stop now."
    assert model.views == [15.0, 30.0]


def test_the_likelier_of_two_doubtful_transcripts_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    views = {15.0: (" Flip a coin.", -0.5, 0.05), 30.0: (" Flippa coin.", -0.9, 0.05)}
    recogniser, model = whisper(monkeypatch, views)
    assert recogniser.hear(noise(2.0, 1000), RATE) == "Flip a coin."
    assert model.views == [15.0, 30.0]


def test_a_decoder_stuck_in_both_views_says_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = (" Set the volume to 40%." * 12 + " Set the", -0.05, 0.04)
    recogniser, _ = whisper(monkeypatch, {15.0: stuck, 30.0: stuck})
    assert recogniser.hear(noise(3.0, 1000), RATE) == "Set the volume to 40%."


def test_somebody_may_say_no_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (" No. No. No.", -0.1, 0.05)
    recogniser, _ = whisper(monkeypatch, {15.0: said, 30.0: said})
    assert recogniser.hear(noise(2.0, 1000), RATE) == "No. No. No."


@pytest.mark.parametrize(
    ("text", "no_speech"), [(" you", 0.4), (" Thank you.", 0.35), (" I am here.", 0.9), ("", 0.1)]
)
def test_imagined_words_are_dropped(
    monkeypatch: pytest.MonkeyPatch, text: str, no_speech: float
) -> None:
    said = (text, -0.5, no_speech)
    recogniser, _ = whisper(monkeypatch, {15.0: said, 30.0: said})
    assert recogniser.hear(noise(2.0, 1000), RATE) == ""


def test_thanks_that_were_said_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser, _ = whisper(monkeypatch, {15.0: (" Thank you.", -0.2, 0.1)})
    assert recogniser.hear(noise(1.0, 1000), RATE) == "Thank you."


def test_more_than_the_view_is_heard_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser, model = whisper(monkeypatch, {30.0: (" So.", -0.1, 0.0)})
    pause = np.zeros(RATE // 2, np.int16)
    samples = np.concatenate([noise(24.0, 1000), pause, noise(24.0, 1000)])
    assert recogniser.hear(samples, RATE) == "So. So."
    assert model.views == [30.0, 30.0]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["ĠWhat", "Ġtime", "?"], "What time?"),
        (["<|nospeech|>", "ĠcafÃ©"], "café"),
        (["Ġ[", "BLANK", "_", "AUDIO", "]"], ""),
        (["Ġ(", "m", "usic", ")", "Ġla"], "la"),
        ([], ""),
        (["Ã"], "�"),
    ],
)
def test_tokens_are_spelled(pieces: list[str], text: str) -> None:
    assert spelled(pieces) == text


class FakeDecoder:
    """pocketsphinx with two searches whose results a test sets."""

    def __init__(self, sentences: tuple[str, float] | None, phones: float) -> None:
        self.results = {
            "sentences": sentences
            and SimpleNamespace(hypstr=sentences[0], best_score=sentences[1]),
            "phones": SimpleNamespace(hypstr="AA", best_score=phones),
        }
        self.active = ""

    def add_jsgf_string(self, name: str, grammar: str) -> None:
        assert grammar.startswith("#JSGF")

    def add_allphone_file(self, name: str, path: str) -> None:
        assert path.endswith(".bin")

    def activate_search(self, name: str) -> None:
        self.active = name

    def start_utt(self) -> None: ...

    def end_utt(self) -> None: ...

    def process_raw(self, data: bytes, full_utt: bool) -> None:
        assert full_utt

    def hyp(self) -> Any:
        return self.results[self.active]


def sphinx(
    monkeypatch: pytest.MonkeyPatch, sentences: tuple[str, float] | None, phones: float
) -> Sphinx:
    module = SimpleNamespace(
        Decoder=lambda **_: FakeDecoder(sentences, phones), get_model_path=lambda name: name
    )
    monkeypatch.setattr(ears, "load", lambda name: module)
    recogniser = Sphinx()
    recogniser.warm_up()
    return recogniser


def test_a_sentence_that_fits_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = sphinx(monkeypatch, ("what time is it", 0.7), 0.6)
    assert recogniser.hear(noise(2.0, 1000), RATE) == "what time is it"


@pytest.mark.parametrize(
    ("sentences", "phones"),
    [
        (None, 0.5),
        (("eight plus", 0.7), 0.6),
        (("what time is it", 0.3), 0.6),
        (("what time is it", 0.0), 0.6),
    ],
)
def test_speech_outside_the_grammar_is_not_forced_into_it(
    monkeypatch: pytest.MonkeyPatch, sentences: tuple[str, float] | None, phones: float
) -> None:
    recogniser = sphinx(monkeypatch, sentences, phones)
    assert recogniser.hear(noise(2.0, 1000), RATE) == "[2.0 s of speech, not understood]"


def test_each_tells_what_it_is() -> None:
    assert {"Whisper" in Whisper().describe(), "pocketsphinx" in Sphinx().describe()} == {True}
    Deaf().warm_up()
    assert "no recogniser" in Deaf().describe()


VOICES: list[tuple[Voice, Who]] = [(Hibari(), "person"), (Hibari(), "agent"), (Espeak(), "person")]
LIVE = [
    pytest.param(
        voice,
        who,
        id=f"{type(voice).__name__}-{who}",
        marks=pytest.mark.skipif(
            not (Hibari if isinstance(voice, Hibari) else Espeak).is_available(),
            reason=f"{voice.describe()} is not installed",
        ),
    )
    for voice, who in VOICES
]


def padded(spoken: tuple[Samples, int]) -> tuple[Samples, int]:
    samples, rate = spoken
    pause = np.zeros(rate // 4, np.int16)
    return np.concatenate([pause, samples, pause]), rate


@pytest.fixture(scope="module")
def real_whisper() -> Whisper:
    return Whisper()


@pytest.fixture(scope="module")
def real_sphinx() -> Sphinx:
    return Sphinx()


@needs_whisper
@pytest.mark.parametrize(("voice", "who"), LIVE)
@pytest.mark.parametrize("question", DEMO_QUESTIONS)
def test_whisper_understands_the_demo_word_for_word(
    real_whisper: Whisper, voice: Voice, who: Who, question: str
) -> None:
    heard = real_whisper.hear(*padded(voice.speak(question, who)))
    assert normalise(heard).split() == normalise(question).split()


@needs_sphinx
@pytest.mark.parametrize(("voice", "who"), LIVE)
@pytest.mark.parametrize("question", DEMO_QUESTIONS)
def test_sphinx_understands_the_demo_word_for_word(
    real_sphinx: Sphinx, voice: Voice, who: Who, question: str
) -> None:
    heard = real_sphinx.hear(*padded(voice.speak(question, who)))
    assert normalise(heard).split() == normalise(question).split()


@needs_sphinx
def test_sphinx_knows_every_word_of_its_grammar(real_sphinx: Sphinx) -> None:
    decoder = real_sphinx._load()
    from agent.emulator.brain.grammar import words

    assert [word for word in words() if decoder.lookup_word(word) is None] == []


@needs_whisper
@pytest.mark.parametrize("rms", [30.0, 300.0, 3000.0])
def test_whisper_hears_no_words_in_noise(real_whisper: Whisper, rms: float) -> None:
    assert real_whisper.hear(noise(2.0, rms), RATE) == ""


@needs_whisper
def test_whisper_hears_no_words_in_hum(real_whisper: Whisper) -> None:
    time = np.arange(2 * RATE) / RATE
    hum = np.rint(3000 * np.sin(2 * np.pi * 100 * time)).astype(np.int16)
    assert real_whisper.hear(hum, RATE) == ""
