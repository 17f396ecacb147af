"""Where an utterance begins and ends: a state machine over the decisions of one or two judges.

A cheap judge (the gate) opens a candidate, an expensive one (the confirm judge, optional) must
agree before it counts as speech, and then decides alone when it is over: keyboard clatter opens
candidates, but neither starts an utterance nor holds one open. The expensive judge runs only
while there is a candidate, an utterance, or noise that the gate takes for speech.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audio.level import dbfs
from audio.vad import Judge, SileroJudge

Samples = NDArray[np.int16]

# Comparing sums of 0.02 s with a limit: half a sample is below any frame and above any rounding.
_ROUNDING_S = 1e-5


@dataclass(frozen=True, slots=True)
class Onset:
    """Something that may be speech was noticed at ``t``."""

    t: float


@dataclass(frozen=True, slots=True)
class SpeechStart:
    """It is speech: decided at ``t``, and it began at ``t_onset`` (start of its first frame)."""

    t_onset: float
    t: float


@dataclass(frozen=True, slots=True)
class SpeechEnd:
    """The utterance is over: decided at ``t``; its last frame of speech ended at
    ``t_last_speech``. ``reason`` is "max" when it was cut at the longest utterance allowed.
    """

    t_last_speech: float
    t: float
    reason: Literal["silence", "max"]


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """What began with the last ``Onset`` was no speech; decided at ``t``."""

    t: float


Event = Onset | SpeechStart | SpeechEnd | FalseAlarm


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Times in ms.

    ``min_speech_ms``: frames of speech, gaps not counted, that make a candidate an utterance.
    ``hangover_ms``: silence after the last frame of speech that ends the utterance.
    ``max_utterance_ms``: longest utterance, from its onset.
    ``onset_frames``: (k, n), an onset is k frames of speech among the last n.
    ``confirm``: "silero" to build that judge when none is handed over.
    ``min_level_dbfs``: frames below this RMS level are never speech.
    ``gap_ms``: a candidate dies after that long without speech.
    ``candidate_ms``: a candidate that is not confirmed by then was none; never less than three
    times ``min_speech_ms``.
    """

    min_speech_ms: int = 140
    hangover_ms: int = 500
    max_utterance_ms: int = 30000
    onset_frames: tuple[int, int] = (3, 4)
    confirm: Literal["silero"] | None = None
    min_level_dbfs: float = -60.0
    gap_ms: int = 200
    candidate_ms: int = 600


class _State(Enum):
    QUIET = "quiet"
    CANDIDATE = "candidate"
    SPEECH = "speech"
    # The confirm judge said no, and the gate still says speech: wait for either to change.
    REJECTED = "rejected"


class Endpointer:
    """Feed it every frame; it tells where speech begins and ends.

    Events come as ``Onset`` then ``FalseAlarm``, or ``Onset``, ``SpeechStart``, ``SpeechEnd``.
    """

    def __init__(
        self, settings: EndpointSettings, gate: Judge, confirm: Judge | None = None
    ) -> None:
        """``gate`` and ``confirm`` must take frames of the same length; ``ValueError`` otherwise.

        Raises ``LibraryMissing`` if the settings ask for a judge that is not installed.
        """
        if confirm is None and settings.confirm == "silero":
            confirm = SileroJudge()
        if confirm is not None and confirm.frame_ms != gate.frame_ms:
            raise ValueError(
                f"the judges disagree on frames: {gate.frame_ms} and {confirm.frame_ms} ms"
            )
        need, window = settings.onset_frames
        if not 1 <= need <= window:
            raise ValueError(f"an onset of {need} in {window} frames is impossible")
        self.settings = settings
        self._gate = gate
        self._confirm = confirm
        self._frame_s = gate.frame_ms / 1000
        self._candidate_ms = max(settings.candidate_ms, 3 * settings.min_speech_ms)
        self._state = _State.QUIET
        self._window: deque[tuple[bool, float]] = deque(maxlen=window)
        # The confirm judge starts at the onset: these frames give it a running start.
        self._recent: deque[Samples] = deque(maxlen=max(window, 100 // gate.frame_ms))
        self._t_onset = 0.0
        self._t_last = 0.0
        self._speech_frames = 0
        self._confirmed = False

    @property
    def in_speech(self) -> bool:
        """Between ``SpeechStart`` and ``SpeechEnd``."""
        return self._state is _State.SPEECH

    def feed(self, frame: Samples, t: float) -> list[Event]:
        """One frame of int16 mono of the gate's length; ``t``: when its last sample ended (s).

        ``t`` must not go back. Returns what this frame decided, mostly nothing.
        """
        # The gate adapts to the noise around it, so it hears every frame, needed or not.
        loud = dbfs(frame) >= self.settings.min_level_dbfs
        gated = self._gate.is_speech(frame) and loud
        self._window.append((gated, t))
        match self._state:
            case _State.QUIET:
                return self._quiet(frame, t)
            case _State.CANDIDATE:
                agreed = self._ask(frame) and loud
                return self._candidate(gated, agreed, t)
            case _State.SPEECH:
                agreed = self._ask(frame) and loud
                return self._speech(gated if self._confirm is None else agreed, t)
            case _State.REJECTED:
                agreed = self._ask(frame) and loud
                return self._rejected(gated, agreed, t)

    def reset(self) -> None:
        """Forget everything; an utterance that was open is dropped without an event."""
        self._gate.reset()
        if self._confirm is not None:
            self._confirm.reset()
        self._recent.clear()
        self._quieten()

    def _ask(self, frame: Samples) -> bool:
        return self._confirm is not None and self._confirm.is_speech(frame)

    def _quiet(self, frame: Samples, t: float) -> list[Event]:
        if self._confirm is not None:
            self._recent.append(frame.copy())
        if sum(gated for gated, _ in self._window) < self.settings.onset_frames[0]:
            return []
        agreed = False
        if self._confirm is not None:
            self._confirm.reset()
            for past in self._recent:
                agreed = self._confirm.is_speech(past) or agreed
            self._recent.clear()
        return self._open(agreed, t)

    def _open(self, agreed: bool, t: float) -> list[Event]:
        speech = [at for gated, at in self._window if gated] or [t]
        self._state = _State.CANDIDATE
        self._t_onset = speech[0] - self._frame_s
        self._t_last = speech[-1]
        self._speech_frames = len(speech)
        self._confirmed = agreed
        return [Onset(t), *self._started(t)]

    def _candidate(self, gated: bool, agreed: bool, t: float) -> list[Event]:
        if gated:
            self._speech_frames += 1
            self._t_last = t
        self._confirmed = self._confirmed or agreed
        started = self._started(t)
        if started:
            return started
        if _passed(t - self._t_last, self.settings.gap_ms):
            self._quieten()
            return [FalseAlarm(t)]
        if _passed(t - self._t_onset, self._candidate_ms):
            self._quieten()
            if self._confirm is not None:
                self._state = _State.REJECTED
                self._t_last = t
            return [FalseAlarm(t)]
        return []

    def _started(self, t: float) -> list[Event]:
        if self._confirm is not None and not self._confirmed:
            return []
        if self._speech_frames * self._gate.frame_ms < self.settings.min_speech_ms:
            return []
        self._state = _State.SPEECH
        return [SpeechStart(self._t_onset, t)]

    def _speech(self, voiced: bool, t: float) -> list[Event]:
        if voiced:
            self._t_last = t
        reason: Literal["silence", "max"]
        if _passed(t - self._t_last, self.settings.hangover_ms):
            reason = "silence"
        elif _passed(t - self._t_onset, self.settings.max_utterance_ms):
            reason = "max"
        else:
            return []
        self._quieten()
        return [SpeechEnd(self._t_last, t, reason)]

    def _rejected(self, gated: bool, agreed: bool, t: float) -> list[Event]:
        if agreed:
            return self._open(agreed, t)
        if gated:
            self._t_last = t
        elif _passed(t - self._t_last, self.settings.gap_ms):
            self._quieten()
        return []

    def _quieten(self) -> None:
        self._state = _State.QUIET
        self._window.clear()
        self._speech_frames = 0
        self._confirmed = False


def _passed(elapsed_s: float, limit_ms: int) -> bool:
    return elapsed_s + _ROUNDING_S >= limit_ms / 1000
