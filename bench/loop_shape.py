"""Which shape of loop: the same full-duplex work in three of them, side by side.

``tick``: one thread, one wake-up per 20 ms device tick, the socket is drained in the tick.
``ready``: the same loop, and the socket is registered for readability: a wake-up per message.
``asyncio``: tasks over ``websockets.asyncio``, audio handed over by ``call_soon_threadsafe``.

The work: 20 ms microphone frames from a paced thread, WebRTC VAD, Opus (complexity 0) of 20 or
60 ms packets, one append each; Opus packets of 60 ms (or 20 ms) down at real time, JSON, base64,
decoding into a ring that the paced thread empties. Each run is a process of its own, pinned to one
core; the server is another process on another core. Rounds are interleaved, ratios are taken
within a round, so that a busy machine moves all three alike.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import IO, Any

from bench.loop_server import speech

SHAPES = ("tick", "ready", "asyncio")
UP_MS = (60, 20)


def counters(pid: int) -> tuple[float, int]:
    """Processor seconds and voluntary context switches (one per wake-up) of all threads."""
    cpu = switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text().split()[0])
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                switches += int(line.split()[1])
    return cpu / 1e9, switches


def peak_mib(pid: int) -> float:
    """VmHWM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def percentile(values: list[float], p: float) -> float:
    """The nearest rank; nan of nothing."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(p / 100 * len(ranked)))] if ranked else float("nan")


def spawn(core: int, *argv: str, **pipes: Any) -> subprocess.Popen[str]:
    """A module of this package, pinned to one core from its first instruction on."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen([sys.executable, "-m", *argv], text=True, **pipes)
    finally:
        os.sched_setaffinity(0, before)


def measure(
    shape: str, up_ms: int, port: int, answers: IO[str], core: int, pcm: str, secs: float
) -> dict[str, float]:
    """One run of one shape. CPU is taken over its steady middle."""
    with tempfile.NamedTemporaryFile(suffix=".json") as log:
        url = f"ws://127.0.0.1:{port}/v1/chat?bot_id=1"
        argv = ("bench.loop_client", shape, str(up_ms), url, pcm, str(secs), log.name)
        start = time.monotonic()
        process = spawn(core, *argv)
        time.sleep(4.0)
        (cpu0, switches0), t0 = counters(process.pid), time.monotonic()
        time.sleep(max(1.0, start + secs - 0.5 - time.monotonic()))
        (cpu1, switches1), t1 = counters(process.pid), time.monotonic()
        peak = peak_mib(process.pid)
        if process.wait(30) != 0:
            sys.exit(f"the client {shape} failed")
        stamps = json.loads(Path(log.name).read_text())
    served = json.loads(answers.readline())
    arrived = {int(n): t for n, t in served["arrived"].items()}
    up = [(arrived[n] - t) * 1e3 for n, t in enumerate(stamps["ready"]) if n in arrived]
    down = [(b - a) * 1e3 for a, b in zip(served["sent"], stamps["decoded"], strict=False)]
    return {
        "cpu_percent": (cpu1 - cpu0) / (t1 - t0) * 100,
        "wakeups_per_s": (switches1 - switches0) / (t1 - t0),
        "rss_mib": peak,
        "up_p50_ms": percentile(up, 50),
        "up_p99_ms": percentile(up, 99),
        "down_p50_ms": percentile(down, 50),
        "down_p99_ms": percentile(down, 99),
        "first_append_ms": (min(arrived.values()) - start) * 1e3,
        "appends": len(arrived),
        "lost": len(stamps["ready"]) - len(arrived),
        "deltas": len(stamps["decoded"]),
    }


def spread(values: list[float]) -> dict[str, float]:
    """min, med, max."""
    return {
        "min": round(min(values), 2),
        "med": round(median(values), 2),
        "max": round(max(values), 2),
    }


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Per variant: min/med/max of every figure, and of the CPU ratio to ``tick`` in the round."""
    result: dict[str, Any] = {}
    for name in rounds[0]:
        base = f"tick/{name.split('/')[1]}"
        figures = {key: spread([r[name][key] for r in rounds]) for key in rounds[0][name]}
        ratios = [r[name]["cpu_percent"] / r[base]["cpu_percent"] for r in rounds]
        result[name] = {"cpu_ratio_to_tick": spread(ratios), **figures}
    return result


def table(result: dict[str, Any]) -> str:
    """For people."""
    columns = [
        ("cpu_percent", "CPU %"),
        ("cpu_ratio_to_tick", "x tick"),
        ("wakeups_per_s", "wake-ups/s"),
        ("up_p50_ms", "up p50 ms"),
        ("up_p99_ms", "up p99 ms"),
        ("down_p50_ms", "down p50 ms"),
        ("down_p99_ms", "down p99 ms"),
        ("first_append_ms", "first append ms"),
        ("rss_mib", "VmHWM MiB"),
    ]
    lines = ["| shape/packet | " + " | ".join(title for _, title in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name, figures in result.items():
        cells = [
            " / ".join(f"{figures[key][which]:.2f}" for which in ("min", "med", "max"))
            for key, _ in columns
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bench(rounds: int, secs: float, down_ms: int, output: Path | None) -> None:
    """All shapes, interleaved; prints the table (min / med / max) and JSON."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.NamedTemporaryFile(suffix=".pcm") as pcm:
        pcm.write(speech(10.0))
        pcm.flush()
        server = spawn(
            cores[0],
            "bench.loop_server",
            str(secs + 2),
            str(down_ms),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdout is not None and server.stdin is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            found: list[dict[str, dict[str, float]]] = []
            for n in range(rounds):
                # Another order each round, so that no shape always follows the same one.
                order = SHAPES[n % 3 :] + SHAPES[: n % 3]
                runs = {
                    f"{shape}/{up_ms}ms": measure(
                        shape, up_ms, port, server.stdout, cores[-1], pcm.name, secs
                    )
                    for up_ms in UP_MS
                    for shape in order
                }
                found.append({f"{s}/{ms}ms": runs[f"{s}/{ms}ms"] for ms in UP_MS for s in SHAPES})
                print(f"round {n + 1} of {rounds} done", file=sys.stderr, flush=True)
        finally:
            server.stdin.close()
            server.wait(10)
    shapes = summary(found)
    print(table(shapes))
    text = json.dumps({"rounds": rounds, "seconds": secs, "down_ms": down_ms, "shapes": shapes})
    print(text)
    if output is not None:
        output.write_text(text + "\n")


def main(argv: list[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="bench.loop_shape", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run")
    parser.add_argument("--down-ms", type=int, default=60, choices=(20, 60))
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    options = parser.parse_args(argv)
    bench(options.rounds, options.seconds, options.down_ms, options.json)


if __name__ == "__main__":
    main()
