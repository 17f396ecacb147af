"""Callbacks: apps, subscriptions, signatures, repetition, and whom the emulator never calls."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.emulator.outbound import Unreachable, check_address, signature, within
from agent.emulator.tokens import Grant
from tests.emulator.doubles import drive, fast_script
from tests.emulator.site import START, Site, site

APPS = "/v1/api_apps"


class Receiver:
    """Somebody's back end. ``answers`` are HTTP statuses to give before 200; None never answers."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int | None] = []
        self.body: Any = {}
        self.echo: Callable[[Any], Any] = lambda body: body
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        content = json.loads(raw)
        if "challenge" in content:
            return web.json_response(self.echo(content))
        self.requests.append((dict(request.headers), raw))
        answer = self.answers.pop(0) if self.answers else 200
        if answer is None:
            await asyncio.sleep(30)
        return web.json_response(self.body, status=answer or 200)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for _, raw in self.requests]

    async def wait(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.requests) < count:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/hook", found.handle)
    server = TestServer(app)
    await server.start_server()
    found.url = str(server.make_url("/hook"))
    try:
        yield found
    finally:
        await server.close()


def impatient(**callbacks: Any) -> Any:
    return fast_script(callbacks={"timeout_ms": 200, "publish_timeout_ms": 200, **callbacks})


async def put(place: Site, path: str, body: Any, token: str = "admin") -> Any:
    _, reply = await place._answer("PUT", path, token, {"json": body})
    return reply


async def subscribed(
    place: Site, hook: Receiver, *event_types: str, **values: str
) -> dict[str, str]:
    """An app whose callbacks go to the receiver."""
    wanted = {"app_type": "normal", "name": "fleet", **values}
    _, reply = await place.post(APPS, "admin", json=wanted)
    app: dict[str, str] = reply["data"]
    reply = await put(place, f"{APPS}/{app['id']}", {"callback_url": hook.url})
    assert reply["code"] == 0, reply
    _, reply = await place.post(
        f"{APPS}/{app['id']}/events", "admin", json={"event_types": list(event_types)}
    )
    assert reply["code"] == 0, reply
    return app


def speak(place: Site, ms: float = 1500) -> None:
    """One row of a bill."""
    grant = Grant("t", "default", device_id="KSK000123")
    gauge = place.service.meter.open(grant, "700", "740")
    gauge.said(ms)
    gauge.close()


async def settled(place: Site) -> None:
    async with asyncio.timeout(5):
        while place.service.callbacks.waiting():
            await asyncio.sleep(0.005)


# --- apps ---------------------------------------------------------------------------------------


def test_apps_are_made_listed_changed_and_deleted() -> None:
    async def body() -> None:
        async with site() as place, receiver() as hook:
            app = await subscribed(place, hook, "benefit.usage", "bot.published")
            assert app["app_type"] == "normal" and app["name"] == "fleet"
            assert app["callback_url"] == "" and app["verify_token"]
            channel = {"app_type": "connector", "connector_id": "777"}
            _, reply = await place.post(APPS, "admin", json=channel)
            assert reply["data"]["connector_id"] == "777"
            _, reply = await place.get(APPS, "admin", params={"page_size": 1})
            assert reply["data"]["has_more"] and len(reply["data"]["items"]) == 1
            assert reply["data"]["items"][0]["callback_url"] == hook.url
            token = reply["data"]["next_page_token"]
            _, reply = await place.get(APPS, "admin", params={"page_token": token})
            assert [one["app_type"] for one in reply["data"]["items"]] == ["connector"]
            _, reply = await place.get(APPS, "admin", params={"app_type": "normal"})
            assert [one["id"] for one in reply["data"]["items"]] == [app["id"]]
            _, reply = await place.get(f"{APPS}/{app['id']}/events", "admin")
            assert [event["event_type"] for event in reply["data"]["items"]] == [
                "benefit.usage",
                "bot.published",
            ]
            assert set(reply["data"]["items"][0]) == {
                "api_app_id",
                "name",
                "description",
                "event_type",
            }
            path = f"{APPS}/{app['id']}"
            one = {"event_types": ["bot.published"]}
            _, reply = await place.delete(f"{path}/events", "admin", json=one)
            assert reply["code"] == 0
            _, reply = await place.get(f"{path}/events", "admin")
            assert len(reply["data"]["items"]) == 1
            assert (await put(place, path, {"name": "new"}))["code"] == 0
            _, reply = await place.get(APPS, "admin", params={"app_type": "normal"})
            assert reply["data"]["items"][0]["name"] == "new"
            assert (await place.delete(path, "admin"))[1]["code"] == 0
            assert (await place.delete(path, "admin"))[1]["code"] == 4200

    drive(body)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"app_type": "normal"}, {"app_type": "connector"}, {"app_type": "other", "name": "a"}],
)
def test_wrong_apps_are_refused(wrong: dict[str, str]) -> None:
    async def body() -> None:
        async with site() as place:
            status, reply = await place.post(APPS, "admin", json=wrong)
            assert (status, reply["code"]) == (400, 4000)

    drive(body)


def test_apps_of_others_do_not_exist() -> None:
    async def body() -> None:
        script = fast_script(tokens={"accounts": {"stranger": "other"}})
        async with site(script) as place, receiver() as hook:
            app = await subscribed(place, hook, "benefit.usage")
            reply = await put(place, f"{APPS}/{app['id']}", {"name": "mine"}, "stranger")
            assert reply["code"] == 4200
            _, reply = await place.get(APPS, "stranger")
            assert reply["data"]["items"] == []
            wrong = {"event_types": ["benefit.luck"]}
            _, reply = await place.post(f"{APPS}/{app['id']}/events", "admin", json=wrong)
            assert reply["code"] == 4000

    drive(body)


@pytest.mark.parametrize(
    "echo",
    [
        lambda body: {"challenge": "something else"},
        lambda body: {},
        lambda body: [body["challenge"]],
    ],
)
def test_an_address_must_send_the_challenge_back(echo: Callable[[Any], Any]) -> None:
    async def body() -> None:
        async with site() as place, receiver() as hook:
            hook.echo = echo
            _, reply = await place.post(APPS, "admin", json={"app_type": "normal", "name": "a"})
            path = f"{APPS}/{reply['data']['id']}"
            reply = await put(place, path, {"callback_url": hook.url})
            assert reply["code"] == 4000 and "callback_url" in reply["msg"]
            _, reply = await place.get(APPS, "admin")
            assert reply["data"]["items"][0]["callback_url"] == ""

    drive(body)


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/hook",
        "https://1.1.1.1/",
        "ftp://127.0.0.1/",
        "http://[2606:4700::1111]/",
        "http://[::ffff:8.8.8.8]/",
        "nothing",
        "http://0.0.0.0/",
    ],
)
def test_the_emulator_does_not_call_out(url: str) -> None:
    async def body() -> None:
        async with site() as place:
            _, reply = await place.post(APPS, "admin", json={"app_type": "normal", "name": "a"})
            path = f"{APPS}/{reply['data']['id']}"
            reply = await put(place, path, {"callback_url": url})
            assert reply["code"] == 4000 and "callback_url" in reply["msg"]

    drive(body)


def test_reach() -> None:
    assert within("loopback", "127.0.0.1") and within("loopback", "::1")
    assert not within("loopback", "192.168.1.5") and within("private", "192.168.1.5")
    assert within("private", "fd00::1") and not within("private", "8.8.8.8")
    assert within("any", "8.8.8.8") and not within("any", "no address")
    check_address("http://localhost:1/", "loopback")
    with pytest.raises(Unreachable):
        check_address("http://10.0.0.1/", "loopback")


# --- delivery -----------------------------------------------------------------------------------


def test_usage_is_told_with_a_signature() -> None:
    async def body() -> None:
        async with site() as place, receiver() as hook:
            app = await subscribed(place, hook, "benefit.usage")
            speak(place)
            await hook.wait(1)
            headers, raw = hook.requests[0]
            text = (
                headers["X-Coze-Timestamp"] + headers["X-Coze-Nonce"] + app["verify_token"]
            ).encode() + raw
            assert headers["X-Coze-Signature"] == hashlib.sha1(text).hexdigest()
            assert int(headers["X-Coze-Timestamp"]) == int(START)
            told = json.loads(raw)
            header, event = told["header"], told["event"]
            assert header["event_type"] == "benefit.usage"
            assert header["api_app_id"] == app["id"] and header["event_id"]
            assert header["created_at"] == int(START * 1000)
            assert event["device_id"] == "KSK000123" and event["change_balance"] == "1.5"
            assert (event["balance_type"], event["record_root_id"]) == (3, "700")
            await settled(place)

    drive(body)


def test_the_signature_of_a_known_example() -> None:
    # Computed with sha1sum over "1700000000" "abc" "secret" "{}".
    assert (
        signature("1700000000", "abc", "secret", b"{}")
        == hashlib.sha1(b"1700000000abcsecret{}").hexdigest()
    )


def test_what_is_not_taken_comes_again() -> None:
    async def body() -> None:
        async with site(impatient()) as place, receiver() as hook:
            hook.answers = [500, None, 302, 204]
            await subscribed(place, hook, "benefit.usage")
            speak(place)
            await hook.wait(5)
            await settled(place)
            assert len(hook.requests) == 5
            assert len({event["header"]["event_id"] for event in hook.events}) == 1
            assert len({headers["X-Coze-Nonce"] for headers, _ in hook.requests}) == 5
            [row] = place.service.store.rows("SELECT attempts, state FROM callback")
            assert tuple(row) == (5, "taken")

    drive(body)


def test_waiting_grows_and_ends() -> None:
    async def body() -> None:
        waited: list[float] = []
        async with site(impatient(attempts=4, backoff_ms=500)) as place, receiver() as hook:
            seconds = place.service.callbacks._seconds

            def note(ms: float) -> float:
                waited.append(ms)
                return seconds(ms)

            place.service.callbacks._seconds = note
            hook.answers = [500] * 9
            await subscribed(place, hook, "benefit.usage")
            speak(place)
            await settled(place)
            assert len(hook.requests) == 4 and waited == [500, 1000, 2000]
            speak(place)
            [state] = place.service.store.rows("SELECT DISTINCT state FROM callback LIMIT 1")
            assert state["state"] == "failed"

    drive(body)


def test_the_same_event_may_be_delivered_twice() -> None:
    async def body() -> None:
        async with site(impatient(repeat=True)) as place, receiver() as hook:
            await subscribed(place, hook, "benefit.usage")
            speak(place)
            await hook.wait(2)
            first, second = hook.events
            assert first == second

    drive(body)


def test_one_slow_delivery_does_not_hold_up_the_others() -> None:
    async def body() -> None:
        async with site(impatient(timeout_ms=2000)) as place, receiver() as hook:
            hook.answers = [None]
            await subscribed(place, hook, "benefit.usage")
            for _ in range(20):
                speak(place)
            async with asyncio.timeout(1.5):
                await hook.wait(20)
            assert len({event["event"]["id"] for event in hook.events}) == 20

    drive(body)


def test_what_waits_survives_a_restart(tmp_path: Path) -> None:
    async def body() -> None:
        async with receiver() as hook:
            async with site(impatient(backoff_ms=1e9), tmp_path / "state.db") as place:
                hook.answers = [500]
                await subscribed(place, hook, "benefit.usage")
                speak(place)
                await hook.wait(1)
            async with site(impatient(), tmp_path / "state.db") as place:
                await hook.wait(2)
                await settled(place)
            first, second = hook.events
            assert first == second

    drive(body)


def test_a_deleted_app_hears_nothing_more() -> None:
    async def body() -> None:
        async with site() as place, receiver() as hook:
            app = await subscribed(place, hook, "benefit.usage")
            await place.delete(f"{APPS}/{app['id']}", "admin")
            speak(place)
            await asyncio.sleep(0.05)
            assert hook.requests == [] and place.service.callbacks.waiting() == 0

    drive(body)


def test_a_name_that_begins_to_point_elsewhere_is_not_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def resolve(self: Any, host: str, port: int = 0, family: Any = None) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "8.8.8.8"
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    monkeypatch.setattr("aiohttp.ThreadedResolver.resolve", resolve)

    async def body() -> None:
        async with site(impatient(attempts=1)) as place, receiver() as hook:
            port = hook.url.rpartition(":")[2]
            hook.url = f"http://hook.test:{port}"
            await subscribed(place, hook, "benefit.usage")
            # What was resolved is remembered for a while, for one host name.
            app = place.service.callbacks.apps.listed("default")[0]
            moved = f"http://moved.test:{port}"
            place.service.callbacks.apps.update(app.id, app.name, moved)
            speak(place)
            await settled(place)
            assert asked == ["hook.test", "moved.test"] and hook.requests == []
            [row] = place.service.store.rows("SELECT state, answer FROM callback")
            assert row["state"] == "failed" and "private" in row["answer"]

    drive(body)


# --- bots ---------------------------------------------------------------------------------------


async def bot(place: Site) -> str:
    wanted = {"space_id": "1", "name": "Kiosk", "description": "Answers in the lobby."}
    _, reply = await place.post("/v1/bot/create", "admin", json=wanted)
    bot_id: str = reply["data"]["bot_id"]
    return bot_id


async def published(place: Site, bot_id: str, *connector_ids: str, **values: Any) -> Any:
    body = {"bot_id": bot_id, "connector_ids": list(connector_ids), **values}
    _, reply = await place.post("/v1/bot/publish", "admin", json=body)
    return reply


def test_publishing_is_told() -> None:
    async def body() -> None:
        async with site() as place, receiver() as hook:
            await subscribed(place, hook, "bot.published", "bot.unpublished")
            bot_id = await bot(place)
            assert (await published(place, bot_id, "1024"))["data"]["bot_id"] == bot_id
            await hook.wait(1)
            told = hook.events[0]
            assert told["header"]["coze_account_id"] and "connector_id" not in told["header"]
            event = told["event"]
            assert event["bot_id_str"] == int(bot_id) and event["bot_name"] == "Kiosk"
            assert event["space_id"] == "1" and event["version"] == "1"
            path = f"/v1/bots/{bot_id}/unpublish"
            await place.post(path, "admin", json={"connector_id": "1024"})
            await hook.wait(2)
            assert hook.events[1]["event"]["connector_id"] == "1024"
            assert hook.events[1]["event"]["bot_id"] == bot_id

    drive(body)


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ({"audit": {"audit_status": 2}}, 2, ""),
        ({"audit": {"audit_status": 1}}, 1, ""),
        ({"audit": {"audit_status": 3, "reason": "ugly"}}, 3, "ugly"),
        ({}, 3, "the channel did not answer"),
        ({"audit": {"audit_status": 9}}, 3, "the channel did not answer"),
        ("yes", 3, "the channel did not answer"),
    ],
)
def test_a_channel_judges_new_bots(answer: Any, status: int, reason: str) -> None:
    async def body() -> None:
        async with site(impatient(attempts=2)) as place, receiver() as hook:
            hook.body = answer
            path = "/v1/connectors/777/install"
            await place.post(path, "admin", json={"workspace_id": "1"})
            await subscribed(place, hook, "bot.published", app_type="connector", connector_id="777")
            bot_id = await bot(place)
            assert (await published(place, bot_id, "777"))["code"] == 0
            await settled(place)
            assert hook.events[0]["header"]["connector_id"] == "777"
            assert "space_id" not in hook.events[0]["event"]
            listing = place.service.connectors.listed("777", bot_id)
            assert listing is not None
            assert (listing.audit_status, listing.reason) == (status, reason)
            # A review that takes longer is told later.
            late = {"audit_status": 2, "reason": None}
            reply = await put(place, f"/v1/connectors/777/bots/{bot_id}", late)
            assert reply["code"] == 0 and "data" not in reply
            listing = place.service.connectors.listed("777", bot_id)
            assert listing is not None and listing.audit_status == 2

    drive(body)


def test_a_channel_does_not_hear_of_the_usage_of_others() -> None:
    async def body() -> None:
        script = fast_script(tokens={"accounts": {"stranger": "other"}})
        async with site(script) as place, receiver() as hook:
            app = await subscribed(
                place, hook, "benefit.usage", app_type="connector", connector_id="1024"
            )
            assert app["connector_id"] == "1024"
            gauge = place.service.meter.open(Grant("stranger", "other"), "700")
            gauge.said(1000)
            gauge.close()
            speak(place)
            await hook.wait(1)
            await settled(place)
            assert [event["event"]["device_id"] for event in hook.events] == ["KSK000123"]

    drive(body)
