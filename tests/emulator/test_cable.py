"""Below the frames; over real sockets this is tested with the faults."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType

from agent.emulator.cable import Cable, Inbox
from agent.emulator.jitter import Network, Route
from tests.emulator.doubles import virtually


class Web:
    """Hands out messages at their times; remembers how it was closed."""

    def __init__(self, *messages: tuple[float, str]) -> None:
        self._messages = list(messages)
        self.closed: tuple[int, bytes] | None = None

    async def receive(self, timeout: float | None = None) -> WSMessage:
        async with asyncio.timeout(timeout):
            if not self._messages:
                await asyncio.Event().wait()
            at, data = self._messages.pop(0)
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            return WSMessage(WSMsgType.TEXT, data, None)

    async def close(self, *, code: int, message: bytes) -> None:
        self.closed = code, message


def late(network: Network, *messages: tuple[float, str]) -> Any:
    return Inbox(Web(*messages), Route(network, None, 0))  # type: ignore[arg-type]


def now() -> float:
    return round(asyncio.get_running_loop().time(), 3)


def test_messages_arrive_late_and_in_order() -> None:
    async def body() -> None:
        inbox = late(Network(delay_ms=100), (0.0, "a"), (0.05, "b"), (1.0, "c"))
        got = []
        for _ in range(3):
            message = await inbox.receive(None)
            got.append((now(), message.data))
        assert got == [(0.1, "a"), (0.15, "b"), (1.1, "c")]
        await inbox.stop()

    virtually(body())


def test_a_message_is_not_lost_when_waiting_for_it_is_given_up() -> None:
    async def body() -> None:
        inbox = late(Network(delay_ms=500), (0.0, "a"))
        with pytest.raises(TimeoutError):
            await inbox.receive(0.2)
        assert (await inbox.receive(1.0)).data == "a"
        assert now() == 0.5
        await inbox.stop()

    virtually(body())


def test_closing_happens_where_somebody_reads() -> None:
    async def body() -> None:
        web = Web()
        cable = Cable(None, web)  # type: ignore[arg-type]
        reading = asyncio.create_task(cable.receive(None))
        await asyncio.sleep(1)
        cable.finish(1012, b"so")
        assert (await reading).type is WSMsgType.CLOSED
        assert web.closed == (1012, b"so")

    virtually(body())


def test_closing_while_nobody_reads_happens_next_time() -> None:
    async def body() -> None:
        web = Web((0.0, "a"))
        cable = Cable(None, web)  # type: ignore[arg-type]
        cable.finish(1000, b"")
        assert (await cable.receive(None)).type is WSMsgType.CLOSED
        assert web.closed == (1000, b"")

    virtually(body())


def test_the_end_of_everything_is_not_taken_for_an_interruption() -> None:
    async def body() -> None:
        cable = Cable(None, Web())  # type: ignore[arg-type]
        reading = asyncio.create_task(cable.receive(None))
        await asyncio.sleep(1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        with pytest.raises(TimeoutError):
            await cable.receive(0.5)

    virtually(body())


def test_a_connection_that_is_gone_can_be_cut_again() -> None:
    async def body() -> None:
        cable = Cable(None)
        assert cable.is_cut
        cable.cut(reset=True)
        cable.freeze(1)
        assert not cable.is_frozen
        await cable.wait_for_end(100)
        assert now() == 0

    virtually(body())
