"""``/v1/audio/speech``: text in, audio out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import unicodedata
from typing import Any

from aiohttp import web

from agent.coze.events import (
    InputTextCompleted,
    Message,
    SpeechAudioCompleted,
    SpeechAudioUpdate,
    SpeechCreated,
    SpeechUpdated,
)
from agent.coze.uplink import SpeechUpdate, TextAppend, TextComplete, Uplink
from agent.emulator.config import Rules, default_output, echo, merge, require_codecs
from agent.emulator.connection import Room, Session
from agent.emulator.fields import Refusal
from agent.emulator.line import Line
from agent.emulator.meter import Exhausted
from agent.emulator.receiver import Receiver
from agent.emulator.schema import SPEECH
from agent.emulator.service import Service
from agent.emulator.speech import SILENT_MESSAGE, Speech
from agent.emulator.tokens import Grant

log = logging.getLogger(__name__)

PATH = "/v1/audio/speech"

LONGEST_BYTES = 1023
"""Longest text (bytes of UTF-8) that is spoken at once."""
TOO_LONG = 3010
"""The platform's code for a longer one."""

_CODECS = ("pcm", "opus")
_MOST_WAITING = 32


class SpeechRoom(Room):
    """Serves all connections to the speech socket."""

    permission = "createSpeech"

    def session(self, request: web.Request, line: Line, grant: Grant) -> Session:
        return SpeechSession(self._service, line, grant)


class SpeechSession(Receiver):
    """One connection. A text is what was appended until ``complete``; texts are spoken in turn."""

    def __init__(self, service: Service, line: Line, grant: Grant) -> None:
        switches = service.script.switches
        super().__init__(line, switches)
        self._service = service
        self._grant = grant
        self._rules = Rules.of(switches, _CODECS)
        self._config: dict[str, Any] = {"output_audio": default_output()}
        self._text = ""
        self._waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(_MOST_WAITING)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """The first frame."""
        await self._line.send(SpeechCreated())

    async def close(self) -> None:
        """Fall silent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _handle(self, event: Uplink, frame: str | bytes) -> None:
        match event:
            case TextAppend():
                text = self._text + event.text
                if len(text.encode()) > LONGEST_BYTES:
                    raise Refusal(f"the text is longer than {LONGEST_BYTES} bytes", TOO_LONG)
                self._text = text
            case TextComplete():
                self._complete(self._echoed(event))
            case SpeechUpdate():
                merged = merge(self._config, event.config, SPEECH, self._rules)
                require_codecs(merged)
                self._config = merged
                await self._line.send(SpeechUpdated(echo(merged), id=self._echoed(event)))
            case _:
                raise Refusal(f"invalid parameter: {event.event_type} is not for this socket")

    def _complete(self, echoed: str) -> None:
        text = self._text.strip()
        if not text and self._switches.empty_complete == "error":
            raise Refusal("invalid parameter: the text buffer is empty")
        if self._waiting.full():
            raise Refusal(f"invalid parameter: {_MOST_WAITING} texts wait to be spoken already")
        self._service.meter.check(self._grant, self._config["output_audio"]["voice_id"])
        self._text = ""
        self._waiting.put_nowait((text, echoed))
        if self._task is None:
            self._task = asyncio.create_task(self._speak_all())

    async def _speak_all(self) -> None:
        while True:
            text, echoed = await self._waiting.get()
            try:
                await self._speak(text, echoed)
            except Exhausted as exhausted:
                await self._line.refuse(exhausted)
            except ConnectionError:
                log.debug("the client left in the middle of speech")
                return
            except Exception:
                log.exception("speech failed (logid %s)", self._line.logid)
                with contextlib.suppress(ConnectionError):
                    await self._line.refuse(Refusal("internal error", 5000))

    async def _speak(self, text: str, echoed: str) -> None:
        service, timing = self._service, self._service.script.timing
        output = self._config["output_audio"]
        await service.delay(timing.buffer_ms)
        await self._line.send(InputTextCompleted(id=echoed))
        gauge = service.meter.open(self._grant, service.ids.number(), "", output["voice_id"])
        speech = Speech(
            service,
            self._line,
            output,
            gauge=gauge,
            packet=_packet,
            announced=self._switches.speech_sentence_start,
        )
        try:
            await service.delay(timing.announce_ms)
            for sentence in service.brain.sentences(text):
                speech.say(ended(sentence), SILENT_MESSAGE)
            speech.finish()
            await speech.run()
        finally:
            gauge.close()
        await service.delay(timing.completed_ms)
        await self._line.send(SpeechAudioCompleted())


def ended(sentence: str) -> str:
    """A sentence with a full stop, which the platform adds where there is no mark."""
    if not sentence or unicodedata.category(sentence[-1]).startswith("P"):
        return sentence
    wide = unicodedata.east_asian_width(sentence[-1]) in ("W", "F")
    return sentence + ("。" if wide else ".")


def _packet(message: Message, audio: bytes) -> SpeechAudioUpdate:
    return SpeechAudioUpdate(audio)
