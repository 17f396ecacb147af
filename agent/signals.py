"""Signals that come while no loop runs: at the start, between two configurations, at the end.

The loop has its own handlers while it runs and puts these back afterwards. Without them a SIGTERM
during the start would kill the process, and a second SIGHUP while the first is being obeyed too.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from agent.errors import EXIT_OK

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def ignore() -> None:
    """The process ends: nothing that comes from now on changes how. Needs the main thread."""
    for signum in _CAUGHT:
        signal.signal(signum, signal.SIG_IGN)


class Signals:
    """What came: ``ending`` for SIGTERM or SIGINT, ``reload`` for SIGHUP.

    While ``starting``, which may take long in a sound driver, the first SIGTERM or SIGINT raises
    ``SystemExit`` (a ``KeyboardInterrupt`` that crosses an ``exec`` on its way, as in the making of
    a dataclass, kills the process at its end even if it was caught). Otherwise an end is under way
    or about to be looked for: it is noted.
    """

    def __init__(self) -> None:
        self.starting = True
        self.ending = False
        self.reload = False

    @contextmanager
    def caught(self) -> Iterator[Signals]:
        """Catch them until the end of the block. Needs the main thread."""
        before = {signum: signal.signal(signum, self._noted) for signum in _CAUGHT}
        try:
            yield self
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _noted(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGHUP:
            self.reload = True
            return
        again, self.ending = self.ending, True
        if self.starting and not again:
            raise SystemExit(EXIT_OK)
