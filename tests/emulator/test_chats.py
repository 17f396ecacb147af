"""The stream of a chat without a socket."""

import asyncio

from agent.coze.events import (
    AudioCompleted,
    Message,
    MessageCompleted,
    MessageDelta,
    RequiresAction,
    SentenceStart,
    TurnInProgress,
)
from agent.coze.objects import Chat
from agent.emulator.chats import Stream

CHAT = Chat("1", "2", "3", "2", "in_progress")


def test_only_what_requests_are_told_is_told() -> None:
    async def body() -> list[str]:
        stream = Stream(lambda: None)
        events = stream.follow()
        await stream.send(MessageCompleted(Message("7", role="user", type="question")))
        await stream.send(SentenceStart("Hi."), MessageDelta(Message("8", content="")))
        await stream.send(TurnInProgress(CHAT), AudioCompleted(Message("8")))
        stream.end()
        return [told.event async for told in events]

    assert asyncio.run(body()) == [TurnInProgress.event_type]


def test_nobody_has_to_follow() -> None:
    async def body() -> None:
        waited = []
        stream = Stream(lambda: waited.append(True))
        await stream.send(TurnInProgress(CHAT))
        assert stream.begun.is_set()
        await stream.send(RequiresAction(CHAT))
        assert waited == [True]
        late = stream.follow()
        stream.end()
        assert [told async for told in late] == []

    asyncio.run(body())


def test_the_question_is_among_what_was_inserted() -> None:
    async def body() -> None:
        stream = Stream(lambda: None)
        await stream.send(MessageCompleted(Message("7", role="user", type="question")))
        assert stream.chat(CHAT)["inserted_additional_messages"] == [{"id": "7"}]

    asyncio.run(body())
