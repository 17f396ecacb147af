"""The grammar of the small recogniser: exactly the questions the mind understands (JSGF)."""

from __future__ import annotations

import re
from functools import lru_cache

from .phrases import PHRASES

_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

# A grammar recogniser confuses what it may confuse: sentences that nobody needs cost accuracy for
# those that everybody says.
_LEFT_OUT = frozenset(
    {
        "alright",
        "no",
        "good",
        "great",
        "yes",
        "what time it is",
        "hi",
        "hey",
        "repeat",
        "mute",
        "bye",
        "come again",
        "another one",
        "ok",
    }
)

REPEATABLE = (
    "hello world",
    "the quick brown fox jumps over the lazy dog",
    "one two three",
    "i am a talking box",
)


def jsgf() -> str:
    """The grammar as text: the fixed phrases, sums and volumes with numbers from 0 to 100."""
    fixed = [
        phrase for phrases in PHRASES.values() for phrase in phrases if phrase not in _LEFT_OUT
    ]
    return "\n".join(
        (
            "#JSGF V1.0;",
            "grammar talkbox;",
            f"<unit> = {_either(_UNITS)};",
            f"<teen> = {_either(_TEENS)};",
            f"<tens> = {_either(_TENS)};",
            "<number> = zero | <unit> | <teen> | <tens> [<unit>] | (a | one) hundred;",
            "<sign> = plus | minus | times | multiplied by | divided by;",
            "<asking> = what is | what's | how much is;",
            "<sum> = [<asking>] <number> <sign> <number>",
            "  | divide <number> by <number> | multiply <number> by <number>",
            "  | add <number> and <number> | subtract <number> from <number>;",
            "<volume> = (set the volume to | turn the volume to | volume) <number> [percent];",
            f"<repeat> = repeat after me [{_either(REPEATABLE)}];",
            f"<fixed> = {_either(fixed)};",
            "public <utterance> = (<sum> | <volume> | <repeat> | <fixed>) [please];",
        )
    )


def words() -> set[str]:
    """Every word of the grammar; each must be in the recogniser's dictionary."""
    text = re.sub(r"<\w+>|#.*|grammar talkbox;|public|[=|;()\[\]]", " ", jsgf())
    return set(text.split())


def is_whole(text: str) -> bool:
    """Whether ``text`` is a full sentence of the grammar.

    A recogniser that lost its way reports how far it got, for example "eight plus".
    """
    return _pattern().fullmatch(" ".join(text.split()) + " ") is not None


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    """The grammar as a regular expression in which every word is followed by a space."""
    rules = dict(re.findall(r"<(\w+)> = ([^;]*);", jsgf()))
    brackets = {"(": "(?:", ")": ")", "[": "(?:", "]": ")?", "|": "|"}

    def expression(body: str) -> str:
        parts = []
        for token in re.findall(r"<\w+>|[()\[\]|]|[\w']+", body):
            if token.startswith("<"):
                parts.append(f"(?:{expression(rules[token[1:-1]])})")
            else:
                parts.append(brackets.get(token) or re.escape(token) + " ")
        return "".join(parts)

    return re.compile(expression(rules["utterance"]))


def _either(choices: list[str] | tuple[str, ...]) -> str:
    return " | ".join(choices)
