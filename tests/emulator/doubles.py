"""Stand-ins for tests: a brain that is fast and sure, and a client that counts frames."""

from __future__ import annotations

import asyncio
import base64
import json
import selectors
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from agent.emulator.brain.answer import Answer, ToolRequest
from agent.emulator.script import Script, parse_script
from agent.emulator.server import Emulator
from agent.emulator.worker import Worker

Samples = NDArray[np.int16]
Frame = dict[str, Any]

TEXT = "Hello there. This is the answer."
RATE = 16000


class DoubleBrain:
    """Hears ``words`` in anything loud and nothing in silence; speaks 1 s tones at 24 kHz."""

    def __init__(self, words: str = "hello over there my friend", seconds: float = 1.0) -> None:
        self.words = words
        self.heard: list[Samples] = []
        self.tool: ToolRequest | None = None
        self.memories: list[dict[str, Any]] = []
        time = np.arange(round(24000 * seconds)) / 24000
        self._tone = (8000 * np.sin(2 * np.pi * 330 * time) + 3).astype(np.int16)

    def hear(self, samples: Samples, rate: int) -> str:
        assert rate == RATE
        self.heard.append(samples)
        return self.words if len(samples) and np.abs(samples.astype(int)).max() > 1000 else ""

    def answer(self, text: str, memory: dict[str, Any]) -> Answer:
        self.memories.append(dict(memory))
        memory["asked"] = text
        if text == "break":
            raise RuntimeError("a bug in the brain")
        return Answer("" if self.tool else TEXT, self.tool)

    def after_tool(self, request: ToolRequest, output: str, memory: dict[str, Any]) -> Answer:
        return Answer(f"The tool {request.name} said {output}.")

    def speak(self, sentence: str) -> tuple[Samples, int]:
        return self._tone, 24000

    def sentences(self, text: str) -> list[str]:
        parts = text.replace(". ", ".\n").split("\n")
        return [part for part in parts if part]

    def warm_up(self) -> None:
        pass


def tone(ms: int, rate: int = RATE, level: int = 8000) -> Samples:
    """A loud tone that the energy judge takes for speech."""
    time = np.arange(rate * ms // 1000) / rate
    wave: Samples = (level * np.sin(2 * np.pi * 300 * time)).astype(np.int16)
    return wave


def silence(ms: int, rate: int = RATE) -> Samples:
    return np.zeros(rate * ms // 1000, dtype=np.int16)


FAST: dict[str, dict[str, Any]] = {"timing": {"speed": 1000.0}, "switches": {"vad": "energy"}}


def fast_script(**tables: Any) -> Script:
    """A script without waiting; tables given are merged over it."""
    data: dict[str, Any] = {name: dict(table) for name, table in FAST.items()}
    for name, table in tables.items():
        data[name] = table if isinstance(table, list) else {**data.get(name, {}), **table}
    return parse_script(data, "test")


PCM_IN = {"format": "pcm", "codec": "pcm", "sample_rate": RATE, "channel": 1, "bit_depth": 16}


class Client:
    """A chat client that speaks raw JSON and keeps every frame it got."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []

    async def send(self, event_type: str, **data: Any) -> None:
        frame: Frame = {"event_type": event_type}
        if data:
            frame["data"] = data
        await self.socket.send(json.dumps(frame))

    async def append(self, samples: Samples) -> None:
        await self.append_bytes(samples.astype("<i2").tobytes())

    async def append_bytes(self, payload: bytes) -> None:
        await self.send("input_audio_buffer.append", delta=base64.b64encode(payload).decode())

    async def next(self, timeout: float = 5.0) -> Frame:
        async with asyncio.timeout(timeout):
            frame: Frame = json.loads(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def until(self, event_type: str, timeout: float = 5.0) -> list[Frame]:
        """All frames up to and including the next one of that type."""
        got = []
        async with asyncio.timeout(timeout):
            while True:
                got.append(await self.next(timeout))
                if got[-1]["event_type"] == event_type:
                    return got

    async def quiet(self, seconds: float = 0.1) -> list[Frame]:
        """What comes within that time."""
        got = []
        try:
            while True:
                got.append(await self.next(seconds))
        except TimeoutError:
            return got

    async def update(self, **data: Any) -> Frame:
        """Configure; the applied configuration."""
        await self.send("chat.update", **data)
        frame = (await self.until("chat.updated"))[-1]
        config: Frame = frame["data"]
        return config

    async def ask(self, text: str = "hello") -> None:
        await self.send(
            "conversation.message.create", role="user", content_type="text", content=text
        )


@asynccontextmanager
async def running(script: Script | None = None, **options: Any) -> AsyncIterator[Emulator]:
    """An emulator with the double brain on this loop."""
    options.setdefault("brain", DoubleBrain())
    emulator = Emulator(script=script or fast_script(), **options)
    await emulator.start()
    try:
        yield emulator
    finally:
        await emulator.stop()


FIRST = {
    "/v1/chat": "chat.created",
    "/v1/audio/speech": "speech.created",
    "/v1/audio/transcriptions": "transcriptions.created",
}


@asynccontextmanager
async def client(
    emulator: Emulator,
    query: str = "bot_id=1",
    token: str = "t",
    *,
    opened: bool = True,
    path: str = "/v1/chat",
) -> AsyncIterator[Client]:
    """A connected client that has seen the first frame."""
    headers = {"Authorization": f"Bearer {token}"}
    address = f"{emulator.ws_base}{path}?{query}"
    async with connect(address, additional_headers=headers, max_size=None) as socket:
        connected = Client(socket)
        if opened:
            assert (await connected.next())["event_type"] == FIRST[path]
        yield connected


def types(frames: Iterable[Frame]) -> list[str]:
    return [frame["event_type"] for frame in frames]


def collapsed(frames: Iterable[Frame]) -> list[str]:
    """Event types, with runs of deltas as one."""
    found: list[str] = []
    for event_type in types(frames):
        if not (found and found[-1] == event_type and event_type.endswith("delta")):
            found.append(event_type)
    return found


def drive(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run an asynchronous test body."""
    asyncio.run(test())


class InlineWorker(Worker):
    """Does blocking work at once, in no time of the virtual clock."""

    def __init__(self) -> None:
        pass

    async def run(self, job: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return job(*args, **kwargs)

    def close(self) -> None:
        pass


class _Selector(selectors.SelectSelector):
    """Instead of waiting for time to pass, lets it pass."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing will ever happen")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a virtual clock that starts at 0 s. Knows no threads and no sockets."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def virtually(body: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(body)
