"""The other end of ``loop_shape``: a voice-chat server that paces and stamps.

Arguments: seconds of audio, ms per packet. Prints one JSON line when it listens, and one for each
client that has left; ends when stdin does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time

import numpy as np
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as listen

from audio.opus import OpusEncoder

RATE = 16000
DELTA = (
    '{"id":"%d","event_type":"conversation.audio.delta","data":{"id":"7460","role":"assistant",'
    '"type":"answer","content":"%s","content_type":"audio","chat_id":"7461",'
    '"conversation_id":"7462"},"detail":{"logid":"20250101"}}'
)


def speech(seconds: float) -> bytes:
    """Something speech-like, int16 mono at 16 kHz: harmonics in syllables over a noise floor."""
    t = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(1).normal(0.0, 40.0, len(t))
    pitch = 2 * np.pi * np.cumsum(130 + 25 * np.sin(2 * np.pi * 0.7 * t)) / RATE
    voice = sum(np.sin(k * pitch) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * t), 0, None) * (
        np.sin(2 * np.pi * 0.25 * t) > -0.3
    )
    return bytes((2500 * voice * syllables + noise).astype("<i2").tobytes())


def serve(secs: float, down_ms: int) -> None:
    """Paces Opus down and stamps every append, for one client after the other."""
    encoder = OpusEncoder(RATE, frame_ms=down_ms)
    pcm = np.frombuffer(speech(secs), np.int16)
    n = RATE * down_ms // 1000
    packets = [encoder.encode(pcm[i : i + n].copy()) for i in range(0, len(pcm) - n + 1, n)]

    async def talk(connection: ServerConnection) -> None:
        arrived: dict[int, float] = {}
        sent: list[float] = []

        async def down() -> None:
            start = time.monotonic() + random.uniform(0, 0.02)
            for i, packet in enumerate(packets):
                # Half a tick to either side: else one run would sit at one phase of the tick.
                due = start + i * down_ms / 1000 + random.uniform(-0.01, 0.01)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                text = DELTA % (i, base64.b64encode(packet).decode())
                sent.append(time.monotonic())
                await connection.send(text)

        await connection.send('{"id":"c","event_type":"chat.created","data":{}}')
        talking: asyncio.Task[None] | None = None
        async for message in connection:
            now = time.monotonic()
            event = json.loads(message)
            if event["event_type"] == "chat.update":
                await connection.send('{"id":"d","event_type":"chat.updated","data":{}}')
                talking = asyncio.create_task(down())
            else:
                arrived[int(event["id"])] = now
        if talking is not None:
            talking.cancel()
        print(json.dumps({"arrived": arrived, "sent": sent}), flush=True)

    async def run() -> None:
        async with listen(talk, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
            await asyncio.to_thread(sys.stdin.read)

    asyncio.run(run())


if __name__ == "__main__":
    serve(float(sys.argv[1]), int(sys.argv[2]))
