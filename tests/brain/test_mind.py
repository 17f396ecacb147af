from __future__ import annotations

from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.answer import Memory, ToolRequest
from agent.emulator.brain.mind import after_tool, answer, sentences, unheard

NOW = datetime(2026, 11, 22, 15, 7)
VOLUME = ToolRequest("set_volume", {"percent": 40})
DEVICE = ToolRequest("get_device_info")


def said(text: str, memory: Memory) -> str:
    return answer(text, memory, NOW, Random(1)).text


def test_language_follows_the_text() -> None:
    memory: Memory = {}
    assert said("What time is it?", memory) == "It is 3:07 PM."
    assert said("现在几点", memory) == "现在是下午三点零七分。"
    assert memory["language"] == "zh"


def test_what_was_said_can_be_said_again() -> None:
    memory: Memory = {}
    said("What time is it?", memory)
    assert said("Say that again.", memory) == "It is 3:07 PM."
    after_tool(VOLUME, '{"percent": 40}', memory)
    assert said("Say that again.", memory) == "The volume is now 40 percent."


def test_speech_without_words_is_told_by_its_length() -> None:
    memory: Memory = {}
    first = said(unheard(2.14), memory)
    assert first.startswith("You spoke for 2.1 seconds.")
    assert "recogniser" in first
    assert said(unheard(1.0), memory) == "You spoke for 1 second."


def test_speech_that_was_not_understood() -> None:
    memory: Memory = {}
    first = said(unheard(3.0, understood=False), memory)
    assert first.startswith("I heard you for 3 seconds, but did not understand. Ask me")
    assert said(unheard(3.0, understood=False), memory) == (
        "I heard you for 3 seconds, but did not understand."
    )


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ('{"percent": 40}', "The volume is now 40 percent."),
        ('{"volume": 35}', "The volume is now 35 percent."),
        ('{"ok": true, "percent": 0}', "The volume is now 0 percent."),
        ("40", "The volume is now 40 percent."),
        ("volume set to 40%", "The volume is now 40 percent."),
        ('"40"', "The volume is now 40 percent."),
        ("39.6", "The volume is now 40 percent."),
        ("{}", "The volume is set."),
        ("", "The volume is set."),
        ("ok", "The volume is set."),
        ("true", "The volume is set."),
        ("4000", "The volume is set."),
        ("[1, 2]", "The volume is set."),
        ('{"error": "no speaker"}', "I could not set the volume: no speaker."),
        ('{"error": {"message": "no speaker."}}', "I could not set the volume: no speaker."),
        ('{"ok": false, "message": "muted"}', "I could not set the volume: muted."),
        ('{"ok": false}', "I could not set the volume: no reason given."),
        ("error: no speaker", "I could not set the volume: no speaker."),
        ("Failed", "I could not set the volume: Failed."),
    ],
)
def test_volume_outcome(output: str, text: str) -> None:
    assert after_tool(VOLUME, output, {"language": "en"}).text == text


def test_volume_outcome_in_chinese() -> None:
    memory: Memory = {"language": "zh"}
    assert after_tool(VOLUME, '{"percent": 40}', memory).text == "音量现在是百分之40。"
    assert "no speaker" in after_tool(VOLUME, '{"error": "no speaker"}', memory).text


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (
            '{"name": "kitchen", "app_version": "0.1.0", "nested": {"a": 1}}',
            "I am the talkbox emulator. The device says: name kitchen, app version 0.1.0.",
        ),
        ("a small speaker", "I am the talkbox emulator. The device says: a small speaker."),
        ('{"error": "unknown tool"}', "I am the talkbox emulator. The device did not say more."),
        ("", "I am the talkbox emulator. The device did not say more."),
    ],
)
def test_device_outcome(output: str, text: str) -> None:
    assert after_tool(DEVICE, output, {}).text == text


def test_unknown_tool_outcome() -> None:
    assert after_tool(ToolRequest("dance"), "fine", {}).text == "Done."
    assert after_tool(ToolRequest("dance"), "error: no legs", {}).text == (
        "That did not work: no legs."
    )


@given(st.text(max_size=200))
@settings(max_examples=200)
def test_any_tool_output_is_survived(output: str) -> None:
    for request in (VOLUME, DEVICE, ToolRequest("dance")):
        reply = after_tool(request, output, {})
        assert reply.text
        assert reply.tool is None
        assert len(reply.text) < 800


def test_deep_json_is_survived() -> None:
    assert after_tool(VOLUME, "[" * 100_000, {}).text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("It is 3:07 PM.", ["It is 3:07 PM."]),
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Pi is 3.14. Dr. Smith knows.", ["Pi is 3.14.", "Dr. Smith knows."]),
        ("I heard: who? I am here.", ["I heard: who?", "I am here."]),
        ("e.g. this one", ["e.g. this one"]),
        ("一。二\uff01三\uff1f", ["一。", "二\uff01", "三\uff1f"]),
        ("line one\nline two", ["line one", "line two"]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_sentences(text: str, pieces: list[str]) -> None:
    assert sentences(text) == pieces


@given(st.text(max_size=100))
@settings(max_examples=200)
def test_sentences_lose_nothing_but_space(text: str) -> None:
    pieces = sentences(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece in text for piece in pieces)
