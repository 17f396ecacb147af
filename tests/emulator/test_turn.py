"""Turns through a real socket, cancelling and tools; their timing on a virtual clock."""

import asyncio
import base64
import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.brain.answer import ToolRequest
from agent.emulator.config import default_config, merge
from agent.emulator.line import Line
from agent.emulator.script import Script, ScriptedAnswer, Timing
from agent.emulator.service import Service
from agent.emulator.turn import Question, Turn, sentence_ends, text_deltas, tokens
from tests.emulator.doubles import (
    PCM_IN,
    Client,
    DoubleBrain,
    Frame,
    InlineWorker,
    client,
    drive,
    fast_script,
    running,
    tone,
    types,
    virtually,
)

HEARD = "hello over there my friend"
SLOW = {"speed": 1.0, "first_text_ms": 1.0, "first_audio_ms": 1.0, "sentence_ms": 1.0}
AUDIO = "conversation.audio.delta"
TURN = [
    "conversation.message.completed",
    "conversation.chat.created",
    "conversation.chat.in_progress",
]
CANCELED = "conversation.chat.canceled"
DONE = "conversation.chat.completed"


async def refusal_of(talk: Client, event_type: str, **data: Any) -> dict[str, Any]:
    await talk.send(event_type, **data)
    frame = (await talk.until("error"))[-1]
    assert frame["data"]["code"] == 4000
    assert json.loads(frame["detail"]["origin_message"])["event_type"] == event_type
    error: dict[str, Any] = frame["data"]
    return error


def test_cancel_stops_text_and_sound() -> None:
    async def body() -> None:
        async with running(fast_script(timing=SLOW)) as emulator, client(emulator) as talk:
            await talk.ask()
            await talk.until(AUDIO)
            await talk.send("conversation.chat.cancel")
            frames = await talk.until(CANCELED)
            assert frames[-1]["data"]["code"] == 2
            assert types(frames).count(AUDIO) <= 1
            assert await talk.quiet() == []

    drive(body)


def test_a_newer_message_takes_over() -> None:
    async def body() -> None:
        async with running(fast_script(timing=SLOW)) as emulator, client(emulator) as talk:
            await talk.ask("one")
            await talk.until("conversation.chat.in_progress")
            await talk.ask("two")
            frames = await talk.until("conversation.chat.created")
            assert types(frames)[-3:] == [CANCELED, *TURN[:2]]
            assert frames[-3]["data"]["code"] == 3
            assert frames[-2]["data"]["content"] == "two"

    drive(body)


def test_speech_taken_over_in_push_to_talk() -> None:
    async def body() -> None:
        script = fast_script(answer=[{"when": "quiet", "silent": True}])
        async with running(script) as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN)
            await talk.ask("quiet")
            await talk.until("conversation.chat.in_progress")
            await talk.append(tone(300))
            await talk.send("input_audio_buffer.complete")
            frames = await talk.until(DONE)
            assert [f["data"]["code"] for f in frames if f["event_type"] == CANCELED] == [1]

    drive(body)


@pytest.mark.parametrize("switch", ["canceled", "nothing", "error"])
def test_cancel_when_idle(switch: str) -> None:
    async def body() -> None:
        script = fast_script(switches={"cancel_when_idle": switch})
        async with running(script) as emulator, client(emulator) as talk:
            await talk.send("conversation.chat.cancel")
            frames = await talk.quiet()
        wanted = {"canceled": [CANCELED], "nothing": [], "error": ["error"]}[switch]
        assert types(frames) == wanted

    drive(body)


def test_a_server_that_goes_on_about_a_cancelled_turn() -> None:
    async def body() -> None:
        script = fast_script(timing=SLOW, switches={"late_deltas": 3, "noisy_cancel": True})
        async with running(script) as emulator, client(emulator) as talk:
            await talk.ask()
            chat_id = (await talk.until(AUDIO))[-1]["data"]["chat_id"]
            await talk.send("conversation.chat.cancel")
            await talk.until(CANCELED)
            frames = await talk.quiet()
        late = [*[AUDIO] * 3, "conversation.audio.completed", DONE]
        assert types(frames) == late
        assert {frame["data"].get("chat_id", chat_id) for frame in frames} == {chat_id}
        assert frames[-1]["data"]["status"] == "canceled"

    drive(body)


def test_cancel_while_it_still_listens_to_what_was_said() -> None:
    async def body() -> None:
        script = fast_script(timing={"speed": 1.0, "transcript_ms": 5000.0})
        async with running(script) as emulator, client(emulator) as talk:
            await talk.update(input_audio=PCM_IN)
            await talk.append(tone(300))
            await talk.send("input_audio_buffer.complete")
            await talk.until("input_audio_buffer.completed")
            await talk.send("conversation.chat.cancel")
            frames = await talk.until(CANCELED)
            assert frames[-1]["data"]["code"] == 2
            assert await talk.quiet() == []

    drive(body)


async def submit(talk: Client, chat_id: str, outputs: dict[str, str]) -> None:
    results = [{"tool_call_id": id, "output": output} for id, output in outputs.items()]
    await talk.send("conversation.chat.submit_tool_outputs", chat_id=chat_id, tool_outputs=results)


def test_a_tool_of_the_brain() -> None:
    async def body() -> None:
        brain = DoubleBrain()
        brain.tool = ToolRequest("set_volume", {"percent": 40})
        async with running(brain=brain) as emulator, client(emulator) as talk:
            await talk.ask()
            frames = await talk.until("conversation.chat.requires_action")
            assert types(frames)[:3] == TURN
            assert frames[-2]["data"]["type"] == "function_call"
            chat = frames[-1]["data"]
            assert chat["status"] == "requires_action"
            assert chat["required_action"]["type"] == "submit_tool_outputs"
            [call] = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
            assert call["type"] == "function"
            assert call["function"] == {"name": "set_volume", "arguments": '{"percent":40}'}
            assert await talk.quiet(0.05) == []
            await submit(talk, chat["id"], {call["id"]: "ok"})
            frames = await talk.until(DONE)
            assert types(frames)[:2] == [TURN[0], TURN[2]]
            assert frames[0]["data"]["type"] == "tool_output"
            assert frames[-1]["data"]["id"] == chat["id"]
            answers = [
                frame["data"]["content"]
                for frame in frames
                if frame.get("data", {}).get("type") == "answer" and frame["event_type"] == TURN[0]
            ]
            assert answers == ["The tool set_volume said ok."]

    drive(body)


TWO = {
    "text": "Wait.",
    "tools": [{"name": "a"}, {"name": "b", "arguments": {"x": 1}}],
    "then": "Good.",
}


def test_wrong_results_are_refused_and_the_turn_goes_on_waiting() -> None:
    async def body() -> None:
        async with running(fast_script(answer=[TWO])) as emulator, client(emulator) as talk:
            await refusal_of(
                talk, "conversation.chat.submit_tool_outputs", chat_id="1", tool_outputs=[]
            )
            await talk.ask()
            frames = await talk.until("conversation.chat.requires_action")
            assert "Wait." in [f.get("data", {}).get("content") for f in frames]
            chat = frames[-1]["data"]
            calls = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
            first, second = (call["id"] for call in calls)
            for chat_id, outputs in (
                (chat["id"], {first: "1", "call_x": "2"}),
                (chat["id"], {first: "1"}),
                (chat["id"], {}),
                ("7", {first: "1", second: "2"}),
            ):
                await submit(talk, chat_id, outputs)
                assert (await talk.until("error"))[-1]["data"]["code"] == 4000
            await submit(talk, chat["id"], {second: "2", first: "1"})
            frames = await talk.until(DONE)
            told = [f["data"]["content"] for f in frames if f["event_type"] == TURN[0]]
            assert told[:3] == ["1", "2", "Good."]

    drive(body)


def test_a_turn_that_waits_for_tools_can_be_cancelled() -> None:
    async def body() -> None:
        async with running(fast_script(answer=[TWO])) as emulator, client(emulator) as talk:
            await talk.ask()
            await talk.until("conversation.chat.requires_action")
            await talk.send("conversation.chat.cancel")
            assert (await talk.until(CANCELED))[-1]["data"]["code"] == 2

    drive(body)


# --- timing, on a virtual clock ---


class Tape:
    """A line that keeps frames with the time (s) at which they were sent."""

    def __init__(self) -> None:
        self.frames: list[tuple[float, Frame]] = []

    async def send(self, text: str) -> None:
        self.frames.append((asyncio.get_running_loop().time(), json.loads(text)))

    def times(self, event_type: str) -> list[float]:
        return [t for t, frame in self.frames if frame["event_type"] == event_type]


def told(script: Script, seconds: float = 2.0, **output_audio: Any) -> Tape:
    """One turn of two sentences of ``seconds`` each."""
    tape = Tape()

    async def body() -> None:
        brain = DoubleBrain(seconds=seconds)
        service = Service(brain, script, worker=InlineWorker())
        config = merge(default_config(), {"output_audio": output_audio})
        talk = service.conversations.create("default")
        line = Line(tape.send, service.ids, "L")
        await Turn(service, line, config, "1", talk, Question("hi", "hi")).run()

    virtually(body())
    return tape


def test_the_delays_are_the_recorded_ones() -> None:
    tape = told(Script())
    begun = tape.times("conversation.chat.in_progress")[0]
    text = tape.times("conversation.message.delta")[0]
    start = tape.times("conversation.audio.sentence_start")[0]
    audio = tape.times(AUDIO)
    assert text - begun == pytest.approx(0.40, abs=0.01)
    assert start - text == pytest.approx(0.15, abs=0.02)
    assert audio[0] - start == pytest.approx(0.18, abs=0.02)
    # Each sentence is made about six times as fast as it is played; the second one meanwhile.
    second = tape.times("conversation.audio.sentence_start")[1]
    assert second - audio[0] == pytest.approx(2.0 / 6, rel=0.1)


def test_speed_divides_every_delay() -> None:
    real, fast = told(Script()), told(Script(timing=Timing(speed=10.0)))
    assert fast.frames[-1][0] == pytest.approx(real.frames[-1][0] / 10, rel=0.05)


@pytest.mark.parametrize(("period", "most"), [(1, 18), (1, 32), (2, 25)])
@pytest.mark.parametrize("speed", [1.0, 1000.0])
def test_a_limit_is_kept_exactly_and_bursts_begin_each_window(
    period: int, most: int, speed: float
) -> None:
    limit = {"period": period, "max_frame_num": most}
    opus = {"sample_rate": 16000, "frame_size_ms": 60, "limit_config": limit}
    tape = told(Script(timing=Timing(speed=speed)), 5.0, codec="opus", opus_config=opus)
    times = tape.times(AUDIO)
    assert len(times) == 2 * -(-5300 // 60)
    windows = [int((t - times[0]) / period + 1e-6) for t in times]
    sent = [windows.count(window) for window in range(windows[-1] + 1)]
    assert max(sent) == most
    # What waited goes out at the beginning of the next window, all at once.
    second = [t for t, window in zip(times, windows, strict=True) if window == 1]
    assert second[most // 2] == pytest.approx(times[0] + period, abs=0.02)
    if speed > 1:
        assert sent[:-1] == [most] * (len(sent) - 1)


def test_thinking_takes_as_long_as_the_script_says() -> None:
    answer = ScriptedAnswer(text="Yes.", think_ms=2000.0)
    slow = told(Script(answer=[answer])).times("conversation.message.delta")[0]
    assert slow == pytest.approx(2.4, abs=0.01)


def test_a_tone_instead_of_a_voice() -> None:
    tape = told(Script(answer=[ScriptedAnswer(text="Yes.", audio="tone")]))
    audio = b"".join(
        base64.b64decode(frame["data"]["content"])
        for _, frame in tape.frames
        if frame["event_type"] == AUDIO
    )
    samples = np.frombuffer(audio, "<i2")
    assert len(samples) == 24 * (4 * 60 + 300)
    spectrum = np.abs(np.fft.rfft(samples[: 24 * 240]))
    assert spectrum.argmax() * 24000 / (24 * 240) == pytest.approx(440, abs=5)


@given(st.text(max_size=80), st.integers(0, 5))
@settings(max_examples=40)
def test_increments_join_to_the_text(text: str, seed: int) -> None:
    deltas = text_deltas(text, random.Random(seed))
    assert "".join(deltas) == text
    assert all(1 <= len(delta) <= 4 for delta in deltas)


def test_a_sentence_is_complete_when_its_last_character_is_out() -> None:
    assert sentence_ends("Hi. You there?  ", ["Hi.", "You there?"]) == [
        (3, "Hi."),
        (14, "You there?"),
    ]
    assert sentence_ends("Hi", ["Changed."]) == [(2, "Changed.")]


def test_tokens_are_about_those_of_a_model() -> None:
    assert tokens("") == 0
    assert tokens("hello world") == 3
    assert tokens("今天天气真不错") == 5
