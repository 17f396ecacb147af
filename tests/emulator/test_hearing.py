"""Spoken turns through a real socket: push-to-talk, free talk, interrupts."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from agent.emulator.config import default_config
from agent.emulator.hearing import Hearing
from agent.emulator.line import Line
from agent.emulator.listener import Stopped
from agent.emulator.script import Script
from agent.emulator.service import Service
from tests.emulator.doubles import (
    PCM_IN,
    Client,
    DoubleBrain,
    client,
    collapsed,
    drive,
    fast_script,
    running,
    silence,
    tone,
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


TURN = [
    "conversation.message.completed",
    "conversation.chat.created",
    "conversation.chat.in_progress",
]


def test_a_spoken_turn_in_client_interrupt() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN)
            await talk.append(tone(400))
            await talk.append(tone(400))
            assert await talk.quiet(0.05) == []
            await talk.send("input_audio_buffer.complete")
            frames = await talk.until(DONE)
        update = "conversation.audio_transcript.update"
        assert types(frames)[:8] == [
            "input_audio_buffer.completed",
            update,
            update,
            update,
            "conversation.audio_transcript.completed",
            *TURN,
        ]
        texts = [frame["data"]["content"] for frame in frames[1:5]]
        assert texts == ["hello", "hello over there", HEARD, HEARD]
        question = frames[5]["data"]
        assert (question["role"], question["type"]) == ("user", "question")
        assert question["content"] == HEARD
        assert types(frames)[-2:] == ["conversation.audio.completed", DONE]
        assert len(brain.heard[0]) == 800 * 16

    drive(body)


def test_only_the_final_transcript_with_output_no_stream() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN, asr_config={"stream_mode": "output_no_stream"})
            await talk.append(tone(400))
            await talk.send("input_audio_buffer.complete")
            frames = await talk.until(DONE)
        assert types(frames)[1] == "conversation.audio_transcript.completed"

    drive(body)


def test_an_empty_buffer() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.send("input_audio_buffer.complete")
            assert types(await talk.quiet()) == ["input_audio_buffer.completed"]
        script = fast_script(switches={"empty_complete": "error"})
        async with running(script) as emulator, client(emulator) as talk:
            await refusal_of(talk, "input_audio_buffer.complete")

    drive(body)


def test_clear_drops_what_was_appended() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN)
            await talk.append(tone(400))
            await talk.send("input_audio_buffer.clear")
            await talk.send("input_audio_buffer.complete")
            cleared = ["input_audio_buffer.cleared", "input_audio_buffer.completed"]
            assert types(await talk.quiet()) == cleared

    drive(body)


@pytest.mark.parametrize("words", ["empty", "nothing"])
def test_nothing_recognised_is_no_turn(words: str) -> None:
    async def body() -> None:
        script = fast_script(switches={"nothing_recognised": words})
        async with running(script) as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN)
            await talk.append(silence(400))
            await talk.send("input_audio_buffer.complete")
            frames = await talk.quiet()
        wanted = ["input_audio_buffer.completed"]
        if words == "empty":
            wanted.append("conversation.audio_transcript.completed")
            assert frames[-1]["data"] == {"content": ""}
        assert types(frames) == wanted

    drive(body)


def test_audio_that_is_no_wav_before_an_update_is_refused_by_name() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await talk.append(tone(100))
            frame = await talk.next()
            assert frame["data"]["code"] == 4000
            assert "wav format" in frame["data"]["msg"]
            await talk.update(input_audio=PCM_IN)
            await talk.append(tone(100))
            assert await talk.quiet(0.05) == []

    drive(body)


async def free_talk(talk: Client, **detection: Any) -> None:
    await talk.update(input_audio=PCM_IN, turn_detection={"type": "server_vad", **detection})


UTTERANCE = np.concatenate([silence(200), tone(600), silence(300)])


@pytest.mark.parametrize("type", ["server_vad", "semantic_vad"])
def test_a_spoken_turn_in_free_talk(type: str) -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await free_talk(talk, type=type)
            await talk.append(UTTERANCE[: -160 * 16])
            heard = await talk.until("input_audio_buffer.speech_started")
            assert types(heard) == ["input_audio_buffer.speech_started"]
            await talk.append(silence(120))
            heard = await talk.until("conversation.audio_transcript.update")
            assert heard[-1]["data"]["content"] == HEARD
            await talk.append(silence(600))
            frames = await talk.until(DONE)
        assert types(frames)[:5] == [
            "input_audio_buffer.speech_stopped",
            "conversation.audio_transcript.completed",
            *TURN,
        ]

    drive(body)


def test_complete_and_clear_do_nothing_in_free_talk() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            await free_talk(talk)
            await talk.send("input_audio_buffer.complete")
            await talk.send("input_audio_buffer.clear")
            assert await talk.quiet(0.05) == []

    drive(body)


def test_speech_interrupts_the_answer_and_is_answered_itself() -> None:
    async def body() -> None:
        async with running(fast_script(timing=SLOW)) as emulator, client(emulator) as talk:
            await free_talk(talk)
            await talk.ask()
            first = (await talk.until(AUDIO))[-1]["data"]["chat_id"]
            await talk.append(np.concatenate([tone(600), silence(800)]))
            frames = await talk.until(CANCELED)
            assert types(frames)[-2:] == ["input_audio_buffer.speech_started", CANCELED]
            assert frames[-1]["data"]["code"] == 1
            frames = await talk.until("conversation.chat.created")
            assert "conversation.audio_transcript.completed" in types(frames)
            assert frames[-1]["data"]["id"] != first
            rest = await talk.until(DONE)
            assert first not in {frame["data"].get("chat_id") for frame in rest}

    drive(body)


KEYWORDS = {"mode": "keyword_contains", "keywords": ["over there"]}


def test_only_keywords_interrupt_where_they_are_set() -> None:
    async def body(words: str) -> list[str]:
        brain = DoubleBrain(words, seconds=3.0)
        async with (
            running(fast_script(timing=SLOW), brain=brain) as emulator,
            client(emulator) as talk,
        ):
            await free_talk(talk, interrupt_config=KEYWORDS)
            await talk.ask()
            await talk.until(AUDIO)
            await talk.append(UTTERANCE)
            await talk.append(silence(600))
            frames = await talk.until(DONE)
            return [event for event in collapsed(frames) if event != AUDIO]

    heard = asyncio.run(body("go on please"))
    assert "input_audio_buffer.speech_started" in heard
    assert "conversation.audio_transcript.completed" in heard
    assert CANCELED not in heard
    assert heard.count("conversation.chat.created") == 0
    heard = asyncio.run(body(HEARD))
    assert heard.index(CANCELED) > heard.index("input_audio_buffer.speech_started")
    assert heard.count("conversation.chat.created") == 1


def test_forgetting_what_waits_to_be_heard() -> None:
    async def body() -> None:
        texts: list[str] = []

        async def ignore(frame: str) -> None:
            pass

        async def on_words(text: str) -> None:
            raise AssertionError

        async def on_text(text: str, origin: str | bytes) -> None:
            texts.append(text)

        service = Service(DoubleBrain(), Script())
        hearing = Hearing(service, Line(ignore, service.ids, "L"), on_words, on_text)
        asr = default_config()["asr_config"]
        assert not await hearing.drop()
        hearing.put(Stopped(tone(100), fresh=True), asr)
        hearing.put(Stopped(tone(100), fresh=True), asr)
        await asyncio.sleep(0)
        assert await hearing.drop()
        assert not await hearing.drop()
        await asyncio.sleep(0.5)
        assert texts == []
        hearing.put(Stopped(tone(100), fresh=True), asr)
        await asyncio.sleep(0.5)
        assert texts == [HEARD]
        await hearing.drop()
        service.worker.close()

    drive(body)
