"""Real PortAudio streams through a private sound server: what is said arrives, both ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.wav import WavWriter, read_wav
from tests.soundserver.server import RECORD_RATE, SoundServer, missing, similarity

pytestmark = pytest.mark.realtime

ROOT = Path(__file__).resolve().parents[2]


def utterance(seconds: float, rate: int, low: float, high: float) -> np.ndarray:
    """Sweeps at the pace of syllables: it resembles itself at no other place."""
    t = np.arange(int(seconds * rate)) / rate
    sweep = np.sin(2 * np.pi * (low * t + (high - low) * t**2 / (2 * seconds)))
    return np.rint(9000 * sweep * np.sin(2 * np.pi * 2 * t) ** 2).astype(np.int16)


def write(path: Path, samples: np.ndarray, rate: int) -> None:
    with WavWriter(path, rate) as writer:
        writer.write(samples)


def probe(server: SoundServer, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.soundserver.probe", *arguments],
        cwd=ROOT,
        env=server.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(process: subprocess.Popen[str]) -> tuple[list[dict[str, Any]], str]:
    try:
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()], err


def test_what_is_said_is_captured_and_what_is_played_is_heard(
    sound_server: SoundServer, tmp_path: Path, record_property: Any
) -> None:
    spoken = utterance(1.5, 16000, 300, 2500)
    answer = utterance(1.5, RECORD_RATE, 2800, 400)
    write(tmp_path / "spoken.wav", spoken, 16000)
    write(tmp_path / "answer.wav", answer, RECORD_RATE)
    recorder = sound_server.record(tmp_path / "heard.wav")
    process = probe(sound_server, "duplex", str(tmp_path))
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first and json.loads(first)["event"] == "ready", process.communicate()
    sound_server.say(tmp_path / "spoken.wav")
    (played, cut), noise = lines(process)
    sound_server.finish(recorder)

    captured, rate = read_wav(tmp_path / "captured.wav")
    assert rate == 16000
    in_match, _ = similarity(captured, spoken)
    assert in_match > 0.95

    heard, rate = read_wav(tmp_path / "heard.wav")
    assert rate == RECORD_RATE
    out_match, at = similarity(heard, answer)
    assert out_match > 0.95

    # The time line of the DAC: the drain is reported for when the last sample was really out.
    assert played["drained"] - played["started"] == pytest.approx(played["seconds"], abs=0.06)

    # The second answer was cut: it lasts until the cut, one block, and what the device had. Two
    # blocks more for the server's idea of its own latency, which wanders by one either way.
    rest = heard[at + answer.size + RECORD_RATE // 5 :]
    loud = np.flatnonzero(np.abs(rest.astype(int)) > 300)
    lasted = (loud[-1] - loud[0]) / RECORD_RATE
    assert 0.3 < lasted <= cut["t"] - cut["started"] + 0.020 + cut["latency"] + 0.040
    assert not cut["drained"], "an answer that is cut never ends"

    assert cut["monotonic"]
    assert cut["overrun"] == 0
    assert cut["closed"]
    assert noise == "", "the libraries below keep off stderr"
    record_property("figures", f"in {in_match:.4f} out {out_match:.4f} lasted {lasted:.3f} {cut}")


def test_a_click_comes_back_through_the_cable(
    sound_server: SoundServer, tmp_path: Path, record_property: Any
) -> None:
    [result], _ = lines(probe(sound_server, "loop", str(tmp_path)))
    assert len(result["trips_ms"]) == 5
    assert np.median(result["trips_ms"]) < 250
    assert result["closed"]
    record_property("figures", str(result))


def test_a_wrong_name_lists_the_devices(sound_server: SoundServer) -> None:
    (devices, *refused), noise = lines(probe(sound_server, "names"))
    assert {"vmic", "vspk"} <= set(devices["names"])
    assert len(refused) == 2
    for refusal in refused:
        assert refusal["kind"] == "DeviceNotFound"
        assert "no such device" in refusal["message"]
        assert '"vmic"' in refusal["message"] and '"vspk"' in refusal["message"]
    assert noise == ""


def test_nothing_of_the_server_is_left(tmp_path_factory: pytest.TempPathFactory) -> None:
    if missing():
        pytest.skip(missing())
    server = SoundServer(tmp_path_factory.mktemp("snd"))
    recorder = server.record(tmp_path_factory.mktemp("wav") / "x.wav")
    server.stop()
    server.stop()
    assert recorder.poll() is not None
    assert server._server.poll() is not None
