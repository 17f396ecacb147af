"""What the feed holds: entries of the log, devices, and what was said."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

_MOST_LINES = 200
_LONGEST_LINE = 4000


@dataclass(slots=True)
class Entry:
    """One line of the log.

    ``at`` is in Unix seconds; ``kind`` is frame, audio, text (folded deltas), link, http, or what
    ``Feed.note`` was given. Folded lines count ``count`` frames of ``size`` bytes and ``ms``
    milliseconds of audio (0 where that cannot be known). ``frame`` is the text on the wire, its
    head where it is long, and ``length`` its whole length.
    """

    at: float
    device: str
    connection: str
    kind: str
    direction: str
    event_type: str
    summary: str = ""
    frame: str | bytes = ""
    length: int = 0
    count: int = 1
    size: int = 0
    ms: float = 0.0
    seq: int = 0
    stamp: int = 0


@dataclass(slots=True)
class Status:
    """One open connection: ``up`` and ``down`` count frames and bytes since ``since``."""

    id: str
    bot: str
    path: str
    since: float
    state: str = "connected"
    mode: str = ""
    up_frames: int = 0
    up_bytes: int = 0
    down_frames: int = 0
    down_bytes: int = 0


@dataclass(slots=True)
class Spoken:
    """One utterance: ``role`` is user, assistant, tool or note; ``mark`` says what became of it."""

    id: int
    at: float
    role: str
    text: str
    done: bool
    mark: str = ""
    stamp: int = 0


class Clock(Protocol):
    """Where time and stamps come from: the feed."""

    stamp: int

    def now(self) -> float: ...


class Talk:
    """What a device and the platform said to each other, the last 200 utterances."""

    def __init__(self) -> None:
        self.lines: deque[Spoken] = deque(maxlen=_MOST_LINES)
        self._next = 0
        self._open: dict[str, Spoken] = {}

    def say(
        self, clock: Clock, key: str, role: str, text: str, *, more: bool = False, done: bool = True
    ) -> Spoken:
        """Put down an utterance, or change the open one of that ``key``; ``more`` appends to it."""
        line = self._open.get(key)
        if line is None:
            line = Spoken(self._next, clock.now(), role, "", False)
            self._next += 1
            self.lines.append(line)
            self._open[key] = line
        line.text = (line.text + text if more else text)[:_LONGEST_LINE]
        line.done = done
        # The one that is told right after gets the stamp that comes next.
        line.stamp = clock.stamp + 1
        if done:
            del self._open[key]
        return line

    def mark(self, clock: Clock, role: str, mark: str) -> None:
        """Say what became of the last utterance of ``role``, if it is the last but notes."""
        for line in reversed(self.lines):
            if line.role == role:
                line.mark, line.done, line.stamp = mark, True, clock.stamp + 1
                return
            if line.role == "user":
                return

    def end(self, clock: Clock) -> None:
        """Nothing more will come to what is open."""
        for line in self._open.values():
            line.done, line.stamp = True, clock.stamp + 1
        self._open.clear()


@dataclass(slots=True)
class Device:
    """One device of an account, connected or away since ``seen``."""

    key: str
    device_id: str
    account: str
    seen: float
    connections: dict[str, Status] = field(default_factory=dict)
    talk: Talk = field(default_factory=Talk)
    stamp: int = 0
