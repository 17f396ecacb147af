from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.answer import Memory, ToolRequest
from agent.emulator.brain.english import answer, normalise, phrase_intent
from agent.emulator.brain.numbers import spoken
from agent.emulator.brain.phrases import JOKES, PHRASES
from agent.emulator.brain.talk import HANDLERS, calendar_date, clock_time

NOW = datetime(2026, 11, 22, 15, 7)


def said(text: str, memory: Memory | None = None) -> str:
    reply = answer(text, {} if memory is None else memory, NOW, Random(1))
    assert reply.tool is None
    return reply.text


def called(text: str) -> ToolRequest | None:
    reply = answer(text, {}, NOW, Random(1))
    assert reply.text == "" or reply.tool is None
    return reply.tool


@pytest.mark.parametrize(
    "text",
    [
        "What time is it?",
        "what time is it",
        "WHAT TIME IS IT",
        "What time is it now?",
        "What's the time?",
        "What’s the time, please?",
        "Hey, can you tell me what time it is?",
        "Hello, what time is it?",
        "Okay, what time is it?",
        "What I'm is it?",
        "What times is it?",
        "What time it is.",
    ],
)
def test_time(text: str) -> None:
    assert said(text) == "It is 3:07 PM."


@pytest.mark.parametrize(
    ("hour", "minute", "text"),
    [(0, 0, "12:00 AM"), (9, 5, "9:05 AM"), (12, 30, "12:30 PM"), (23, 59, "11:59 PM")],
)
def test_clock(hour: int, minute: int, text: str) -> None:
    assert clock_time(datetime(2026, 1, 1, hour, minute)) == text


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("What day is it?", "Today is Sunday, November 22."),
        ("What is today's date?", "Today is Sunday, November 22."),
        ("What's the date?", "Today is Sunday, November 22."),
        ("What day is it today", "Today is Sunday, November 22."),
        ("What day is tomorrow?", "Tomorrow is Monday, November 23."),
        ("What day was yesterday?", "Yesterday was Saturday, November 21."),
        ("What year is it?", "It is 2026."),
        ("What month is it?", "It is November."),
    ],
)
def test_calendar(text: str, reply: str) -> None:
    assert said(text) == reply


def test_calendar_names_do_not_follow_the_locale() -> None:
    assert calendar_date(datetime(2027, 1, 4)) == "Monday, January 4"


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("What is seven times eight?", "7 times 8 is 56."),
        ("What is 7 times 8?", "7 times 8 is 56."),
        ("What's 7 x 8?", "7 times 8 is 56."),
        ("7x8", "7 times 8 is 56."),
        ("7 × 8 =", "7 times 8 is 56."),
        ("7*8", "7 times 8 is 56."),
        ("seven multiplied by eight", "7 times 8 is 56."),
        ("Watt is seven times ate?", "7 times 8 is 56."),
        ("Was 7 times 8", "7 times 8 is 56."),
        ("What is seven times eight equal to?", "7 times 8 is 56."),
        ("Can you tell me what seven times eight is?", "7 times 8 is 56."),
        ("12 plus 30.", "12 plus 30 is 42."),
        ("What is 12 + 30?", "12 plus 30 is 42."),
        ("What is twelve plus thirty?", "12 plus 30 is 42."),
        ("for plus for", "4 plus 4 is 8."),
        ("two plus to", "2 plus 2 is 4."),
        ("add five and six", "5 plus 6 is 11."),
        ("Divide 100 by 4.", "100 divided by 4 is 25."),
        ("100 / 4", "100 divided by 4 is 25."),
        ("100 ÷ 4", "100 divided by 4 is 25."),
        ("one hundred divided by four", "100 divided by 4 is 25."),
        ("How much is forty-two minus two?", "42 minus 2 is 40."),
        ("12 - 5", "12 minus 5 is 7."),
        ("12-5", "12 minus 5 is 7."),
        ("10 minus 15", "10 minus 15 is -5."),
        ("What is -3 times 4?", "-3 times 4 is -12."),
        ("What is minus three times four?", "-3 times 4 is -12."),
        ("10 divided by 3", "10 divided by 3 is about 3.33."),
        ("three point five times two", "3.5 times 2 is 7."),
        ("What is 20% of 50?", "20 percent of 50 is 10."),
        ("1,000 times 1,000", "1,000 times 1,000 is 1,000,000."),
        ("2 + 3 * 4", "2 plus 3 times 4 is 14."),
        ("5 squared", "5 to the power of 2 is 25."),
        ("What is five divided by zero?", "Nobody can divide by zero, not even me."),
        ("9 to the power of 99", "That is more than I can work out in one breath."),
    ],
)
def test_sums(text: str, reply: str) -> None:
    assert said(text) == reply


@given(st.integers(0, 100), st.integers(0, 100))
@settings(max_examples=100)
def test_sums_in_words(a: int, b: int) -> None:
    assert said(f"What is {spoken(a)} times {spoken(b)}?") == f"{a} times {b} is {a * b:,}."
    assert said(f"{spoken(a)} plus {spoken(b)}") == f"{a} plus {b} is {a + b:,}."


@pytest.mark.parametrize(
    "text",
    [
        "I have told you three times five days ago",
        "I was there at seven.",
        "He ran three times.",
        "The game ended two to one over there yesterday evening.",
    ],
)
def test_numbers_in_a_story_are_no_sums(text: str) -> None:
    assert said(text).startswith("I heard: ")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("Set the volume to forty percent.", {"percent": 40}),
        ("Set the volume to 40%.", {"percent": 40}),
        ("Set volume 40", {"percent": 40}),
        ("Volume 40.", {"percent": 40}),
        ("Said the volume to 40%", {"percent": 40}),
        ("Set the volume 240.", {"percent": 40}),
        ("Could you please set the volume to forty?", {"percent": 40}),
        ("Set the volume to zero.", {"percent": 0}),
        ("Set the volume to one hundred percent.", {"percent": 100}),
        ("Turn the volume up to 60%.", {"percent": 60}),
        ("Turn the volume down to 20.", {"percent": 20}),
        ("Volume at 30 percent", {"percent": 30}),
        ("Volume to maximum!", {"percent": 100}),
        ("Mute.", {"percent": 0}),
        ("Louder.", {"delta": 10}),
        ("LOUGER PLEASE!", {"delta": 10}),
        ("Louder, please.", {"delta": 10}),
        ("Volume up", {"delta": 10}),
        ("Turn it up, please.", {"delta": 10}),
        ("Increase the volume.", {"delta": 10}),
        ("Speak up", {"delta": 10}),
        ("Turn up the volume by 20 percent.", {"delta": 20}),
        ("Quieter.", {"delta": -10}),
        ("Turn the volume down.", {"delta": -10}),
        ("Could you lower the volume?", {"delta": -10}),
        ("Make it quieter by 5", {"delta": -5}),
        ("How loud are you?", {"delta": 0}),
        ("What is the volume?", {"delta": 0}),
    ],
)
def test_volume(text: str, arguments: dict[str, int]) -> None:
    assert called(text) == ToolRequest("set_volume", arguments)


@given(st.integers(0, 100), st.booleans())
@settings(max_examples=60)
def test_every_volume(percent: int, words: bool) -> None:
    figure = spoken(percent) if words else str(percent)
    request = ToolRequest("set_volume", {"percent": percent})
    assert called(f"Set the volume to {figure} percent.") == request


def test_volume_beyond_the_scale_needs_no_tool() -> None:
    assert said("Set the volume to 150%") == "The volume goes from 0 to 100 percent."


def test_volume_without_a_number_is_asked_for() -> None:
    memory: Memory = {}
    assert said("Set the volume to 4D per cent", memory).startswith("How loud")
    assert answer("Forty.", memory, NOW, Random(1)).tool == ToolRequest(
        "set_volume", {"percent": 40}
    )
    assert said("Forty.", memory).startswith("I heard")


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Repeat after me, the quick brown fox.", "The quick brown fox."),
        ("Repeat after me: I like 3 + 4!", "I like 3 + 4!"),
        ("repeat after me the quick brown fox", "The quick brown fox."),
        ("Repeat after me. Hello world.", "Hello world."),
        ("Can you repeat after me, good morning?", "Good morning?"),
        ("Please repeat after me: set the volume to ten", "Set the volume to ten."),
        ("Say hello", "Hello."),
        ("Say after me “what time is it?”", "What time is it?"),
    ],
)
def test_repeat(text: str, reply: str) -> None:
    assert said(text) == reply


def test_repeat_waits_for_the_words() -> None:
    memory: Memory = {}
    assert said("Repeat after me.", memory) == "What shall I repeat?"
    assert said("What time is it?", memory) == "What time is it?"
    assert said("What time is it?", memory) == "It is 3:07 PM."


def test_repeat_can_be_called_off() -> None:
    memory: Memory = {}
    said("Repeat after me.", memory)
    assert said("Stop.", memory) == "Okay."


def test_say_that_again() -> None:
    assert said("Say that again.") == "I have not said anything yet."
    assert said("What did you say?", {"said": "It is 3:07 PM."}) == "It is 3:07 PM."


@pytest.mark.parametrize(
    "text", ["Tell me a joke.", "Tell me another joke!", "tell me a choke", "Tell me joke"]
)
def test_jokes(text: str) -> None:
    assert said(text) in JOKES


@given(st.integers(0, 1000))
@settings(max_examples=25)
def test_no_joke_comes_twice_before_all_were_told_nor_twice_in_a_row(seed: int) -> None:
    memory: Memory = {}
    rng = Random(seed)
    told = [answer("Tell me a joke", memory, NOW, rng).text for _ in range(3 * len(JOKES))]
    assert set(told[: len(JOKES)]) == set(JOKES)
    assert all(a != b for a, b in pairwise(told))


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("Stop.", "Okay."),
        ("Be quiet!", "Okay."),
        ("Stop it.", "Okay."),
        ("Hello.", "Good afternoon! What can I do for you?"),
        ("Hi there!", "Good afternoon! What can I do for you?"),
        ("Hello there my friend", "Good afternoon! What can I do for you?"),
        ("Thank you very much.", "You are welcome."),
        ("Goodbye.", "Goodbye!"),
        ("How are you today?", "I am fine, thank you. All my samples are in order."),
        ("Can you hear me?", "Yes, I hear you."),
        ("Okay.", "All right."),
    ],
)
def test_small_talk(text: str, reply: str) -> None:
    assert said(text) == reply


def test_name_is_that_of_an_emulator() -> None:
    assert "emulator" in said("What is your name?")


@pytest.mark.parametrize("text", ["Who are you?", "What device are you?"])
def test_device(text: str) -> None:
    assert called(text) == ToolRequest("get_device_info")


def test_coin_and_dice() -> None:
    rng = Random(3)
    coins = {answer("Flip a coin", {}, NOW, rng).text for _ in range(50)}
    dice = {answer("Rolla die.", {}, NOW, rng).text for _ in range(200)}
    assert coins == {"Heads.", "Tails."}
    assert dice == {f"You rolled a {pips}." for pips in range(1, 7)}


@pytest.mark.parametrize(
    "text",
    [
        "Who wrote Hamlet?",
        "What kind is it?",
        "What time is it in Paris?",
        "Turn on the kitchen lights.",
        "It is time to go.",
        "The stop is over there.",
        "you",
    ],
)
def test_the_unknown_is_quoted_and_admitted(text: str) -> None:
    reply = said(text)
    assert reply.startswith(f"I heard: {text.rstrip('.')}")
    assert "emulator" in reply


def test_the_unknown_is_not_explained_at_length_twice() -> None:
    memory: Memory = {}
    replies = [said("Who wrote Hamlet?", memory) for _ in range(4)]
    assert len(set(replies)) == 4
    assert all(len(reply) < len(replies[0]) for reply in replies[1:])


@pytest.mark.parametrize("text", ["", "   ", "...", "?!"])
def test_nothing_heard(text: str) -> None:
    assert said(text) == "I did not catch that. Please say it again."


@given(st.text(max_size=80))
@settings(max_examples=300)
def test_any_text_gets_an_answer_or_a_call(text: str) -> None:
    reply = answer(text, {}, NOW, Random(1))
    assert bool(reply.text) != (reply.tool is not None)


@given(st.text(max_size=60))
@settings(max_examples=100)
def test_normal_form_has_single_spaces_and_no_punctuation(text: str) -> None:
    words = normalise(text)
    assert "  " not in words
    assert not set(words) & set(",;:!?%+*/=")


def test_every_phrase_is_known_and_has_an_answer() -> None:
    assert set(PHRASES) == set(HANDLERS)
    for name, phrases in PHRASES.items():
        for phrase in phrases:
            assert phrase_intent(phrase, loose=False) == name
            assert phrase_intent(f"Please, {phrase}!", loose=False) == name


def test_the_same_seed_gives_the_same_answer() -> None:
    texts = ("Tell me a joke", "Flip a coin", "Roll a die")
    first = [answer(text, {}, NOW, Random(7)) for text in texts]
    assert first == [answer(text, {}, NOW, Random(7)) for text in texts]
