"""Variables that a bot or an app keeps for each of its users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from agent.emulator.conversations import CONNECTOR
from agent.emulator.rest.reply import ApiError, body, grant, ok, text
from agent.emulator.service import Service
from agent.emulator.tokens import Grant
from agent.emulator.variables import Shelf, read, write

_MOST = 100
_KEYWORD, _VALUE = 64, 65_536


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/variables``."""

    async def retrieve(request: web.Request) -> web.Response:
        shelf = _shelf(grant(request, service), request.query)
        keywords = [one for one in text(request.query, "keywords").split(",") if one]
        return ok({"items": read(service.store, shelf, keywords)})

    async def update(request: web.Request) -> web.Response:
        who = grant(request, service)
        values = await body(request)
        write(service.store, _shelf(who, values), _pairs(values), int(service.now()))
        return ok()

    def _shelf(who: Grant, values: Mapping[str, Any]) -> Shelf:
        bot_id, app_id = text(values, "bot_id"), text(values, "app_id")
        if bool(bot_id) == bool(app_id):
            raise ApiError(4000, "invalid parameter: give either bot_id or app_id", 400)
        if bot_id:
            service.bots.find(bot_id, who.account)
        owner = f"bot {bot_id}" if bot_id else f"app {app_id}"
        connector = text(values, "connector_id", CONNECTOR)
        return Shelf(who.account, owner, connector, text(values, "connector_uid", None))

    return [web.get("/v1/variables", retrieve), web.put("/v1/variables", update)]


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    data = values.get("data")
    if not isinstance(data, list) or not data or len(data) > _MOST:
        raise ApiError(4000, f"invalid parameter: data must be a list of 1 to {_MOST}", 400)
    pairs = []
    for item in data:
        if not isinstance(item, dict):
            raise ApiError(4000, "invalid parameter: data must be a list of objects", 400)
        pairs.append((text(item, "keyword", None, _KEYWORD), text(item, "value", "", _VALUE)))
    return pairs
