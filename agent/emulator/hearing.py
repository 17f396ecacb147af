"""Turning utterances into transcripts, one after the other, while the socket is read on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agent.coze.events import Downlink, TranscriptCompleted, TranscriptUpdate
from agent.emulator.audio_in import RATE
from agent.emulator.fields import Refusal
from agent.emulator.line import Line
from agent.emulator.listener import Paused, Samples, Stopped
from agent.emulator.service import Service, sleep_until
from agent.emulator.transcript import dressed, interim

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Voicing:
    """How a socket tells what was heard.

    An ``update`` comes ``update_ms`` after the end of an utterance, and ``completed`` after
    ``completed_ms``. ``growing``: an utterance that nothing was told of before is told in steps, as
    if it had been heard while it was spoken. ``empty``: nothing recognised is told too.
    """

    update: Callable[[str], Downlink]
    completed: Callable[[str], Downlink]
    update_ms: float
    completed_ms: float
    growing: bool
    empty: bool


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
        voicing: Voicing | None = None,
    ) -> None:
        """``voicing`` is that of the chat socket unless given."""
        self._service = service
        self._line = line
        self._on_words = on_words
        self._on_text = on_text
        self._voicing = voicing or Voicing(
            TranscriptUpdate,
            TranscriptCompleted,
            service.script.timing.update_ms,
            service.script.timing.transcript_ms,
            growing=True,
            empty=service.script.switches.nothing_recognised == "empty",
        )
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._words = ""
        self._heard_ms = 0.0

    def put(self, heard: Paused | Stopped, asr: dict[str, Any], origin: str | bytes = "") -> None:
        """Queue words so far, or an utterance. ``origin`` is the frame that ended it."""
        if isinstance(heard, Stopped):
            self._heard_ms += len(heard.samples) * 1000 / RATE
        self._jobs.put_nowait(_Job(heard, asr, origin))
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def take_ms(self) -> float:
        """Milliseconds of utterances that were put since the last call."""
        taken, self._heard_ms = self._heard_ms, 0.0
        return taken

    @property
    def busy(self) -> bool:
        """Whether anything waits or is being heard."""
        return self._busy or not self._jobs.empty()

    async def drop(self) -> bool:
        """Forget everything that waits or is being heard; whether there was anything."""
        pending = self.busy
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
            if _streams(asr):
                await self._line.send(self._voicing.update(text))
            await self._on_words(text)

    async def _final(self, heard: Stopped, job: _Job) -> None:
        voicing, seconds = self._voicing, self._service.seconds
        begun = asyncio.get_running_loop().time()
        # If nobody spoke since the last look at the words, they stand.
        known = "" if heard.fresh else self._words
        text = known or await self._hear(heard.samples, job.asr)
        self._words = ""
        if not known and _streams(job.asr):
            steps = interim(text) if voicing.growing else [text] if text else []
            for count, words in enumerate(steps, 1):
                await sleep_until(begun + seconds(count * voicing.update_ms))
                await self._line.send(voicing.update(words))
        await sleep_until(begun + seconds(voicing.completed_ms))
        if text or voicing.empty:
            await self._line.send(voicing.completed(text))
        if text:
            await self._service.delay(self._service.script.timing.question_ms)
            await self._on_text(text, job.origin)

    async def _hear(self, samples: Samples, asr: dict[str, Any]) -> str:
        text = await self._service.worker.run(self._service.brain.hear, samples, RATE)
        return dressed(text, asr)


def _streams(asr: dict[str, Any]) -> bool:
    """Whether interim transcripts are wanted; the socket without the choice always has them."""
    return bool(asr.get("stream_mode", "bidirectional_stream") == "bidirectional_stream")
