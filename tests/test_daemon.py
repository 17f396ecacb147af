"""The daemon in this process: composed from a configuration, against the emulator, to its end."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import compose
from agent.commands import execute
from agent.config import load
from agent.daemon import Daemon, Options, serve
from agent.dialog.actions import State
from agent.emulator.script import Script, ScriptedAnswer, Timing
from agent.emulator.server import Emulator, ThreadedEmulator
from agent.errors import AudioUnavailable, ConfigError, NotPermitted, UsageError
from agent.parts import Parts
from agent.performer import Performer
from agent.sound import STALL_S
from tests.e2e.harness import TOKEN, write_config

pytestmark = pytest.mark.realtime

SCRIPT = Script(
    answer=[ScriptedAnswer(text="One two three.", audio="tone")], timing=Timing(speed=20)
)


@pytest.fixture
def bases() -> Iterator[dict[str, str]]:
    with ThreadedEmulator(Emulator(script=SCRIPT, brain="simple")) as emulator:
        yield {"api_base": emulator.api_base, "ws_base": emulator.ws_base}


class Run:
    """One daemon, driven from its own ticks."""

    def __init__(self, tmp_path: Path, config: Path) -> None:
        self.records: list[dict[str, Any]] = []
        self.config = config
        self.env = {"TALKBOX_TOKEN": TOKEN, "XDG_RUNTIME_DIR": str(tmp_path)}
        self.daemon: Daemon | None = None
        self.steps: list[Any] = []
        self._limit = time.monotonic() + 20

    def tick(self, daemon: Daemon, now: float) -> None:
        self.daemon = daemon
        assert now < self._limit, self.records
        if daemon.state is State.IDLE and self.steps:
            self.steps.pop(0)(daemon)
        elif daemon.state is State.IDLE and not self.steps:
            daemon.stop()

    def go(self) -> int:
        options = Options(env=self.env, listener=self.records.append, observer=self.tick)
        return serve(lambda: load(self.config, env=self.env), options)

    def names(self) -> list[str]:
        return [record["event"] for record in self.records]


@pytest.fixture
def run(tmp_path: Path, bases: dict[str, str]) -> Run:
    config = write_config(tmp_path, bases, '[audio]\ninput = "null"\noutput = "null"')
    return Run(tmp_path, config)


def test_a_typed_question_is_answered_and_the_daemon_ends_politely(run: Run) -> None:
    run.steps = [lambda daemon: execute(daemon, {"command": "ask", "value": "hello"})]
    assert run.go() == 0
    names = run.names()
    assert names.index("ready") < names.index("reply_audio_start") < names.index("reply_audio_end")
    assert run.records[-1]["event"] == "exit"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    saved = json.loads((run.config.parent / "state" / "state.json").read_text())
    assert saved["conversation_id"]


def test_commands_answer_from_the_running_parts(run: Run) -> None:
    answers: dict[str, Any] = {}

    def look(daemon: Daemon) -> None:
        assert isinstance(daemon.parts, Parts)
        assert isinstance(daemon._performer, Performer)
        answers["status"] = execute(daemon, {"command": "status"})
        answers["volume"] = execute(daemon, {"command": "volume", "value": "-20"})
        for bad in ({"command": "dance"}, {}, {"command": "volume", "value": "loud"}):
            with pytest.raises(UsageError):
                execute(daemon, bad)
        for text in ("", "  ", 7, "x" * 2000):
            with pytest.raises(UsageError):
                execute(daemon, {"command": "say", "value": text})
        execute(daemon, {"command": "mute"})
        assert daemon.state is State.MUTED
        with pytest.raises(NotPermitted, match="muted"):
            execute(daemon, {"command": "listen"})
        execute(daemon, {"command": "unmute"})

    run.steps = [look]
    assert run.go() == 0
    assert answers["status"]["state"] == "idle"
    assert answers["volume"]["volume"] == 50
    counters = answers["status"]["counters"]
    assert counters["malformed_frames"] == counters["unknown_events"] == 0


def test_a_microphone_that_dies_ends_the_daemon_for_the_supervisor(run: Run) -> None:
    times: list[float] = []

    def kill(daemon: Daemon) -> None:
        source = daemon.parts.sound.source
        assert source is not None
        source.active = False
        times.append(time.monotonic())

    def wait(daemon: Daemon) -> None:
        run.steps.append(wait)

    run.steps = [kill, wait]
    with pytest.raises(AudioUnavailable, match="microphone null has stopped"):
        run.go()
    assert time.monotonic() - times[0] < STALL_S + 1.5
    assert run.records[-1] == {**run.records[-1], "event": "exit", "code": 74}


def test_settings_that_do_not_fit_together_are_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**kwargs: Any) -> Any:
        raise ValueError("x is not y")

    monkeypatch.setattr(compose, "SessionSettings", refuse)
    with pytest.raises(ConfigError, match="x is not y"):
        run.go()


def test_the_socket_and_its_lock_are_free_after_a_failed_start(run: Run) -> None:
    good = run.config.read_text()
    run.config.write_text(good.replace('output = "null"', 'output = "/nowhere/out.wav"'))
    with pytest.raises(Exception, match=r"out\.wav"):
        run.go()
    run.config.write_text(good)
    run.records.clear()
    assert run.go() == 0
