"""What somebody meant by an English sentence, and what to answer."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import datetime
from random import Random

from .answer import Answer, Memory
from .arithmetic import figure, find_sum, is_exact
from .numbers import with_digits
from .phrases import PHRASES
from .talk import EXAMPLES, HANDLERS, STEP, set_volume

# A fixed phrase still counts when a recogniser got one word of it wrong. Found by trying: at 0.8
# "what kind is it" would still be taken for "what time is it".
_ALIKE = 0.84
_ALIKE_WORD = 0.8
_SHORTEST_ALIKE = 6

_SYMBOLS = (
    ("%", " percent "),
    ("×", " times "),
    ("*", " times "),
    ("÷", " divided by "),
    ("/", " divided by "),
    ("+", " plus "),
    ("−", " minus "),
    ("–", " - "),
    ("—", " - "),
    ("=", " "),
    ("&", " and "),
)
_POLITE_WORD = re.compile(
    r"(?:please|okay|ok|hey|hi|hello|um+|uh+|so|well|and|now|alright|all right|computer|"
    r"talkbox|i said|do you know|(?:can|could|would|will) you(?: please)?(?: tell me)?) "
)
_POLITE = re.compile(rf"^(?:{_POLITE_WORD.pattern})+")
_POLITE_END = re.compile(r"(?: (?:please|now|for me|thanks|thank you|talkbox|will you|to me))+$")
_REPEAT = re.compile(
    r"^\W*(?:(?:please|can you|could you|now|okay|ok)[\s,]+)*"
    r"(?:(?:repeat|say|repeats|repeated)(?: after me| off to me| this)|please repeat|repeat|say)\b"
    r"[\s,.:;…\"“”'‘-]*(.*?)[\"”’\s]*$",
    re.IGNORECASE | re.DOTALL,
)
# Words that may stand around a sum without making it a story with numbers in it.
_ASKING = re.compile(
    r"what(?:'?s)?|watt|is|was|are|how|much|many|makes?|do|does|you|know|calculate|compute|the|"
    r"result|of|tell|me|please|equals?|and|so|hey|can|could|answer|to|work|out|it|if|i|a"
)
_MOST_OTHER_WORDS = 2
_HOMOPHONES = {"for": "4", "fore": "4", "to": "2", "too": "2", "ate": "8", "won": "1", "tin": "10"}
_HOMOPHONE = "|".join(_HOMOPHONES)
_AROUND = re.compile(
    rf"\b({_HOMOPHONE}) (?=plus|minus|times|divided|multiplied)"
    rf"|(?<=plus |inus |imes |d by )({_HOMOPHONE})$"
)
_VOLUME_TO = re.compile(
    r"\b(?:volume|loudness)(?: (?:up|down))?(?: (?:to|at|is|of|level|for|2))* (\d+)\b"
    r"|\b(?:volume|turn it) (?:up|down) to (\d+)\b|^(\d+) percent volume$"
)
_VOLUME_BY = re.compile(r"\b(up|down|louder|quieter|softer)\b.* by (\d+)\b")
_VOLUME_WORD = re.compile(
    r"\bvolume(?: up| down)?(?: to| at)?(?: the)? (maximum|max|full|minimum|min|half)\b"
)
_WORDY_LEVELS = {"maximum": 100, "max": 100, "full": 100, "half": 50, "minimum": 10, "min": 10}
_GREET = re.compile(r"^(?:hello|hi|hey|good (?:morning|afternoon|evening))\b")


def normalise(text: str) -> str:
    """Lower case, one space between words, signs as words, no punctuation, numbers in digits."""
    text = text.lower().replace("’", "'").replace("‘", "'").replace("per cent", "percent")
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(?<=\d)\s*x\s*(?=\d)", " x ", text)
    # A sign before a number belongs to it; between two numbers it is a minus.
    text = re.sub(r"(?<=\d)\s*[-−–]\s*(?=\d)", " minus ", text)
    text = re.sub(r"(?<=\d)-(?=[a-z])", " ", text)
    for symbol, word in _SYMBOLS:
        text = text.replace(symbol, word)
    text = re.sub(r"\ba\.m\.|\bp\.m\.", "", text)
    text = re.sub(r"(?<!\d)\.|\.(?!\d)", " ", text)
    text = re.sub(r"[^\w\s'.-]", " ", text)
    text = re.sub(r"(?<![\w])-(?!\d)|(?<=\w)-(?!\w)", " ", text)
    text = re.sub(r"\bnegative (?=\w)", "minus ", text)
    text = with_digits(" ".join(text.split()))
    return re.sub(r"(?:(?<=^)|(?<=is )|(?<=by )|(?<=times )|(?<=plus ))minus (?=\d)", "-", text)


def plain(text: str) -> str:
    """``text`` without politeness around it, apostrophes kept, numbers left in words."""
    return _undecorated(_words(text))


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower().replace("’", "'")).split())


def _ever_shorter(words: str) -> Iterator[str]:
    while words:
        yield words
        yield _POLITE_END.sub("", words)
        match = _POLITE_WORD.match(words)
        words = words[match.end() :] if match else ""


def _undecorated(words: str) -> str:
    shorter = _POLITE_END.sub("", _POLITE.sub("", words + " ").strip())
    return shorter or words


def phrase_intent(text: str, *, loose: bool) -> str | None:
    """The name in ``PHRASES`` whose sentences hold ``text``; ``loose`` forgives a wrong word."""
    words = _words(text)
    # One polite word less each time: "please hello" is a greeting, "hello what time" is not.
    for candidate in _ever_shorter(words):
        if candidate in _INTENTS:
            return _INTENTS[candidate]
    short = _undecorated(words)
    if not loose or len(short) < _SHORTEST_ALIKE:
        return None
    cutoff = _ALIKE if " " in short else _ALIKE_WORD
    found = difflib.get_close_matches(short, _INTENTS, n=1, cutoff=cutoff)
    return _INTENTS[found[0]] if found else None


_INTENTS = {phrase: name for name, phrases in PHRASES.items() for phrase in phrases}


def answer(text: str, memory: Memory, now: datetime, rng: Random) -> Answer:
    """The answer to one English sentence as typed or as heard by a recogniser."""
    heard = text.strip()
    if not re.search(r"\w", heard):
        return Answer("I did not catch that. Please say it again.")
    awaited = memory.pop("awaiting", "")
    name = phrase_intent(heard, loose=False)
    if awaited == "repeat" and name not in {"stop", "again"}:
        return Answer(heard)
    if awaited == "volume" and name is None:
        heard = _as_volume(heard)
    if name is None:
        found = _parametric(heard, memory)
        if found is not None:
            return found
        name = phrase_intent(heard, loose=True) or _leading_greeting(heard)
    if name is not None:
        return HANDLERS[name](memory, now, rng)
    return _unknown(heard, memory)


def _parametric(heard: str, memory: Memory) -> Answer | None:
    repeated = _repeat(heard, memory)
    if repeated is not None:
        return repeated
    words = _undecorated(normalise(heard))
    return _volume(words, memory) or _arithmetic(words)


def _as_volume(heard: str) -> str:
    """A bare number after "how loud shall it be" as a full request; all else as it is."""
    number = re.fullmatch(r"(?:to |at )?(\d+)(?: percent)?", _undecorated(normalise(heard)))
    return f"set the volume to {number.group(1)}" if number else heard


def _repeat(heard: str, memory: Memory) -> Answer | None:
    match = _REPEAT.match(heard)
    if match is None:
        return None
    words = match.group(1).strip()
    if not re.search(r"\w", words):
        memory["awaiting"] = "repeat"
        return Answer("What shall I repeat?")
    return Answer(words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else "."))


def _volume(words: str, memory: Memory) -> Answer | None:
    by = _VOLUME_BY.search(words)
    if by:
        step = min(int(by.group(2)), 100)
        return set_volume(delta=step if by.group(1) in {"up", "louder"} else -step)
    to = _VOLUME_TO.search(words)
    if to:
        percent = int(next(group for group in to.groups() if group))
        # "volume to forty" is often written down as "volume 240".
        if 200 < percent <= 300:
            percent -= 200
        if percent > 100:
            return Answer("The volume goes from 0 to 100 percent.")
        return set_volume(percent=percent)
    level = _VOLUME_WORD.search(words)
    if level:
        return set_volume(percent=_WORDY_LEVELS[level.group(1)])
    if "volume" not in words.split():
        return None
    if re.search(r"\b(?:up|raise|increase|higher|more|louder)\b", words):
        return set_volume(delta=STEP)
    if re.search(r"\b(?:down|lower|decrease|reduce|less|quieter)\b", words):
        return set_volume(delta=-STEP)
    if re.search(r"\b(?:set|said|sit|change|adjust|make|put|turn)\b", words):
        memory["awaiting"] = "volume"
        return Answer("How loud shall it be, from 0 to 100 percent?")
    return None


def _arithmetic(words: str) -> Answer | None:
    words = re.sub(r"(\d) squared\b", r"\1 to the power of 2", words)
    words = re.sub(r"(\d) cubed\b", r"\1 to the power of 3", words)
    words = re.sub(r"\bto the power (?=\d)", "to the power of ", words)
    words = re.sub(r"\bhalf of (?=\d)", "50 percent of ", words)
    found = find_sum(words)
    if found is None:
        words = _AROUND.sub(
            lambda match: _HOMOPHONES[match[1] or match[2]] + " " * bool(match[1]), words
        )
        found = find_sum(words)
    if found is None or _other_words(found.rest) > _MOST_OTHER_WORDS:
        return None
    try:
        result = found.result()
    except ZeroDivisionError:
        return Answer("Nobody can divide by zero, not even me.")
    except OverflowError:
        return Answer("That is more than I can work out in one breath.")
    about = "" if is_exact(result) else "about "
    words = found.words
    return Answer(f"{words[0].upper()}{words[1:]} is {about}{figure(result)}.")


def _other_words(text: str) -> int:
    return sum(_ASKING.fullmatch(word) is None for word in text.split())


def _leading_greeting(heard: str) -> str | None:
    """ "Hello there my friend" is a greeting; "hello" before a question was dropped earlier."""
    words = plain(heard)
    return "greeting" if _GREET.match(heard.lower()) and len(words.split()) <= 3 else None


def _unknown(heard: str, memory: Memory) -> Answer:
    lost = int(memory.get("lost", 0))
    memory["lost"] = lost + 1
    quoted = heard.rstrip(" .!")
    stop = "" if quoted.endswith("?") else "."
    if lost == 0:
        return Answer(
            f"I heard: {quoted}{stop} I am only the emulator, so my wits are few. "
            f"Ask me {EXAMPLES}."
        )
    tails = (
        "That one is for the real platform.",
        "I am only the emulator and have no answer to that.",
        "Ask the real platform, I only know the time, sums, the volume and jokes.",
    )
    return Answer(f"I heard: {quoted}{stop} {tails[(lost - 1) % len(tails)]}")
