"""Audio in, text out."""

import asyncio
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from agent.emulator.transcriptions import PATH
from audio.opus import OpusEncoder
from tests.emulator.doubles import (
    PCM_IN,
    Client,
    DoubleBrain,
    client,
    drive,
    fast_script,
    running,
    silence,
    tone,
    types,
)
from tests.emulator.test_audio_in import wav

UPDATE = "transcriptions.message.update"
DONE = "transcriptions.message.completed"
BUFFERED = "input_audio_buffer.completed"


async def finish(talk: Client) -> list[dict[str, Any]]:
    await talk.send("input_audio_buffer.complete")
    return await talk.until(DONE)


async def update(talk: Client, **data: Any) -> dict[str, Any]:
    await talk.send("transcriptions.update", **data)
    config: dict[str, Any] = (await talk.until("transcriptions.updated"))[-1]["data"]
    return config


def test_a_whole_wav_without_an_update() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.append_bytes(wav(tone(1700, 24000), 24000))
            frames = await finish(talk)
            assert types(frames) == [BUFFERED, UPDATE, DONE]
            assert frames[1]["data"] == {"content": brain.words}
            assert "data" not in frames[2]
            assert len(brain.heard[0]) == 1700 * 16

    drive(body)


def test_a_second_utterance_and_another_wav() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            for _ in range(2):
                await talk.append_bytes(wav(tone(300), 16000))
                assert types(await finish(talk)) == [BUFFERED, UPDATE, DONE]

    drive(body)


def test_while_somebody_speaks_the_words_so_far_are_told() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator, "", path=PATH) as talk:
            await update(talk, input_audio=PCM_IN)
            for _ in range(3):
                for _ in range(10):
                    await talk.append(tone(100))
                await asyncio.sleep(0.05)
            brain.words = "and some more"
            frames = await finish(talk)
            assert types(frames) == [UPDATE, BUFFERED, UPDATE, DONE]
            assert len(brain.heard) >= 3

    drive(body)


def test_opus_packets() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator, "", path=PATH) as talk:
            told = await update(talk, input_audio={**PCM_IN, "codec": "opus"})
            assert told["input_audio"] == {**PCM_IN, "codec": "opus"}
            assert told["asr_config"]["user_language"] == "common"
            encoder = OpusEncoder(16000, frame_ms=20)
            samples = tone(600)
            for at in range(0, len(samples), 320):
                await talk.append_bytes(encoder.encode(samples[at : at + 320]))
            assert types(await finish(talk)) == [BUFFERED, UPDATE, DONE]
            assert len(brain.heard[-1]) == 9600

    drive(body)


def test_silence_is_completed_without_words() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            await update(talk, input_audio=PCM_IN)
            await talk.append(silence(500))
            assert types(await finish(talk)) == [BUFFERED, DONE]
            assert types(await finish(talk)) == [BUFFERED, DONE]

    drive(body)


def test_clearing_forgets_what_was_appended() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.append_bytes(wav(tone(500), 16000)[:1000])
            await talk.send("input_audio_buffer.clear")
            assert types([await talk.next()]) == ["input_audio_buffer.cleared"]
            await talk.append_bytes(wav(tone(300), 16000))
            await finish(talk)
            assert [len(heard) for heard in brain.heard] == [4800]

    drive(body)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("codec", {"input_audio": {"format": "pcm", "codec": "g711a", "sample_rate": 8000}}),
    ("format", {"input_audio": {"format": "webm"}}),
    ("user_language", {"asr_config": {"user_language": "xx"}}),
    ("enable_punc", {"asr_config": {"enable_punc": 1}}),
]


@pytest.mark.parametrize(("named", "data"), REFUSED)
def test_wrong_updates_change_nothing(named: str, data: dict[str, Any]) -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            before = await update(talk)
            await talk.send("transcriptions.update", **data)
            error = await talk.next()
            assert (error["event_type"], error["data"]["code"]) == ("error", 4000)
            assert named in error["data"]["msg"]
            assert named in error["detail"]["origin_message"]
            assert await update(talk) == before

    drive(body)


def test_what_is_no_wav_and_half_samples_are_refused_whole() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        async with running(brain=brain) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.append(tone(100))
            assert "wav" in (await talk.next())["data"]["msg"]
            await update(talk, input_audio=PCM_IN)
            await talk.append_bytes(tone(8000).tobytes() + b"x")
            assert (await talk.next())["data"]["code"] == 4000
            await talk.append(tone(100))
            await finish(talk)
            assert len(brain.heard[-1]) == 1600

    drive(body)


def test_an_utterance_has_a_longest_length() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator, "", path=PATH) as talk:
            await update(talk, input_audio={**PCM_IN, "sample_rate": 8000})
            minute = np.zeros(8000 * 100, np.int16)
            for _ in range(3):
                await talk.append(minute)
            await talk.append(minute)
            error = (await talk.until("error"))[-1]
            assert "300 s" in error["data"]["msg"]

    drive(body)


def test_the_content_is_repeated_by_a_switch() -> None:
    async def body() -> None:
        script = fast_script(switches={"transcription_content": True})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.append_bytes(wav(tone(300), 16000))
            frames = await finish(talk)
            assert frames[-1]["data"] == {"content": "hello over there my friend"}

    drive(body)


def test_early_audio_by_a_switch() -> None:
    async def body() -> None:
        script = fast_script(switches={"before_update": "refuse"})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.append_bytes(wav(tone(300), 16000))
            assert "before" in (await talk.next())["data"]["msg"]
        script = fast_script(switches={"before_update": "ignore"})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            await talk.append(tone(100))
            assert types(await finish(talk)) == [BUFFERED, DONE]

    drive(body)


def test_the_input_may_not_change_by_a_switch() -> None:
    async def body() -> None:
        script = fast_script(switches={"input_change": "refuse"})
        async with running(script) as emulator, client(emulator, "", path=PATH) as talk:
            await update(talk, input_audio=PCM_IN)
            await update(talk, input_audio={**PCM_IN, "sample_rate": 8000})
            await talk.append(tone(100))
            await talk.send("transcriptions.update", input_audio=PCM_IN)
            assert "cannot change" in (await talk.next())["data"]["msg"]
            await update(talk, asr_config={"enable_itn": False})

    drive(body)


def test_who_may_not_come_in() -> None:
    async def body() -> None:
        async with running() as emulator:
            with pytest.raises(InvalidStatus) as caught:
                await connect(emulator.ws_base + PATH)
            assert caught.value.response.status_code == 401

    drive(body)
