"""From packets of a numbered generation to sound, with word of when it was really heard.

A generation is one answer. Every packet carries its number, an interruption raises the number,
and nothing of an older one reaches the DAC any more. Audio waits as it came (Opus stays Opus) and
is decoded only a little ahead of the DAC, so that a long answer costs neither memory nor a burst
of work, and a cut is immediate however much is queued.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from audio.depacketizer import Depacketizer, OpusDepacketizer, PcmDepacketizer
from audio.errors import CodecError
from audio.jitter import PREFILL_MS, JitterBuffer
from audio.output import OutputBuffer
from audio.resampler import resample

Samples = NDArray[np.int16]

AHEAD_MS = 200.0
"""Decoded sound in front of the DAC: rides out ten late ticks of the engine thread."""

DUCK_GAIN = 10 ** (-12 / 20)
"""-12 dB: the answer stays intelligible while the near end can be judged through it."""

# Concealment begins two blocks before the output runs dry and lasts three; libopus itself fades
# its guess to silence within some 100 ms, so more of it is a drone and then nothing.
_CONCEAL_BELOW_MS = 40.0
_CONCEAL_STEP_MS = 20.0
_CONCEAL_MAX_MS = 60.0
# A stream of garbage is concealed for at most this many packets, then the answer is silent.
_BAD_RUN = 10


@dataclass(frozen=True, slots=True)
class Started:
    """The first sample of this generation leaves the DAC at ``t``, which may be just ahead."""

    generation: int
    t: float


@dataclass(frozen=True, slots=True)
class Starved:
    """The answer ran dry at ``t`` before its end; it goes on once the prefill is there again."""

    generation: int
    t: float


@dataclass(frozen=True, slots=True)
class Drained:
    """The last sample of this finished generation left the DAC at ``t``."""

    generation: int
    t: float


SpeakerEvent = Started | Starved | Drained


@dataclass(slots=True)
class _Answer:
    """How far the current generation has come; indices are those of the output."""

    first: int | None = None
    end: int | None = None
    started: bool = False
    flushed: bool = False
    done: bool = False
    muted: bool = False
    bad_run: int = 0
    conceal_left: float = 0.0


def volume_gain(percent: float) -> float:
    """Linear gain of a volume: the cube of ``percent / 100``.

    Loudness follows the level in dB, not the amplitude; a cubic taper (that of PulseAudio) feels
    even over the whole range: 100 is unity, 50 is -18 dB, 10 is -60 dB, 0 is silence.
    Raises ValueError outside 0 to 100.
    """
    if not 0.0 <= percent <= 100.0:
        raise ValueError(f"volume is a percentage from 0 to 100, not {percent!r}")
    return float((percent / 100.0) ** 3)


class Speaker:
    """Plays one generation at a time through an ``OutputBuffer``.

    All methods belong to one thread, the one that calls ``pump`` at each tick. Nothing older than
    ``generation`` is accepted; anything newer than it begins that generation by itself.
    """

    def __init__(
        self,
        output: OutputBuffer,
        *,
        codec: str = "opus",
        pcm_rate: int = 24000,
        prefill_ms: float = PREFILL_MS,
        ahead_ms: float = AHEAD_MS,
    ) -> None:
        """``codec`` is ``opus`` (one packet a payload) or ``pcm`` (int16 mono at ``pcm_rate`` Hz).

        Raises ValueError for another codec, LibraryMissing where libopus is not installed.
        """
        if codec not in ("opus", "pcm"):
            raise ValueError(f"codec must be opus or pcm, not {codec!r}")
        self.generation = 0
        self.stale = 0
        """Packets and calls refused because a newer generation has the speaker."""
        self.late = 0
        """Packets refused because their generation was already finished."""
        self.concealed_ms = 0.0
        self.bad_packets = 0
        self._ahead_ms = ahead_ms
        self._volume = 1.0
        self._ducked = False
        self._jitter = JitterBuffer(prefill_ms)
        self._decoder: Depacketizer = (
            OpusDepacketizer(output.rate)
            if codec == "opus"
            else PcmDepacketizer(pcm_rate, output.rate)
        )
        self._answer = _Answer()
        self._pending: Samples | None = None
        self._pending_is_clip = False
        self._clip_end: int | None = None
        self.attach(output)

    def attach(self, output: OutputBuffer) -> None:
        """Play through ``output`` from here on (the device was opened again).

        What the old buffer still held is lost; packets not yet decoded are kept.
        """
        self._output = output
        self._ahead = min(round(output.rate * self._ahead_ms / 1000), output.capacity)
        self._decoder.set_output_rate(output.rate)
        self._pending = None
        self._pending_is_clip = False
        self._clip_end = None
        self._answer.flushed = False
        if self._answer.first is not None:
            self._answer.first = self._answer.end = output.written
        self._apply_gain()

    @property
    def output(self) -> OutputBuffer:
        """The buffer that is played through now."""
        return self._output

    @property
    def refused(self) -> int:
        """Packets (pieces of PCM) dropped because two minutes of sound were waiting already."""
        return self._jitter.refused

    @property
    def queued_ms(self) -> float:
        """Sound that is still to be heard, in ms, up to the DAC's own delay."""
        waiting = self._output.queued + (0 if self._pending is None else self._pending.size)
        return self._jitter.queued_ms + 1000.0 * waiting / self._output.rate

    @property
    def busy(self) -> bool:
        """Something is queued, or sounds, or is in mid-answer waiting for more."""
        if self._clip_end is not None or self._pending is not None or len(self._jitter) > 0:
            return True
        return not self._answer.done and (self._answer.first is not None or self._jitter.finished)

    # --- generations --------------------------------------------------------------------------

    def begin(self, generation: int) -> None:
        """Cut whatever plays and take this number. A duck is lifted: it meant the old answer.

        A number older than the current one is refused and counted as stale.
        """
        if generation < self.generation:
            self.stale += 1
            return
        self._drop(generation)
        self.unduck()

    def cut(self, generation: int) -> None:
        """Fade out whatever plays within one block; accept only this number or newer from now.

        The generation that is cut gets no ``Drained``. An older number is refused and counted.
        """
        if generation < self.generation:
            self.stale += 1
            return
        self._drop(generation)

    def push(self, generation: int, payload: bytes, now: float) -> bool:
        """Queue one payload. False: stale, or after ``finish``, or no room; dropped and counted."""
        if generation < self.generation:
            self.stale += 1
            return False
        if generation > self.generation:
            self.begin(generation)
        if self._jitter.finished:
            self.late += 1
            return False
        if self._answer.muted:
            return True
        taken = True
        for piece, ms in self._decoder.split(payload):
            taken = self._jitter.push(piece, ms, now) and taken
        return taken

    def finish(self, generation: int) -> None:
        """No more audio of this generation will come: play what is there, then ``Drained``."""
        if generation < self.generation:
            self.stale += 1
            return
        if generation > self.generation:
            self.begin(generation)
        self._jitter.finish()

    def play(self, samples: Samples, rate: int) -> bool:
        """Play a local clip (int16 mono at ``rate`` Hz) that belongs to no generation.

        False, and not played, while anything else is. ``begin`` and ``cut`` stop it like anything.
        """
        if self.busy:
            return False
        clip = resample(samples, rate, self._output.rate)
        if clip.size:
            self._pending = clip
            self._pending_is_clip = True
            self._clip_end = self._output.written + clip.size
        return True

    # --- level --------------------------------------------------------------------------------

    def set_volume(self, percent: float) -> None:
        """Volume in percent, see ``volume_gain``; takes effect within one block."""
        self._volume = volume_gain(percent)
        self._apply_gain()

    def duck(self) -> None:
        """Lower the answer by 12 dB within one block."""
        self._ducked = True
        self._apply_gain()

    def unduck(self) -> None:
        """Back to the volume that was set."""
        self._ducked = False
        self._apply_gain()

    def _apply_gain(self) -> None:
        self._output.set_gain(self._volume * (DUCK_GAIN if self._ducked else 1.0))

    # --- the tick -----------------------------------------------------------------------------

    def pump(self, now: float) -> list[SpeakerEvent]:
        """Decode what is due and report what has happened; call at each 20 ms tick."""
        self._fill(now)
        events: list[SpeakerEvent] = []
        output, answer = self._output, self._answer
        if self._clip_end is not None and self._heard(self._clip_end, now) is not None:
            self._clip_end = None
        if answer.first is not None and not answer.started and output.consumed > answer.first:
            answer.started = True
            t = output.dac_time_of(answer.first)
            events.append(Started(self.generation, now if t is None else t))
        if self._jitter.finished:
            if answer.flushed and not answer.done and self._pending is None:
                t = now if answer.end is None else self._heard(answer.end, now)
                if t is not None:
                    answer.done = True
                    events.append(Drained(self.generation, t))
        elif self._dry():
            self._jitter.starved(now)
            t = None if answer.end is None else output.dac_time_of(answer.end - 1)
            events.append(Starved(self.generation, now if t is None else t + 1.0 / output.rate))
        return events

    def _heard(self, end: int, now: float) -> float | None:
        """When the sample before index ``end`` had left the DAC, or None if it has not by now."""
        output = self._output
        if output.consumed < end:
            return None
        start = output.dac_time_of(end - 1)
        t = now if start is None else start + 1.0 / output.rate
        return t if t <= now else None

    def _dry(self) -> bool:
        return (
            self._jitter.flowing
            and len(self._jitter) == 0
            and self._pending is None
            and self._output.queued == 0
        )

    def _fill(self, now: float) -> None:
        output = self._output
        while True:
            pending = self._pending
            if pending is None:
                if output.queued >= self._ahead:
                    return
                pending = self._next(now)
                if pending is None:
                    return
            room = min(pending.size, self._ahead - output.queued, output.writable)
            output.write(pending[:room])
            self._pending = pending[room:] if room < pending.size else None
            if self._pending_is_clip:
                if self._pending is None:
                    self._pending_is_clip = False
                    output.finish()
            else:
                self._answer.end = output.written
                if self._answer.flushed and self._pending is None:
                    output.finish()
            if self._pending is not None:
                return

    def _next(self, now: float) -> Samples | None:
        """The next samples of the generation at the output rate; None when there are none now."""
        answer = self._answer
        samples: Samples | None = None
        while samples is None or samples.size == 0:
            payload = self._jitter.pop(now)
            if payload is not None:
                samples = self._decode(payload)
            elif self._jitter.finished:
                if answer.flushed:
                    return None
                answer.flushed = True
                samples = self._decoder.flush()
                if samples.size == 0:
                    # Nothing is left: what was written already is the end.
                    self._output.finish()
                    return None
            elif self._worth_concealing():
                answer.conceal_left -= _CONCEAL_STEP_MS
                self.concealed_ms += _CONCEAL_STEP_MS
                samples = self._decoder.conceal(_CONCEAL_STEP_MS)
            else:
                return None
        if answer.first is None:
            answer.first = self._output.written
        return samples

    def _decode(self, payload: bytes) -> Samples:
        if self._answer.muted:
            return np.zeros(0, dtype=np.int16)
        try:
            samples = self._decoder.decode(payload)
        except CodecError:
            self.bad_packets += 1
            self._answer.bad_run += 1
            if self._answer.bad_run >= _BAD_RUN:
                self._answer.muted = True
                return np.zeros(0, dtype=np.int16)
            self.concealed_ms += self._decoder.last_ms
            return self._decoder.conceal(self._decoder.last_ms)
        self._answer.bad_run = 0
        self._answer.conceal_left = _CONCEAL_MAX_MS
        return samples

    def _worth_concealing(self) -> bool:
        return (
            self._jitter.flowing
            and not self._answer.muted
            and self._decoder.conceals
            and self._answer.conceal_left > 0.0
            and self._output.queued * 1000.0 < _CONCEAL_BELOW_MS * self._output.rate
        )

    def _drop(self, generation: int) -> None:
        self.generation = generation
        self._output.cut()
        self._jitter.clear()
        self._decoder.reset()
        self._clear()

    def _clear(self) -> None:
        self._answer = _Answer()
        self._pending = None
        self._pending_is_clip = False
        self._clip_end = None
