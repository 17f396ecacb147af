"""Answers to the fixed phrases: the time, the date, a joke, a greeting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from .answer import Answer, Memory, ToolRequest
from .phrases import JOKES

EXAMPLES = "what time it is, six times twelve, set the volume to forty percent, or tell me a joke"
STEP = 10
"""Percentage points of one "louder" or "quieter"."""

Handler = Callable[[Memory, datetime, Random], Answer]


def clock_time(now: datetime) -> str:
    """``"3:07 PM"``, which every voice here reads well."""
    return f"{now.hour % 12 or 12}:{now.minute:02d} {'AM' if now.hour < 12 else 'PM'}"


def calendar_date(day: datetime) -> str:
    """``"Sunday, November 22"``; names are fixed English, whatever the locale."""
    return f"{_WEEKDAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}"


_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def _time(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(f"It is {clock_time(now)}.")


def _date(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(f"Today is {calendar_date(now)}.")


def _tomorrow(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(f"Tomorrow is {calendar_date(now + timedelta(days=1))}.")


def _yesterday(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(f"Yesterday was {calendar_date(now - timedelta(days=1))}.")


def _joke(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(pick_unheard(JOKES, "jokes", memory, rng))


def pick_unheard(choices: tuple[str, ...], key: str, memory: Memory, rng: Random) -> str:
    """One of ``choices``: each is told once before any comes again, and never twice in a row."""
    told: list[int] = memory.setdefault(key, [])
    if len(told) >= len(choices):
        del told[:-1]
    index = rng.choice([i for i in range(len(choices)) if i not in told])
    told.append(index)
    return choices[index]


def _greeting(memory: Memory, now: datetime, rng: Random) -> Answer:
    part = "morning" if now.hour < 12 else "afternoon" if now.hour < 18 else "evening"
    return Answer(f"Good {part}! What can I do for you?")


def _coin(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(rng.choice(("Heads.", "Tails.")))


def _dice(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(f"You rolled a {rng.randint(1, 6)}.")


def _again(memory: Memory, now: datetime, rng: Random) -> Answer:
    return Answer(str(memory.get("said") or "I have not said anything yet."))


def set_volume(**arguments: int) -> Answer:
    """The tool call for ``percent=`` or ``delta=``."""
    return Answer("", ToolRequest("set_volume", arguments))


def _fixed(text: str) -> Handler:
    return lambda memory, now, rng: Answer(text)


def _tool(name: str, **arguments: int) -> Handler:
    return lambda memory, now, rng: Answer("", ToolRequest(name, arguments))


HANDLERS: dict[str, Handler] = {
    "time": _time,
    "date": _date,
    "tomorrow": _tomorrow,
    "yesterday": _yesterday,
    "year": lambda memory, now, rng: Answer(f"It is {now.year}."),
    "month": lambda memory, now, rng: Answer(f"It is {_MONTHS[now.month - 1]}."),
    "louder": _tool("set_volume", delta=STEP),
    "quieter": _tool("set_volume", delta=-STEP),
    "mute": _tool("set_volume", percent=0),
    "loudness": _tool("set_volume", delta=0),
    "joke": _joke,
    "stop": _fixed("Okay."),
    "greeting": _greeting,
    "name": _fixed("I have no name of my own. I am the voice of the talkbox emulator."),
    "device": _tool("get_device_info"),
    "feeling": _fixed("I am fine, thank you. All my samples are in order."),
    "fine": _fixed("All right."),
    "thanks": _fixed("You are welcome."),
    "bye": _fixed("Goodbye!"),
    "help": _fixed(f"Ask me {EXAMPLES}."),
    "test": _fixed("Yes, I hear you."),
    "coin": _coin,
    "dice": _dice,
    "again": _again,
}
