"""One run of one shape of ``loop_shape``, in a process that imports no more than it needs.

Arguments: shape, ms per uplink packet, URL, file with the microphone's PCM, seconds, log file.
"""

from __future__ import annotations

import binascii
import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from audio.opus import OpusDecoder, OpusEncoder
from audio.ring import Ring
from audio.vad import WebrtcJudge

RATE = 16000
FRAME = 320
DOWN_RATE = 24000
UPDATE = (
    '{"id":"u","event_type":"chat.update","data":{"input_audio":{"format":"pcm","codec":"opus",'
    '"sample_rate":16000,"channel":1,"bit_depth":16},"output_audio":{"codec":"opus",'
    '"opus_config":{"frame_size_ms":60,"bitrate":24000}}}}'
)
APPEND = '{"id":"%d","event_type":"input_audio_buffer.append","data":{"delta":"%s"}}'


class Device(threading.Thread):
    """A sound card by the clock: every 20 ms it gives a frame and takes 20 ms of playback."""

    def __init__(self, pcm: bytes, secs: float, mic: Callable[[bytes, float], None], ring: Ring):
        super().__init__(daemon=True)
        self._pcm, self._count, self._mic, self._ring = pcm, int(secs * 50), mic, ring

    def run(self) -> None:
        out = np.empty(DOWN_RATE // 50, np.int16)
        size, total = FRAME * 2, len(self._pcm) // (FRAME * 2)
        start = time.monotonic()
        for i in range(self._count):
            wait = start + (i + 1) * 0.02 - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            at = i % total * size
            self._mic(self._pcm[at : at + size], time.monotonic())
            self._ring.read_into(out)


class Work:
    """What is done with a frame and with a message; the same in every shape."""

    def __init__(self, up_ms: int) -> None:
        self._judge = WebrtcJudge(mode=3)
        self._encoder = OpusEncoder(RATE, complexity=0, frame_ms=up_ms)
        self._decoder = OpusDecoder(DOWN_RATE)
        self.ring = Ring(DOWN_RATE * 4)
        self._frames: list[Any] = []
        self._per_packet = up_ms // 20
        self.ready: list[float] = []
        self.decoded: list[float] = []
        self.speech = 0
        self.updated = False

    def frame(self, data: bytes, t: float) -> str | None:
        """The append that this frame completes, if any."""
        samples = np.frombuffer(data, np.int16)
        self.speech += self._judge.is_speech(samples)
        if not self.updated:
            return None
        self._frames.append(samples)
        if len(self._frames) < self._per_packet:
            return None
        whole = self._frames[0] if self._per_packet == 1 else np.concatenate(self._frames)
        self._frames.clear()
        packet = self._encoder.encode(whole)
        text = APPEND % (len(self.ready), binascii.b2a_base64(packet, newline=False).decode())
        self.ready.append(t)
        return text

    def message(self, text: str | bytes) -> bool:
        """Decode audio; True when the session wants its configuration."""
        event = json.loads(text)
        kind = event["event_type"]
        if kind == "conversation.audio.delta":
            payload = binascii.a2b_base64(event["data"]["content"])
            self.ring.write(self._decoder.decode(payload))
            self.decoded.append(time.monotonic())
        elif kind == "chat.updated":
            self.updated = True
        return bool(kind == "chat.created")


def run_loop(work: Work, url: str, pcm: bytes, secs: float, by_readiness: bool) -> None:
    """Shapes ``tick`` and ``ready``: the loop and the socket of the agent."""
    from agent.coze.socket import Closed, Opened, Received, Socket
    from agent.coze.target import Target
    from agent.loop import Loop

    frames: deque[tuple[bytes, float]] = deque()
    sock = Socket(Target(url, "pat_bench"), wake=lambda: loop.wake())
    loop = Loop(sock.deadline)

    def mic(data: bytes, t: float) -> None:
        frames.append((data, t))
        loop.wake()

    device = Device(pcm, secs, mic, work.ring)

    def drain(now: float) -> None:
        for event in sock.pump(now):
            match event:
                case Received():
                    if work.message(event.data):
                        sock.send(UPDATE, t=now)
                case Opened():
                    if by_readiness:
                        fd = sock.fileno()
                        loop.add_reader(fd, lambda: drain(time.monotonic()))
                    device.start()
                case Closed():
                    loop.stop(event)

    def tick(now: float) -> None:
        while frames:
            text = work.frame(*frames.popleft())
            if text is not None:
                sock.send(text, droppable=True, t=now)
        if not by_readiness or sock.fileno() < 0 or now >= (sock.deadline() or now + 1):
            drain(now)

    loop.on_tick(tick)
    sock.start(time.monotonic())
    loop.call_later(secs + 0.8, loop.stop)
    ended = loop.run()
    if ended is not None:
        sys.exit(f"the socket ended early: {ended}")
    if by_readiness:
        loop.remove(sock.fileno())
    sock.close(t=time.monotonic())
    sock.pump(time.monotonic())
    sock.abort()


def run_asyncio(work: Work, url: str, pcm: bytes, secs: float) -> None:
    """Shape ``asyncio``: what most Python clients of such a service look like."""
    import asyncio

    from websockets.asyncio.client import connect

    async def main() -> None:
        loop = asyncio.get_running_loop()
        frames: asyncio.Queue[tuple[bytes, float]] = asyncio.Queue()
        headers = {"Authorization": "Bearer pat_bench"}
        async with connect(
            url, compression=None, additional_headers=headers, max_queue=None
        ) as connection:

            def mic(data: bytes, t: float) -> None:
                loop.call_soon_threadsafe(frames.put_nowait, (data, t))

            async def down() -> None:
                async for message in connection:
                    if work.message(message):
                        await connection.send(UPDATE)

            async def up() -> None:
                while True:
                    text = work.frame(*await frames.get())
                    if text is not None:
                        await connection.send(text)

            Device(pcm, secs, mic, work.ring).start()
            tasks = [asyncio.create_task(down()), asyncio.create_task(up())]
            await asyncio.sleep(secs + 0.8)
            for task in tasks:
                task.cancel()

    asyncio.run(main())


def client(shape: str, up_ms: int, url: str, pcm_path: str, secs: float, log: str) -> None:
    """One run; writes its stamps to ``log``."""
    pcm = Path(pcm_path).read_bytes()
    work = Work(up_ms)
    if shape == "asyncio":
        run_asyncio(work, url, pcm, secs)
    else:
        run_loop(work, url, pcm, secs, by_readiness=shape == "ready")
    Path(log).write_text(json.dumps({"ready": work.ready, "decoded": work.decoded}))


if __name__ == "__main__":
    client(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]), sys.argv[6])
