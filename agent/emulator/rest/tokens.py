"""Tokens by hand: the emulator's stand-in for the platform's console, and a demo key."""

from __future__ import annotations

import asyncio
import html
import ipaddress
from typing import Any

from aiohttp import web

from agent.emulator.accounts import DEFAULT
from agent.emulator.apps import DEMO_JWT, new_key
from agent.emulator.issued import new_value
from agent.emulator.rest.posted import FORMS, posted
from agent.emulator.rest.reply import ApiError, body, integer, ok, text, word
from agent.emulator.service import Service
from agent.emulator.tokens import Denial, Grant

PATH = "/emulator/tokens"
DEMO_KEY = "/emulator/demo-jwt.json"
_LONGEST_S = 100 * 365 * 86400


def routes(service: Service) -> list[web.RouteDef]:
    """Make, list and revoke tokens; the key of ``demo-jwt``."""
    console = _Console(service)
    return [
        web.post(PATH, console.create),
        web.get(PATH, console.list),
        web.delete(f"{PATH}/{{token}}", console.revoke),
        web.get(DEMO_KEY, console.demo_key),
    ]


class _Console:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def create(self, request: web.Request) -> web.Response:
        by_form = request.content_type in FORMS
        asked: dict[str, Any] = dict(await posted(request)) if by_form else await body(request)
        now = self._service.now()
        kind = word(asked, "kind", ("personal", "service"), "personal")
        seconds = integer(asked, "expires_s", 0, most=_LONGEST_S)
        grant = Grant(
            token=new_value(kind),
            account=text(asked, "account", DEFAULT, 100),
            scopes=_scopes(asked.get("scopes")),
            device_id=text(asked, "device_id", "", 1024),
            custom_consumer=text(asked, "custom_consumer", "", 1024),
            kind=kind,
            expires_at=now + seconds if seconds else None,
        )
        self._service.issued.add(grant, now)
        self._service.accounts.get(grant.account)
        if by_form:
            return web.Response(
                text="<!doctype html><meta charset='utf-8'><title>Token</title><p>The new token:"
                f"</p><pre>{html.escape(grant.token)}</pre><p><a href='/'>Back</a></p>",
                content_type="text/html",
                headers={"Cache-Control": "no-store"},
            )
        return ok(_shown(grant))

    async def list(self, request: web.Request) -> web.Response:
        _need_loopback(request)
        return ok({"tokens": [_shown(grant) for grant in self._service.issued.all()]})

    async def revoke(self, request: web.Request) -> web.Response:
        if not self._service.issued.revoke(request.match_info["token"], self._service.now()):
            raise ApiError(4200, "there is no such token", 404)
        return ok()

    async def demo_key(self, request: web.Request) -> web.Response:
        """The configuration file that the official SDKs' examples read."""
        _need_loopback(request)
        apps = self._service.desk.apps
        if apps.demo_key() is None:
            apps.keep_demo_key(await asyncio.to_thread(new_key))
        app = apps.get(DEMO_JWT)
        assert app is not None
        base = f"{request.scheme}://{request.host}"
        return web.json_response(
            {
                "client_type": "jwt",
                "client_id": app.client_id,
                "coze_api_base": base,
                "coze_www_base": base,
                "private_key": apps.demo_key(),
                "public_key_id": app.kid,
            },
            headers={"Cache-Control": "no-store"},
        )


def _scopes(asked: Any) -> frozenset[str] | None:
    """Words in a list, or in a text with commas or blanks; none stand for all."""
    if isinstance(asked, str):
        asked = asked.replace(",", " ").split()
    if asked is None:
        return None
    if not isinstance(asked, list) or not all(isinstance(item, str) for item in asked):
        raise ApiError(4000, "invalid parameter: scopes must be a list of strings", 400)
    return frozenset(asked) or None


def _shown(grant: Grant) -> dict[str, Any]:
    return {
        "token": grant.token,
        "kind": grant.kind,
        "account": grant.account,
        "scopes": None if grant.scopes is None else sorted(grant.scopes),
        "device_id": grant.device_id,
        "custom_consumer": grant.custom_consumer,
        "client_id": grant.client_id,
        "expires_at": grant.expires_at,
    }


def _need_loopback(request: web.Request) -> None:
    """Raises ``Denial`` for other machines: secrets are told."""
    try:
        address = ipaddress.ip_address((request.remote or "").partition("%")[0])
    except ValueError:
        raise Denial(403, 4101, "this address is for the emulator's own machine only") from None
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_loopback:
        raise Denial(403, 4101, "this address is for the emulator's own machine only")
