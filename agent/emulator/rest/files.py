"""Files: uploaded once, referred to by id in messages."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.emulator.files import StoredFile
from agent.emulator.rest.form import parts
from agent.emulator.rest.reply import ApiError, grant, ok, text
from agent.emulator.service import Service

_CHUNK = 1 << 18
_LONGEST_NAME = 255


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/files/upload`` and ``/v1/files/retrieve``."""

    async def upload(request: web.Request) -> web.Response:
        who = grant(request, service)
        coming = service.files.upload()
        name = None
        try:
            async for part in parts(request):
                if part.name != "file":
                    await part.release()
                    continue
                if name is not None:
                    raise ApiError(4301, "more than one file was sent", 400)
                name = (part.filename or "file")[:_LONGEST_NAME]
                while chunk := await part.read_chunk(_CHUNK):
                    coming.write(chunk)
            if not name or not coming.size:
                raise ApiError(4300, "the file is missing or empty", 400)
        except BaseException:
            coming.abort()
            raise
        return ok(_shown(coming.finish(who.account, name)))

    async def retrieve(request: web.Request) -> web.Response:
        who = grant(request, service)
        return ok(_shown(service.files.find(text(request.query, "file_id", None), who.account)))

    return [
        web.post("/v1/files/upload", upload),
        web.get("/v1/files/retrieve", retrieve),
        web.post("/v1/files/retrieve", retrieve),
    ]


def _shown(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "bytes": file.bytes,
        "file_name": file.name,
        "created_at": file.created_at,
    }
