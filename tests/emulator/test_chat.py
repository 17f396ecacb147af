"""Who may come in, and how connections end."""

import asyncio
import json
import urllib.parse
import urllib.request
from typing import Any
from urllib.error import HTTPError

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent.emulator.chat import is_int64
from agent.emulator.line import Line
from agent.emulator.server import Emulator
from agent.emulator.service import Service
from agent.emulator.session import ChatSession
from agent.emulator.tokens import Grant
from tests.emulator.doubles import DoubleBrain, client, drive, fast_script, running, types


async def refused(
    emulator: Emulator, query: str, token: str = "", path: str = "/v1/chat"
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"{emulator.ws_base}{path}?{query}", additional_headers=headers)
    response = caught.value.response
    body = json.loads(response.body or b"{}")
    assert response.headers["X-Tt-Logid"] == body["detail"]["logid"]
    return response.status_code, body


def test_without_a_good_token_the_upgrade_is_refused() -> None:
    async def body() -> None:
        script = fast_script(tokens={"forbidden": ["f"], "refused": ["r"]})
        async with running(script) as emulator:
            for token in ("", "bad7", "r"):
                status, answer = await refused(emulator, "bot_id=1", token)
                assert (status, answer["code"]) == (401, 4100)
            status, answer = await refused(emulator, "bot_id=1", "f")
            assert (status, answer["code"]) == (403, 4101)

    drive(body)


def test_the_token_may_stand_in_the_query() -> None:
    async def body() -> None:
        async with running() as emulator:
            query = "bot_id=1&authorization=" + urllib.parse.quote("Bearer pat_x")
            async with connect(f"{emulator.ws_base}/v1/chat?{query}") as socket:
                frame = json.loads(await socket.recv())
            assert frame["event_type"] == "chat.created"

    drive(body)


@pytest.mark.parametrize(("bot", "code"), [("unknown1", 4006), ("unpublished1", 4015)])
def test_bots_that_cannot_be_talked_to(bot: str, code: int) -> None:
    async def body() -> None:
        async with running() as emulator:
            status, answer = await refused(emulator, f"bot_id={bot}", "t")
            assert (status, answer["code"]) == (400, code)
        async with (
            running(fast_script(switches={"bad_bot": "event"})) as emulator,
            client(emulator, f"bot_id={bot}", opened=False) as talk,
        ):
            frame = await talk.next()
            assert (frame["event_type"], frame["data"]["code"]) == ("error", code)
            with pytest.raises(ConnectionClosed):
                await talk.next()

    drive(body)


def test_device_ids_with_letters_are_let_in_or_refused() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "bot_id=1&device_id=box-7"):
            pass
        async with running(fast_script(switches={"device_id": "digits"})) as emulator:
            status, answer = await refused(emulator, "bot_id=1&device_id=box-7", "t")
            assert (status, answer["code"]) == (400, 4000)
            async with client(emulator, "bot_id=1&device_id=123"):
                pass

    drive(body)


@pytest.mark.parametrize(
    ("text", "good"),
    [("0", True), (str(2**63 - 1), True), (str(2**63), False), ("-1", False), ("٣", False)],
)
def test_decimal_int64(text: str, good: bool) -> None:
    assert is_int64(text) is good


def test_one_log_id_from_the_upgrade_to_the_last_event() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.ask()
            frames = await talk.until("conversation.chat.completed")
            assert talk.socket.response is not None
            logid = talk.socket.response.headers["X-Tt-Logid"]
            assert {frame["detail"]["logid"] for frame in [*frames, talk.frames[0]]} == {logid}
            async with client(emulator) as other:
                assert other.frames[0]["detail"]["logid"] != logid

    drive(body)


def test_an_ordinary_request_is_told_what_this_is() -> None:
    async def body() -> None:
        async with running() as emulator:

            def get(path: str) -> tuple[int, dict[str, Any]]:
                request = urllib.request.Request(
                    emulator.api_base + path, headers={"Authorization": "Bearer t"}
                )
                try:
                    with urllib.request.urlopen(request) as response:
                        return response.status, json.load(response)
                except HTTPError as error:
                    assert error.headers["X-Tt-Logid"]
                    return error.code, json.load(error)

            status, answer = await asyncio.to_thread(get, "/v1/chat?bot_id=1")
            assert (status, answer["code"]) == (400, 4000)
            status, answer = await asyncio.to_thread(get, "/v1/nothing")
            assert (status, answer["code"]) == (404, 4200)
            assert (await asyncio.to_thread(get, "/health"))[1]["status"] == "ok"

    drive(body)


def test_pings_are_answered() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            async with asyncio.timeout(2):
                await (await talk.socket.ping())

    drive(body)


GARBAGE: list[str | bytes] = [
    "",
    "x",
    "[]",
    "null",
    "{",
    '{"event_type":7}',
    '{"event_type":"session.update"}',
    '{"event_type":"transcriptions.update","data":{}}',
    "[" * 5000,
    '{"event_type":"chat.update","data":{"chat_config":NaN}}',
    '{"event_type":"input_audio_buffer.append","data":{"delta":"!!!"}}',
    '{"event_type":"input_audio_buffer.append"}',
    '{"event_type":"chat.update","data":7}',
    b"\xff\xfe",
    "\u0000",
]


def test_every_wrong_frame_gets_one_error_and_the_connection_stays() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            for garbage in GARBAGE:
                await talk.socket.send(garbage)
                frame = await talk.next()
                assert frame["event_type"] == "error", garbage
                assert frame["data"]["code"] == 4000
                if isinstance(garbage, str):
                    assert frame["detail"].get("origin_message", "") == garbage
            await talk.ask()
            await talk.until("conversation.chat.completed")

    drive(body)


def test_an_event_in_a_binary_frame_is_understood() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.socket.send(b'{"event_type":"conversation.clear"}')
            assert types([await talk.next()]) == ["conversation.cleared"]

    drive(body)


def test_who_floods_garbage_is_cut_off_and_others_notice_nothing() -> None:
    async def body() -> None:
        async with (
            running(fast_script(switches={"most_refusals": 20})) as emulator,
            client(emulator) as good,
            client(emulator) as flooder,
        ):
            await good.ask()
            for _ in range(2000):
                try:
                    await flooder.socket.send("garbage" * 100)
                except ConnectionClosed:
                    break
            frames = []
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    frames.append(await flooder.next())
            assert len(frames) == 20
            assert set(types(frames)) == {"error"}
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1008
            await good.until("conversation.chat.completed")
            await good.ask()
            await good.until("conversation.chat.completed")

    drive(body)


def test_a_frame_too_big_ends_only_its_own_connection() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as good, client(emulator) as big:
            with pytest.raises(ConnectionClosed):
                await big.socket.send("x" * (9 << 20))
                await big.next()
            await good.ask()
            await good.until("conversation.chat.completed")

    drive(body)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1006])
def test_idle_connections_are_closed_by_a_switch(code: int) -> None:
    async def body() -> None:
        switches = {"idle_close_s": 0.05, "idle_close_code": code}
        async with running(fast_script(switches=switches)) as emulator, client(emulator) as talk:
            with pytest.raises(ConnectionClosed) as caught:
                await talk.next()
                await talk.next()
            rcvd = caught.value.rcvd
            assert (rcvd.code if rcvd else 1006) == code

    drive(body)


def test_who_leaves_in_the_middle_frees_the_conversation() -> None:
    async def body() -> None:
        script = fast_script(answer=[{"silent": True, "nth": 1}])
        async with running(script) as emulator:
            async with client(emulator) as talk:
                await talk.ask()
                frames = await talk.until("conversation.chat.in_progress")
                conversation = frames[-1]["data"]["conversation_id"]
                talk.socket.transport.abort()
            async with client(emulator) as talk:
                async with asyncio.timeout(2):
                    while emulator.service.connections > 1:
                        await asyncio.sleep(0.01)
                await talk.update(chat_config={"conversation_id": conversation})
                await talk.ask()
                frames = await talk.until("conversation.chat.completed")
                assert frames[-1]["data"]["conversation_id"] == conversation

    drive(body)


def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as deaf, client(emulator) as good:
            deaf.socket.transport.pause_reading()
            for _ in range(50):
                await deaf.ask("x" * 1000)
            await good.ask()
            await good.until("conversation.chat.completed")
            deaf.socket.transport.abort()

    drive(body)


def test_who_leaves_in_the_middle_of_sound_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async def send(text: str) -> None:
            if '"conversation.audio.delta"' in text:
                raise ConnectionResetError("gone")

        service = Service(DoubleBrain(), fast_script())
        line = Line(send, service.ids, "log")
        session = ChatSession(service, line, Grant("t", "default"), "1")
        await session.receive(
            '{"event_type":"conversation.message.create","data":'
            '{"role":"user","content_type":"text","content":"hello"}}'
        )
        await asyncio.sleep(0.2)
        [chat] = service.store.rows("SELECT status FROM chat")
        assert chat["status"] == "canceled"
        await session.close()
        service.worker.close()
        service.store.close()

    drive(body)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
