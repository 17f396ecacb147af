"""Logins by browser: web apps with a secret, and PKCE."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.emulator.doubles import drive, fast_script
from tests.emulator.site import TOKEN, Site, site

AUTHORIZE = "/api/permission/oauth2/authorize"
BACK = "https://app.test/back?x=1"
VERIFIER = "v" * 43
S256 = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


def asked(client_id: str = "demo-pkce", **changed: str) -> dict[str, str]:
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": BACK, "state": "s&1"}
    if client_id == "demo-pkce":
        query |= {"code_challenge": S256, "code_challenge_method": "S256"}
    return {name: value for name, value in {**query, **changed}.items() if value}


def landed(location: str) -> dict[str, str]:
    assert location.startswith("https://app.test/back?x=1&")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def allow(place: Site, query: dict[str, str], path: str = AUTHORIZE, **form: str) -> str:
    """Press the button; the code."""
    sent = {**query, "decision": "allow", **form}
    response, _ = await place.page("POST", path, params=query, data=sent)
    assert response.status == 302
    answer = landed(response.headers["Location"])
    assert answer["state"] == "s&1"
    return answer["code"]


async def exchange(place: Site, code: str, secret: str = "", **fields: str) -> Any:
    body = {
        "grant_type": "authorization_code",
        "client_id": "demo-pkce",
        "code": code,
        "redirect_uri": BACK,
        **fields,
    }
    status, reply = await place.post(TOKEN, secret, json=body)
    return reply if status == 200 else reply["error"]


@pytest.mark.parametrize(
    ("method", "challenge"), [("S256", S256), ("plain", VERIFIER), ("", VERIFIER)]
)
def test_pkce(method: str, challenge: str) -> None:
    async def body() -> None:
        async with site() as place:
            query = asked(code_challenge=challenge, code_challenge_method=method)
            response, text = await place.page("GET", AUTHORIZE, params=query)
            assert response.status == 200
            assert "Demo app" in text and "app.test" in text and "<script" not in text
            code = await allow(place, query)
            tokens = await exchange(place, code, code_verifier=VERIFIER)
            assert await place.me(tokens["access_token"]) == 200
            assert await exchange(place, code, code_verifier=VERIFIER) == "invalid_grant"
            tokens = await place.refresh(tokens["refresh_token"], "demo-pkce")
            assert await place.me(tokens["access_token"]) == 200

    drive(body)


def test_a_wrong_verifier_costs_the_code() -> None:
    async def body() -> None:
        async with site() as place:
            code = await allow(place, asked())
            assert await exchange(place, code, code_verifier="w" * 43) == "invalid_grant"
            assert await exchange(place, code, code_verifier=VERIFIER) == "invalid_grant"
            code = await allow(place, asked())
            assert await exchange(place, code) == "invalid_request"

    drive(body)


def test_a_code_expires_and_is_bound_to_its_redirect() -> None:
    async def body() -> None:
        async with site() as place:
            code = await allow(place, asked())
            place.now += 600
            assert await exchange(place, code, code_verifier=VERIFIER) == "invalid_grant"
            code = await allow(place, asked())
            reply = await exchange(
                place, code, code_verifier=VERIFIER, redirect_uri="https://app.test/"
            )
            assert reply == "invalid_grant"

    drive(body)


def test_a_web_app_needs_its_secret() -> None:
    async def body() -> None:
        async with site() as place:
            web = {"client_id": "demo-web"}
            code = await allow(place, asked("demo-web"))
            assert await exchange(place, code, **web) == "invalid_client"
            assert await exchange(place, code, "wrong", **web) == "invalid_client"
            tokens = await exchange(place, code, "demo-web-secret", **web)
            assert await place.me(tokens["access_token"]) == 200
            refresh = {
                "grant_type": "refresh_token",
                "client_id": "demo-web",
                "refresh_token": tokens["refresh_token"],
            }
            assert (await place.post(TOKEN, json=refresh))[0] == 401
            assert (await place.post(TOKEN, "demo-web-secret", json=refresh))[0] == 200

    drive(body)


def test_the_account_and_workspace_of_the_login() -> None:
    async def body() -> None:
        script = fast_script(
            account=[{"name": "anna"}], workspace=[{"id": "71", "account": "anna"}]
        )
        async with site(script) as place:
            path = "/api/permission/oauth2/workspace_id/71/authorize"
            code = await allow(place, asked(), path, account="anna")
            tokens = await exchange(place, code, code_verifier=VERIFIER)
            grant = place.service.access.admit(f"Bearer {tokens['access_token']}")
            assert (grant.account, grant.workspace_id) == ("anna", "71")

    drive(body)


def test_a_person_refuses() -> None:
    async def body() -> None:
        async with site() as place:
            response, _ = await place.page("POST", AUTHORIZE, data={**asked(), "decision": "deny"})
            answer = landed(response.headers["Location"])
            assert (answer["error"], answer["state"]) == ("access_denied", "s&1")

    drive(body)


@pytest.mark.parametrize(
    "changed",
    [
        {"response_type": "token"},
        {"response_type": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "S512"},
    ],
)
def test_wrong_requests_go_back_to_the_app(changed: dict[str, str]) -> None:
    async def body() -> None:
        async with site() as place:
            for method in ("GET", "POST"):
                options = {"params" if method == "GET" else "data": asked(**changed)}
                response, _ = await place.page(method, AUTHORIZE, **options)
                assert response.status == 302
                assert landed(response.headers["Location"])["error"] == "invalid_request"

    drive(body)


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "nobody"},
        {"client_id": "demo-device"},
        {"redirect_uri": ""},
        {"redirect_uri": "/back"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "JavaScript:alert(1)"},
        {"redirect_uri": "https://app.test/\r\nX: y"},
        {"redirect_uri": "http://[::1"},
        {"client_id": "strict", "redirect_uri": "https://app.test/other"},
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_the_apps(changed: dict[str, str]) -> None:
    async def body() -> None:
        app = {"client_id": "strict", "kind": "pkce", "redirect_uris": ["https://app.test/back"]}
        async with site(fast_script(app=[app])) as place:
            for method in ("GET", "POST"):
                options = {"params" if method == "GET" else "data": asked(**changed)}
                response, _ = await place.page(method, AUTHORIZE, **options)
                assert response.status == 400
                assert "Location" not in response.headers

    drive(body)


def test_automatic_consent() -> None:
    async def body() -> None:
        async with site(fast_script(oauth={"consent": "allow"})) as place:
            response, _ = await place.page("GET", AUTHORIZE, params=asked())
            code = landed(response.headers["Location"])["code"]
            assert "access_token" in await exchange(place, code, code_verifier=VERIFIER)
        async with site(fast_script(oauth={"consent": "deny"})) as place:
            response, _ = await place.page("GET", AUTHORIZE, params=asked())
            assert landed(response.headers["Location"])["error"] == "access_denied"

    drive(body)
