import asyncio
import json
from typing import Any

from agent.coze.events import BufferCompleted, ChatCreated, Cleared, Downlink, SpeechStarted
from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.line import Line


def sent(line: Line, frames: list[str], *events: Downlink) -> list[dict[str, Any]]:
    asyncio.run(line.send(*events))
    return [json.loads(frame) for frame in frames]


def make(**options: Any) -> tuple[Line, list[str]]:
    frames: list[str] = []

    async def send(frame: str) -> None:
        frames.append(frame)

    return Line(send, Ids(), "L", wall=lambda: 1770000000.1239, **options), frames


def test_the_envelope_is_complete_and_one_call_has_one_time() -> None:
    line, frames = make()
    first, second = sent(line, frames, ChatCreated(), Cleared())
    assert first["detail"] == {"logid": "L", "respond_at": "1770000000123"} == second["detail"]
    assert first["id"] != second["id"]
    assert set(first) == {"event_type", "id", "detail"}


def test_an_id_that_is_set_stays() -> None:
    line, frames = make()
    assert sent(line, frames, BufferCompleted(id="c-1"))[0]["id"] == "c-1"


def test_subscriptions_filter_all_but_errors_and_the_first_frame() -> None:
    line, frames = make()
    line.subscriptions = frozenset({"conversation.cleared"})
    asyncio.run(line.refuse(Refusal("no"), b'{"x":\xff}'))
    found = sent(line, frames, ChatCreated(), Cleared(), BufferCompleted())
    assert [frame["event_type"] for frame in found] == [
        "error",
        "chat.created",
        "conversation.cleared",
    ]
    assert found[0]["data"] == {"code": 4000, "msg": "no"}
    assert found[0]["detail"]["origin_message"] == '{"x":\ufffd}'


def test_vad_events_without_detail_by_a_switch() -> None:
    line, frames = make(vad_detail=False)
    vad, other = sent(line, frames, SpeechStarted(), Cleared())
    assert set(vad) == {"event_type", "id"}
    assert "detail" in other
