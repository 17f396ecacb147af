"""Speaking: sentences are synthesised ahead, encoded, and sent at the platform's pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.coze.events import AudioDelta, Downlink, Message, SentenceStart
from agent.emulator.audio_out import AudioEncoder, Piece
from agent.emulator.meter import Gauge
from agent.emulator.pacer import Pacer
from agent.emulator.service import Service, sleep_until

SILENT_MESSAGE = Message("0", "0", "0", content_type="audio", chat_id="0", section_id="0")
"""The message of audio that belongs to no turn, with the ids as recorded."""

_TONE_RATE = 24000
_TONE_MS_PER_LETTER = 60


class Sink(Protocol):
    """Where the events go: the line of a connection, or the stream of a request."""

    async def send(self, *events: Downlink) -> None:
        """Send events that belong together."""


@dataclass(slots=True)
class _Sentence:
    text: str
    message: Message
    ready: float
    pieces: asyncio.Task[list[Piece]]


class Speech:
    """The audio of one answer.

    ``say`` hands in a sentence as soon as its text is known, ``finish`` ends the list, ``run``
    sends it all. Cancelling ``run`` stops within one audio piece. ``run`` raises ``Exhausted``
    once the quota behind ``gauge`` is used up.
    """

    def __init__(
        self,
        service: Service,
        line: Sink,
        config: dict[str, Any],
        *,
        tone: bool = False,
        gauge: Gauge | None = None,
        packet: Callable[[Message, bytes], Downlink] = AudioDelta,
        announced: bool = True,
    ) -> None:
        """``config`` is a validated ``output_audio``; ``tone`` replaces the voice by a beep.

        ``packet`` makes the event of a piece of audio; sentences are ``announced`` or not.
        """
        switches = service.script.switches
        self._service = service
        self._line = line
        self._tone = tone
        self._gauge = gauge
        self._packet = packet
        self._announced = announced
        self._stops = switches.quota_mid_turn != "finish"
        self._encoder = AudioEncoder(
            config,
            seed=service.seed,
            tail_ms=switches.tail_ms,
            pad_last_frame=switches.pad_last_frame,
            irregular=switches.pcm_pieces == "irregular",
        )
        section = "opus_config" if config["codec"] == "opus" else "pcm_config"
        limit = None if config["codec"] == "mp3" else config[section].get("limit_config")
        self._pacer = Pacer(limit["period"], limit["max_frame_num"]) if limit else None
        self._queue: asyncio.Queue[_Sentence | None] = asyncio.Queue()
        self._tasks: list[asyncio.Task[list[Piece]]] = []
        self._unsent: deque[Downlink] = deque()

    def say(self, text: str, message: Message) -> None:
        """Queue a sentence whose audio deltas carry the ids of ``message``."""
        work = asyncio.create_task(self._service.worker.run(self._render, text))
        self._tasks.append(work)
        now = asyncio.get_running_loop().time()
        self._queue.put_nowait(_Sentence(text, message, now, work))

    def finish(self) -> None:
        """No sentence follows."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Send until finished."""
        try:
            while (sentence := await self._queue.get()) is not None:
                await self._deliver(sentence)
        finally:
            for task in self._tasks:
                task.cancel()

    def leftovers(self, most: int) -> list[Downlink]:
        """Deltas that were ready when the speech was stopped, for a server that leaks some."""
        return [self._unsent.popleft() for _ in range(min(most, len(self._unsent)))]

    async def _deliver(self, sentence: _Sentence) -> None:
        timing = self._service.script.timing
        seconds = self._service.seconds
        loop = asyncio.get_running_loop()
        start = sentence.ready + seconds(timing.sentence_ms)
        await sleep_until(start)
        self._check_quota()
        if self._announced:
            await self._line.send(SentenceStart(sentence.text))
        pieces = await sentence.pieces
        if self._gauge is not None:
            self._gauge.wrote(sentence.text)
        self._unsent.extend(self._packet(sentence.message, piece.data) for piece in pieces)
        # Synthesis began when the text was ready, while earlier sentences were still being sent:
        # that is why a late sentence begins with a burst.
        first = start + seconds(timing.first_audio_ms)
        for piece in pieces:
            await sleep_until(first + seconds(piece.offset_ms / timing.delivery))
            if self._pacer is not None:
                await sleep_until(self._pacer.due(loop.time()))
            self._check_quota()
            await self._line.send(self._unsent.popleft())
            if self._gauge is not None:
                self._gauge.said(piece.ms)

    def _check_quota(self) -> None:
        if self._gauge is not None and self._stops:
            self._gauge.check()

    def _render(self, text: str) -> list[Piece]:
        samples, rate = _beep(text) if self._tone else self._service.brain.speak(text)
        return self._encoder.sentence(samples, rate)


class Silence:
    """The audio of an answer that is only read."""

    def say(self, text: str, message: Message) -> None:
        """Say nothing."""

    def finish(self) -> None:
        """Nothing follows."""

    async def run(self) -> None:
        """Send nothing."""

    def leftovers(self, most: int) -> list[Downlink]:
        """None."""
        return []


def _beep(text: str) -> tuple[NDArray[np.int16], int]:
    """A 440 Hz tone as long as the text would roughly take to say."""
    total = max(1, len(text)) * _TONE_MS_PER_LETTER * _TONE_RATE // 1000
    wave = 6000 * np.sin(2 * np.pi * 440 / _TONE_RATE * np.arange(total))
    fade = min(total // 2, _TONE_RATE // 100)
    wave[:fade] *= np.linspace(0, 1, fade)
    wave[total - fade :] *= np.linspace(1, 0, fade)
    return wave.astype(np.int16), _TONE_RATE
