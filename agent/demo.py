"""``talkbox demo``: the emulator and the agent in one go, shown live, kept as WAV and picture.

A second place that composes: it starts the emulator as a process of its own, and runs the daemon
in this one with a configuration that points to it. Without a microphone it speaks sample questions
of its own into the pipeline, each when the answer before has been heard to its end.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.config import load
from agent.daemon import Daemon, Options, serve
from agent.dialog.actions import State
from agent.display import Display
from agent.errors import EXIT_OK, ServiceUnreachable, TalkboxError, UsageError
from agent.picture import Conversation, draw
from agent.recording import Recording
from agent.sound import PIPELINE_RATE
from audio.errors import LibraryMissing
from audio.portaudio import list_devices
from audio.wav import read_wav

START_LIMIT_S = 90.0
# A pause as people make it between an answer and the next question.
PAUSE_S = 0.8
# A question that got no answer within this time is left behind.
PATIENCE_S = 25.0

CONFIG = """\
# Written by 'talkbox demo': the agent talks to the emulator on this machine.
[device]
id = "demo"
language = "en"
state_dir = {state_dir}

[coze]
api_base = {api_base}
ws_base = {ws_base}
bot_id = "demo"
conversation = "new"

[conversation]
turn = {turn}

[audio]
input = {input}
output = {output}
"""


def run_demo(
    *, out: Path, samples: bool, brain: str, turn: str, questions: list[str] | None
) -> int:
    """Hold a conversation; returns the exit code. Raises ``TalkboxError`` or ``AudioError``."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {out}: {error.strerror}") from error
    display = Display()
    real = not samples and not questions and has_both_ends()
    display.say("talkbox demo: the platform is an emulator on this machine, nothing leaves it.")
    display.say("  starting the emulator and its voice (some seconds) ...")
    with _emulator(out, brain) as bases:
        clips = [] if real else list(_questions(questions, out))
        if real:
            display.say(
                "  Speak to it: the time, a sum, a joke, 'repeat after me ...'. Ctrl-C ends it."
            )
        else:
            display.say(
                f"  No sound card is used: {len(clips)} sample questions are spoken into it."
            )
        stage = Stage(out, display, clips)
        path = _write_config(out, bases, turn, real)
        # Each demo begins like a new device: the last one may have left the volume low.
        shutil.rmtree(out / "state", ignore_errors=True)
        env = {k: v for k, v in os.environ.items() if not k.startswith("TALKBOX_")}
        env["TALKBOX_TOKEN"] = "demo"
        options = Options(env=env, listener=stage.event, observer=stage.tick)
        try:
            serve(lambda: load(path, env=env), options)
        finally:
            display.close()
            stage.finish()
    if stage.over and stage.answers < len(clips):
        raise ServiceUnreachable(
            f"{len(clips) - stage.answers} of {len(clips)} questions got no answer",
            remedy=f"See {out}/emulator.log.",
        )
    return EXIT_OK


def has_both_ends() -> bool:
    """Whether there are a microphone and a speaker."""
    try:
        devices = list_devices()
    except LibraryMissing:
        return False
    return any(d.inputs for d in devices) and any(d.outputs for d in devices)


class Stage:
    """Shows, records, and hands over the next sample question when it is its turn."""

    def __init__(self, out: Path, display: Display, clips: list[Path]) -> None:
        self._out = out
        self._display = display
        self._clips = list(clips)
        self._recording: Recording | None = None
        self._quiet_since: float | None = None
        self._asked_at: float | None = None
        self._spoken_at: float | None = None
        self._asked = 0
        self.answers = 0
        # All questions were asked; a person who stops it before has seen enough.
        self.over = False
        self._totals: list[float] = []
        self._states: list[tuple[float, str]] = []
        self._latencies: list[tuple[float, float]] = []
        self._heard: list[tuple[float, str]] = []
        self._answered: list[tuple[float, str]] = []

    def event(self, record: dict[str, Any]) -> None:
        """One record of the event stream."""
        self._display.event(record)
        t = record["t"]
        match record["event"]:
            case "state":
                self._states.append((t, record["state"]))
            case "speech_end":
                self._spoken_at = record.get("last", t)
            case "transcript" if record["final"]:
                self._heard.append((self._spoken_at or t, record["text"]))
            case "reply_text" if record["final"]:
                self._answered.append((t, record["text"]))
            case "turn" if record["total_ms"] is not None:
                self._totals.append(record["total_ms"])
                self._latencies.append((t - record["total_ms"] / 1000, t))
            case "reply_audio_end":
                self.answers += 1

    def tick(self, daemon: Daemon, now: float) -> None:
        """Called by the daemon at every device tick."""
        sound = daemon.parts.sound
        if self._recording is None:
            self._recording = Recording(
                self._out / "question.wav",
                self._out / "answer.wav",
                PIPELINE_RATE,
                sound.playback.output,
            )
            daemon.parts.recorder = self._recording.microphone
        self._recording.speaker(now)
        self._display.level(daemon.level_dbfs)
        source = sound.source
        if source is None or (not self._clips and not self._asked):
            return
        if daemon.state is not State.IDLE or not source.exhausted:
            self._quiet_since = None
            if self._asked_at is not None and now - self._asked_at > PATIENCE_S:
                self.over = True
                daemon.stop()
            return
        if self._quiet_since is None:
            self._quiet_since = now
        waits = self.answers < self._asked
        if now - self._quiet_since < (PATIENCE_S if waits else PAUSE_S):
            return
        if not self._clips:
            self.over = True
            daemon.stop()
            return
        samples, rate = read_wav(self._clips.pop(0))
        source.queue(samples, rate)
        self._asked += 1
        self._asked_at = now
        self._quiet_since = None

    def finish(self) -> None:
        """Close the WAVs, draw the picture, say where everything is."""
        if self._recording is None:
            return
        person, box = self._recording.close()
        say = self._display.say
        if self._totals:
            say("")
            say(
                f"  {len(self._totals)} answers; first sound after"
                f" {min(self._totals):.0f} to {max(self._totals):.0f} ms"
            )
        picture = self._out / "conversation.png"
        try:
            draw(
                Conversation(
                    person, box, self._states, self._latencies, self._heard, self._answered
                ),
                picture,
            )
        except TalkboxError as error:
            say(f"  no picture: {error}")
        else:
            say(f"  picture   {picture}")
        say(f"  question  {self._out / 'question.wav'}")
        say(f"  answer    {self._out / 'answer.wav'}")


def _write_config(out: Path, bases: dict[str, str], turn: str, real: bool) -> Path:
    path = out / "talkbox.toml"
    values = {
        "state_dir": str((out / "state").resolve()),
        "api_base": bases["api_base"],
        "ws_base": bases["ws_base"],
        "turn": turn,
        "input": "" if real else "null",
        "output": "" if real else "null",
    }
    quoted = {key: json.dumps(value) for key, value in values.items()}
    path.write_text(CONFIG.format(**quoted), encoding="utf-8")
    return path


@contextmanager
def _emulator(out: Path, brain: str) -> Iterator[dict[str, str]]:
    """The emulator in a process of its own; gives its addresses."""
    ready = out / "emulator.json"
    ready.unlink(missing_ok=True)
    log = out / "emulator.log"
    command = [sys.executable, "-m", "agent.cli", "emulator", "--brain", brain]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--ready-file", str(ready)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the agent: it says goodbye first, then the emulator is stopped.
            start_new_session=True,
        )
    try:
        yield _wait_ready(process, ready, log)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], ready: Path, log: Path) -> dict[str, str]:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        if ready.exists():
            bases: dict[str, str] = json.loads(ready.read_text())
            return bases
        if process.poll() is not None:
            break
        time.sleep(0.05)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise ServiceUnreachable(
        f"the emulator did not start: {lines[-1] if lines else 'it said nothing'}",
        remedy=f"See {log}.",
    )


def _questions(texts: list[str] | None, out: Path) -> Iterator[Path]:
    """Sample questions as WAV files, spoken by a voice that is not the answering one."""
    from agent.emulator.brain import DEMO_QUESTIONS, open_brain

    voice = None
    for number, text in enumerate(texts or DEMO_QUESTIONS, 1):
        path = out / f"sample-{number}.wav"
        spoken = path.with_suffix(".txt")
        if not (path.exists() and spoken.exists() and spoken.read_text() == text):
            from audio.wav import WavWriter

            voice = voice or open_brain("auto")
            samples, rate = voice.speak(text, who="person")
            writer = WavWriter(path, rate)
            writer.write(samples)
            writer.close()
            spoken.write_text(text)
        yield path
