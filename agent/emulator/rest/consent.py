"""The pages on which a person lets a device or an app in. They need no JavaScript."""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from aiohttp import web

from agent.emulator.accounts import DEFAULT
from agent.emulator.apps import App
from agent.emulator.consents import DeviceCode
from agent.emulator.oauth import OAuthError, find_app
from agent.emulator.rest.oauth import BASE, DEVICE_PAGE
from agent.emulator.rest.posted import posted
from agent.emulator.service import Service

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 18px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 2rem auto;
 padding: 0 1rem; }}
input, select, button {{ font: inherit; padding: .7rem; width: 100%; box-sizing: border-box;
 margin: .3rem 0; border-radius: .4rem; border: 1px solid #777; }}
button {{ cursor: pointer; }}
.allow {{ background: #0a6b2d; color: #fff; }}
.code {{ font: 600 1.6rem/1.5 ui-monospace, monospace; letter-spacing: .1em; text-align: center; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_BUTTONS = """<button class="allow" name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>"""
# Addresses that would run in the page instead of leading away from it.
_UNSAFE = ("javascript", "data", "vbscript", "file")


def routes(service: Service) -> list[web.RouteDef]:
    """The page for devices and the one for browser logins."""
    devices, logins = _Devices(service), _Logins(service)
    scoped = f"{BASE}/workspace_id/{{workspace_id}}/authorize"
    return [
        web.get(DEVICE_PAGE, devices.ask),
        web.post(DEVICE_PAGE, devices.decide),
        web.get(f"{BASE}/authorize", logins.ask),
        web.post(f"{BASE}/authorize", logins.decide),
        web.get(scoped, logins.ask),
        web.post(scoped, logins.decide),
    ]


class _Devices:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def ask(self, request: web.Request) -> web.Response:
        typed = request.query.get("user_code", "")
        if not typed:
            return _page("Connect a device", _form("", ""))
        code = self._service.desk.device_codes.find(typed)
        if code is None or not self._service.desk.device_codes.waiting(code):
            return self._hopeless(typed, code)
        app = self._service.desk.apps.get(code.client_id)
        name = html.escape(app.name if app else code.client_id)
        return _page(
            "Connect a device",
            f"<p><strong>{name}</strong> wants to talk for you. Allow it only if the device shows"
            f' this code:</p><p class="code">{html.escape(code.user_code)}</p>'
            f'<form method="post" action="{DEVICE_PAGE}">'
            f'<input type="hidden" name="user_code" value="{html.escape(code.user_code)}">'
            f"{_accounts(self._service)}{_BUTTONS}</form>",
        )

    async def decide(self, request: web.Request) -> web.Response:
        sent = await posted(request)
        typed, decision = sent.get("user_code", ""), sent.get("decision", "")
        if decision not in ("allow", "deny"):
            return _page("Not understood", "<p>Please use one of the two buttons.</p>", 400)
        codes, allow = self._service.desk.device_codes, decision == "allow"
        code = codes.find(typed)
        if code is None or not codes.decide(typed, allow=allow, account=_account(sent)):
            return self._hopeless(typed, code)
        if allow:
            return _page("Connected", "<p>The device may talk for you now. You can close this.</p>")
        return _page("Refused", "<p>The device was refused. You can close this.</p>")

    def _hopeless(self, typed: str, code: DeviceCode | None) -> web.Response:
        """Why there is nothing to decide, and the form once more."""
        if code is None:
            why, status = "There is no such code. Please compare it with the device.", 404
        elif code.state != "pending":
            why, status = "This code was answered already.", 409
        else:
            why, status = "This code has expired. The device will show a new one.", 410
        return _page("Connect a device", _form(f"<p>{why}</p>", typed), status)


class _Logins:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def ask(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        try:
            app = self._app(query)
        except OAuthError as error:
            return _page("This does not work", f"<p>{html.escape(error.description)}.</p>", 400)
        wrong = _wrong_login(app, query)
        if wrong:
            return _back(query, error="invalid_request", error_description=wrong)
        consent = self._service.desk.settings.consent
        if consent != "ask":
            return self._answer(request, app, query, app.account, allow=consent == "allow")
        kept = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in query.items()
        )
        target = urlsplit(query["redirect_uri"])
        host = html.escape(target.netloc or target.scheme)
        return _page(
            "Log in",
            f"<p><strong>{html.escape(app.name)}</strong> wants to act for you. You will be sent"
            f' back to <strong>{host}</strong>.</p><form method="post">{kept}'
            f"{_accounts(self._service)}{_BUTTONS}</form>",
        )

    async def decide(self, request: web.Request) -> web.StreamResponse:
        sent = await posted(request)
        try:
            app = self._app(sent)
        except OAuthError as error:
            return _page("This does not work", f"<p>{html.escape(error.description)}.</p>", 400)
        wrong = _wrong_login(app, sent)
        if wrong:
            return _back(sent, error="invalid_request", error_description=wrong)
        allow = sent.get("decision") == "allow"
        return self._answer(request, app, sent, _account(sent), allow=allow)

    def _app(self, asked: Mapping[str, str]) -> App:
        """The app, if there is somewhere to send the browser back to."""
        app = find_app(self._service.desk.apps, asked.get("client_id", ""), "web", "pkce")
        uri = asked.get("redirect_uri", "")
        if not _safe(uri) or (app.redirect_uris and uri not in app.redirect_uris):
            raise OAuthError("invalid_request", "the redirect_uri is not one of the OAuth app's")
        return app

    def _answer(
        self,
        request: web.Request,
        app: App,
        asked: Mapping[str, str],
        account: str,
        *,
        allow: bool,
    ) -> web.Response:
        if not allow:
            return _back(asked, error="access_denied", error_description="the user refused")
        challenge = asked.get("code_challenge", "")
        code = self._service.desk.login_codes.issue(
            app,
            account,
            asked["redirect_uri"],
            challenge,
            (asked.get("code_challenge_method") or "plain") if challenge else "",
            request.match_info.get("workspace_id", ""),
        )
        return _back(asked, code=code)


def _safe(uri: str) -> bool:
    """Whether a browser may be sent there."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    if not uri.isprintable() or " " in uri:
        return False
    return bool(parts.scheme and parts.scheme not in _UNSAFE and not parts.fragment)


def _wrong_login(app: App, asked: Mapping[str, str]) -> str:
    if asked.get("response_type") != "code":
        return "response_type must be code"
    if app.kind == "pkce" and not asked.get("code_challenge"):
        return "code_challenge is required"
    if asked.get("code_challenge_method", "plain") not in ("", "plain", "S256"):
        return "code_challenge_method must be plain or S256"
    return ""


def _back(asked: Mapping[str, str], **answer: str) -> web.Response:
    """Send the browser back to the app, with the app's own state."""
    if asked.get("state"):
        answer["state"] = asked["state"]
    parts = urlsplit(asked["redirect_uri"])
    query = "&".join(part for part in (parts.query, urlencode(answer)) if part)
    return web.Response(
        status=302, headers={**_HEADERS, "Location": urlunsplit(parts._replace(query=query))}
    )


def _form(message: str, typed: str) -> str:
    return (
        f'{message}<form method="get" action="{DEVICE_PAGE}"><label>The code on the device'
        f'<input class="code" name="user_code" value="{html.escape(typed)}" autocomplete="off"'
        ' autocapitalize="characters" placeholder="ABCD-WXYZ" required></label>'
        "<button>Continue</button></form>"
    )


def _accounts(service: Service) -> str:
    """A choice of accounts where there is more than one."""
    names = sorted({DEFAULT, *service.accounts.names()}, key=lambda name: (name != DEFAULT, name))
    if len(names) == 1:
        return ""
    options = "".join(f"<option>{html.escape(name)}</option>" for name in names)
    return f'<label>as <select name="account">{options}</select></label>'


def _account(sent: Mapping[str, str]) -> str:
    return sent.get("account") or DEFAULT


def _page(title: str, body: str, status: int = 200) -> web.Response:
    return web.Response(
        text=_PAGE.format(title=title, body=body),
        content_type="text/html",
        status=status,
        headers=_HEADERS,
    )
