"""One thread for work that blocks: hearing and speaking.

A thread pool would do, but its threads are joined when the interpreter ends, and a recognition
that takes seconds would then hold up a stop. This thread is a daemon: stopping waits for nobody.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Worker:
    """Runs one job after the other, first come, first served."""

    def __init__(self, name: str = "brain") -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]
        self._jobs = queue.SimpleQueue()
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    async def run(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``job`` in the thread. A caller cancelled while it waits in line takes it out."""
        future: Future[T] = Future()
        self._jobs.put((future, lambda: job(*args, **kwargs)))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Take no more jobs; what runs now is left alone."""
        self._jobs.put(None)

    def _loop(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - it is raised again where it is awaited
                future.set_exception(error)
            else:
                future.set_result(result)
