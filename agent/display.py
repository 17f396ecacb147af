"""What a person sees of a running conversation on the terminal: live, and readable in a log."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, TextIO

BARS = " ▁▂▃▄▅▆▇█"
REFRESH_S = 0.1


class Display:
    """Prints what was heard and answered; on a terminal also a line that moves."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._state = ""
        self._levels: list[float] = [-96.0] * 24
        self._next = 0.0

    def event(self, record: dict[str, Any]) -> None:
        """Show one record of the event stream."""
        match record["event"]:
            case "state":
                self._state = record["state"]
                if not self._live:
                    self._line(f"  [{self._state}]")
            case "transcript" if record["final"]:
                self._line(f"  you      {record['text'] or '(nothing understood)'}")
            case "reply_text" if record["final"]:
                self._line(f"  talkbox  {record['text']}")
            case "turn" if record["total_ms"] is not None:
                self._line(
                    f"           first sound {record['total_ms']:.0f} ms after the end of speech"
                    f" (deciding {record['speech_end_to_commit_ms']:.0f},"
                    f" platform {record['commit_to_first_audio_ms']:.0f},"
                    f" playing {record['first_audio_to_dac_ms']:.0f})"
                )
            case "tool":
                self._line(f"           tool: {', '.join(record['names'])}")
            case "interrupted":
                self._line(f"           interrupted by {record['by']}")
            case "error":
                self._line(f"  !        {record['message']} {record['remedy']}".rstrip())
            case "reconnect":
                self._line(f"           trying again in {record['delay']:.1f} s")

    def level(self, dbfs: float) -> None:
        """Show the microphone's level (dBFS); cheap to call at every tick."""
        if not self._live:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + REFRESH_S
        self._levels = [*self._levels[1:], dbfs]
        meter = "".join(BARS[_bar(x)] for x in self._levels)
        text = f"  {self._state:<10} {meter} {dbfs:6.1f} dBFS"
        width = shutil.get_terminal_size().columns
        self._stream.write("\r\x1b[2K" + text[: width - 1])
        self._stream.flush()

    def say(self, text: str) -> None:
        """A line of our own."""
        self._line(text)

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._live:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    def _line(self, text: str) -> None:
        self._stream.write(("\r\x1b[2K" if self._live else "") + text + "\n")
        self._stream.flush()


def _bar(dbfs: float) -> int:
    """0-8 for -60 to -6 dBFS, where speech lives."""
    return max(0, min(8, round((dbfs + 60) / 54 * 8)))
