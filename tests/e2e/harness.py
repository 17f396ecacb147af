"""Real processes for end-to-end tests: the emulator, the agent, and what they leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.wav import WavWriter

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "pat_made_up_for_tests"
Record = dict[str, Any]


def environment(**extra: str) -> dict[str, str]:
    """The environment of a user with nothing set up."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("TALKBOX_")}
    return {**env, "PYTHONPATH": str(ROOT), "TALKBOX_TOKEN": TOKEN, **extra}


def talkbox(
    *arguments: str, env: dict[str, str] | None = None, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *arguments],
        env=env or environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def emulator(
    tmp_path: Path, script: str = "", brain: str = "simple", flags: tuple[str, ...] = ()
) -> Iterator[dict[str, Any]]:
    """``talkbox emulator`` on a free port; gives what it wrote into its ready file."""
    ready = tmp_path / "emulator.json"
    command = [sys.executable, "-m", "agent.cli", "emulator", "--brain", brain, *flags]
    if script:
        path = tmp_path / "script.toml"
        path.write_text(script, encoding="utf-8")
        command += ["--script", str(path)]
    with (tmp_path / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)],
            env=environment(),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(lambda: ready.exists() or process.poll() is not None, 30)
            assert ready.exists(), (tmp_path / "emulator.log").read_text()
            yield json.loads(ready.read_text())
        finally:
            process.terminate()
            assert process.wait(10) == 0


def write_config(
    tmp_path: Path, bases: dict[str, Any], more: str = "", **conversation: Any
) -> Path:
    """A configuration that points to the emulator."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in conversation.items()]
    path = tmp_path / "talkbox.toml"
    path.write_text(
        f"""
[device]
id = "bench-7"
state_dir = "{tmp_path / "state"}"
[coze]
api_base = "{bases["api_base"]}"
ws_base = "{bases["ws_base"]}"
bot_id = "7400000000000000001"
[conversation]
{chr(10).join(lines)}
{more}
""",
        encoding="utf-8",
    )
    return path


@dataclass
class Agent:
    """A running ``talkbox run`` and the events it has written."""

    process: subprocess.Popen[str]
    log: Path
    stream: Path
    config: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> list[Record]:
        text = self.stream.read_text(encoding="utf-8") if self.stream.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def named(self, name: str) -> list[Record]:
        return [record for record in self.events if record["event"] == name]

    def states(self) -> list[str]:
        return [record["state"] for record in self.named("state")]

    def wait(self, name: str, timeout: float = 20, **fields: Any) -> Record:
        """The first event of that name with those fields."""

        def found() -> list[Record]:
            return [r for r in self.named(name) if fields.items() <= r.items()]

        wait_for(lambda: bool(found()) or self.process.poll() is not None, timeout)
        assert found(), f"no {name} {fields}: {self.events}\n{self.log.read_text()}"
        return found()[0]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of another terminal, to this daemon."""
        return talkbox(*arguments, "--config", str(self.config), env=self.env)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        self.process.send_signal(signum)
        return self.process.wait(10)


@contextmanager
def agent(
    tmp_path: Path, config: Path, *arguments: str, env: dict[str, str] | None = None
) -> Iterator[Agent]:
    """``talkbox run`` with an event stream; killed at the end if it still runs."""
    log, stream = tmp_path / "agent.log", tmp_path / "events.jsonl"
    env = env or environment(XDG_RUNTIME_DIR=str(tmp_path))
    command = [sys.executable, "-m", "agent.cli", "run", "--config", str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--events", str(stream), *arguments],
            env=env,
            cwd=ROOT,
            stdout=output,
            stderr=output,
            text=True,
        )
    try:
        yield Agent(process, log, stream, config, env)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert "Traceback" not in log.read_text()


def wait_for(condition: Callable[[], bool], timeout: float) -> None:
    """Poll until the condition holds; says nothing when it never does."""
    limit = time.monotonic() + timeout
    while not condition() and time.monotonic() < limit:
        time.sleep(0.02)


def write_speech(path: Path, seconds: float = 1.2, rate: int = 16000, lead: float = 0.3) -> Path:
    """Something every voice detector calls speech: harmonics of 130 Hz at a syllable's pace."""
    silence = np.zeros(round(rate * lead), dtype=np.int16)
    writer = WavWriter(path, rate)
    writer.write(np.concatenate([silence, voice(seconds, rate), silence]))
    writer.close()
    return path


def voice(seconds: float, rate: int = 16000) -> NDArray[np.int16]:
    """Vowel-like sound, int16, about -12 dBFS at its loudest."""
    t = np.arange(round(seconds * rate)) / rate
    glide = 130 * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * t))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    formants = ((700, 1.0), (1200, 0.6), (2600, 0.25))
    sound = np.zeros_like(t)
    for harmonic in range(1, 24):
        f = 130 * harmonic
        weight = sum(g / (1 + ((f - centre) / 180) ** 2) for centre, g in formants)
        sound += weight * np.sin(harmonic * phase)
    sound *= 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 2.2 * t))
    return np.asarray(sound / np.abs(sound).max() * 20000, dtype=np.int16)
