"""The event stream: one JSON object per line, for people's programs and for tests.

Every object has ``t`` (seconds, monotonic) and ``event``; the names are listed in docs/events.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from agent.errors import UsageError

Listener = Callable[[dict[str, Any]], None]


class EventLog:
    """Fans events out to a file or standard output and to listeners in this process.

    A reader that goes away (broken pipe) ends the stream and never the daemon. Writing happens on
    the caller's thread; a line is one ``write`` so that readers never see half an object.
    """

    def __init__(self, target: str | None = None) -> None:
        """``target``: ``-`` for standard output, a path to append to, or ``None`` for no stream.

        Raises ``UsageError`` when the file cannot be opened.
        """
        self._listeners: list[Listener] = []
        self._stream: TextIO | None = None
        self._owned = False
        if target == "-":
            self._stream = sys.stdout
        elif target:
            try:
                self._stream = Path(target).open("a", encoding="utf-8")  # noqa: SIM115
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
        if self._stream is None:
            return
        try:
            self._stream.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._stream.flush()
        except (BrokenPipeError, OSError, ValueError):
            self._stream = None

    def close(self) -> None:
        """Close a file that was opened here."""
        if self._owned and self._stream is not None:
            self._stream.close()
        self._stream = None
