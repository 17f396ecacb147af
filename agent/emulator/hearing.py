"""Turning utterances into transcripts, one after the other, while the socket is read on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agent.coze.events import TranscriptCompleted, TranscriptUpdate
from agent.emulator.audio_in import RATE
from agent.emulator.fields import Refusal
from agent.emulator.line import Line
from agent.emulator.listener import Paused, Samples, Stopped
from agent.emulator.service import Service, sleep_until
from agent.emulator.transcript import dressed, interim

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    heard: Paused | Stopped
    asr: dict[str, Any]
    origin: str | bytes


class Hearing:
    """A queue in front of the recogniser.

    ``on_words(text)`` is called with the words so far of somebody who still speaks, and
    ``on_text(text, origin)`` with a final transcript that is not empty.
    """

    def __init__(
        self,
        service: Service,
        line: Line,
        on_words: Callable[[str], Awaitable[None]],
        on_text: Callable[[str, str | bytes], Awaitable[None]],
    ) -> None:
        self._service = service
        self._line = line
        self._on_words = on_words
        self._on_text = on_text
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._words = ""

    def put(self, heard: Paused | Stopped, asr: dict[str, Any], origin: str | bytes = "") -> None:
        """Queue words so far, or an utterance. ``origin`` is the frame that ended it."""
        self._jobs.put_nowait(_Job(heard, asr, origin))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def drop(self) -> bool:
        """Forget everything that waits or is being heard; whether there was anything."""
        pending = self._busy or not self._jobs.empty()
        task, self._task = self._task, None
        self._jobs = asyncio.Queue()
        self._busy = False
        self._words = ""
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return pending

    async def _run(self) -> None:
        while True:
            job = await self._jobs.get()
            self._busy = True
            try:
                if isinstance(job.heard, Paused):
                    await self._partial(job.heard, job.asr)
                else:
                    await self._final(job.heard, job)
            except ConnectionError:
                log.debug("the client left while it was being heard")
            except Exception:
                log.exception("hearing failed (logid %s)", self._line.logid)
                with contextlib.suppress(ConnectionError):
                    await self._line.refuse(Refusal("internal error", 5000), job.origin)
            self._busy = False

    async def _partial(self, heard: Paused, asr: dict[str, Any]) -> None:
        text = await self._hear(heard.samples, asr)
        if text and text != self._words:
            self._words = text
            if asr["stream_mode"] == "bidirectional_stream":
                await self._line.send(TranscriptUpdate(text))
            await self._on_words(text)

    async def _final(self, heard: Stopped, job: _Job) -> None:
        timing, seconds = self._service.script.timing, self._service.seconds
        begun = asyncio.get_running_loop().time()
        # If nobody spoke since the last look at the words, they stand.
        known = "" if heard.fresh else self._words
        text = known or await self._hear(heard.samples, job.asr)
        self._words = ""
        if not known and job.asr["stream_mode"] == "bidirectional_stream":
            for count, words in enumerate(interim(text), 1):
                await sleep_until(begun + seconds(count * timing.update_ms))
                await self._line.send(TranscriptUpdate(words))
        await sleep_until(begun + seconds(timing.transcript_ms))
        if text or self._service.script.switches.nothing_recognised == "empty":
            await self._line.send(TranscriptCompleted(text))
        if text:
            await self._service.delay(timing.question_ms)
            await self._on_text(text, job.origin)

    async def _hear(self, samples: Samples, asr: dict[str, Any]) -> str:
        text = await self._service.worker.run(self._service.brain.hear, samples, RATE)
        return dressed(text, asr)
