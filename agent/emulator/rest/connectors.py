"""Channels over REST: installing them, binding devices, reviewing bots."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.emulator.connectors import PENDING, REJECTED, Binding
from agent.emulator.fields import invalid
from agent.emulator.rest.reply import ApiError, body, grant, integer, ok, text
from agent.emulator.service import Service

PATH = "/v1/connectors/{connector_id}"

_MOST_VALUES = 10_000
_LONGEST = 512


def routes(service: Service) -> list[web.RouteDef]:
    """Install, user configurations, reviews."""
    connectors = service.connectors

    async def install(request: web.Request) -> web.Response:
        who = grant(request, service, "installConnector")
        workspace_id = text(await body(request), "workspace_id", None)
        connectors.install(request.match_info["connector_id"], workspace_id, who.account)
        return ok()

    async def bind(request: web.Request) -> web.Response:
        grant(request, service, "bindConnectorConfig")
        values = await body(request)
        bindings = _bindings(values.get("configs"))
        connectors.bind(
            request.match_info["connector_id"],
            text(values, "user_id"),
            bindings,
            replace=service.script.switches.user_configs == "replace",
        )
        return ok()

    async def review(request: web.Request) -> web.Response:
        grant(request, service, "botUpdateProfile")
        values = await body(request)
        status = integer(values, "audit_status", PENDING, PENDING, REJECTED)
        reason = text(values, "reason", None if status == REJECTED else "")
        connector_id, bot_id = request.match_info["connector_id"], request.match_info["bot_id"]
        if not connectors.audit(connector_id, bot_id, status, reason):
            raise ApiError(4200, "the bot is not published to the channel")
        return ok()

    return [
        web.post(PATH + "/install", install),
        web.post(PATH + "/user_configs", bind),
        web.put(PATH + "/bots/{bot_id}", review),
    ]


def _bindings(configs: Any) -> list[Binding]:
    if not isinstance(configs, list) or not configs:
        raise invalid("configs", "a list that is not empty")
    found: dict[tuple[str, str], Binding] = {}
    for at, config in enumerate(configs):
        path = f"configs[{at}]"
        if not isinstance(config, dict):
            raise invalid(path, "an object")
        key = _word(config, "key", path)
        enums = config.get("enums")
        if not isinstance(enums, list) or not enums:
            raise invalid(f"{path}.enums", "a list that is not empty")
        for item_at, item in enumerate(enums):
            where = f"{path}.enums[{item_at}]"
            if not isinstance(item, dict):
                raise invalid(where, "an object")
            value = _word(item, "value", where)
            if (key, value) in found:
                raise invalid(f"{where}.value", "given once")
            found[key, value] = Binding(key, value, _word(item, "label", where))
    if len(found) > _MOST_VALUES:
        raise invalid("configs", f"of at most {_MOST_VALUES} values")
    return list(found.values())


def _word(values: dict[str, Any], name: str, path: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        raise invalid(f"{path}.{name}", f"a string of 1 to {_LONGEST} characters")
    return value
