import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.emulator.transcript import dressed, interim, interrupts


@given(st.text(alphabet="ab 今天。", max_size=40))
def test_interim_transcripts_grow_and_end_with_the_whole(text: str) -> None:
    text = " ".join(text.split())
    steps = interim(text)
    assert steps == sorted(steps, key=len)
    assert all(text.startswith(step) for step in steps)
    assert steps[-1:] == ([text] if text else [])


def test_words_are_not_cut() -> None:
    assert interim("set the volume to forty percent") == [
        "set the",
        "set the volume to",
        "set the volume to forty percent",
    ]


def test_punctuation_and_filters() -> None:
    assert dressed("Don't stop, now!", {"enable_punc": False}) == "Don't stop now"
    assert dressed("[2.1 s of speech]", {"enable_punc": False}) == "[2.1 s of speech]"
    words = {"filter_with_empty": ["um"], "filter_with_signed": ["Damn"]}
    assert dressed("Um damn it", {"sensitive_words_filter": words}) == "**** it"


@pytest.mark.parametrize(
    ("text", "mode", "interrupted"),
    [
        ("please stop now", "keyword_contains", True),
        ("please stop now", "keyword_prefix", False),
        ("Stop, now please", "keyword_prefix", True),
        ("please go on", "keyword_contains", False),
        ("", "keyword_contains", False),
    ],
)
def test_keywords(text: str, mode: str, interrupted: bool) -> None:
    assert interrupts(text, {"mode": mode, "keywords": ["stop now"]}) is interrupted


def test_without_keywords_any_speech_interrupts() -> None:
    assert interrupts("anything", None)
    assert interrupts("anything", {"mode": "keyword_contains", "keywords": []})
