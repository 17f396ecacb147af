"""How many talking devices one emulator carries: N devices stream up without a pause and are
answered all the time.

Emulator and devices run in a process each. Every device sends paced bare Opus packets, every other
one of 20 ms and the rest of 60 ms, in free talk: 2 s of a voice, then noise until its answer is
over, and again. Answers are Opus packets of 60 ms paced by ``limit_config`` (18 a second). Hearing
is a stub and the voice a tone, so that the emulator itself is measured; no two sentences are the
same. The machine's cores are shared by both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import numpy as np

from audio.opus import OpusEncoder
from bench.loop_server import speech

RATE = 16000
VOICE_S, ROUND_S = 2.0, 9.0
_ROOT = Path(__file__).parents[1]


# --- the emulator -----------------------------------------------------------------------------


class Stub:
    """A brain that costs nothing but its tone."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        t = np.arange(24000 * 2) / 24000
        self._tone = (6000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16)

    def hear(self, samples: np.ndarray, rate: int) -> str:
        return "question"

    def answer(self, text: str, memory: dict[str, Any]) -> Any:
        from agent.emulator.brain.answer import Answer

        number = next(self._count)
        return Answer(f"This is answer {number} to it. And a second sentence about {number}.", None)

    def after_tool(self, request: Any, output: str, memory: dict[str, Any]) -> Any:
        raise NotImplementedError

    def speak(self, sentence: str) -> tuple[np.ndarray, int]:
        return self._tone, 24000

    def sentences(self, text: str) -> list[str]:
        first, _, second = text.partition(". ")
        return [f"{first}.", second]

    def warm_up(self) -> None:
        pass


async def serve() -> None:
    """Run an emulator; says its address, and with every line of stdin what was measured since."""
    from agent.emulator import speech as module
    from agent.emulator.script import Script
    from agent.emulator.server import Emulator

    late: list[float] = []
    lags: list[float] = []
    loop = asyncio.get_running_loop()

    async def sleep_until(due: float) -> None:
        wait = due - loop.time()
        await asyncio.sleep(max(0.0, wait))
        if wait > 0:
            late.append(loop.time() - due)

    async def watch() -> None:
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            lags.append(loop.time() - due)

    vars(module)["sleep_until"] = sleep_until
    emulator = Emulator(script=Script(), brain=Stub())
    await emulator.start()
    watching = asyncio.create_task(watch())
    print(json.dumps({"base": emulator.ws_base}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"late": late, "lags": lags}), flush=True)
        late.clear()
        lags.clear()
    watching.cancel()
    await emulator.stop()


# --- the devices ------------------------------------------------------------------------------

UPDATE = {
    "event_type": "chat.update",
    "data": {
        "input_audio": {"format": "pcm", "codec": "opus", "sample_rate": RATE, "channel": 1},
        "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        "output_audio": {
            "codec": "opus",
            "opus_config": {
                "sample_rate": 16000,
                "bitrate": 16000,
                "frame_size_ms": 60,
                "limit_config": {"period": 1, "max_frame_num": 18},
            },
        },
    },
}


def frames(ms: int) -> list[str]:
    """One round of audio as frames: a voice, then noise."""
    voice = np.frombuffer(speech(VOICE_S), np.int16)
    noise = np.random.default_rng(2).normal(0, 20, round((ROUND_S - VOICE_S) * RATE))
    pcm = np.concatenate([voice, noise.astype(np.int16)])
    encoder = OpusEncoder(RATE, frame_ms=ms)
    size = RATE * ms // 1000
    return [
        '{"id":"1","event_type":"input_audio_buffer.append","data":{"delta":"'
        + base64.b64encode(encoder.encode(pcm[at : at + size].copy())).decode()
        + '"}}'
        for at in range(0, len(pcm) - size + 1, size)
    ]


class Device:
    """One device: sends by the clock, notes when the sound of each answer begins."""

    def __init__(self, http: aiohttp.ClientSession, url: str, ms: int, up: list[str]) -> None:
        self._http, self._url, self._ms, self._up = http, url, ms, up
        self.first_audio: list[float] = []
        self.packets = 0
        self.errors: list[str] = []
        self.late = 0.0
        self._spoke = 0.0

    async def run(self, start: float, end: float) -> None:
        headers = {"Authorization": "Bearer bench"}
        async with self._http.ws_connect(self._url, headers=headers, max_msg_size=0) as socket:
            await socket.send_str(json.dumps(UPDATE))
            sending = asyncio.create_task(self._send(socket, start, end))
            async for message in socket:
                self._take(message.data)
            await sending

    def _take(self, text: str) -> None:
        head = text[:60]
        if '"conversation.audio.delta"' in head:
            self.packets += 1
            if self._spoke:
                self.first_audio.append(time.monotonic() - self._spoke)
                self._spoke = 0.0
        elif '"error"' in head or '"conversation.chat.canceled"' in head:
            self.errors.append(text[:300])

    async def _send(
        self, socket: aiohttp.ClientWebSocketResponse, start: float, end: float
    ) -> None:
        due = start
        for number in itertools.count():
            at = number % len(self._up)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            self.late = max(self.late, now - due)
            if now >= end:
                break
            await socket.send_str(self._up[at])
            if (at + 1) * self._ms == VOICE_S * 1000 // self._ms * self._ms:
                self._spoke = now
            due += self._ms / 1000
        await socket.close()


async def drive(base: str, count: int, seconds: float) -> list[Device]:
    """Let ``count`` devices talk for ``seconds``, all begun within one round."""
    up = {ms: frames(ms) for ms in (20, 60)}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        now = time.monotonic() + 0.5
        devices = []
        runs = []
        for number in range(count):
            ms = 20 if number % 2 == 0 else 60
            url = f"{base}/v1/chat?bot_id=1&device_id={number + 1}"
            devices.append(Device(http, url, ms, up[ms]))
            start = now + number * ROUND_S / count
            runs.append(devices[-1].run(start, start + seconds))
        await asyncio.gather(*runs)
    return devices


# --- measuring --------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """Processor seconds of all threads so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def rss_mib(pid: int) -> float:
    """Resident memory now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(count: int, seconds: float) -> dict[str, Any]:
    """One emulator with ``count`` devices; figures of the time in which all of them talk."""
    command = [sys.executable, "-m", "bench.emulator_load", "--serve"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        base = json.loads(server.stdout.readline())["base"]

        def told() -> dict[str, list[float]]:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write("\n")
            server.stdin.flush()
            result: dict[str, list[float]] = json.loads(server.stdout.readline())
            return result

        async def all_talk() -> tuple[float, float, dict[str, list[float]], list[Device]]:
            talking = asyncio.create_task(drive(base, count, seconds + ROUND_S))
            await asyncio.sleep(ROUND_S + 0.5)
            await asyncio.to_thread(told)
            t0, c0 = time.monotonic(), cpu_seconds(server.pid)
            await asyncio.sleep(seconds - 1.0)
            t1, c1 = time.monotonic(), cpu_seconds(server.pid)
            figures = await asyncio.to_thread(told)
            return t1 - t0, c1 - c0, figures, await talking

        wall, cpu, figures, devices = asyncio.run(all_talk())
        rss = rss_mib(server.pid)
        server.stdin.close()
        server.wait(10)
    first = sorted(t for device in devices for t in device.first_audio)
    late, lags = sorted(figures["late"]), sorted(figures["lags"])
    return {
        "devices": count,
        "cpu_percent": round(100 * cpu / wall, 1),
        "rss_mib": round(rss, 1),
        "packets_late_ms_p99": round(1000 * late[len(late) * 99 // 100], 1),
        "packets_late_ms_max": round(1000 * late[-1], 1),
        "loop_lag_ms_p99": round(1000 * lags[len(lags) * 99 // 100], 1),
        "loop_lag_ms_max": round(1000 * lags[-1], 1),
        "first_audio_ms_median": round(1000 * median(first)),
        "first_audio_ms_max": round(1000 * first[-1]),
        "answers": len(first),
        "packets": sum(device.packets for device in devices),
        "client_late_ms_max": round(1000 * max(device.late for device in devices), 1),
        "errors": [error for device in devices for error in device.errors][:3],
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, nargs="*", default=[1, 10, 50, 100])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        asyncio.run(serve())
        return
    results = [measure(count, options.seconds) for count in options.devices]
    print(json.dumps(results, indent=1))
    names = [name for name in results[0] if name != "errors"]
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for result in results:
        print("| " + " | ".join(str(result[name]) for name in names) + " |")


if __name__ == "__main__":
    main()
