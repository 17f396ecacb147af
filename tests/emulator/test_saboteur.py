"""What each fault does to a client, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from agent.emulator.server import Emulator
from tests.emulator.doubles import PCM_IN, Client, Frame, client, drive, fast_script, running, tone

OPUS = {"codec": "opus", "opus_config": {"sample_rate": 16000, "frame_size_ms": 60}}
CREATED, COMPLETED = "conversation.chat.created", "conversation.chat.completed"
FAILED, CANCELED = "conversation.chat.failed", "conversation.chat.canceled"
AUDIO, AUDIO_END = "conversation.audio.delta", "conversation.audio.completed"
TEXT, SENTENCE = "conversation.message.delta", "conversation.audio.sentence_start"


@asynccontextmanager
async def spoiled(*faults: dict[str, Any], **tables: Any) -> AsyncIterator[Emulator]:
    async with running(fast_script(fault=list(faults), **tables)) as emulator:
        yield emulator


@asynccontextmanager
async def talking(emulator: Emulator, query: str = "bot_id=1") -> AsyncIterator[Client]:
    """A client that has configured Opus."""
    async with client(emulator, query, opened=False) as talk:
        await until(talk, "chat.created")
        await talk.send("chat.update", output_audio=OPUS, input_audio=PCM_IN)
        await until(talk, "chat.updated")
        yield talk


def readable(frame: str | bytes) -> Frame:
    """A frame as an object, however it looks; ``event_type`` of garbage is a question mark."""
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError):
        return {"event_type": "?", "raw": frame}
    good = isinstance(value, dict) and isinstance(value.get("event_type"), str)
    return value if good and isinstance(frame, str) else {"event_type": "?", "raw": frame}


async def until(talk: Client, event_type: str, timeout: float = 5.0) -> list[Frame]:
    """Frames of any kind up to the next one of that type."""
    got: list[Frame] = []
    async with asyncio.timeout(timeout):
        while not got or got[-1]["event_type"] != event_type:
            got.append(readable(await talk.socket.recv()))
    return got


async def quiet(talk: Client, seconds: float = 0.15) -> list[Frame]:
    got: list[Frame] = []
    try:
        async with asyncio.timeout(None) as scope:
            while True:
                scope.reschedule(asyncio.get_running_loop().time() + seconds)
                got.append(readable(await talk.socket.recv()))
    except TimeoutError:
        return got


async def ended(talk: Client) -> tuple[int | None, list[Frame]]:
    """The close code (None without a close frame) and what came before."""
    got: list[Frame] = []
    try:
        async with asyncio.timeout(5):
            while True:
                got.append(readable(await talk.socket.recv()))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None, got


async def asked(talk: Client, text: str = "hello", end: str = COMPLETED) -> list[Frame]:
    await talk.ask(text)
    return await until(talk, end)


def names(frames: list[Frame], *of: str) -> list[str]:
    return [f["event_type"] for f in frames if not of or f["event_type"] in of]


def audio(frames: list[Frame]) -> list[bytes]:
    return [base64.b64decode(f["data"]["content"]) for f in frames if f["event_type"] == AUDIO]


# --- the end of a connection ------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 4000])
def test_closing_with_a_code_at_the_exact_packet(code: int) -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "audio:3", "do": "close", "code": code, "msg": "so"}) as emulator,
            talking(emulator) as talk,
        ):
            await talk.ask()
            found, frames = await ended(talk)
            assert found == code
            assert talk.socket.close_reason == "so"
            assert names(frames).count(AUDIO) == 2

    drive(body)


@pytest.mark.parametrize("fault", [{"do": "drop"}, {"do": "close", "code": 1006}])
def test_dropping_sends_no_close_frame(fault: dict[str, Any]) -> None:
    async def body() -> None:
        async with spoiled({"at": "text:3", **fault}) as emulator, talking(emulator) as talk:
            await talk.ask()
            code, frames = await ended(talk)
            assert code is None
            assert names(frames).count(TEXT) == 2

    drive(body)


def test_resetting_is_seen_as_a_reset() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "turn_start", "do": "reset"}) as emulator,
            talking(emulator) as talk,
        ):
            await talk.ask()
            with pytest.raises(ConnectionClosed) as caught:
                await talk.quiet(3)
            assert isinstance(caught.value.__cause__, ConnectionResetError)

    drive(body)


def test_half_open_answers_no_ping_and_keeps_the_connection() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "audio:2", "do": "half_open", "s": 1.2}) as emulator,
            talking(emulator) as talk,
        ):
            await asyncio.wait_for(await talk.socket.ping(), 1)
            await talk.ask()
            assert names(await quiet(talk)).count(AUDIO) == 1
            await talk.ask("again")
            pong = await talk.socket.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(pong), 0.5)
            assert emulator.service.connections == 1
            assert (await ended(talk))[0] is None

    drive(body)


def test_half_open_ends_when_the_client_has_gone() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "update", "do": "half_open"}) as emulator,
            client(emulator) as talk,
        ):
            await talk.send("chat.update")
            assert await quiet(talk) == []
            talk.socket.transport.abort()
            for _ in range(40):
                await asyncio.sleep(0.05)
                if not emulator.service.connections:
                    break
            assert emulator.service.connections == 0

    drive(body)


def test_a_stall_holds_up_the_answer_but_not_the_pings() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "audio:2", "do": "stall", "s": 0.6}) as emulator,
            talking(emulator) as talk,
        ):
            started = time.monotonic()
            await talk.ask()
            assert names(await quiet(talk)).count(AUDIO) == 1
            await asyncio.wait_for(await talk.socket.ping(), 0.2)
            await until(talk, COMPLETED)
            assert 0.6 <= time.monotonic() - started < 1.5

    drive(body)


def test_a_fault_by_the_clock() -> None:
    async def body() -> None:
        async with spoiled({"at": "after_s:0.3", "do": "close", "code": 1012}) as emulator:
            started = time.monotonic()
            async with talking(emulator) as talk:
                assert (await ended(talk))[0] == 1012
            assert 0.3 <= time.monotonic() - started < 1

    drive(body)


def test_faults_when_audio_comes_in() -> None:
    async def body() -> None:
        faults = [
            {"at": "append:2", "do": "lose", "turn": 1},
            {"at": "append:3", "do": "error", "code": 4000, "instead": False},
            {"at": "append:2", "do": "drop", "turn": 2},
        ]
        async with spoiled(*faults) as emulator, talking(emulator) as talk:
            for _ in range(3):
                await talk.append(tone(100))
            await talk.send("input_audio_buffer.complete")
            frames = await until(talk, COMPLETED)
            assert [f["data"]["code"] for f in frames if f["event_type"] == "error"] == [4000]
            heard = emulator.service.brain.heard[-1]  # type: ignore[attr-defined]
            assert len(heard) == 3200, "the second of three pieces was lost"
            for _ in range(2):
                await talk.append(tone(100))
            assert (await ended(talk))[0] is None

    drive(body)


# --- the upgrade ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"), [(401, 4100), (403, 4101), (429, 4020), (500, 5000), (503, 5000)]
)
def test_a_refused_upgrade(status: int, code: int) -> None:
    async def body() -> None:
        fault = {"at": "upgrade", "do": "refuse", "status": status, "retry_after": 7}
        async with spoiled({**fault, "connection": 1}) as emulator:
            with pytest.raises(InvalidStatus) as caught:
                async with client(emulator):
                    pass
            response = caught.value.response
            assert response.status_code == status
            assert response.headers["Retry-After"] == "7"
            assert response.headers["X-Tt-Logid"]
            assert json.loads(response.body or b"")["code"] == code
            async with talking(emulator) as talk:
                await asked(talk)

    drive(body)


def test_a_page_instead_of_an_upgrade() -> None:
    async def body() -> None:
        async with spoiled({"at": "upgrade", "do": "refuse", "status": 200}) as emulator:
            with pytest.raises(InvalidStatus) as caught:
                async with client(emulator):
                    pass
            assert caught.value.response.headers["Content-Type"].startswith("text/html")

    drive(body)


def test_slow_hanging_and_broken_handshakes() -> None:
    async def body() -> None:
        faults = [
            {"at": "upgrade", "do": "stall", "s": 0.4, "connection": 1},
            {"at": "upgrade", "do": "hang", "connection": 2},
            {"at": "upgrade", "do": "reset", "connection": 3},
            {"at": "upgrade", "do": "drop", "connection": 4},
        ]
        async with spoiled(*faults) as emulator:
            started = time.monotonic()
            async with client(emulator):
                assert 0.4 <= time.monotonic() - started < 1
            address = f"{emulator.ws_base}/v1/chat"
            headers = {"Authorization": "Bearer t"}
            with pytest.raises(TimeoutError):
                await connect(address, additional_headers=headers, open_timeout=0.5)
            for _ in range(2):
                with pytest.raises((OSError, InvalidHandshake)) as caught:
                    await connect(address, additional_headers=headers, open_timeout=2)
                assert not isinstance(caught.value, TimeoutError)
            async with client(emulator):
                pass

    drive(body)


# --- refusals in the middle -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "code"), [("error", 5000), ("busy", 4009), ("quota", 4011), ("error", 4016)]
)
def test_an_error_ends_the_turn_and_not_the_session(do: str, code: int) -> None:
    async def body() -> None:
        fault = {"at": "text:2", "do": do, "code": code, "turn": 1}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            frames = await asked(talk, end="error")
            assert frames[-1]["data"]["code"] == code
            assert frames[-1]["data"]["msg"]
            assert frames[-1]["detail"]["logid"]
            assert names(frames).count(TEXT) == 1
            assert await quiet(talk) == []
            assert FAILED not in names(await asked(talk))

    drive(body)


def test_an_error_may_come_on_top() -> None:
    async def body() -> None:
        fault = {"at": "text:2", "do": "error", "instead": False, "msg": "by the way"}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            frames = await asked(talk)
            assert names(frames, "error", COMPLETED) == ["error", COMPLETED]

    drive(body)


@pytest.mark.parametrize("at", ["turn_start", "audio:2", "audio_end"])
def test_a_failed_chat(at: str) -> None:
    async def body() -> None:
        fault = {"at": at, "do": "chat_failed", "code": 4011, "turn": 1}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            frames = await asked(talk, end=FAILED)
            assert CREATED in names(frames)
            assert frames[-1]["data"]["last_error"]["code"] == 4011
            assert await quiet(talk) == []
            await asked(talk)

    drive(body)


def test_a_token_that_dies_in_the_middle() -> None:
    async def body() -> None:
        fault = {"at": "text:2", "do": "token", "code": 700012006}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            await talk.ask()
            code, frames = await ended(talk)
            assert frames[-1]["data"]["code"] == 700012006
            assert code == 1008

    drive(body)


# --- garbage ----------------------------------------------------------------------------------


def test_garbage_comes_on_top_of_what_is_right() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "text:1", "do": "garbage"}) as emulator,
            talking(emulator) as talk,
        ):
            await talk.ask()
            spoilt = await quiet(talk, 0.4)
        async with spoiled() as emulator, talking(emulator) as talk:
            right = await asked(talk)
        assert "?" in names(spoilt)
        ends = {TEXT, AUDIO, SENTENCE, AUDIO_END, COMPLETED}
        whole = [f for f in spoilt if f["event_type"] in ends and len(str(f.get("id"))) == 36]
        assert Counter(names(whole)) == Counter(names(right, *ends))

    drive(body)


def test_garbage_may_come_instead() -> None:
    async def body() -> None:
        fault = {"at": "text:1", "do": "broken_json", "instead": True, "frames": 2}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            frames = await asked(talk)
            assert names(frames).count("?") == 2, names(frames)
            said = "".join(f["data"]["content"] for f in frames if f["event_type"] == TEXT)
            assert said == "Hello there. This is the answer."[-len(said) :]
            assert len(said) < len("Hello there. This is the answer.")

    drive(body)


def test_an_oversized_frame() -> None:
    async def body() -> None:
        fault = {"at": "open", "do": "oversized", "bytes": 5_000_000}
        async with spoiled(fault) as emulator, client(emulator, opened=False) as talk:
            assert len(await talk.socket.recv()) == 5_000_000

    drive(body)


@pytest.mark.parametrize("do", ["bad_base64", "bad_opus", "ogg", "riff", "no_audio"])
def test_bad_audio_replaces_packets(do: str) -> None:
    async def body() -> None:
        async with spoiled() as emulator, talking(emulator) as talk:
            right = [f for f in await asked(talk) if f["event_type"] == AUDIO]
        fault = {"at": "audio:2", "do": do, "frames": 3}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            bad = [f for f in await asked(talk) if f["event_type"] == AUDIO]
        assert len(bad) == len(right)
        differ = [
            at
            for at, (a, b) in enumerate(zip(right, bad, strict=True))
            if a["data"]["content"] != b["data"]["content"]
        ]
        assert differ == [1, 2, 3]

    drive(body)


def test_a_flood_of_audio() -> None:
    async def body() -> None:
        fault = {"at": "audio:2", "do": "flood", "frames": 5000, "s": 0.5}
        async with spoiled(fault) as emulator, talking(emulator) as talk:
            started = time.monotonic()
            frames = await asked(talk)
            assert len(audio(frames)) > 5000
            assert 0.4 < time.monotonic() - started < 4

    drive(body)


# --- order ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "lost"),
    [("turn_start", CREATED), ("audio_end", AUDIO_END), ("sentence:1", SENTENCE)],
)
def test_a_lost_event(at: str, lost: str) -> None:
    async def body() -> None:
        async with (
            spoiled({"at": at, "do": "lose", "turn": 1}) as emulator,
            talking(emulator) as talk,
        ):
            first, second = names(await asked(talk)), names(await asked(talk))
            assert second.count(lost) - first.count(lost) == 1

    drive(body)


def test_a_lost_beginning_and_a_lost_end() -> None:
    async def body() -> None:
        faults = [
            {"at": "open", "do": "lose", "connection": 1},
            {"at": "update", "do": "lose", "connection": 2},
            {"at": "turn_end", "do": "lose", "connection": 3},
        ]
        async with spoiled(*faults) as emulator:
            async with client(emulator, opened=False) as talk:
                assert await quiet(talk) == []
            async with client(emulator) as talk:
                await talk.send("chat.update")
                assert await quiet(talk) == []
            async with talking(emulator) as talk:
                await talk.ask()
                assert names(await quiet(talk, 0.3))[-1] == AUDIO_END

    drive(body)


def test_several_packets_are_lost_in_a_row() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "audio:2", "do": "lose", "frames": 4, "turn": 1}) as emulator,
            talking(emulator) as talk,
        ):
            first, second = audio(await asked(talk)), audio(await asked(talk))
            assert first == second[:1] + second[5:]

    drive(body)


def test_duplicates_are_equal() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "audio:1", "do": "duplicate", "frames": 2}) as emulator,
            talking(emulator) as talk,
        ):
            heard = [f for f in await asked(talk) if f["event_type"] == AUDIO]
            assert heard[0] == heard[1] == heard[2] != heard[3]

    drive(body)


def test_a_late_frame_lets_others_pass() -> None:
    async def body() -> None:
        faults = [
            {"at": "audio:1", "do": "late", "frames": 2, "turn": 1},
            {"at": "turn_end", "do": "late", "frames": 100, "s": 0.4, "turn": 2},
        ]
        async with spoiled(*faults) as emulator, talking(emulator) as talk:
            first = await asked(talk)
            started = time.monotonic()
            second = await asked(talk)
            assert time.monotonic() - started >= 0.4, "nothing came that it could wait for"
            assert sorted(audio(first)) == sorted(audio(second))
            assert audio(first)[0] != audio(second)[0]

    drive(body)


def test_an_end_that_comes_before_the_audio() -> None:
    async def body() -> None:
        async with (
            spoiled({"at": "audio:3", "do": "early_end", "turn": 1}) as emulator,
            talking(emulator) as talk,
        ):
            early = await asked(talk)
            assert names(early, AUDIO_END, COMPLETED) == [AUDIO_END, COMPLETED]
            assert len(audio(early)) == 2
            chat_id = early[-1]["data"]["id"]
            rest = await quiet(talk)
            assert names(rest, AUDIO_END, COMPLETED) == []
            late = [f for f in rest if f["event_type"] == AUDIO]
            assert {f["data"]["chat_id"] for f in late} == {chat_id}
            assert names(await asked(talk), COMPLETED) == [COMPLETED]

    drive(body)


def test_audio_of_a_chat_that_was_cancelled() -> None:
    async def body() -> None:
        tables = {"answer": [{"text": "A long answer. " * 40, "audio": "tone"}]}
        async with (
            spoiled({"at": "cancel", "do": "late_audio", "frames": 4}, **tables) as emulator,
            talking(emulator) as talk,
        ):
            await talk.ask()
            await until(talk, AUDIO)
            await talk.send("conversation.chat.cancel")
            await until(talk, CANCELED)
            assert names(await quiet(talk)) == [AUDIO] * 4

    drive(body)


def test_moments_do_not_depend_on_what_is_subscribed_to() -> None:
    async def body() -> None:
        fault = {"at": "turn_start", "do": "close", "code": 1011}
        async with spoiled(fault) as emulator, client(emulator) as talk:
            await talk.send("chat.update", event_subscriptions=[AUDIO])
            await talk.ask()
            assert (await ended(talk))[0] == 1011

    drive(body)


# --- networks ---------------------------------------------------------------------------------


def test_a_slow_network_delays_everything_and_pongs_too() -> None:
    async def body() -> None:
        async with (
            spoiled(network={"delay_ms": 150.0}) as emulator,
            client(emulator) as talk,
        ):
            started = time.monotonic()
            await talk.update(output_audio=OPUS)
            assert 0.15 <= time.monotonic() - started < 1.0
            pong = await talk.socket.ping()
            assert 0.15 <= await asyncio.wait_for(pong, 1) < 1.0

    drive(body)


def test_a_slow_uplink_keeps_order_and_delays_once() -> None:
    async def body() -> None:
        async with (
            spoiled(network={"delay_ms": 100.0, "uplink": True}) as emulator,
            talking(emulator) as talk,
        ):
            started = time.monotonic()
            for _ in range(20):
                await talk.append(tone(20))
            await talk.send("input_audio_buffer.complete")
            await until(talk, "input_audio_buffer.completed")
            assert 0.2 <= time.monotonic() - started < 1.0
            await until(talk, COMPLETED)
            heard = emulator.service.brain.heard[-1]  # type: ignore[attr-defined]
            assert len(heard) == 20 * 320
            pong = await talk.socket.ping()
            assert 0.2 <= await asyncio.wait_for(pong, 1) < 1.0

    drive(body)


def test_waiting_for_a_slow_network_takes_no_processor() -> None:
    async def body() -> None:
        async with (
            spoiled(network={"trace": "4g_bad", "jitter_ms": 20.0}) as emulator,
            talking(emulator) as talk,
        ):
            await asked(talk)
            before = time.process_time()
            await asyncio.sleep(0.5)
            assert time.process_time() - before < 0.1

    drive(body)


def test_goodbye_is_said_through_the_network_too() -> None:
    async def body() -> None:
        tables = {"switches": {"idle_close_s": 0.3, "idle_close_code": 1000}}
        async with (
            spoiled(network={"delay_ms": 100.0, "uplink": True}, **tables) as emulator,
            client(emulator) as talk,
        ):
            code, frames = await ended(talk)
            assert (code, names(frames)) == (1000, ["error"])

    drive(body)
