"""The device flow, its page and the tokens it leads to."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.doubles import drive, fast_script
from tests.emulator.site import DEVICE_CODE, START, TOKEN, Site, site


def test_a_device_logs_in() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            assert re.fullmatch(r"[B-Z]{4}-[B-Z]{4}", codes["user_code"])
            assert codes["verification_uri"] == f"http://{place.host}/device"
            assert (codes["expires_in"], codes["interval"]) == (300, 5)
            assert await place.poll(codes) == "authorization_pending"
            assert await place.decide(codes, "allow") == 200
            tokens = await place.poll(codes)
            assert tokens["access_token"].startswith("czu_")
            assert tokens["token_type"] == "Bearer"
            # Absolute, unlike that of the code.
            assert tokens["expires_in"] == START + 900
            assert await place.me(tokens["access_token"]) == 200
            # It works once.
            assert await place.poll(codes) == "expired_token"

    drive(body)


def test_errors_have_both_pairs_of_names_and_no_envelope() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            request = {
                "client_id": "demo-device",
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
                "device_code": codes["device_code"],
            }
            async with place.client.post(TOKEN, json=request) as response:
                assert response.status == 400
                assert len(response.headers["X-Tt-Logid"]) == 53
                reply = await response.json()
            assert set(reply) == {"error", "error_description", "error_code", "error_message"}
            assert reply["error"] == reply["error_code"] == "authorization_pending"
            assert reply["error_description"] == reply["error_message"] != ""

    drive(body)


def test_polling_too_fast_makes_slower() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            assert await place.poll(codes) == "authorization_pending"
            place.now += 4
            assert await place.poll(codes) == "slow_down"
            # 10 s now, counted from the last poll.
            place.now += 9
            assert await place.poll(codes) == "slow_down"
            place.now += 15
            assert await place.poll(codes) == "authorization_pending"
            # What was decided is told at once.
            await place.decide(codes, "allow")
            assert "access_token" in await place.poll(codes)

    drive(body)


def test_the_interval_has_an_end_that_clients_can_reach() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            for _ in range(20):
                await place.poll(codes)
            place.now += 30
            assert await place.poll(codes) == "authorization_pending"

    drive(body)


def test_two_devices_wait_independently() -> None:
    async def body() -> None:
        async with site() as place:
            one, two = await place.device(), await place.device()
            assert one["user_code"] != two["user_code"]
            assert await place.poll(one) == await place.poll(two) == "authorization_pending"
            place.now += 5
            await place.decide(two, "allow")
            assert await place.poll(one) == "authorization_pending"
            assert "access_token" in await place.poll(two)
            assert await place.poll(one) == "slow_down"

    drive(body)


def test_two_clients_with_one_code_get_one_token() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            await place.decide(codes, "allow")
            replies = await asyncio.gather(*(place.poll(codes) for _ in range(5)))
            assert sum(isinstance(reply, dict) for reply in replies) == 1
            assert replies.count("expired_token") == 4

    drive(body)


def test_a_refused_device() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            assert await place.decide(codes, "deny") == 200
            assert await place.poll(codes) == "access_denied"
            assert await place.decide(codes, "allow") == 409
            assert await place.poll(codes) == "access_denied"

    drive(body)


def test_a_code_expires() -> None:
    async def body() -> None:
        async with site() as place:
            codes = await place.device()
            place.now += 299
            assert await place.poll(codes) == "authorization_pending"
            place.now += 1
            assert await place.poll(codes) == "expired_token"
            assert await place.decide(codes, "allow") == 410
            # An allowed one, too, if nobody fetches the tokens.
            codes = await place.device()
            await place.decide(codes, "allow")
            place.now += 300
            assert await place.poll(codes) == "expired_token"

    drive(body)


def test_a_refresh_token_works_once() -> None:
    async def body() -> None:
        async with site() as place:
            old = await _login(place)
            place.now += 900
            assert await place.me(old["access_token"]) == 401
            new = await place.refresh(old["refresh_token"])
            assert new["expires_in"] == START + 1800
            assert await place.me(new["access_token"]) == 200
            assert await place.refresh(old["refresh_token"]) == "invalid_grant"
            # What was given out for the old one is none the worse for it.
            assert await place.me(new["access_token"]) == 200
            assert "access_token" in await place.refresh(new["refresh_token"])

    drive(body)


def test_of_two_that_refresh_at_once_one_wins() -> None:
    async def body() -> None:
        async with site() as place:
            old = await _login(place)
            replies = await asyncio.gather(*(place.refresh(old["refresh_token"]) for _ in range(5)))
            assert sum(isinstance(reply, dict) for reply in replies) == 1
            assert replies.count("invalid_grant") == 4

    drive(body)


def test_a_refresh_token_lives_30_days() -> None:
    async def body() -> None:
        async with site() as place:
            tokens = await _login(place)
            place.now += 30 * 86400 - 1
            tokens = await place.refresh(tokens["refresh_token"])
            place.now += 30 * 86400
            assert await place.refresh(tokens["refresh_token"]) == "invalid_grant"

    drive(body)


def test_a_refresh_token_belongs_to_its_app() -> None:
    async def body() -> None:
        async with site() as place:
            tokens = await _login(place)
            assert await place.refresh(tokens["refresh_token"], "demo-pkce") == "invalid_grant"
            assert "access_token" in await place.refresh(tokens["refresh_token"])

    drive(body)


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.db"

    async def body() -> None:
        async with site(state=state) as place:
            tokens = await _login(place)
            used = (await place.refresh(tokens["refresh_token"]))["refresh_token"]
            latest = await place.refresh(used)
            allowed, pending = await place.device(), await place.device()
            await place.decide(allowed, "allow")
            await place.poll(pending)
        async with site(state=state) as place:
            assert await place.me(latest["access_token"]) == 200
            assert await place.refresh(used) == "invalid_grant"
            assert "access_token" in await place.refresh(latest["refresh_token"])
            assert "access_token" in await place.poll(allowed)
            assert await place.poll(pending) == "slow_down"
            place.now += 900
            assert await place.me(latest["access_token"]) == 401
        async with site() as place:
            # Without the file nobody knows them.
            assert await place.me(latest["access_token"]) == 401

    drive(body)


def test_the_page_shows_who_asks_and_needs_no_script() -> None:
    async def body() -> None:
        script = fast_script(app=[{"client_id": "lamp", "name": "A <lamp>"}])
        async with site(script) as place:
            codes = await place.device("lamp")
            typed = codes["user_code"].replace("-", " ").lower()
            response, text = await place.page("GET", "/device", params={"user_code": typed})
            assert response.status == 200
            assert "A &lt;lamp&gt;" in text and "A <lamp>" not in text
            assert codes["user_code"] in text
            assert 'name="viewport"' in text
            assert "<script" not in text
            assert re.findall(r'name="decision" value="(\w+)"', text) == ["allow", "deny"]
            assert response.headers["Cache-Control"] == "no-store"
            # Looking decides nothing.
            assert await place.poll(codes, "lamp") == "authorization_pending"

    drive(body)


def test_the_page_asks_for_a_code_and_says_what_is_wrong_with_it() -> None:
    async def body() -> None:
        async with site() as place:
            response, text = await place.page("GET", "/device")
            assert response.status == 200 and 'name="user_code"' in text
            response, text = await place.page(
                "GET", "/device", params={"user_code": '"><script>alert(1)</script>'}
            )
            assert response.status == 404
            assert "no such code" in text and "<script" not in text
            assert await place.decide({"user_code": "BBBB-BBBB"}, "allow") == 404
            assert await place.decide(await place.device(), "perhaps") == 400

    drive(body)


def test_a_person_chooses_the_account() -> None:
    async def body() -> None:
        async with site(fast_script(account=[{"name": "anna", "nick_name": "Anna"}])) as place:
            codes = await place.device()
            _, text = await place.page("GET", "/device", params={"user_code": codes["user_code"]})
            assert re.findall(r"<option>(\w+)", text) == ["default", "anna"]
            await place.decide(codes, "allow", account="anna")
            tokens = await place.poll(codes)
            _, reply = await place.get("/v1/users/me", tokens["access_token"])
            assert reply["data"]["nick_name"] == "Anna"

    drive(body)


def test_one_workspace_only() -> None:
    async def body() -> None:
        script = fast_script(workspace=[{"id": "71", "name": "Lab"}, {"id": "72"}])
        async with site(script) as place:
            path = "/api/permission/oauth2/workspace_id/72/device/code"
            _, codes = await place.post(path, json={"client_id": "demo-device"})
            await place.decide(codes, "allow")
            tokens = await place.poll(codes)
            for _ in range(2):
                _, reply = await place.get("/v1/workspaces", tokens["access_token"])
                assert [space["id"] for space in reply["data"]["workspaces"]] == ["72"]
                tokens = await place.refresh(tokens["refresh_token"])

    drive(body)


@pytest.mark.parametrize(
    ("request_body", "error"),
    [
        ({}, "invalid_request"),
        ({"client_id": 5}, "invalid_request"),
        ({"client_id": "\ud800"}, "invalid_request"),
        ([], "invalid_request"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": "demo-pkce"}, "access_deny"),
        ({"client_id": "off"}, "access_deny"),
    ],
)
def test_apps_that_may_not(request_body: object, error: str) -> None:
    async def body() -> None:
        async with site(fast_script(app=[{"client_id": "off", "disabled": True}])) as place:
            status, reply = await place.post(DEVICE_CODE, json=request_body)
            assert status == (401 if error == "invalid_client" else 400)
            assert reply["error"] == reply["error_code"] == error

    drive(body)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, "invalid_request"),
        (
            {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x"},
            "invalid_grant",
        ),
    ],
)
def test_wrong_requests_for_tokens(fields: dict[str, str], error: str) -> None:
    async def body() -> None:
        async with site() as place:
            sent = {"client_id": "demo-device", **fields}
            for way in ("json", "data"):
                options: dict[str, Any] = {way: sent}
                status, reply = await place.post(TOKEN, **options)
                assert (status, reply["error"]) == (400, error)

    drive(body)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b'"x"'])
def test_garbage_is_refused_politely(raw: bytes) -> None:
    async def body() -> None:
        async with site() as place:
            for kind in ("application/json", "application/x-www-form-urlencoded; charset=no"):
                headers = {"Content-Type": kind}
                for path in (TOKEN, DEVICE_CODE, "/device"):
                    status, _ = await place.page("POST", path, data=raw, headers=headers)
                    assert status.status == 400

    drive(body)


@pytest.mark.parametrize(("consent", "reply"), [("allow", "access_token"), ("deny", "denied")])
def test_automatic_consent(consent: str, reply: str) -> None:
    async def body() -> None:
        async with site(fast_script(oauth={"consent": consent})) as place:
            assert reply in str(await place.poll(await place.device()))

    drive(body)


def test_lifetimes_of_a_script() -> None:
    async def body() -> None:
        times = {"device_code_s": 1800, "interval_s": 1, "access_s": 10, "refresh_s": 20}
        async with site(fast_script(oauth=times)) as place:
            codes = await place.device()
            assert (codes["expires_in"], codes["interval"]) == (1800, 1)
            tokens = await _login(place)
            place.now += 10
            assert await place.me(tokens["access_token"]) == 401
            place.now += 10
            assert await place.refresh(tokens["refresh_token"]) == "invalid_grant"

    drive(body)


async def _login(place: Site) -> dict[str, str]:
    codes = await place.device()
    await place.decide(codes, "allow")
    tokens: dict[str, str] = await place.poll(codes)
    return tokens
