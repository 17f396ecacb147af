"""Speech: a text goes in, an audio file comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from agent.emulator import clip, voices
from agent.emulator.envelope import HEADER, LOGID
from agent.emulator.fields import Refusal, real, texts
from agent.emulator.meter import Gauge
from agent.emulator.rest.reply import ApiError, body, grant, integer, text, word
from agent.emulator.service import Service

LONGEST = 1024
"""Bytes of the text, as documented."""

_FORMATS = (*clip.CONTENT_TYPES, "ogg", "opus")
# What models of either size can do.
_SPEEDS = {voices.BIG: (0.5, 2.0), voices.SMALL: (0.2, 3.0), "": (0.2, 3.0)}


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/audio/speech``, and the previews of the voices."""

    async def create(request: web.Request) -> web.Response:
        who = grant(request, service, "createSpeech")
        values = await body(request)
        words = text(values, "input", None)
        if len(words.encode()) > LONGEST:
            raise ApiError(3010, f"the text is longer than {LONGEST} bytes", 400)
        voice_id = text(values, "voice_id", None)
        kind = word(values, "response_format", _FORMATS, "mp3")
        # The SDK for JavaScript has other names for the same format.
        kind = "ogg_opus" if kind in ("ogg", "opus") else kind
        rate = integer(values, "sample_rate", 24000)
        if rate not in clip.RATES:
            listed = ", ".join(str(one) for one in clip.RATES)
            raise ApiError(4000, f"invalid parameter: sample_rate must be one of {listed}", 400)
        slowest, fastest = _SPEEDS[service.voices.model_type(voice_id, who.account)]
        speed = _number(values, "speed", 1.0, slowest, fastest)
        gain = 1 + _number(values, "loudness_rate", 0.0, -50, 100) / 100
        _number(values, "emotion_scale", 4.0, 1, 5)
        text(values, "emotion")
        if values.get("context_texts") is not None:
            texts("context_texts", values["context_texts"])
        service.meter.check(who, voice_id)
        gauge = service.meter.open(who, service.ids.number(), "", voice_id)
        return await _spoken(words, rate, kind, speed, gain, gauge)

    async def preview(request: web.Request) -> web.Response:
        words = service.voices.preview(request.match_info["voice_id"])
        if words is None:
            raise ApiError(4200, "the voice does not exist", 404)
        return await _spoken(words, 24000, "wav", 1.0, 1.0)

    async def _spoken(
        words: str, rate: int, kind: str, speed: float, gain: float, gauge: Gauge | None = None
    ) -> web.Response:
        samples = await clip.speak(service, words, rate, speed=speed, gain=gain)
        data = await service.worker.run(clip.encode, samples, rate, kind)
        if gauge is not None:
            gauge.wrote(words)
            gauge.said(len(samples) * 1000 / rate)
            gauge.close()
        return web.Response(
            body=data, content_type=clip.CONTENT_TYPES[kind], headers={HEADER: LOGID.get()}
        )

    return [
        web.post("/v1/audio/speech", create),
        web.get("/preview/{voice_id}.wav", preview),
    ]


def _number(
    values: Mapping[str, Any], name: str, default: float, least: float, most: float
) -> float:
    value = values.get(name)
    if value is None:
        return default
    try:
        real(least, most)(name, value)
    except Refusal as refusal:
        raise ApiError(4000, refusal.msg, 400) from None
    return float(value)
