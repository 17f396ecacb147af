"""The whole daemon on a real sound server: real PortAudio streams, real callbacks, a real room."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audio.wav import read_wav
from tests.e2e.harness import agent, emulator, environment, wait_for, write_config, write_speech
from tests.soundserver.server import SoundServer

pytestmark = pytest.mark.realtime

SCRIPT = (
    '[timing]\nspeed = 5\n[[answer]]\naudio = "tone"\n'
    'text = "One two three four five six seven. Eight nine ten eleven twelve."\n'
)


def test_a_person_in_the_room_is_answered(sound_server: SoundServer, tmp_path: Path) -> None:
    question = write_speech(tmp_path / "question.wav", rate=48000)
    heard = tmp_path / "heard.wav"
    env = environment(**{**sound_server.env, "TALKBOX_TOKEN": "pat_made_up_for_tests"})
    with emulator(tmp_path, SCRIPT) as bases:
        config = write_config(tmp_path, bases, volume=100)
        devices = ("--input", "vmic", "--output", "vspk")
        recorder = sound_server.record(heard)
        with agent(tmp_path, config, *devices, env=env) as box:
            box.wait("state", state="idle")
            sound_server.say(question).wait(10)
            box.wait("reply_audio_end", timeout=30)
            box.wait("state", state="idle")
            counters = json.loads(box.command("status", "--json").stdout)["counters"]
            # Once more, and stopped in the middle this time.
            sound_server.say(question).wait(10)
            wait_for(lambda: len(box.named("reply_audio_start")) == 2, 20)
            assert box.command("stop").returncode == 0
            box.wait("interrupted", by="command")
            assert box.command("mute").returncode == 0
            box.wait("state", state="muted")
            assert box.stop() == 0
        sound_server.finish(recorder)
    assert counters["underruns"] == 0
    assert counters["overrun_samples"] == 0
    assert counters["bad_packets"] == 0
    samples, rate = read_wav(heard)
    loud = np.abs(samples.astype(int)) > 300
    first = box.named("reply_audio_start")[0]["t"]
    last = box.named("reply_audio_end")[0]["t"]
    seconds = loud.sum() / rate
    assert seconds > 0.5 * (last - first), "the room heard the answer"
    turns = box.named("turn")
    assert 400 < turns[0]["speech_end_to_commit_ms"] < 700
    assert turns[0]["first_audio_to_dac_ms"] < 300
