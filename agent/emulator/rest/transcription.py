"""Transcription: an audio file goes in, its words come out."""

from __future__ import annotations

from aiohttp import web

from agent.emulator.clip import hear
from agent.emulator.rest.form import read_form
from agent.emulator.rest.reply import grant, ok
from agent.emulator.service import Service

_LARGEST = 10 * 1024 * 1024


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/audio/transcriptions`` by POST; the same address is a socket too."""

    async def create(request: web.Request) -> web.Response:
        who = grant(request, service, "createTranscription")
        service.meter.check(who)
        form = await read_form(request, _LARGEST)
        assert form.file is not None
        gauge = service.meter.open(who, service.ids.number())
        text = await hear(service, form.file, gauge=gauge)
        gauge.close()
        return ok({"text": text})

    return [web.post("/v1/audio/transcriptions", create)]
