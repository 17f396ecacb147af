"""Voices: those there are, and cloning one."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from agent.emulator.clip import hear
from agent.emulator.fields import Refusal
from agent.emulator.rest.form import Form, read_form
from agent.emulator.rest.reply import ApiError, flag, grant, integer, ok, page_of, text, word
from agent.emulator.service import Service
from agent.emulator.voices import BIG, CLONE_PREVIEW, LANGUAGES, SMALL, Voice

_LARGEST = 10 * 1024 * 1024
_FORMATS = ("wav", "mp3", "ogg", "m4a", "aac", "pcm")
_PCM_RATE = 24_000
_EMOTIONS = (("happy", "开心"), ("sad", "悲伤"), ("neutral", "中性"))
# Of the words to be read, at least so many must be heard.
_ALIKE = 0.5
_WORD = re.compile(r"[a-z0-9']+|[\u4e00-\u9fff]")


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/audio/voices`` and ``/v1/audio/voices/clone``."""

    async def listing(request: web.Request) -> web.Response:
        who = grant(request, service)
        query = request.query
        model = word(query, "model_type", (BIG, SMALL), "")
        state = word(query, "voice_state", ("init", "cloned", "all"), "cloned")
        own_only = flag(query, "filter_system_voice")
        found = [
            voice
            for voice in service.voices.listed(who.account)
            if (not model or voice.model_type == model)
            and (voice.account or not own_only)
            and state != "init"
        ]
        page, has_more, _ = page_of(
            found,
            integer(query, "page_num", 1, 1),
            integer(query, "page_size", 100, 1, 100),
        )
        base = f"{request.scheme}://{request.host}"
        return ok({"voice_list": [_shown(voice, base) for voice in page], "has_more": has_more})

    async def clone(request: web.Request) -> web.Response:
        who = grant(request, service, "createVoice")
        form = await read_form(request, _LARGEST)
        fields = form.fields
        name = text(fields, "voice_name", None)
        if len(name.encode()) <= 6:
            raise ApiError(4000, "invalid parameter: voice_name must be longer than 6", 400)
        kind = word(fields, "audio_format", _FORMATS)
        language = word(fields, "language", tuple(LANGUAGES), "zh")
        preview = text(fields, "preview_text", CLONE_PREVIEW, 1024)
        read_aloud = text(fields, "text")
        if read_aloud and kind in ("wav", "ogg", "pcm"):
            await _compare(form, kind, read_aloud)
        known = text(fields, "voice_id")
        voice = (
            service.voices.train(known, who.account, name, language, preview)
            if known
            else service.voices.clone(service.ids.number(), who.account, name, language, preview)
        )
        return ok(_shown(voice, f"{request.scheme}://{request.host}"))

    async def _compare(form: Form, kind: str, read_aloud: str) -> None:
        """Raises ``ApiError`` 1109 where something else is heard than what was to be read."""
        assert form.file is not None
        try:
            heard = await hear(service, form.file, rate=_PCM_RATE if kind == "pcm" else 0)
        except Refusal as refusal:
            raise ApiError(refusal.code, refusal.msg, 400) from None
        # In brackets stands speech whose words the ears of this brain cannot know.
        if heard.startswith("["):
            return
        wanted = _WORD.findall(read_aloud.lower())
        there = set(_WORD.findall(heard.lower()))
        if wanted and sum(one in there for one in wanted) < _ALIKE * len(wanted):
            raise ApiError(1109, "the audio does not match the text", 400)

    return [web.get("/v1/audio/voices", listing), web.post("/v1/audio/voices/clone", clone)]


def _shown(voice: Voice, base: str) -> dict[str, Any]:
    return {
        "voice_id": voice.id,
        "name": voice.name,
        "is_system_voice": not voice.account,
        "language_code": voice.language_code,
        "language_name": LANGUAGES.get(voice.language_code, voice.language_code),
        "preview_text": voice.preview_text,
        "preview_audio": f"{base}/preview/{voice.id}.wav",
        "available_training_times": voice.trainings,
        "create_time": voice.created_at,
        "update_time": voice.updated_at,
        "model_type": voice.model_type,
        "state": "cloned",
        "support_emotions": [
            {
                "emotion": emotion,
                "display_name": display,
                "emotion_scale_interval": {"min": 1, "max": 5, "default": 4},
            }
            for emotion, display in (_EMOTIONS if voice.model_type == BIG else ())
        ],
    }
