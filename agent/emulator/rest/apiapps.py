"""Callback apps over REST, and what they subscribe to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from aiohttp import web

from agent.emulator.apiapps import CONNECTOR, EVENTS, NORMAL, ApiApp
from agent.emulator.outbound import Unreachable, check_address
from agent.emulator.rest.reply import ApiError, body, grant, integer, ok, text, word
from agent.emulator.service import Service

PATH = "/v1/api_apps"

T = TypeVar("T")

_LONGEST_NAME = 100
_LONGEST_URL = 2048


def routes(service: Service) -> list[web.RouteDef]:
    """Apps and their events."""
    callbacks, apps = service.callbacks, service.callbacks.apps

    async def create(request: web.Request) -> web.Response:
        who = grant(request, service, "createApiApp")
        values = await body(request)
        app_type = word(values, "app_type", (NORMAL, CONNECTOR))
        normal = app_type == NORMAL
        name = text(values, "name", None if normal else "", _LONGEST_NAME)
        connector_id = "" if normal else text(values, "connector_id", None)
        tenant = service.meter.tenant(who.account)
        app = apps.create(service.ids.number(), tenant, who.account, app_type, name, connector_id)
        return ok(app.told())

    async def listing(request: web.Request) -> web.Response:
        who = grant(request, service, "listApiApp")
        app_type = word(request.query, "app_type", (NORMAL, CONNECTOR), "")
        found = apps.listed(service.meter.tenant(who.account), app_type)
        return ok(_page(request.query, [app.told() for app in found]))

    async def update(request: web.Request) -> web.Response:
        app = _own(request, "updateApiApp")
        values = await body(request)
        name = text(values, "name", app.name, _LONGEST_NAME)
        url = text(values, "callback_url", app.callback_url, _LONGEST_URL)
        if url != app.callback_url:
            try:
                check_address(url, service.script.callbacks.reach)
                await callbacks.challenge(app, url)
            except Unreachable as unreachable:
                raise ApiError(
                    4000, f"invalid parameter: callback_url cannot be used, {unreachable}"
                ) from None
        apps.update(app.id, name, url)
        return ok()

    async def delete(request: web.Request) -> web.Response:
        apps.delete(_own(request, "deleteApiApp").id)
        return ok()

    async def subscribe(request: web.Request) -> web.Response:
        app = _own(request, "subscribeApiAppEvent")
        apps.subscribe(app.id, _event_types(await body(request)))
        return ok()

    async def unsubscribe(request: web.Request) -> web.Response:
        app = _own(request, "unsubscribeApiAppEvent")
        apps.unsubscribe(app.id, _event_types(await body(request)))
        return ok()

    async def events(request: web.Request) -> web.Response:
        app = _own(request, "listApiApp")
        items = [
            {
                "api_app_id": app.id,
                "name": app.name,
                "description": EVENTS[event_type],
                "event_type": event_type,
            }
            for event_type in apps.events(app.id)
        ]
        return ok(_page(request.query, items))

    def _own(request: web.Request, permission: str) -> ApiApp:
        who = grant(request, service, permission)
        app = apps.find(request.match_info["app_id"])
        if app is None or app.tenant != service.meter.tenant(who.account):
            raise ApiError(4200, "the callback app does not exist")
        return app

    one = PATH + "/{app_id}"
    return [
        web.post(PATH, create),
        web.get(PATH, listing),
        web.put(one, update),
        web.delete(one, delete),
        web.post(one + "/events", subscribe),
        web.get(one + "/events", events),
        web.delete(one + "/events", unsubscribe),
    ]


def _event_types(values: Mapping[str, Any]) -> list[str]:
    found = values.get("event_types")
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise ApiError(4000, "invalid parameter: event_types must be a list of strings", 400)
    for one in found:
        if one not in EVENTS:
            listed = ", ".join(EVENTS)
            raise ApiError(4000, f"invalid parameter: event_types must be of {listed}", 400)
    return found


def _page(query: Mapping[str, Any], items: Sequence[T]) -> dict[str, Any]:
    # The token is where the next page begins, as text.
    start = integer(query, "page_token", 0)
    end = start + integer(query, "page_size", 50, 1, 50)
    more = end < len(items)
    return {
        "items": list(items[start:end]),
        "has_more": more,
        "next_page_token": str(end) if more else "",
    }
