import asyncio

import pytest

from agent.coze.uplink import ConversationClear, Uplink
from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.line import Line
from agent.emulator.receiver import Receiver
from agent.emulator.script import Switches
from audio.errors import CodecError
from tests.emulator.doubles import virtually


class Picky(Receiver):
    """Accepts nothing but a ``conversation.clear`` whose id is not ``deny`` or ``break``."""

    def __init__(self, frames: list[str]) -> None:
        async def send(text: str) -> None:
            frames.append(text)

        super().__init__(Line(send, Ids(), "log"), Switches())
        self.handled: list[Uplink] = []

    async def _handle(self, event: Uplink, frame: str | bytes) -> None:
        if not isinstance(event, ConversationClear) or event.id == "deny":
            raise Refusal("no")
        if event.id == "break":
            raise CodecError("broken")
        self.handled.append(event)


GOOD = '{"event_type":"conversation.clear"}'


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("x", 4000),
        ('{"event_type":"nothing"}', 4000),
        (GOOD.replace("}", ',"id":"deny"}'), 4000),
        (GOOD.replace("}", ',"id":"break"}'), 5000),
    ],
)
def test_a_wrong_frame_gets_one_error_and_is_counted(frame: str, code: int) -> None:
    async def body() -> None:
        frames: list[str] = []
        receiver = Picky(frames)
        await receiver.receive(frame)
        assert len(frames) == 1
        assert f'"code":{code}' in frames[0]
        assert receiver.refusals == 1
        assert not receiver.handled

    virtually(body())


def test_a_right_frame_ends_the_count_but_not_between_two_wrong_ones() -> None:
    async def body() -> None:
        receiver = Picky([])
        for _ in range(10):
            await receiver.receive("x")
            await receiver.receive(GOOD)
        assert receiver.refusals == 10
        await asyncio.sleep(1.0)
        await receiver.receive(GOOD)
        assert receiver.refusals == 0
        # However long it takes: what is always wrong is counted.
        for _ in range(10):
            await asyncio.sleep(5.0)
            await receiver.receive("x")
        assert receiver.refusals == 10
        assert len(receiver.handled) == 11

    virtually(body())
