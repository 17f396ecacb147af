"""What `talkbox run` costs: one minute of speech up, one minute of answer down, in real time.

The agent runs as its user would run it, against the emulator in a process of its own, with a WAV
as microphone and a WAV as speaker. Processor time is read from the scheduler (schedstat of every
thread) at the moments its event stream tells; memory is the kernel's high-water mark.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.e2e.harness import Agent, agent, emulator, environment, write_config, write_speech

SCRIPT = '[timing]\nspeed = 4\n[[answer]]\naudio = "{audio}"\ntext = "{text}"\n'
SENTENCE = "This is a sentence of the long answer that is measured. "


def cpu_seconds(pid: int) -> float:
    """Processor seconds of all threads so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def peak_rss_mib(pid: int) -> float:
    """High-water mark of resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def span(box: Agent, first: str, last: str, settle: float) -> dict[str, float]:
    """Cost of the middle of a phase: from ``settle`` seconds after its start to its end."""
    begun = box.wait("state", timeout=120, state=first)["t"]
    time.sleep(settle)
    pid = box.process.pid
    t0, c0 = time.monotonic(), cpu_seconds(pid)
    # The end itself is left out: --once may already have ended the process.
    while not any(r["state"] == last and r["t"] > begun for r in box.named("state")):
        t1, c1 = time.monotonic(), cpu_seconds(pid)
        time.sleep(0.25)
    return {"seconds": t1 - t0, "cpu": c1 - c0, "per_second": (c1 - c0) / (t1 - t0)}


def one(seconds: float) -> dict[str, Any]:
    """One conversation of ``seconds`` up and about as much down."""
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        question = write_speech(tmp / "question.wav", seconds=seconds)
        script = SCRIPT.format(audio="tone", text=SENTENCE * round(seconds / 3.3))
        with emulator(tmp, script) as bases:
            config = write_config(tmp, bases, max_utterance_s=120, silence_ms=800)
            started = time.monotonic()
            sound = ("--input", str(question), "--output", str(tmp / "answer.wav"), "--once", "-q")
            with agent(tmp, config, *sound) as box:
                ready = box.wait("ready")["t"] - started
                pid = box.process.pid
                idle_from, idle_cpu = time.monotonic(), cpu_seconds(pid)
                up = span(box, "listening", "thinking", 1.0)
                idle = idle_cpu / max(1e-9, idle_from - started)
                down = span(box, "speaking", "idle", 1.0)
                rss = peak_rss_mib(pid)
                turn = box.named("turn")[0]
                code = box.process.wait(60)
    return {
        "start_s": ready,
        "startup_share": idle,
        "up": up,
        "down": down,
        "rss_mib": rss,
        "turn": {k: v for k, v in turn.items() if k.endswith("_ms")},
        "exit": code,
    }


def idle_cost(seconds: float) -> float:
    """Processor seconds per second while nobody talks."""
    with tempfile.TemporaryDirectory() as folder:
        tmp = Path(folder)
        with emulator(tmp, "") as bases:
            config = write_config(tmp, bases)
            with agent(tmp, config, "--input", "null", "--output", "null", "-q") as box:
                box.wait("ready")
                time.sleep(1)
                c0, t0 = cpu_seconds(box.process.pid), time.monotonic()
                time.sleep(seconds)
                cost = (cpu_seconds(box.process.pid) - c0) / (time.monotonic() - t0)
                box.stop()
    return cost


def imports() -> dict[str, float]:
    """Milliseconds of a bare interpreter and of `talkbox --version`, best of five."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "talkbox --version": [sys.executable, "-m", "agent.cli", "--version"],
        "import agent.daemon": [sys.executable, "-c", "import agent.daemon"],
    }
    best = {}
    for name, command in commands.items():
        times = []
        for _ in range(5):
            before = time.perf_counter()
            subprocess.run(command, env=environment(), capture_output=True, check=True)
            times.append((time.perf_counter() - before) * 1000)
        best[name] = min(times)
    return best


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    rounds = [one(options.seconds) for _ in range(options.rounds)]
    idle = idle_cost(min(20.0, options.seconds))
    print(json.dumps({"rounds": rounds, "idle_per_second": idle, "imports_ms": imports()}))

    def row(name: str, values: list[float], unit: str, scale: float = 1.0) -> None:
        scaled = [v * scale for v in values]
        print(f"| {name} | {min(scaled):.1f} / {median(scaled):.1f} / {max(scaled):.1f} {unit} |")

    print("\n| what | min / median / max |\n|---|---|")
    row("processor, speech going up", [r["up"]["per_second"] for r in rounds], "%", 100)
    row("processor, answer coming down", [r["down"]["per_second"] for r in rounds], "%", 100)
    row("processor, idle and listening", [idle], "%", 100)
    row("peak resident memory", [r["rss_mib"] for r in rounds], "MiB")
    row("exec to ready", [r["start_s"] for r in rounds], "ms", 1000)
    for part in ("speech_end_to_commit", "commit_to_first_audio", "first_audio_to_dac", "total"):
        row(part.replace("_", " "), [r["turn"][f"{part}_ms"] for r in rounds], "ms")


if __name__ == "__main__":
    main()
