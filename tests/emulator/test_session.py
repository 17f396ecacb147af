"""What the events of the chat socket do, through a real socket."""

import asyncio
import json
from typing import Any

import pytest

from agent.emulator.fields import Refusal
from agent.emulator.session import text_of_items
from tests.emulator.doubles import (
    TEXT,
    Client,
    DoubleBrain,
    client,
    collapsed,
    drive,
    fast_script,
    running,
    types,
)

HEARD = "hello over there my friend"
SLOW = {"speed": 1.0, "first_text_ms": 1.0, "first_audio_ms": 1.0, "sentence_ms": 1.0}
AUDIO = "conversation.audio.delta"
CANCELED = "conversation.chat.canceled"
DONE = "conversation.chat.completed"


async def refusal_of(talk: Client, event_type: str, **data: Any) -> dict[str, Any]:
    await talk.send(event_type, **data)
    frame = (await talk.until("error"))[-1]
    assert frame["data"]["code"] == 4000
    assert json.loads(frame["detail"]["origin_message"])["event_type"] == event_type
    error: dict[str, Any] = frame["data"]
    return error


def test_the_whole_configuration_comes_back_and_a_refused_update_changes_nothing() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            config = await talk.update(output_audio={"speech_rate": 20})
            assert config["output_audio"]["speech_rate"] == 20
            assert config["input_audio"]["format"] == "wav"
            update = {"output_audio": {"speech_rate": 30}, "turn_detection": {"type": "x"}}
            await refusal_of(talk, "chat.update", **update)
            assert (await talk.update())["output_audio"]["speech_rate"] == 20

    drive(body)


def test_ids_of_answers_are_fresh_or_echoed() -> None:
    async def body(echo: str) -> str:
        async with (
            running(fast_script(switches={"ack_ids": echo})) as emulator,
            client(emulator) as talk,
        ):
            await talk.socket.send('{"id":"c-7","event_type":"conversation.clear"}')
            return str((await talk.next())["id"])

    assert asyncio.run(body("echo")) == "c-7"
    assert asyncio.run(body("fresh")) != "c-7"


def test_subscriptions() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.send("chat.update", event_subscriptions=[AUDIO, DONE])
            await talk.ask()
            assert collapsed(await talk.until(DONE)) == [AUDIO, DONE]
            await talk.send("chat.update", turn_detection={"type": "x"})
            assert types([await talk.next()]) == ["error"]

    drive(body)


def test_the_prologue() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.update(need_play_prologue=True, prologue_content="Hi you.")
            frames = await talk.until("conversation.audio.completed")
            start = "conversation.audio.sentence_start"
            assert collapsed(frames) == [start, AUDIO, "conversation.audio.completed"]
            assert frames[0]["data"] == {"text": "Hi you."}
            assert frames[1]["data"]["id"] == "0"
            await talk.update(need_play_prologue=True)
            frames = await talk.until("conversation.audio.completed")
            assert frames[0]["data"] == {"text": "Hi you."}

    drive(body)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"mode": "tts", "text": "x"},
        {"mode": "text", "text": ""},
        {"mode": "text", "text": "好" * 342},
    ],
)
def test_audio_that_cannot_be_generated(data: dict[str, str]) -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await refusal_of(talk, "input_text.generate_audio", **data)
            await talk.send("input_text.generate_audio", mode="text", text="好" * 341)
            await talk.until("conversation.audio.completed")

    drive(body)


def test_generated_audio_interrupts_what_is_said() -> None:
    async def body(cancels: bool) -> list[str]:
        script = fast_script(timing=SLOW, switches={"generate_audio_cancels": cancels})
        async with running(script) as emulator, client(emulator) as talk:
            await talk.ask()
            await talk.until(AUDIO)
            await talk.send("input_text.generate_audio", mode="text", text="Hey.")
            frames = await talk.until("conversation.audio.completed")
            assert frames[-2]["data"]["id"] == "0"
            return types(frames)

    assert CANCELED not in asyncio.run(body(False))
    assert CANCELED in asyncio.run(body(True))


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"role": "system", "content_type": "text", "content": "x"},
        {"role": "user", "content_type": "card", "content": "x"},
        {"role": "user", "content_type": "text", "content": ""},
        {"role": "user", "content_type": "object_string", "content": "x"},
    ],
)
def test_messages_that_are_refused(data: dict[str, str]) -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await refusal_of(talk, "conversation.message.create", **data)

    drive(body)


def test_a_message_that_is_too_long() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.ask("x" * 32_769)
            assert (await talk.next())["data"]["code"] == 4010

    drive(body)


def test_items_of_an_object_string() -> None:
    items: list[dict[str, Any]] = [
        {"type": "text", "text": "what is"},
        {"type": "image", "file_id": "7"},
    ]
    assert text_of_items(json.dumps(items)) == "what is"
    assert text_of_items(json.dumps(items[1:])) == "[image]"
    for wrong in (
        "{}",
        "[]",
        "[1]",
        "[" * 9000,
        '[{"type":"x"}]',
        '[{"type":"file"}]',
        '[{"type":"text","text":7}]',
    ):
        with pytest.raises(Refusal):
            text_of_items(wrong)


def test_an_object_string_goes_back_as_it_came() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            content = '[{"type":"text","text":"hello"}]'
            await talk.send(
                "conversation.message.create",
                role="user",
                content_type="object_string",
                content=content,
            )
            question = (await talk.next())["data"]
            assert (question["content"], question["content_type"]) == (content, "object_string")
            await talk.until(DONE)

    drive(body)


def test_an_assistant_message_is_context_only() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator) as talk:
            await talk.send(
                "conversation.message.create",
                role="assistant",
                content_type="text",
                content="I said so.",
            )
            assert await talk.quiet(0.05) == []
            await talk.ask()
            await talk.until(DONE)
            assert brain.memories[0]["said"] == "I said so."

    drive(body)


def test_context_lasts_until_it_is_cleared() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator) as talk:
            sections = []
            for question in ("one", "two"):
                await talk.ask(question)
                chat = (await talk.until(DONE))[-1]["data"]
                sections.append(chat["section_id"])
            assert sections[0] == sections[1] == chat["conversation_id"]
            assert brain.memories[1]["asked"] == "one"
            await talk.send("conversation.clear")
            await talk.until("conversation.cleared")
            await talk.ask("three")
            cleared = (await talk.until(DONE))[-1]["data"]
            assert cleared["conversation_id"] == chat["conversation_id"]
            assert cleared["section_id"] != chat["section_id"]
            assert brain.memories[2] == {}

    drive(body)


def test_without_saved_history_nothing_is_remembered() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator) as talk:
            await talk.update(chat_config={"auto_save_history": False})
            for _ in range(2):
                await talk.ask()
                await talk.until(DONE)
            assert brain.memories == [{}, {}]

    drive(body)


def test_a_conversation_is_continued_by_its_owner_only() -> None:
    async def body() -> None:
        script = fast_script(tokens={"accounts": {"b": "bert"}})
        async with running(script) as emulator:
            async with client(emulator, token="a1") as talk:
                await talk.ask()
                id = (await talk.until(DONE))[-1]["data"]["conversation_id"]
                assert (await talk.update())["chat_config"]["conversation_id"] == id
            async with client(emulator, token="a2") as talk:
                await talk.update(chat_config={"conversation_id": id})
                await talk.ask()
                assert (await talk.until(DONE))[-1]["data"]["conversation_id"] == id
            async with client(emulator, token="b") as talk:
                for unknown in (id, "123"):
                    await talk.send("chat.update", chat_config={"conversation_id": unknown})
                    assert (await talk.next())["data"]["code"] == 4002
                await talk.ask()
                assert (await talk.until(DONE))[-1]["data"]["conversation_id"] != id

    drive(body)


def test_one_conversation_runs_one_chat() -> None:
    async def body() -> None:
        script = fast_script(answer=[{"nth": 2, "silent": True}])
        async with running(script) as emulator, client(emulator) as one, client(emulator) as two:
            await one.ask()
            id = (await one.until(DONE))[-1]["data"]["conversation_id"]
            await two.update(chat_config={"conversation_id": id})
            await one.ask()
            await one.until("conversation.chat.in_progress")
            await two.ask()
            assert (await two.next())["data"]["code"] == 4016
            await one.send("conversation.chat.cancel")
            await one.until(CANCELED)
            await two.ask()
            await two.until(DONE)

    drive(body)


def test_a_turn_that_fails_leaves_the_session_usable() -> None:
    async def body() -> None:
        fail = {"when": "money", "fail": {"code": 4011, "msg": "balance not enough"}}
        async with running(fast_script(answer=[fail])) as emulator, client(emulator) as talk:
            await talk.ask("money")
            chat = (await talk.until("conversation.chat.failed"))[-1]["data"]
            assert chat["status"] == "failed"
            assert chat["last_error"] == {"code": 4011, "msg": "balance not enough"}
            assert chat["failed_at"] >= chat["created_at"]
            await talk.ask("hello")
            await talk.until(DONE)

    drive(body)


def test_a_bug_in_the_brain_fails_the_turn_only(caplog: pytest.LogCaptureFixture) -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.ask("break")
            chat = (await talk.until("conversation.chat.failed"))[-1]["data"]
            assert chat["last_error"]["code"] == 5000
            await talk.ask("hello")
            await talk.until(DONE)

    drive(body)
    assert "a bug in the brain" in caplog.text


def test_metadata_comes_back() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.update(chat_config={"meta_data": {"room": "lobby"}})
            await talk.ask()
            frames = await talk.until(DONE)
            assert frames[0]["data"]["meta_data"] == {"room": "lobby"}
            assert frames[-1]["data"]["meta_data"] == {"room": "lobby"}

    drive(body)


def test_the_answer_is_spoken_sentence_by_sentence() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.ask()
            frames = await talk.until(DONE)
            starts = [f["data"]["text"] for f in frames if f["event_type"].endswith("start")]
            assert " ".join(starts) == TEXT

    drive(body)
