"""The event stream: one JSON object per line, for people's programs and for tests.

Every object has ``t`` (seconds, monotonic) and ``event``; the names are listed in docs/events.md.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from agent.errors import UsageError

Listener = Callable[[dict[str, Any]], None]

# What waits for a reader that has stopped reading; some 10 000 events.
MAX_WAITING = 1 << 20

# A pipe that is writable takes this much without blocking (PIPE_BUF of Linux).
_PIECE = 4096

# At the end a slow reader gets this long to take the rest, s.
_PATIENCE_S = 0.3


class EventLog:
    """Fans events out to a file or standard output and to listeners in this process.

    A reader that goes away (broken pipe) ends the stream and never the daemon; one that stops
    reading holds nothing up: what it does not take waits here, and beyond ``MAX_WAITING`` bytes
    whole events are dropped and counted. Everything happens on the caller's thread.
    """

    def __init__(self, target: str | None = None) -> None:
        """``target``: ``-`` for standard output, a path to append to, or ``None`` for no stream.

        Raises ``UsageError`` when the file cannot be opened.
        """
        self._listeners: list[Listener] = []
        self._fd: int | None = None
        self._owned = False
        self._waiting = bytearray()
        self.dropped = 0
        if target == "-":
            # A process may be started without a standard output.
            self._fd = sys.stdout.fileno() if sys.stdout is not None else None
        elif target:
            try:
                self._fd = os.open(
                    target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
                )
            except OSError as error:
                raise UsageError(
                    f"cannot write events to {target}: {os.strerror(error.errno or 0)}",
                    remedy="Give another file to --events, or - for standard output.",
                ) from error
            self._owned = True

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` with every event from now on, on the daemon's thread."""
        self._listeners.append(listener)

    def emit(self, t: float, event: str, **fields: Any) -> None:
        """Record one event at monotonic time ``t`` (seconds)."""
        record = {"t": round(t, 4), "event": event, **fields}
        for listener in self._listeners:
            listener(record)
        if self._fd is None:
            return
        # Half of a surrogate pair, as a text cut into increments may end with, becomes an escape.
        line = json.dumps(record, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
        if len(self._waiting) + len(line) > MAX_WAITING:
            self.dropped += 1
            return
        self._waiting += line
        self.flush()

    def flush(self, patience: float = 0.0) -> None:
        """Write what waits as far as the reader takes it, for at most ``patience`` seconds."""
        if self._fd is None or not self._waiting:
            return
        limit = time.monotonic() + patience
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        try:
            while self._waiting and poll.poll(max(0.0, limit - time.monotonic()) * 1000):
                del self._waiting[: os.write(self._fd, self._waiting[:_PIECE])]
        except OSError:
            self._end()

    def close(self) -> None:
        """Close a file that was opened here."""
        self.flush(_PATIENCE_S)
        self._end()

    def _end(self) -> None:
        fd, self._fd = self._fd, None
        self._waiting.clear()
        if self._owned and fd is not None:
            os.close(fd)
