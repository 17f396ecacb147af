import asyncio

from agent.emulator.jitter import Network, Route, Stall
from agent.emulator.outbox import Outbox
from tests.emulator.doubles import virtually


class Paper:
    """Writes down what is sent, and when."""

    def __init__(self, fails_at: int = -1) -> None:
        self.sent: list[tuple[float, str | bytes]] = []
        self._fails_at = fails_at

    async def send_str(self, data: str) -> None:
        if len(self.sent) == self._fails_at:
            raise ConnectionResetError
        self.sent.append((round(asyncio.get_running_loop().time(), 3), data))

    async def send_bytes(self, data: bytes) -> None:
        self.sent.append((round(asyncio.get_running_loop().time(), 3), data))


def test_frames_and_deeds_keep_their_order() -> None:
    async def body() -> None:
        paper = Paper()
        outbox = Outbox(paper)

        async def deed() -> None:
            await asyncio.sleep(2)
            await paper.send_str("deed")

        outbox.add("a", deed, b"b")
        outbox.add("c")
        await outbox.flush(10)
        assert paper.sent == [(0.0, "a"), (2.0, "deed"), (2.0, b"b"), (2.0, "c")]
        outbox.close()

    virtually(body())


def test_the_network_makes_clumps() -> None:
    async def body() -> None:
        paper = Paper()
        network = Network(delay_ms=50, stalls=[Stall(at_s=0.1, ms=400)])
        outbox = Outbox(paper, Route(network, None, 0))
        for n in range(5):
            outbox.add(str(n))
            await asyncio.sleep(0.02)
        await outbox.flush(10)
        assert [t for t, _ in paper.sent] == [0.05, 0.07, 0.09, 0.5, 0.5]
        outbox.close()

    virtually(body())


def test_who_is_ahead_of_the_network_waits() -> None:
    async def body() -> None:
        paper = Paper()
        outbox = Outbox(paper, Route(Network(rate_kbps=8000), None, 0))  # 1 MB a second
        loop = asyncio.get_running_loop()
        for _ in range(30):
            outbox.add("x" * 100_000)
            await outbox.room()
        # 3 MB, of which about one may still be queued.
        assert 1.8 < loop.time() < 2.2
        outbox.close()
        outbox.add("late")
        await outbox.room()
        await outbox.flush(1)
        assert len(paper.sent) < 30

    virtually(body())


def test_a_connection_that_breaks_ends_it() -> None:
    async def body() -> None:
        paper = Paper(fails_at=1)
        outbox = Outbox(paper)
        outbox.add("a", "b", "c")
        await outbox.flush(5)
        assert asyncio.get_running_loop().time() < 1
        assert [frame for _, frame in paper.sent] == ["a"]

    virtually(body())


def test_flushing_has_an_end() -> None:
    async def body() -> None:
        outbox = Outbox(Paper())
        outbox.add(lambda: asyncio.sleep(100))
        await outbox.flush(3)
        assert asyncio.get_running_loop().time() == 3
        outbox.close()

    virtually(body())
