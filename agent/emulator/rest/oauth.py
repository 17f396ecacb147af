"""The OAuth endpoints: device codes and the token endpoint with its four grants.

These do not use the envelope. Errors come with both pairs of names and HTTP 400, or 401 where the
app itself is not believed.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

from aiohttp import web

from agent.emulator.assertion import grant_of
from agent.emulator.envelope import ApiError
from agent.emulator.issued import new_value
from agent.emulator.oauth import OAuthError, check_secret, find_app
from agent.emulator.rest.posted import FORMS, posted
from agent.emulator.service import Service

BASE = "/api/permission/oauth2"
DEVICE_PAGE = "/device"


class Grants(StrEnum):
    """The grant types."""

    DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
    JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    REFRESH = "refresh_token"
    CODE = "authorization_code"


# Back ends that will talk to the platform some day sign for it already.
_PLATFORMS = ("api.coze.cn", "api.coze.com")
_UNSTORED = {"Cache-Control": "no-store"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(service: Service) -> list[web.RouteDef]:
    """Device codes and tokens, each with their scoped paths."""
    oauth = _OAuth(service)
    device, token = _plain(oauth.device_code), _plain(oauth.token)
    return [
        web.post(f"{BASE}/device/code", device),
        web.post(f"{BASE}/workspace_id/{{workspace_id}}/device/code", device),
        web.post(f"{BASE}/token", token),
        web.post(f"{BASE}/account/{{account_id}}/token", token),
        web.post(f"{BASE}/enterprise_id/{{enterprise_id}}/token", token),
    ]


class _OAuth:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def device_code(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request)
        app = find_app(self._service.desk.apps, _text(body, "client_id"), "device")
        code = self._service.desk.device_codes.begin(
            app, request.match_info.get("workspace_id", "")
        )
        return {
            "device_code": code.device_code,
            "user_code": code.user_code,
            "verification_uri": f"{request.scheme}://{request.host}{DEVICE_PAGE}",
            "expires_in": int(self._service.desk.settings.device_code_s),
            "interval": int(code.interval),
        }

    async def token(self, request: web.Request) -> dict[str, Any]:
        body = await _body(request)
        grant_type = _text(body, "grant_type")
        if request.match_info and grant_type != Grants.JWT:
            raise OAuthError("unsupported_grant_type", "this address is for the JWT grant only")
        match grant_type:
            case Grants.JWT:
                return self._from_jwt(request, body)
            case Grants.DEVICE:
                return self._from_device(body)
            case Grants.REFRESH:
                return self._from_refresh(request, body)
            case Grants.CODE:
                return self._from_login(request, body)
        raise OAuthError("unsupported_grant_type", f"no such grant_type: {grant_type[:100]!r}")

    def _from_device(self, body: dict[str, Any]) -> dict[str, Any]:
        app = find_app(self._service.desk.apps, _text(body, "client_id"), "device")
        codes = self._service.desk.device_codes
        code = codes.poll(app, _text(body, "device_code"))
        with self._service.store.transaction():
            codes.use(code)
            return self._service.desk.pairs.issue(app, code.account, code.workspace_id)

    def _from_refresh(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        app = find_app(self._service.desk.apps, _text(body, "client_id"), "device", "web", "pkce")
        check_secret(app, _bearer(request))
        return self._service.desk.pairs.renew(app, _text(body, "refresh_token"))

    def _from_login(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        app = find_app(self._service.desk.apps, _text(body, "client_id"), "web", "pkce")
        check_secret(app, _bearer(request))
        account, workspace_id = self._service.desk.login_codes.redeem(
            app,
            _text(body, "code"),
            _text(body, "redirect_uri"),
            _text(body, "code_verifier", ""),
        )
        return self._service.desk.pairs.issue(app, account, workspace_id)

    def _from_jwt(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        service = self._service
        hosts = {request.host, request.url.host or request.host, *_PLATFORMS}
        assertion = service.desk.assertions.check(_bearer(request), hosts)
        now = service.now()
        account = self._acting_for(request) or assertion.app.account
        grant = grant_of(assertion, body, new_value("jwt"), account, now)
        with service.store.transaction():
            service.desk.assertions.use(assertion)
            service.issued.add(grant, now)
            # From now on the device is one that rules can be made for.
            service.meter.report(grant)
        assert grant.expires_at is not None
        return {
            "access_token": grant.token,
            "expires_in": int(grant.expires_at),
            "token_type": "Bearer",
        }

    def _acting_for(self, request: web.Request) -> str:
        """The account of a scoped path: one that is known by its id, else one of that name."""
        accounts = self._service.accounts
        enterprise = request.match_info.get("enterprise_id", "")
        if enterprise:
            if enterprise not in accounts.names():
                accounts.put(enterprise, enterprise_id=enterprise)
            return enterprise
        id = request.match_info.get("account_id", "")
        known = accounts.by_user_id(id) if id else None
        return known.name if known else id


def _plain(handler: Callable[[web.Request], Awaitable[dict[str, Any]]]) -> Handler:
    """The reply as it is, without the envelope."""

    async def serve(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await handler(request), headers=_UNSTORED)
        except OAuthError as error:
            return web.json_response(error.body(), status=error.status, headers=_UNSTORED)

    return serve


async def _body(request: web.Request) -> dict[str, Any]:
    """JSON as the platform's SDKs send it, or a form as other OAuth clients do."""
    try:
        if request.content_type in FORMS:
            return dict(await posted(request))
        body = json.loads(await request.read())
    except (ApiError, ValueError, RecursionError):
        raise OAuthError("invalid_request", "the body cannot be read") from None
    if not isinstance(body, dict):
        raise OAuthError("invalid_request", "the body is not a JSON object")
    return body


def _text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name) or default
    if value is None:
        raise OAuthError("invalid_request", f"{name} is required")
    if not isinstance(value, str) or not value.isprintable():
        raise OAuthError("invalid_request", f"{name} must be a string")
    return value


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.isprintable() else ""
