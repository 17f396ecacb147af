"""Whole conversations between real processes, WAV in and WAV out, as a user would run them."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from audio.wav import read_wav
from tests.e2e.harness import (
    agent,
    emulator,
    environment,
    talkbox,
    wait_for,
    write_config,
    write_speech,
)

pytestmark = pytest.mark.realtime

FAST = "[timing]\nspeed = 5\n"
ANSWER = FAST + '[[answer]]\ntext = "One two three four. Five six seven eight."\naudio = "tone"\n'
LONG = FAST + '[[answer]]\naudio = "tone"\ntext = "' + "A rather long sentence. " * 12 + '"\n'


def rms(samples: np.ndarray, rate: int, start: float, end: float) -> float:
    part = samples[round(start * rate) : round(end * rate)].astype(float)
    return float(np.sqrt((part**2).mean())) if len(part) else 0.0


@pytest.mark.parametrize(
    ("codec", "turn"),
    [("opus", "local"), ("pcm", "local"), ("opus", "server_vad"), ("opus", "semantic_vad")],
)
def test_a_spoken_question_is_answered_to_its_end(tmp_path: Path, codec: str, turn: str) -> None:
    question = write_speech(tmp_path / "question.wav")
    answer = tmp_path / "answer.wav"
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(
            tmp_path, bases, f'[audio]\ncodec = "{codec}"\noutput_codec = "{codec}"', turn=turn
        )
        command = ("--input", str(question), "--output", str(answer), "--once")
        with agent(tmp_path, config, *command) as box:
            assert box.process.wait(40) == 0, box.log.read_text()
        names = [record["event"] for record in box.events]
        states = box.states()
    first = names.index
    assert first("ready") < first("speech_start") < first("speech_end")
    assert first("speech_end") < first("reply_audio_start") < first("reply_audio_end")
    assert box.named("exit")[-1]["code"] == 0
    order = ["listening", "thinking", "speaking", "idle"]
    positions = [states.index(state) for state in order[:-1]]
    assert positions == sorted(positions)
    assert states[-1] == "idle"
    assert [r["text"] for r in box.named("reply_text") if r["final"]] == [
        "One two three four. Five six seven eight."
    ]
    samples, rate = read_wav(answer)
    started = box.named("reply_audio_start")[0]["t"]
    ended = box.named("reply_audio_end")[0]["t"]
    assert ended - started > 1.0
    sounding = np.flatnonzero(np.abs(samples) > 300) / rate
    assert sounding[-1] - sounding[0] == pytest.approx(ended - started, abs=0.5)
    if turn == "local":
        turn_report = box.named("turn")[0]
        parts = [
            turn_report[f"{part}_ms"]
            for part in ("speech_end_to_commit", "commit_to_first_audio", "first_audio_to_dac")
        ]
        assert sum(parts) == pytest.approx(turn_report["total_ms"], abs=2)
        assert 480 <= parts[0] <= 620  # the hangover of 500 ms, and at most some frames


def test_a_tool_call_changes_the_volume_and_is_remembered(tmp_path: Path) -> None:
    script = FAST + (
        '[[answer]]\ntext = "One moment."\nthen = "Done."\n'
        'tools = [{name = "set_volume", arguments = {percent = 40}}]\naudio = "tone"\n'
    )
    question = write_speech(tmp_path / "question.wav")
    with emulator(tmp_path, script) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", str(question), "--output", "null", "--once") as box:
            assert box.process.wait(40) == 0, box.log.read_text()
    assert box.named("tool")[0]["names"] == ["set_volume"]
    assert json.loads((tmp_path / "state" / "state.json").read_text())["volume"] == 40


def test_stop_fades_the_answer_out_at_once(tmp_path: Path) -> None:
    question = write_speech(tmp_path / "question.wav")
    answer = tmp_path / "answer.wav"
    with emulator(tmp_path, LONG) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", str(question), "--output", str(answer)) as box:
            box.wait("reply_audio_start")
            time.sleep(1.0)
            assert box.command("stop").returncode == 0
            stopped = box.wait("interrupted", by="command")["t"]
            box.wait("state", state="idle")
            time.sleep(0.7)
            assert box.stop() == 0
    samples, rate = read_wav(answer)
    sounding = np.flatnonzero(np.abs(samples) > 100) / rate
    started = box.named("reply_audio_start")[0]["t"]
    # From the first sample heard to the last: the answer's length up to the stop, and one block.
    assert sounding[-1] - sounding[0] < stopped - started + 0.08
    step = np.abs(np.diff(samples.astype(int))).max()
    assert step < 12000, "a cut must fade, not click"
    assert "interrupted" in [record["event"] for record in box.events]


def test_the_daemon_is_spoken_to_over_its_socket(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("state", state="idle")
            status = json.loads(box.command("status", "--json").stdout)
            assert status["state"] == "idle"
            assert status["volume"] == 70
            assert box.command("volume", "+5").stdout.strip() == "75 %"
            assert box.command("volume", "500").returncode == 2
            assert box.command("ask", "anything").returncode == 0
            box.wait("reply_audio_end")
            assert box.named("turn")[0]["total_ms"] is None
            assert box.command("say", "Dinner is ready.").returncode == 0
            wait_for(lambda: len(box.named("reply_audio_end")) == 2, 20)
            assert len(box.named("reply_audio_end")) == 2
            assert box.command("mute").returncode == 0
            box.wait("state", state="muted")
            assert json.loads(box.command("status", "--json").stdout)["muted"] is True
            refused = box.command("listen")
            assert refused.returncode == 77
            assert "unmute" in refused.stderr
            assert box.command("unmute").returncode == 0
            second = talkbox("run", "--config", str(config), env=box.env)
            assert second.returncode == 2
            assert "already runs" in second.stderr
            assert box.stop(signal.SIGINT) == 0
        assert box.command("status").returncode == 69


def test_mute_survives_a_restart(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("ready")
            box.command("mute")
            box.wait("state", state="muted")
            assert box.stop() == 0
        (tmp_path / "events.jsonl").unlink()
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("ready")
            box.wait("state", state="muted")
            assert box.stop() == 0
            assert "idle" not in box.states()


def test_the_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        ids = []
        for _ in range(2):
            with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
                box.wait("state", state="idle")
                box.command("ask", "hello")
                box.wait("reply_audio_end")
                ids.append(json.loads(box.command("status", "--json").stdout)["conversation_id"])
                assert box.stop() == 0
            (tmp_path / "events.jsonl").unlink()
    assert ids[0]
    assert ids[0] == ids[1]


def test_a_platform_that_restarts_is_found_again(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        started = agent(tmp_path, config, "--input", "null", "--output", "null")
        box = started.__enter__()
        box.wait("state", state="idle")
    try:
        box.wait("state", state="offline")
        box.wait("reconnect")
        assert box.process.poll() is None
        assert box.stop() == 0
    finally:
        started.__exit__(None, None, None)


def test_sighup_reads_the_configuration_again(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("ready")
            config.write_text(config.read_text().replace('"bench-7"', '"bench-8"'))
            box.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(box.named("ready")) == 2, 15)
            assert "bench-8" in box.log.read_text()
            config.write_text("[device]\nidd = 1\n")
            box.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(box.named("ready")) == 3, 15)
            assert "did you mean" in box.log.read_text()
            assert box.stop() == 0


def test_a_signal_ends_it_within_two_seconds_in_mid_answer(tmp_path: Path) -> None:
    question = write_speech(tmp_path / "question.wav")
    answer = tmp_path / "answer.wav"
    with emulator(tmp_path, LONG) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", str(question), "--output", str(answer)) as box:
            box.wait("reply_audio_start")
            time.sleep(0.5)
            before = time.monotonic()
            assert box.stop() == 0
            assert time.monotonic() - before < 2.0
    samples, _ = read_wav(answer)
    assert np.abs(np.diff(samples.astype(int))).max() < 12000
    assert box.events[-1] == {**box.events[-1], "event": "exit", "code": 0}


def test_no_token_appears_anywhere(tmp_path: Path) -> None:
    env = environment(XDG_RUNTIME_DIR=str(tmp_path), TALKBOX_TOKEN="pat_canary_4711")
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        arguments = ("--input", "null", "--output", "null", "-vv")
        with agent(tmp_path, config, *arguments, env=env) as box:
            box.wait("ready")
            command_line = Path(f"/proc/{box.process.pid}/cmdline").read_text()
            status = box.command("status", "--json").stdout
            assert box.stop() == 0
        shown = talkbox("config", "--config", str(config), env=env).stdout
    written = box.log.read_text() + box.stream.read_text() + status + shown + command_line
    assert "canary" not in written


@pytest.mark.parametrize("order", [("SIGHUP", "SIGTERM"), ("SIGTERM", "SIGHUP")])
def test_an_end_beats_a_reload(tmp_path: Path, order: tuple[str, str]) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("state", state="idle")
            for name in order:
                box.process.send_signal(getattr(signal, name))
                time.sleep(0.05)
            assert box.process.wait(5) == 0
    assert len(box.named("ready")) == 1


def test_signals_at_any_moment_of_a_reload_are_obeyed(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("state", state="idle")
            for pause in (0.29, 0.31, 0.33, 0.3, 0.32):
                box.process.send_signal(signal.SIGHUP)
                time.sleep(pause)
            assert box.process.poll() is None
            assert box.stop() == 0
    assert box.events[-1]["event"] == "exit"


def test_the_text_of_an_answer_cut_short_is_not_told(tmp_path: Path) -> None:
    with emulator(tmp_path, LONG) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("state", state="idle")
            assert box.command("ask", "one").returncode == 0
            box.wait("reply_text")
            assert box.command("stop").returncode == 0
            box.wait("state", state="idle")
            wait_for(lambda: box.states()[-1] == "idle", 5)
            time.sleep(0.5)
            assert box.stop() == 0
    names = [record["event"] for record in box.events]
    assert "reply_text" not in names[names.index("interrupted") :]


def test_the_microphone_can_be_opened_again_after_a_while(tmp_path: Path) -> None:
    with emulator(tmp_path, ANSWER) as bases:
        config = write_config(tmp_path, bases)
        with agent(tmp_path, config, "--input", "null", "--output", "null") as box:
            box.wait("state", state="idle")
            time.sleep(2.2)
            for _ in range(3):
                assert box.command("mute").returncode == 0
                assert box.command("unmute").returncode == 0
            assert box.command("status").returncode == 0
            assert box.stop() == 0


def test_a_question_from_a_file_waits_for_the_opening_line(tmp_path: Path) -> None:
    question = write_speech(tmp_path / "question.wav", lead=0.0)
    script = ANSWER + '[bot]\nprologue = "Hello."\n'
    with emulator(tmp_path, script) as bases:
        config = write_config(tmp_path, bases, prologue=True)
        command = ("--input", str(question), "--output", "null", "--once")
        with agent(tmp_path, config, *command) as box:
            assert box.process.wait(40) == 0, box.log.read_text()
    assert len(box.named("reply_audio_end")) == 2
    assert box.named("speech_start")[0]["t"] > box.named("reply_audio_end")[0]["t"]
