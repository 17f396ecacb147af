"""``/v1/audio/transcriptions``: audio in, text out."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
from aiohttp import web

from agent.coze.events import (
    BufferCleared,
    BufferCompleted,
    TranscriptionsCreated,
    TranscriptionsMessageCompleted,
    TranscriptionsMessageUpdate,
    TranscriptionsUpdated,
)
from agent.coze.uplink import (
    AudioAppend,
    AudioClear,
    AudioComplete,
    TranscriptionsUpdate,
    Uplink,
)
from agent.emulator.audio_in import RATE, Samples, open_decoder, slices
from agent.emulator.config import Rules, default_hearing, default_input, echo, merge, require_codecs
from agent.emulator.connection import Room, Session
from agent.emulator.fields import Refusal
from agent.emulator.hearing import Hearing, Voicing
from agent.emulator.line import Line
from agent.emulator.listener import LONGEST_S, Paused, Stopped
from agent.emulator.receiver import Receiver
from agent.emulator.schema import TRANSCRIPTIONS
from agent.emulator.service import Service
from agent.emulator.tokens import Grant

PATH = "/v1/audio/transcriptions"

_CODECS = ("pcm", "opus")


class TranscriptionsRoom(Room):
    """Serves all connections to the transcription socket."""

    permission = "createTranscription"

    def session(self, request: web.Request, line: Line, grant: Grant) -> Session:
        return TranscriptionsSession(self._service, line, grant)


class TranscriptionsSession(Receiver):
    """One connection. An utterance is what was appended until ``complete``; any number of them."""

    def __init__(self, service: Service, line: Line, grant: Grant) -> None:
        switches = service.script.switches
        super().__init__(line, switches)
        self._service = service
        self._grant = grant
        self._rules = Rules.of(switches, _CODECS)
        self._config: dict[str, Any] = {
            "input_audio": default_input(),
            "asr_config": default_hearing(),
        }
        self._decoder = open_decoder(self._config["input_audio"])
        self._parts: list[Samples] = []
        self._held = self._looked = 0
        self._updated = False
        timing = service.script.timing
        self._hearing = Hearing(
            service,
            line,
            _ignore,
            _ignore,
            Voicing(
                TranscriptionsMessageUpdate,
                self._completed,
                timing.recognition_ms,
                timing.recognition_ms + timing.recognised_ms,
                growing=False,
                empty=True,
            ),
        )

    async def open(self) -> None:
        """The first frame."""
        await self._line.send(TranscriptionsCreated())

    async def close(self) -> None:
        """Stop hearing, and write down how much was heard."""
        await self._hearing.drop()
        self._settle()

    async def _handle(self, event: Uplink, frame: str | bytes) -> None:
        match event:
            case AudioAppend():
                await self._append(event.audio)
            case AudioComplete():
                await self._complete(self._echoed(event), frame)
            case AudioClear():
                self._decoder.flush()
                self._forget()
                await self._line.send(BufferCleared(id=self._echoed(event)))
            case TranscriptionsUpdate():
                await self._update(event)
            case _:
                raise Refusal(f"invalid parameter: {event.event_type} is not for this socket")

    async def _update(self, event: TranscriptionsUpdate) -> None:
        merged = merge(self._config, event.config, TRANSCRIPTIONS, self._rules)
        require_codecs(merged)
        changed = merged["input_audio"] != self._config["input_audio"]
        if changed and self._held and self._switches.input_change == "refuse":
            raise Refusal("invalid parameter: data.input_audio cannot change once audio was sent")
        self._config, self._updated = merged, True
        if changed:
            self._decoder = open_decoder(merged["input_audio"])
            self._forget()
        await self._line.send(TranscriptionsUpdated(echo(merged), id=self._echoed(event)))

    async def _append(self, audio: bytes) -> None:
        if not self._updated and self._switches.before_update == "refuse":
            raise Refusal("invalid parameter: audio came before transcriptions.update")
        self._look()
        try:
            self._decoder.check(audio)
            for part, piece in enumerate(slices(audio, self._config["input_audio"]["codec"])):
                if part:
                    await asyncio.sleep(0)
                samples = self._decoder.feed(piece)
                if self._held + len(samples) > LONGEST_S * RATE:
                    raise Refusal(f"invalid audio: more than {LONGEST_S} s without a complete")
                self._held += len(samples)
                self._parts.append(samples)
        except Refusal:
            if self._updated or self._switches.before_update != "ignore":
                raise

    def _look(self) -> None:
        """When a piece comes after a while of others, somebody still speaks: tell the words."""
        every = self._service.script.timing.interim_ms * RATE / 1000
        if every and self._held - self._looked >= every and not self._hearing.busy:
            self._looked = self._held
            self._hearing.put(Paused(np.concatenate(self._parts)), self._config["asr_config"])

    async def _complete(self, echoed: str, frame: str | bytes) -> None:
        self._service.meter.check(self._grant)
        self._parts.append(self._decoder.flush())
        utterance = np.concatenate(self._parts)
        self._forget()
        if not len(utterance) and self._switches.empty_complete == "error":
            raise Refusal("invalid parameter: the audio buffer is empty")
        await self._line.send(BufferCompleted(id=echoed))
        self._hearing.put(Stopped(utterance, fresh=True), self._config["asr_config"], frame)

    def _forget(self) -> None:
        self._parts = []
        self._held = self._looked = 0

    def _completed(self, text: str) -> TranscriptionsMessageCompleted:
        self._settle()
        told = self._switches.transcription_content
        return TranscriptionsMessageCompleted(text if told else "")

    def _settle(self) -> None:
        gauge = self._service.meter.open(self._grant, self._service.ids.number())
        gauge.heard(self._hearing.take_ms())
        gauge.close()


async def _ignore(*_: object) -> None:
    """Nobody waits for the words."""
