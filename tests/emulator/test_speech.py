import asyncio
import json
from typing import Any

from agent.emulator.config import default_config
from agent.emulator.line import Line
from agent.emulator.script import Script
from agent.emulator.service import Service, sleep_until
from agent.emulator.speech import SILENT_MESSAGE, Speech
from tests.emulator.doubles import DoubleBrain, InlineWorker, virtually

DELTA = "conversation.audio.delta"


def make(frames: list[tuple[float, dict[str, Any]]]) -> Speech:
    async def send(frame: str) -> None:
        frames.append((asyncio.get_running_loop().time(), json.loads(frame)))

    service = Service(DoubleBrain(seconds=3.0), Script(), worker=InlineWorker())
    return Speech(service, Line(send, service.ids, "L"), default_config()["output_audio"])


def test_sentences_are_told_and_spoken_in_order() -> None:
    frames: list[tuple[float, dict[str, Any]]] = []

    async def body() -> None:
        speech = make(frames)
        for text in ("One.", "Two.", "Three."):
            speech.say(text, SILENT_MESSAGE)
        speech.finish()
        await speech.run()

    virtually(body())
    starts = [frame["data"]["text"] for _, frame in frames if frame["event_type"] != DELTA]
    assert starts == ["One.", "Two.", "Three."]
    assert [t for t, _ in frames] == sorted(t for t, _ in frames)


def test_a_stop_stops_at_once_and_leaves_what_was_ready() -> None:
    frames: list[tuple[float, dict[str, Any]]] = []

    async def body() -> None:
        speech = make(frames)
        speech.say("One.", SILENT_MESSAGE)
        speech.finish()
        task = asyncio.create_task(speech.run())
        await sleep_until(0.4)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sent = len(frames)
        await asyncio.sleep(5)
        assert len(frames) == sent
        late = speech.leftovers(2)
        assert len(late) == 2
        assert late[0].data() != late[1].data()
        assert len(speech.leftovers(100)) > 5
        assert speech.leftovers(1) == []

    virtually(body())


def test_audio_without_a_turn_has_zeros_for_ids() -> None:
    message = SILENT_MESSAGE
    ids = (message.id, message.conversation_id, message.bot_id, message.chat_id)
    assert {*ids, message.section_id} == {"0"}
