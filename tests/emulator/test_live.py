import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from agent.emulator.guard import HEADER
from agent.emulator.server import Emulator
from tests.emulator.doubles import PCM_IN, client, drive, fast_script, running, silence

PAGE = {HEADER: "1", "Content-Type": "application/json"}


class Stream:
    """The page's side of the events."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.last_id = ""

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while True:
                line = (await self.response.content.readline()).decode().rstrip("\n")
                assert line or not self.response.content.at_eof(), "the stream is over"
                if line.startswith("id: "):
                    self.last_id = line[4:]
                elif line.startswith("data: "):
                    update: dict[str, Any] = json.loads(line[6:])
                    return update

    async def until(self, event_type: str) -> list[dict[str, Any]]:
        """Entries up to the update that has one of that type."""
        found: list[dict[str, Any]] = []
        while not any(entry["type"] == event_type for entry in found):
            found += (await self.next())["entries"]
        return found


@asynccontextmanager
async def streamed(http: aiohttp.ClientSession, last_id: str = "") -> AsyncIterator[Stream]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with http.get("/emulator/events", headers=headers) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield Stream(response)


@asynccontextmanager
async def page(**tables: Any) -> AsyncIterator[tuple[Emulator, aiohttp.ClientSession]]:
    async with (
        running(fast_script(**tables)) as emulator,
        aiohttp.ClientSession(emulator.api_base) as http,
    ):
        yield emulator, http


async def post(http: aiohttp.ClientSession, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    async with http.post(path, data=json.dumps(body), headers=PAGE) as response:
        return response.status, await response.json()


def test_a_conversation_as_the_page_sees_it() -> None:
    async def body() -> None:
        async with page() as (emulator, http), streamed(http) as stream:
            first = await stream.next()
            assert first["whole"]
            assert first["devices"] == first["entries"] == []
            async with client(emulator, "bot_id=1&device_id=42") as talk:
                await talk.update(input_audio=PCM_IN)
                await talk.append(silence(100))
                await talk.append(silence(100))
                await talk.ask("hello")
                await talk.until("conversation.chat.completed")
                entries = await stream.until("conversation.chat.completed")
                state = await (await http.get("/emulator/state")).json()
            audio = [entry for entry in entries if entry["kind"] == "audio"]
            assert (audio[0]["count"], audio[0]["ms"]) == (2, 200)
            assert "frame" not in audio[0]
            [device] = state["devices"]
            assert (device["key"], device["account"]) == ("default/42", "default")
            [connection] = device["connections"]
            assert connection["up"][0] == 4
            assert connection["state"] == "ready"
            said = [(line["role"], line["text"]) for line in device["talk"]]
            assert said[0] == ("user", "hello")
            assert said[1][0] == "assistant"
            await stream.until("disconnected")

    drive(body)


def test_a_page_that_comes_back_gets_the_rest() -> None:
    async def body() -> None:
        async with page() as (emulator, http):
            async with streamed(http) as stream:
                await stream.next()
                async with client(emulator):
                    await stream.until("chat.created")
                await stream.until("disconnected")
            async with client(emulator, "device_id=9"), streamed(http, stream.last_id) as again:
                update = await again.next()
            assert not update["whole"]
            assert [entry["type"] for entry in update["entries"]] == ["connected", "chat.created"]
            assert [device["id"] for device in update["devices"]] == ["9"]
            for strange in ("0.1.2", "x", f"{stream.last_id}.1", "a" * 5000):
                async with streamed(http, strange) as other:
                    assert (await other.next())["whole"]

    drive(body)


def test_frames_can_be_unfolded_without_their_secrets() -> None:
    async def body() -> None:
        async with page() as (emulator, http):
            async with client(emulator) as talk:
                await talk.send("chat.update", chat_config={"custom_variables": {"token": "hush"}})
                await talk.next()
            state = await (await http.get("/emulator/state")).json()
            [entry] = [found for found in state["entries"] if found["type"] == "chat.update"]
            shown = await (await http.get(f"/emulator/entries/{entry['seq']}")).text()
            assert "custom_variables" in shown
            assert "hush" not in shown
            for seq in (0, 999_999):
                assert (await http.get(f"/emulator/entries/{seq}")).status == 404

    drive(body)


def test_rest_calls_are_told_without_their_query() -> None:
    async def body() -> None:
        async with page() as (_, http):
            await http.get("/v1/users/me?authorization=Bearer+pat_AbCdEfGh")
            await http.get("/v1/users/me?authorization=Bearer+bad")
            await http.get("/health")
            state = await (await http.get("/emulator/state")).text()
            entries = [entry for entry in json.loads(state)["entries"] if entry["kind"] == "http"]
            assert [(entry["type"], entry["summary"][:9]) for entry in entries] == [
                ("GET /v1/users/me", "200"),
                ("GET /v1/users/me", "401, 4100"),
            ]
            assert "pat_" not in state

    drive(body)


def test_a_button_drops_the_socket() -> None:
    async def body() -> None:
        async with page() as (emulator, http), client(emulator) as talk:
            state = await (await http.get("/emulator/state")).json()
            connection = state["devices"][0]["connections"][0]["id"]
            assert "drop" in state["faults"]
            status, answer = await post(
                http, "/emulator/faults", connection=connection, fault="wither"
            )
            assert (status, answer["code"]) == (400, 4000)
            status, answer = await post(
                http, "/emulator/faults", connection=connection, fault="drop"
            )
            assert (status, answer["code"]) == (200, 0)
            with pytest.raises(ConnectionClosed):
                await talk.next()
            await asyncio.sleep(0.05)
            status, answer = await post(
                http, "/emulator/faults", connection=connection, fault="drop"
            )
            assert (status, answer["msg"]) == (404, "this connection is over")

    drive(body)


@pytest.mark.parametrize(("allow", "state"), [(True, "allowed"), (False, "denied")])
def test_a_device_that_waits_can_be_let_in(allow: bool, state: str) -> None:
    async def body() -> None:
        async with page() as (emulator, http), streamed(http) as stream:
            assert (await stream.next())["codes"] == []
            path = "/api/permission/oauth2/device/code"
            asked = await http.post(path, json={"client_id": "demo-device"})
            user_code = (await asked.json())["user_code"]
            update = await stream.next()
            assert [code["user_code"] for code in update["codes"]] == [user_code]
            assert update["codes"][0]["app"] == "Demo device"
            status, _ = await post(http, "/emulator/codes", user_code=user_code, allow=allow)
            assert status == 200
            found = emulator.service.desk.device_codes.find(user_code)
            assert found is not None
            assert found.state == state
            assert (await stream.next())["codes"] == []
            status, _ = await post(http, "/emulator/codes", user_code=user_code, allow=allow)
            assert status == 404

    drive(body)


@pytest.mark.parametrize("path", ["/emulator/faults", "/emulator/codes"])
def test_other_sites_can_do_nothing(path: str) -> None:
    async def body() -> None:
        async with page() as (_, http):
            for headers in (
                {**PAGE, "Origin": "http://evil.example"},
                {**PAGE, "Sec-Fetch-Site": "cross-site"},
                {"Content-Type": "application/json"},
                {HEADER: "1", "Content-Type": "text/plain"},
            ):
                async with http.post(path, data="{}", headers=headers) as response:
                    assert response.status == 403

    drive(body)


@pytest.mark.parametrize("path", ["/emulator/state", "/emulator/events", "/emulator/entries/0"])
def test_names_of_strangers_see_nothing(path: str) -> None:
    async def body() -> None:
        async with page() as (_, http):
            response = await http.get(path, headers={"Host": "evil.example"})
            assert response.status == 403
            assert "entries" not in await response.text()

    drive(body)


def test_too_many_pages_are_refused_and_closed_ones_make_room() -> None:
    async def body() -> None:
        async with page() as (emulator, http):
            open_pages = [await http.get("/emulator/events") for _ in range(20)]
            assert (await http.get("/emulator/events")).status == 503
            for response in open_pages:
                response.close()
            await asyncio.sleep(0.3)
            for _ in range(3):
                emulator.service.feed.note("link", "", "", "something")
                await asyncio.sleep(0.3)
            assert (await http.get("/emulator/events")).status == 200

    drive(body)


def test_stopping_ends_the_streams() -> None:
    async def body() -> None:
        async with page() as (emulator, http), streamed(http) as stream:
            await stream.next()
            async with asyncio.timeout(3):
                await emulator.stop()
                await stream.response.content.read()

    drive(body)


def test_what_was_used_is_summed_up() -> None:
    async def body() -> None:
        async with page() as (emulator, http), streamed(http) as stream:
            assert (await stream.next())["usage"] == []
            async with http.post("/emulator/tokens", json={"device_id": "d7"}) as response:
                token = (await response.json())["data"]["token"]
            async with client(emulator, token=token) as talk:
                await talk.ask("hello")
                await talk.until("conversation.chat.completed")
            usage: list[dict[str, Any]] = []
            while not usage:
                usage = (await stream.next()).get("usage", [])
            assert usage[0]["device"] == "d7"
            assert usage[0]["tokens"] > 0

    drive(body)
