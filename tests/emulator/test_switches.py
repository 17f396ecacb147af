"""What no source tells for sure: every switch of the sockets that is not tested with its module."""

import asyncio
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from agent.emulator.audio_out import AudioEncoder
from agent.emulator.config import Rules, default_config, merge
from agent.emulator.fields import Refusal
from agent.emulator.script import Switches, Timing
from agent.emulator.tokens import Grant
from tests.emulator.doubles import (
    PCM_IN,
    Client,
    client,
    collapsed,
    drive,
    fast_script,
    running,
    silence,
    tone,
    types,
)
from tests.emulator.test_audio_in import wav
from tests.emulator.test_chat import refused

VAD = {"input_audio": PCM_IN, "turn_detection": {"type": "server_vad"}}


@pytest.mark.parametrize("table", [Switches, Timing])
def test_every_key_is_documented(table: type[Switches | Timing]) -> None:
    text = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
    rows = {row.split("|")[1].strip() for row in text.splitlines() if row.startswith("| `")}
    documented = {name.strip("` ") for row in rows for name in row.split(",")}
    assert {field.name for field in fields(table)} <= documented


async def error(talk: Client) -> str:
    frame = await talk.next()
    assert (frame["event_type"], frame["data"]["code"]) == ("error", 4000)
    return str(frame["data"]["msg"])


def with_switch(**switches: Any) -> Any:
    return running(fast_script(switches=switches))


def test_frames_without_an_id() -> None:
    async def body() -> None:
        async with with_switch(missing_ids="refuse") as emulator, client(emulator) as talk:
            await talk.send("conversation.clear")
            assert "id is missing" in await error(talk)
            await talk.socket.send('{"id":"1","event_type":"conversation.clear"}')
            assert types([await talk.next()]) == ["conversation.cleared"]

    drive(body)


@pytest.mark.parametrize("echo", [False, True])
def test_ids_of_acknowledgements(echo: bool) -> None:
    async def body() -> None:
        async with (
            with_switch(ack_ids="echo" if echo else "fresh") as emulator,
            client(emulator) as talk,
        ):
            await talk.socket.send('{"id":"mine","event_type":"conversation.clear"}')
            assert ((await talk.next())["id"] == "mine") is echo

    drive(body)


def test_audio_before_an_update() -> None:
    async def body() -> None:
        async with with_switch(before_update="refuse") as emulator, client(emulator) as talk:
            await talk.append_bytes(wav(tone(300), 16000))
            assert "before chat.update" in await error(talk)
            await talk.update(input_audio=PCM_IN)
            await talk.append(tone(300))
            await talk.send("input_audio_buffer.complete")
            await talk.until("conversation.chat.completed")
        async with with_switch(before_update="ignore") as emulator, client(emulator) as talk:
            await talk.append(tone(300))
            await talk.send("input_audio_buffer.complete")
            assert types(await talk.quiet()) == ["input_audio_buffer.completed"]
            await talk.update(input_audio=PCM_IN)
            await talk.append_bytes(b"x")
            assert "whole number" in await error(talk)
        async with with_switch() as emulator, client(emulator) as talk:
            await talk.append(tone(300))
            assert "wav" in await error(talk)

    drive(body)


def test_the_older_name_of_push_to_talk() -> None:
    data = {"turn_detection": {"type": "client_vad"}}
    merged = merge(default_config(), data)
    assert merged["turn_detection"]["type"] == "client_interrupt"
    with pytest.raises(Refusal, match=r"turn_detection\.type"):
        merge(default_config(), data, rules=Rules(client_vad="refuse"))


@pytest.mark.parametrize(
    ("rule", "language", "mode", "good"),
    [
        ("both", "ja", "bidirectional_stream", True),
        ("both", "ja-JP", "bidirectional_stream", True),
        ("short", "ja", "bidirectional_stream", True),
        ("short", "ja-JP", "output_no_stream", False),
        ("region", "ja", "output_no_stream", False),
        ("region", "ja-JP", "output_no_stream", True),
        ("region", "ja-JP", "bidirectional_stream", False),
        ("region", "common", "bidirectional_stream", True),
    ],
)
def test_the_two_lists_of_languages(rule: str, language: str, mode: str, good: bool) -> None:
    data = {"asr_config": {"user_language": language, "stream_mode": mode}}
    if good:
        merge(default_config(), data, rules=Rules(user_language=rule))
        return
    with pytest.raises(Refusal, match="user_language"):
        merge(default_config(), data, rules=Rules(user_language=rule))


STARRED = [
    {"output_audio": {"loudness_rate": 20}},
    {"output_audio": {"opus_config": {"sample_rate": 16000}}},
    {"asr_config": {"stream_mode": "output_no_stream"}},
    {"voice_print_config": {"score": 5}},
]


@pytest.mark.parametrize("data", STARRED)
def test_fields_that_the_sdks_do_not_know(data: dict[str, Any]) -> None:
    assert merge(default_config(), data) != default_config()
    assert merge(default_config(), data, rules=Rules(starred_fields="ignore")) == default_config()
    with pytest.raises(Refusal, match="not a known field"):
        merge(default_config(), data, rules=Rules(starred_fields="refuse"))


@pytest.mark.parametrize(
    "data", [{"turn_detection": {"type": "semantic_vad"}}, {"output_audio": {"codec": "mp3"}}]
)
def test_values_that_the_sdks_do_not_know(data: dict[str, Any]) -> None:
    for rule in ("ignore", "refuse"):
        with pytest.raises(Refusal):
            merge(default_config(), data, rules=Rules(starred_fields=rule))


def test_the_order_of_a_spoken_turn() -> None:
    async def body() -> None:
        for order, place in (("question_first", 0), ("chat_first", 2)):
            async with with_switch(spoken_order=order) as emulator, client(emulator) as talk:
                await talk.update(input_audio=PCM_IN)
                await talk.append(tone(300))
                await talk.send("input_audio_buffer.complete")
                await talk.until("conversation.audio_transcript.completed")
                frames = [await talk.next() for _ in range(3)]
                assert types(frames)[place] == "conversation.message.completed"
                await talk.until("conversation.chat.completed")
                # Typed questions come as recorded.
                await talk.ask()
                assert (await talk.next())["event_type"] == "conversation.message.completed"

    drive(body)


@pytest.mark.parametrize("choice", ["ignore", "acknowledge", "error"])
def test_buffer_events_where_the_server_listens(choice: str) -> None:
    async def body() -> None:
        async with with_switch(vad_buffer_events=choice) as emulator, client(emulator) as talk:
            await talk.update(**VAD)
            await talk.send("input_audio_buffer.complete")
            await talk.send("input_audio_buffer.clear")
            wanted = {
                "ignore": [],
                "acknowledge": ["input_audio_buffer.completed", "input_audio_buffer.cleared"],
                "error": ["error", "error"],
            }
            assert types(await talk.quiet()) == wanted[choice]

    drive(body)


def test_another_input_in_the_middle() -> None:
    async def body() -> None:
        other = {**PCM_IN, "sample_rate": 8000}
        async with with_switch() as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN)
            await talk.append(tone(100))
            await talk.update(input_audio=other)
        async with with_switch(input_change="refuse") as emulator, client(emulator) as talk:
            before = await talk.update(input_audio=PCM_IN)
            await talk.append(tone(100))
            await talk.send("chat.update", input_audio=other)
            assert "cannot change" in await error(talk)
            assert await talk.update(input_audio=PCM_IN) == before

    drive(body)


@pytest.mark.parametrize("choice", ["filter", "ignore", "strict"])
def test_what_subscriptions_hide(choice: str) -> None:
    async def body() -> None:
        async with with_switch(subscriptions=choice) as emulator, client(emulator) as talk:
            await talk.update(event_subscriptions=["conversation.cleared", "chat.updated"])
            await talk.send("nonsense")
            await talk.send("input_audio_buffer.complete")
            await talk.send("conversation.clear")
            wanted = {
                "filter": ["error", "conversation.cleared"],
                "ignore": ["error", "input_audio_buffer.completed", "conversation.cleared"],
                "strict": ["conversation.cleared"],
            }
            assert types(await talk.quiet()) == wanted[choice]

    drive(body)


def test_a_workflow() -> None:
    async def body() -> None:
        async with with_switch() as emulator, client(emulator, "bot_id=1&workflow_id=2"):
            pass
        async with with_switch(workflow_id="refuse") as emulator:
            status, answer = await refused(emulator, "bot_id=1&workflow_id=2", "t")
            assert (status, answer["code"]) == (400, 4000)

    drive(body)


def test_pieces_of_one_size() -> None:
    config = default_config()["output_audio"]
    speech = np.full(24000, 7, np.int16)
    pieces = AudioEncoder(config, irregular=False).sentence(speech, 24000)
    assert [len(piece.data) for piece in pieces] == [12000] * 5 + [2400]


def test_a_prologue_as_a_chat() -> None:
    async def body() -> None:
        async with with_switch(prologue_events="chat") as emulator, client(emulator) as talk:
            await talk.update(need_play_prologue=True, prologue_content="Hello there.")
            frames = await talk.until("conversation.chat.completed")
            assert collapsed(frames)[:3] == [
                "conversation.chat.created",
                "conversation.chat.in_progress",
                "conversation.message.delta",
            ]
            answers = [
                frame["data"]["content"]
                for frame in frames
                if frame["event_type"] == "conversation.message.completed"
                and frame["data"]["type"] == "answer"
            ]
            assert answers == ["Hello there."]

    drive(body)


def test_a_longest_session() -> None:
    async def body() -> None:
        switches = {"longest_session_s": 0.3, "idle_close_code": 1011}
        async with with_switch(**switches) as emulator, client(emulator) as talk:
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    # Not idle, and over all the same.
                    await talk.send("conversation.clear")
                    await talk.next(1)
                    await asyncio.sleep(0.01)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1011

    drive(body)


@pytest.mark.parametrize("choice", ["keep", "close"])
def test_a_token_that_expires_in_a_session(choice: str) -> None:
    async def body() -> None:
        async with with_switch(token_expiry=choice) as emulator:
            now = emulator.service.now()
            grant = Grant("pat_short", "default", kind="personal", expires_at=now + 0.2)
            emulator.service.issued.add(grant, now)
            async with client(emulator, token=grant.token) as talk:
                if choice == "keep":
                    await asyncio.sleep(0.3)
                    await talk.update()
                    return
                frame = await talk.next(2)
                assert (frame["event_type"], frame["data"]["code"]) == ("error", 4100)
                with pytest.raises(ConnectionClosed) as caught:
                    await talk.next()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1008

    drive(body)


def test_silence_is_an_empty_transcript_or_none() -> None:
    async def body() -> None:
        for choice, wanted in (("empty", 1), ("nothing", 0)):
            async with with_switch(nothing_recognised=choice) as emulator, client(emulator) as talk:
                await talk.update(input_audio=PCM_IN)
                await talk.append(silence(300))
                await talk.send("input_audio_buffer.complete")
                found = types(await talk.quiet())
                assert found.count("conversation.audio_transcript.completed") == wanted
                assert "conversation.chat.created" not in found

    drive(body)
