"""The emulator's console for tokens, and who a token belongs to."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from agent.emulator.rest.tokens import _need_loopback
from agent.emulator.script import load_script
from agent.emulator.tokens import Denial
from agent.errors import ConfigError
from tests.emulator.doubles import drive, fast_script
from tests.emulator.site import Site, site, write_public_key

CONSOLE = "/emulator/tokens"


async def create(place: Site, **fields: Any) -> dict[str, Any]:
    status, reply = await place.post(CONSOLE, json=fields)
    assert (status, reply["code"]) == (200, 0)
    made: dict[str, Any] = reply["data"]
    return made


def test_a_personal_token_with_an_end() -> None:
    async def body() -> None:
        async with site() as place:
            made = await create(place, account="anna", scopes=["chat"], expires_s=60)
            assert made["token"].startswith("pat_")
            assert (made["scopes"], made["expires_at"]) == (["chat"], place.now + 60)
            assert await place.me(made["token"]) == 200
            place.now += 60
            status, reply = await place.get("/v1/users/me", made["token"])
            assert (status, reply["code"]) == (401, 4100)

    drive(body)


def test_a_service_token_for_a_device() -> None:
    async def body() -> None:
        async with site() as place:
            made = await create(place, kind="service", device_id="KSK-1")
            assert made["token"].startswith("sat_")
            assert made["expires_at"] is None and made["scopes"] is None
            assert place.service.access.admit(f"Bearer {made['token']}").device_id == "KSK-1"

    drive(body)


def test_a_form_is_answered_by_a_page() -> None:
    async def body() -> None:
        async with site() as place:
            form = {"kind": "personal", "scopes": "chat, createSpeech", "expires_s": ""}
            response, text = await place.page("POST", CONSOLE, data=form)
            assert response.content_type == "text/html"
            (grant,) = place.service.issued.all()
            assert grant.token in text
            assert grant.scopes == frozenset({"chat", "createSpeech"})

    drive(body)


def test_listing_and_revoking(tmp_path: Path) -> None:
    async def body() -> None:
        async with site(state=tmp_path / "state.db") as place:
            kept, gone = await create(place), await create(place)
            status, _ = await place.delete(f"{CONSOLE}/{gone['token']}")
            assert status == 200
            assert (await place.delete(f"{CONSOLE}/nothing"))[0] == 404
            assert (await place.delete(f"{CONSOLE}/%FF"))[0] == 404
            assert await place.me(gone["token"]) == 401
        async with site(state=tmp_path / "state.db") as place:
            assert await place.me(kept["token"]) == 200
            assert await place.me(gone["token"]) == 401
            _, reply = await place.get(CONSOLE)
            assert {item["token"] for item in reply["data"]["tokens"]} == {
                kept["token"],
                gone["token"],
            }

    drive(body)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "jwt"},
        {"expires_s": -1},
        {"expires_s": "soon"},
        {"scopes": 5},
        {"scopes": [5]},
        {"account": ["a"]},
        {"account": "a" * 101},
    ],
)
def test_wrong_wishes(fields: dict[str, Any]) -> None:
    async def body() -> None:
        async with site() as place:
            status, reply = await place.post(CONSOLE, json=fields)
            assert (status, reply["code"]) == (400, 4000)

    drive(body)


@pytest.mark.parametrize(
    ("remote", "mine"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_secrets_are_told_to_the_own_machine_only(remote: str, mine: bool) -> None:
    request = make_mocked_request("GET", "/").clone(remote=remote)
    if mine:
        _need_loopback(request)
        return
    with pytest.raises(Denial) as caught:
        _need_loopback(request)
    assert (caught.value.status, caught.value.code) == (403, 4101)


def test_users_and_workspaces_have_the_platforms_shape() -> None:
    async def body() -> None:
        script = fast_script(
            account=[{"name": "anna", "user_name": "anna1", "nick_name": "Anna"}],
            workspace=[{"id": "71", "name": "Lab", "account": "anna", "role_type": "admin"}],
            token=[{"value": "t-anna", "account": "anna"}],
        )
        async with site(script) as place:
            status, reply = await place.get("/v1/users/me", "t-anna")
            assert status == 200
            assert set(reply) == {"code", "msg", "data", "detail"}
            assert (reply["code"], reply["msg"]) == (0, "")
            assert set(reply["data"]) == {"user_id", "user_name", "nick_name", "avatar_url"}
            assert reply["data"]["user_id"].isdigit()
            assert reply["data"]["user_name"] == "anna1"
            _, reply = await place.get("/v1/workspaces?page_num=2&page_size=1", "t-anna")
            assert reply["data"] == {
                "total_count": 2,
                "workspaces": [
                    {
                        "id": "71",
                        "name": "Lab",
                        "icon_url": "",
                        "role_type": "admin",
                        "workspace_type": "team",
                        "enterprise_id": "",
                    }
                ],
            }
            status, reply = await place.get("/v1/workspaces?page_num=x", "t-anna")
            assert (status, reply["code"]) == (400, 4000)
            status, reply = await place.get("/v1/workspaces")
            assert (status, reply["code"]) == (401, 4100)

    drive(body)


@pytest.mark.parametrize("token", [b"\xff", b"a\xc3\xa9\xff", b"a\tb"])
def test_bytes_that_are_no_token(token: bytes) -> None:
    async def body() -> None:
        async with site() as place:
            for start in (b"GET /v1/users/me", b"POST /api/permission/oauth2/token"):
                reader, writer = await asyncio.open_connection(place.client.host, place.client.port)
                sent = b'{"grant_type": "refresh_token", "client_id": "demo-web"}'
                writer.write(
                    start
                    + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                    + token
                    + b"\r\nContent-Length: %d\r\n\r\n" % len(sent)
                    + sent
                )
                line = await reader.readline()
                writer.close()
                assert line.split()[1] in (b"400", b"401")

    drive(body)


def test_key_files_lie_beside_the_script(tmp_path: Path) -> None:
    write_public_key(tmp_path / "fleet.pem")
    path = tmp_path / "script.toml"
    app = '[[app]]\nclient_id = "fleet"\nkind = "jwt"\npublic_key_file = "{}"\n'
    path.write_text(app.format("fleet.pem"))

    async def body() -> None:
        async with site(load_script(path)) as place:
            found = place.service.desk.apps.get("fleet")
            assert found is not None
            # Without a name it is the key's fingerprint.
            assert len(found.kid) == 43
            assert found in place.service.desk.apps.all()

    drive(body)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[app]]\nkind = "jwt"\n', "needs a client_id"),
        ('[[app]]\nclient_id = "a"\nkind = "jwt"\n', "needs a public_key_file"),
        ('[[app]]\nclient_id = "a"\nkind = "web"\n', "needs a client_secret"),
        ('[[app]]\nclient_id = "a"\nkind = "jtw"\n', "must be one of device, jwt, web, pkce"),
        ('[[app]]\nclient_id = "a"\n[[app]]\nclient_id = "a"\n', "is there twice"),
        (
            '[[app]]\nclient_id = "a"\nkind = "jwt"\npublic_key_file = "no.pem"\n',
            "cannot read the public key",
        ),
        (
            '[[app]]\nclient_id = "a"\nkind = "jwt"\npublic_key_file = "script.toml"\n',
            "no public key in PEM",
        ),
        ("[[token]]\naccount = 'a'\n", "needs a value"),
        ("[[token]]\nvalue = 'a'\nexpires = 5\n", "Did you mean expires_s"),
        ("[oauth]\nconsent = 'perhaps'\n", "must be one of ask, allow, deny"),
        ("[limits]\nchat_qps = -1\n", "limits.chat_qps"),
        ("[limits]\nchat_rps = 1\n", "Did you mean chat_qps"),
    ],
)
def test_wrong_scripts_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text)

    async def body() -> None:
        with pytest.raises(ConfigError, match=message):
            async with site(load_script(path)):
                pass

    drive(body)
