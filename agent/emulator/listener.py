"""The ear of one connection: appended audio in, utterances out. Pure; time is counted in samples.

In ``client_interrupt`` the client says where an utterance ends. In ``server_vad`` and
``semantic_vad`` an endpointer does, by the time of the audio and not of the clock: a client that
sends faster or slower than real time gets the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.emulator.audio_in import RATE, Decoder, open_decoder, slices
from agent.emulator.fields import Refusal
from audio.endpointer import Endpointer, EndpointSettings, SpeechEnd, SpeechStart
from audio.level import dbfs
from audio.preroll import PreRoll
from audio.vad import Judge, WebrtcJudge

Samples = NDArray[np.int16]

LONGEST_S = 300
"""Longest utterance (s) that is kept; the official web demo ends a press after 60 s."""

_FRAME = RATE // 50
# A pause after which the words so far are worth a look, while the end is not decided yet.
_PAUSE_MS = 240
# With keywords to watch for, also look this often while somebody speaks.
_LOOK_MS = 1000
# A candidate becomes speech within this time of its onset, or not at all.
_CANDIDATE_MS = 800


@dataclass(frozen=True, slots=True)
class Started:
    """Somebody began to speak."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The words so far (int16, 16 kHz): a pause, or time to look for keywords."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Stopped:
    """A whole utterance (int16, 16 kHz). ``fresh``: speech came since the last ``Paused``."""

    samples: Samples
    fresh: bool


Heard = Started | Paused | Stopped


class EnergyJudge:
    """Speech is whatever is louder than ``threshold`` dBFS: plain, but sure to hear a test tone."""

    frame_ms = 20

    def __init__(self, threshold: float = -45.0) -> None:
        self._threshold = threshold

    def is_speech(self, frame: Samples) -> bool:
        return dbfs(frame) >= self._threshold

    def reset(self) -> None:
        """It has no memory."""


class Listener:
    """Decodes and collects. Made anew whenever the input or the turn detection changes."""

    def __init__(self, config: dict[str, Any], *, vad: str = "webrtc") -> None:
        """``config`` is a whole validated session configuration; ``vad`` is webrtc or energy."""
        self._input = config["input_audio"]
        self._decoder: Decoder = open_decoder(self._input)
        detection = config["turn_detection"]
        self.by_client = detection["type"] == "client_interrupt"
        self._collected: list[Samples] = []
        self._held = 0
        self._detector: _Detector | None = None
        if not self.by_client:
            gate: Judge = EnergyJudge() if vad == "energy" else WebrtcJudge(mode=2)
            self._detector = _Detector(detection, gate)

    def feed(self, payload: bytes) -> Iterator[list[Heard]]:
        """Take an appended piece; yields once per slice, so that a big one can be shared out.

        Raises ``Refusal`` for what cannot be decoded.
        """
        self._decoder.check(payload)
        for piece in slices(payload, self._input["codec"]):
            yield self._take(self._decoder.feed(piece))

    def complete(self) -> Samples:
        """The utterance that the client ended; empty where nothing was appended."""
        utterance = _joined([*self._collected, self._decoder.flush()])
        self._collected = []
        self._held = 0
        return utterance

    def clear(self) -> None:
        """Drop what was appended since the last ``complete``."""
        self.complete()

    def _take(self, samples: Samples) -> list[Heard]:
        if self._detector is not None:
            return self._detector.feed(samples)
        if self._held + len(samples) > LONGEST_S * RATE:
            raise Refusal(f"invalid audio: more than {LONGEST_S} s without a complete")
        self._held += len(samples)
        self._collected.append(samples)
        return []


class _Detector:
    """Finds utterances in a stream."""

    def __init__(self, detection: dict[str, Any], gate: Judge) -> None:
        self._prefix = int(detection["prefix_padding_ms"]) * RATE // 1000
        silence_ms = int(detection["silence_duration_ms"])
        if detection["type"] == "semantic_vad":
            silence_ms = int(detection["semantic_vad_config"]["silence_threshold_ms"])
        silence_ms = max(gate.frame_ms, silence_ms)
        self._pause_frames = max(1, min(_PAUSE_MS, silence_ms // 2) // gate.frame_ms)
        self._eager = "interrupt_config" in detection
        self._gate = _Noted(gate)
        self._endpointer = Endpointer(
            EndpointSettings(
                hangover_ms=silence_ms,
                max_utterance_ms=LONGEST_S * 1000,
                candidate_ms=_CANDIDATE_MS,
            ),
            self._gate,
        )
        self._before = PreRoll(int(detection["prefix_padding_ms"]) + _CANDIDATE_MS + 200)
        self._speech: list[Samples] | None = None
        self._rest: Samples = np.zeros(0, dtype=np.int16)
        self._now = 0
        self._quiet = 0
        self._voiced = 0

    def feed(self, samples: Samples) -> list[Heard]:
        found: list[Heard] = []
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) - len(joined) % _FRAME
        for at in range(0, whole, _FRAME):
            found += self._frame(joined[at : at + _FRAME])
        self._rest = joined[whole:]
        return found

    def _frame(self, frame: Samples) -> list[Heard]:
        self._now += len(frame)
        found: list[Heard] = []
        events = self._endpointer.feed(frame, self._now / RATE)
        if self._speech is None:
            self._before.push(frame)
        else:
            self._speech.append(frame)
            found += self._look()
        for event in events:
            if isinstance(event, SpeechStart):
                self._begin(event)
                found.append(Started())
            elif isinstance(event, SpeechEnd) and self._speech is not None:
                found.append(Stopped(_joined(self._speech), fresh=self._voiced > 0))
                self._speech = None
        return found

    def _begin(self, event: SpeechStart) -> None:
        wanted = self._now - round(event.t_onset * RATE) + self._prefix
        self._speech = [self._before.drain()[-wanted:]]
        self._quiet = 0
        self._voiced = 1

    def _look(self) -> list[Heard]:
        if self._gate.last:
            self._quiet = 0
            self._voiced += 1
        else:
            self._quiet += 1
        paused = self._quiet == self._pause_frames and self._voiced > 0
        if paused or (self._eager and self._voiced * 20 >= _LOOK_MS):
            self._voiced = 0
            return [Paused(_joined(self._speech or []))]
        return []


class _Noted:
    """A judge that remembers its last word."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.frame_ms = judge.frame_ms
        self.last = False

    def is_speech(self, frame: Samples) -> bool:
        self.last = self._judge.is_speech(frame)
        return self.last

    def reset(self) -> None:
        self._judge.reset()


def _joined(parts: list[Samples]) -> Samples:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int16)
