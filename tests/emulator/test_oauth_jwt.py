"""The JWT bearer grant."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agent.emulator.script import Script, parse_script
from agent.emulator.tokens import Grant
from tests.emulator.doubles import drive
from tests.emulator.site import JWT_GRANT, TOKEN, Site, key, signed, site, write_public_key

HEAD = {"alg": "RS256", "typ": "JWT", "kid": "k1"}


@pytest.fixture
def script(tmp_path: Path) -> Script:
    write_public_key(tmp_path / "fleet.pem")
    app = {
        "client_id": "fleet",
        "kind": "jwt",
        "kid": "k1",
        "public_key_file": str(tmp_path / "fleet.pem"),
        "account": "acme",
    }
    narrow = {**app, "client_id": "narrow", "scopes": ["Connector.botChat"]}
    off = {**app, "client_id": "off", "disabled": True}
    unbound = {**app, "client_id": "unbound", "connector_id": ""}
    return parse_script({"app": [app, narrow, off, unbound]}, "test")


def claims(place: Site, **changed: Any) -> dict[str, Any]:
    now = int(place.now)
    found = {"iss": "fleet", "aud": place.host, "iat": now, "exp": now + 3600, "jti": "j1"}
    found.update(changed)
    return {name: value for name, value in found.items() if value is not None}


async def ask(
    place: Site,
    token: str,
    path: str = TOKEN,
    **fields: Any,
) -> tuple[int, Any]:
    return await place.post(path, token, json={"grant_type": JWT_GRANT, **fields})


def granted(place: Site, reply: dict[str, Any]) -> Grant:
    return place.service.access.admit(f"Bearer {reply['access_token']}")


def test_a_back_end_mints_a_token_for_a_device(script: Script) -> None:
    async def body() -> None:
        async with site(script) as place:
            device = {"device_info": {"device_id": "KSK-1", "custom_consumer": "c"}}
            token = signed(HEAD, claims(place, session_name="uid", session_context=device), key())
            scope = {
                "account_permission": {"permission_list": ["Connector.botChat"]},
                "attribute_constraint": {"connector_bot_chat_attribute": {"bot_id_list": ["7400"]}},
            }
            status, reply = await ask(place, token, duration_seconds=86399, scope=scope)
            assert status == 200
            assert set(reply) == {"access_token", "expires_in", "token_type"}
            assert reply["access_token"].startswith("czs_")
            assert reply["expires_in"] == place.now + 86399
            grant = granted(place, reply)
            assert (grant.device_id, grant.custom_consumer) == ("KSK-1", "c")
            assert (grant.session_name, grant.account, grant.kind) == ("uid", "acme", "jwt")
            assert grant.client_id == "fleet"
            assert grant.bots == frozenset({"7400"})
            assert grant.allows("chat") and not grant.allows("createSpeech")

    drive(body)


def test_defaults(script: Script) -> None:
    async def body() -> None:
        async with site(script) as place:
            for number, scope in enumerate((None, {}, {"account_permission": None})):
                token = signed(HEAD, claims(place, jti=str(number)), key())
                _, reply = await ask(place, token, scope=scope, duration_seconds=None)
                assert reply["expires_in"] == place.now + 900
                grant = granted(place, reply)
                assert grant.scopes is None and grant.bots is None and grant.device_id == ""
            place.now += 900
            assert await place.me(reply["access_token"]) == 401

    drive(body)


def test_a_jwt_works_once(script: Script, tmp_path: Path) -> None:
    async def body() -> None:
        async with site(script, tmp_path / "state.db") as place:
            token = signed(HEAD, claims(place), key())
            assert (await ask(place, token))[0] == 200
            status, reply = await ask(place, token)
            assert (status, reply["error"]) == (400, "invalid_request")
            assert "jti" in reply["error_message"]
            # Other claims, the same jti.
            again = signed(HEAD, claims(place, session_name="x"), key())
            assert (await ask(place, again))[0] == 400
            assert (await ask(place, signed(HEAD, claims(place, jti="j2"), key())))[0] == 200
        async with site(script, tmp_path / "state.db") as place:
            assert (await ask(place, token))[0] == 400

    drive(body)


def test_a_jwt_that_came_to_nothing_was_not_used(script: Script) -> None:
    async def body() -> None:
        async with site(script) as place:
            token = signed(HEAD, claims(place), key())
            assert (await ask(place, token, duration_seconds=86400))[0] == 400
            assert (await ask(place, token))[0] == 200

    drive(body)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"iss": None}, "invalid_client"),
        ({"iss": "nobody"}, "invalid_client"),
        ({"iss": 7}, "invalid_request"),
        ({"iss": "demo-device"}, "access_deny"),
        ({"iss": "off"}, "access_deny"),
        ({"iss": "unbound"}, "access_deny"),
        ({"aud": None}, "invalid_request"),
        ({"aud": "api.example.com"}, "invalid_request"),
        ({"exp": None}, "invalid_request"),
        ({"exp": "soon"}, "invalid_request"),
        ({"exp": 10**400}, "invalid_request"),
        ({"exp": 1_799_999_999}, "invalid_request"),
        ({"exp": 1_800_000_000}, "invalid_request"),
        ({"iat": None}, "invalid_request"),
        ({"iat": 1_800_000_061}, "invalid_request"),
        ({"jti": None}, "invalid_request"),
        ({"jti": 7}, "invalid_request"),
        ({"session_name": 7}, "invalid_request"),
        ({"session_context": "x"}, "invalid_request"),
        ({"session_context": {"device_info": {"device_id": 7}}}, "invalid_request"),
        ({"session_context": {"device_info": {"device_id": "\ud800"}}}, "invalid_request"),
    ],
)
def test_wrong_claims(script: Script, changed: dict[str, Any], error: str) -> None:
    async def body() -> None:
        async with site(script) as place:
            status, reply = await ask(place, signed(HEAD, claims(place, **changed), key()))
            assert reply["error"] == reply["error_code"] == error
            assert status == (401 if error == "invalid_client" else 400)

    drive(body)


@pytest.mark.parametrize("audience", ["api.coze.cn", "api.coze.com", ["x", "api.coze.cn"]])
def test_audiences_of_the_platform_count_too(script: Script, audience: object) -> None:
    async def body() -> None:
        async with site(script) as place:
            assert (await ask(place, signed(HEAD, claims(place, aud=audience), key())))[0] == 200
            named = signed(HEAD, claims(place, jti="2", aud=place.client.host), key())
            assert (await ask(place, named))[0] == 200

    drive(body)


def test_signatures_and_keys(script: Script) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=1024)

    async def body() -> None:
        async with site(script) as place:
            good = claims(place)
            for head, by, error in (
                (HEAD, other, "invalid_client"),
                ({**HEAD, "kid": "k2"}, key(), "invalid_client"),
                ({"alg": "RS256"}, key(), "invalid_client"),
                ({**HEAD, "alg": "HS256"}, key(), "invalid_request"),
                ({**HEAD, "alg": "none"}, key(), "invalid_request"),
            ):
                _, reply = await ask(place, signed(head, good, by))
                assert reply["error"] == error
            front, _, signature = signed(HEAD, good, key()).split(".")
            forged = (
                base64.urlsafe_b64encode(json.dumps({**good, "session_name": "other"}).encode())
                .decode()
                .rstrip("=")
            )
            _, reply = await ask(place, f"{front}.{forged}.{signature}")
            assert reply["error"] == "invalid_client"
            _, reply = await ask(place, f"{front}.{forged}.")
            assert reply["error"] == "invalid_client"

    drive(body)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "a.b", "é.é.é", "bnVsbA.bnVsbA.bnVsbA", "W10.W10."]
)
def test_what_is_no_jwt(script: Script, token: str) -> None:
    async def body() -> None:
        async with site(script) as place:
            status, reply = await ask(place, token)
            assert (status, reply["error"]) == (400, "invalid_request")

    drive(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"duration_seconds": 0},
        {"duration_seconds": 86400},
        {"duration_seconds": "900"},
        {"duration_seconds": True},
        {"scope": []},
        {"scope": {"account_permission": {"permission_list": "chat"}}},
        {"scope": {"attribute_constraint": {"connector_bot_chat_attribute": 5}}},
    ],
)
def test_wrong_bodies(script: Script, fields: dict[str, Any]) -> None:
    async def body() -> None:
        async with site(script) as place:
            status, reply = await ask(place, signed(HEAD, claims(place), key()), **fields)
            assert (status, reply["error"]) == (400, "invalid_request")

    drive(body)


def test_an_app_cannot_give_what_it_has_not(script: Script) -> None:
    async def body() -> None:
        async with site(script) as place:
            scope = {"account_permission": {"permission_list": ["Connector.botChat", "x"]}}
            token = signed(HEAD, claims(place, iss="narrow"), key())
            status, reply = await ask(place, token, scope=scope)
            assert (status, reply["error"]) == (400, "access_deny")
            _, reply = await ask(place, token)
            assert granted(place, reply).scopes == frozenset({"Connector.botChat"})

    drive(body)


def test_tokens_for_other_accounts(script: Script) -> None:
    async def body() -> None:
        async with site(script) as place:
            anna = place.service.accounts.get("anna").user_id
            base = "/api/permission/oauth2"
            for number, (path, account) in enumerate(
                [
                    (f"{base}/account/{anna}/token", "anna"),
                    (f"{base}/account/4400000000000000001/token", "4400000000000000001"),
                    (f"{base}/enterprise_id/volcano_1/token", "volcano_1"),
                ]
            ):
                token = signed(HEAD, claims(place, jti=str(number)), key())
                _, reply = await ask(place, token, path)
                assert granted(place, reply).account == account
            assert place.service.accounts.get("volcano_1").enterprise_id == "volcano_1"
            status, reply = await place.post(path, json={"grant_type": "refresh_token"})
            assert (status, reply["error"]) == (400, "unsupported_grant_type")

    drive(body)


def test_the_demo_key_works_and_stays(tmp_path: Path) -> None:
    async def body() -> None:
        async with site(state=tmp_path / "state.db") as place:
            head = {"alg": "RS256", "kid": "?"}
            reply: dict[str, str]
            _, reply = await ask(place, signed(head, claims(place, iss="demo-jwt"), key()))
            assert reply["error"] == "invalid_client"
            status, file = await place.get("/emulator/demo-jwt.json")
            assert status == 200
            assert file["client_type"] == "jwt"
            assert file["coze_api_base"] == f"http://{place.host}"
            assert len(file["public_key_id"]) == 43
            private = serialization.load_pem_private_key(file["private_key"].encode(), None)
            assert isinstance(private, rsa.RSAPrivateKey)
            head["kid"] = file["public_key_id"]
            mine = claims(place, iss=file["client_id"])
            status, reply = await ask(place, signed(head, mine, private))
            assert status == 200
            assert granted(place, reply).client_id == "demo-jwt"
        async with site(state=tmp_path / "state.db") as place:
            _, again = await place.get("/emulator/demo-jwt.json")
            assert again["private_key"] == file["private_key"]
            assert again["public_key_id"] == file["public_key_id"]

    drive(body)
