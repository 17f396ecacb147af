"""Text in, audio out."""

import base64
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agent.emulator.speechsocket import PATH, ended
from audio.opus import packet_ms
from tests.emulator.doubles import Client, DoubleBrain, client, drive, fast_script, running, types

AUDIO = "speech.audio.update"
DONE = "speech.audio.completed"
BUFFERED = "input_text_buffer.completed"
START = "conversation.audio.sentence_start"


async def say(talk: Client, *pieces: str) -> list[dict[str, Any]]:
    for piece in pieces:
        await talk.send("input_text_buffer.append", delta=piece)
    await talk.send("input_text_buffer.complete")
    return await talk.until(DONE)


def sound(frames: list[dict[str, Any]]) -> bytes:
    return b"".join(
        base64.b64decode(frame["data"]["delta"]) for frame in frames if frame["event_type"] == AUDIO
    )


def test_without_an_update_pieces_of_text_become_pcm_of_24_khz() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator, "", path=PATH) as talk:
            frames = await say(talk, "Hello ", "there. How are you")
            starts = [frame["data"]["text"] for frame in frames if frame["event_type"] == START]
            assert starts == ["Hello there.", "How are you."]
            assert types(frames)[0] == BUFFERED
            heard = np.frombuffer(sound(frames), "<i2")
            assert len(heard) == 2 * (24000 + 7200)
            assert (heard[:24000] == brain.speak("")[0]).all()

    drive(body)


def test_one_text_after_the_other() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            for text in ("One.", "Two.", "Three."):
                await talk.send("input_text_buffer.append", delta=text)
                await talk.send("input_text_buffer.complete")
            frames = [frame for _ in range(3) for frame in await talk.until(DONE)]
            starts = [frame["data"]["text"] for frame in frames if frame["event_type"] == START]
            assert starts == ["One.", "Two.", "Three."]
            assert [kind for kind in types(frames) if kind in (BUFFERED, DONE)] == [
                BUFFERED,
                DONE,
            ] * 3

    drive(body)


def test_an_update_is_echoed_and_applied() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            output = {
                "codec": "opus",
                "opus_config": {"sample_rate": 16000, "frame_size_ms": 60},
                "speech_rate": 100,
                "emotion_config": {"emotion": "happy", "emotion_scale": 2.5},
            }
            await talk.send("speech.update", output_audio=output)
            [told] = await talk.until("speech.updated")
            told = told["data"]["output_audio"]
            for key in ("codec", "speech_rate", "voice_id", "emotion_config"):
                assert told[key] == output.get(key, told["voice_id"])
            assert told["opus_config"]["frame_size_ms"] == 60
            frames = await say(talk, "Hello.")
            packets = [
                base64.b64decode(frame["data"]["delta"])
                for frame in frames
                if frame["event_type"] == AUDIO
            ]
            assert {packet_ms(packet) for packet in packets} == {60}
            assert len(packets) == -(-800 // 60)

    drive(body)


def test_text_of_1024_bytes_is_too_long_and_the_rest_stands() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            await talk.send("input_text_buffer.append", delta="x" * 1022)
            await talk.send("input_text_buffer.append", delta="é")
            error = await talk.next()
            assert (error["event_type"], error["data"]["code"]) == ("error", 3010)
            assert r"\u00e9" in error["detail"]["origin_message"]
            frames = await say(talk, "x")
            assert next(f for f in frames if f["event_type"] == START)["data"]["text"] == (
                "x" * 1023 + "."
            )
            await talk.send("input_text_buffer.append", delta="好" * 342)
            assert (await talk.next())["data"]["code"] == 3010

    drive(body)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("codec", {"output_audio": {"codec": "g711a"}}),
    ("codec", {"output_audio": {"codec": "mp3"}}),
    ("speech_rate", {"output_audio": {"speech_rate": 101}}),
    ("frame_size_ms", {"output_audio": {"opus_config": {"frame_size_ms": 7}}}),
    ("output_audio", {"output_audio": []}),
]


@pytest.mark.parametrize(("named", "data"), REFUSED)
def test_wrong_updates_change_nothing(named: str, data: dict[str, Any]) -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            await talk.send("speech.update")
            before = (await talk.until("speech.updated"))[-1]["data"]
            await talk.send("speech.update", **data)
            error = await talk.next()
            assert (error["event_type"], error["data"]["code"]) == ("error", 4000)
            assert named in error["data"]["msg"]
            assert named in error["detail"]["origin_message"]
            await talk.send("speech.update")
            assert (await talk.until("speech.updated"))[-1]["data"] == before

    drive(body)


def test_all_codecs_by_a_switch() -> None:
    async def body() -> None:
        script = fast_script(switches={"one_way_codecs": "all"})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.send("speech.update", output_audio={"codec": "g711u"})
            await talk.until("speech.updated")
            assert len(sound(await say(talk, "Hello."))) == 8 * 1300

    drive(body)


def test_sentences_are_not_announced_by_a_switch() -> None:
    async def body() -> None:
        script = fast_script(switches={"speech_sentence_start": False})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            assert START not in types(await say(talk, "Hello."))

    drive(body)


def test_an_empty_text_is_completed_or_refused() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            assert types(await say(talk)) == [BUFFERED, DONE]
        script = fast_script(switches={"empty_complete": "error"})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.send("input_text_buffer.complete")
            assert (await talk.next())["data"]["code"] == 4000

    drive(body)


def test_events_of_other_sockets_are_refused() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            for kind in ("chat.update", "conversation.clear", "input_audio_buffer.complete", "x"):
                await talk.send(kind)
                assert (await talk.next())["data"]["code"] == 4000
            await say(talk, "Still here.")

    drive(body)


def test_texts_do_not_pile_up_without_end() -> None:
    async def body() -> None:
        script = fast_script(timing={"speed": 1.0})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            for _ in range(40):
                await talk.send("input_text_buffer.append", delta="x")
                await talk.send("input_text_buffer.complete")
            error = await talk.next()
            assert "wait to be spoken" in error["data"]["msg"]

    drive(body)


def test_who_may_not_come_in() -> None:
    async def body() -> None:
        async with running() as emulator:
            with pytest.raises(InvalidStatus) as caught:
                await connect(emulator.ws_base + PATH)
            assert caught.value.response.status_code == 401

    drive(body)


@pytest.mark.parametrize(
    ("sentence", "told"),
    [("今天天气不错", "今天天气不错。"), ("Hello", "Hello."), ("Hm?", "Hm?"), ("", "")],
)
def test_a_sentence_gets_its_full_stop(sentence: str, told: str) -> None:
    assert ended(sentence) == told
