"""One bad client sends 10 000 frames a second; what do the emulator and another client notice?

The emulator runs in a process of its own. The flood comes over a bare TCP connection, as fast as
asked or as fast as it is read, and connects again at once whenever it is cut off. Meanwhile another
client asks for a ``conversation.cleared`` 20 times a second and measures how long each takes.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bench.emulator_load import _ROOT, cpu_seconds, rss_mib

FRAMES_PER_S = 10_000
_BATCH_S = 0.01

KINDS = {
    "garbage": ["garbage garbage garbage"],
    "unknown": ['{"event_type":"session.update","data":{"a":[1,2,3]}}'],
    "bad_audio": [
        '{"event_type":"input_audio_buffer.append","data":{"delta":"'
        + base64.b64encode(bytes(range(120))).decode()
        + '"}}'
    ],
    # Never wrong often enough in a row to be cut off.
    "alternating": ["garbage", '{"event_type":"conversation.chat.cancel"}'],
    "deaf": ['{"event_type":"x"}'],
}
"""What is sent. ``deaf`` never reads an answer."""


def frame(text: str) -> bytes:
    """A client's text frame with a mask of zeros."""
    data = text.encode()
    size = len(data)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + data


@dataclass
class Flood(threading.Thread):
    """Sends until ``stop``; counts what went out and how often it was cut off."""

    base: str
    kind: str
    stop: threading.Event
    sent: int = 0
    cuts: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        texts = KINDS[self.kind]
        count = round(FRAMES_PER_S * _BATCH_S)
        batch = b"".join(frame(texts[at % len(texts)]) for at in range(count))
        due = time.monotonic()
        while not self.stop.is_set():
            with contextlib.suppress(OSError), self._connect() as line:
                while not self.stop.is_set():
                    line.settimeout(0.5)
                    with contextlib.suppress(TimeoutError):
                        line.sendall(batch)
                        self.sent += count
                    if self.kind != "deaf":
                        line.setblocking(False)
                        with contextlib.suppress(BlockingIOError):
                            while data := line.recv(1 << 20):
                                if b"\x88" in data and b"too many wrong frames" in data:
                                    self.cuts += 1
                                    raise OSError
                            raise OSError
                    due = max(due + _BATCH_S, time.monotonic() - 1)
                    time.sleep(max(0.0, due - time.monotonic()))

    def _connect(self) -> socket.socket:
        address = urlsplit(self.base)
        line = socket.create_connection((address.hostname or "", address.port or 0))
        key = base64.b64encode(os.urandom(16)).decode()
        line.sendall(
            f"GET /v1/chat?bot_id=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer flood\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := line.recv(4096)):
                raise OSError
            head += data
        return line


async def latencies(base: str, seconds: float) -> list[float]:
    """Round trips (s) of a well-behaved client."""
    found = []
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer good"}) as http,
        http.ws_connect(f"{base}/v1/chat?bot_id=1") as line,
    ):
        await line.receive()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            await line.send_str('{"event_type":"conversation.clear"}')
            await line.receive(timeout=10)
            found.append(time.monotonic() - begun)
            await asyncio.sleep(0.05)
    return found


def figures(times: list[float]) -> dict[str, float]:
    """Median, 99th percentile and maximum in ms."""
    times = sorted(times)
    picked = (times[len(times) // 2], times[len(times) * 99 // 100], times[-1])
    return dict(zip(("median", "p99", "max"), (round(1000 * t, 1) for t in picked), strict=True))


def measure(kind: str, seconds: float, calm_s: float = 2.0) -> dict[str, Any]:
    """One emulator, calm at first, then flooded for ``seconds``."""
    command = [sys.executable, "-m", "bench.emulator_load", "--serve"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        base = json.loads(server.stdout.readline())["base"]
        calm = asyncio.run(latencies(base, calm_s))
        # What the first connections load and allocate for good is no growth.
        warming = threading.Event()
        first = Flood(base, kind, warming)
        first.start()
        time.sleep(1.0)
        warming.set()
        first.join()
        rss = rss_mib(server.pid)
        stop = threading.Event()
        flood = Flood(base, kind, stop)
        c0, t0 = cpu_seconds(server.pid), time.monotonic()
        flood.start()
        flooded = asyncio.run(latencies(base, seconds))
        c1, t1 = cpu_seconds(server.pid), time.monotonic()
        stop.set()
        flood.join()
        time.sleep(0.5)
        after = rss_mib(server.pid)
        server.stdin.close()
        server.wait(10)
    return {
        "kind": kind,
        "frames_per_s": round(flood.sent / (t1 - t0)),
        "cut_offs": flood.cuts,
        "cpu_percent": round(100 * (c1 - c0) / (t1 - t0), 1),
        "calm_ms": figures(calm),
        "flooded_ms": figures(flooded),
        "rss_before_mib": round(rss, 1),
        "rss_after_mib": round(after, 1),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(arguments)
    results = [measure(kind, options.seconds) for kind in options.kinds]
    print(json.dumps(results, indent=1))
    print("| " + " | ".join(results[0]) + " |\n|" + "---|" * len(results[0]))
    for result in results:
        print("| " + " | ".join(str(value) for value in result.values()) + " |")


if __name__ == "__main__":
    main()
