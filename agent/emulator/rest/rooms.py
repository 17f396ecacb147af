"""Rooms of the real-time network, of which there is none here: requests are refused clearly."""

from __future__ import annotations

from aiohttp import web

from agent.emulator.rest.reply import ApiError, body, grant, text
from agent.emulator.service import Service
from agent.emulator.tokens import Denial


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/audio/rooms`` and ``/v1/audio/live/{live_id}``."""

    async def create(request: web.Request) -> web.Response:
        who = grant(request, service, "createRoom")
        bot_id = text(await body(request), "bot_id", None)
        who.need_bot(bot_id)
        service.bots.check(bot_id, who.account)
        # A code that no client tries again.
        raise Denial(
            403, 4101, "this emulator has no real-time network (RTC), use the socket /v1/chat"
        )

    async def live(request: web.Request) -> web.Response:
        grant(request, service)
        raise ApiError(4200, f"the live stream does not exist: {request.match_info['live_id']}")

    return [web.post("/v1/audio/rooms", create), web.get("/v1/audio/live/{live_id}", live)]
