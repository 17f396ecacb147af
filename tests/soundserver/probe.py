"""Run as a process inside a ``SoundServer``: opens real streams and says what happened, as JSON.

``python -m tests.soundserver.probe duplex|loop|names FOLDER``
"""

from __future__ import annotations

import json
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio import portaudio
from audio.errors import AudioError
from audio.microphone import Frame, Microphone
from audio.speaker import Drained, Speaker, Started
from audio.wav import WavWriter, read_wav

LIMIT_S = 10.0


def say(**what: object) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(what), flush=True)


class Ends:
    """A microphone and a speaker, with a loop of one turn per device block as the daemon has."""

    def __init__(self, source: str, sink: str, recording: Path) -> None:
        self._due = threading.Event()
        self.playback = portaudio.open_playback(sink, wake=lambda: None)
        self.capture = portaudio.open_capture(source, wake=self._due.set)
        self.speaker = Speaker(self.playback.output, codec="pcm", pcm_rate=24000)
        self.microphone = Microphone(self.capture.buffer)
        self.writer = WavWriter(recording, 16000)
        self.frames: list[float] = []
        self.happened: list[object] = []
        self.pump_s = 0.0
        self.pumps = 0

    def turn(self) -> list[Frame]:
        """Wait for the next block, then do all that is due."""
        if not self._due.wait(1.0):
            raise SystemExit("no block for one second")
        self._due.clear()
        frames = self.microphone.frames()
        for frame in frames:
            self.writer.write(frame.samples)
            self.frames.append(frame.t)
        begin = time.perf_counter()
        self.happened += self.speaker.pump(time.monotonic())
        self.pump_s += time.perf_counter() - begin
        self.pumps += 1
        return frames

    def run(self, seconds: float) -> None:
        """Go on for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()

    def until(self, kind: type, generation: int) -> float:
        """DAC time of an event of this kind and generation."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            for event in self.happened:
                if isinstance(event, kind) and event.generation == generation:
                    return float(event.t)
            self.turn()
        raise SystemExit(f"no {kind.__name__} within {LIMIT_S} s")

    def play(self, generation: int, samples: NDArray[np.int16]) -> None:
        """Begin and finish a whole answer, int16 mono at 24 kHz."""
        self.speaker.begin(generation)
        self.speaker.push(generation, samples.tobytes(), time.monotonic())
        self.speaker.finish(generation)

    def loud_at(self, deadline: float) -> tuple[float, float] | None:
        """When the first loud sample came up here, and when it was heard by its own stamp."""
        while time.monotonic() < deadline:
            for frame in self.turn():
                loud = np.flatnonzero(np.abs(frame.samples.astype(int)) > 8000)
                if loud.size:
                    return time.monotonic(), frame.t - (320 - int(loud[0])) / 16000
        return None

    def close(self) -> bool:
        """True where PortAudio gave everything back."""
        self.writer.close()
        closed = self.capture.close()
        return self.playback.close() and closed


def duplex(folder: Path) -> None:
    """Hear what is said meanwhile, play answer.wav to its end, then play it again and cut it."""
    answer, _ = read_wav(folder / "answer.wav")
    ends = Ends("vmic", "vspk", folder / "captured.wav")
    ends.turn()
    say(event="ready")
    ends.run(0.3)
    ends.play(1, answer)
    started = ends.until(Started, 1)
    drained = ends.until(Drained, 1)
    ends.run(0.5)
    say(event="played", started=started, drained=drained, seconds=answer.size / 24000)
    ends.play(2, answer)
    started = ends.until(Started, 2)
    ends.run(0.4)
    cut = time.monotonic()
    ends.speaker.cut(3)
    ends.run(0.6)
    say(
        event="cut",
        started=started,
        t=cut,
        latency=ends.playback.latency_s,
        drained=any(
            isinstance(event, Drained) and event.generation == 2 for event in ends.happened
        ),
        xruns=ends.capture.xruns + ends.playback.xruns,
        underruns=ends.playback.output.underruns,
        overrun=ends.capture.buffer.overrun,
        frames=len(ends.frames),
        monotonic=all(b >= a for a, b in pairwise(ends.frames)),
        pump_us=1e6 * ends.pump_s / ends.pumps,
        rates=[ends.capture.rate, ends.playback.rate],
        closed=ends.close(),
    )


def loop(folder: Path) -> None:
    """Play clicks into the microphone by a cable: round trip by the wall, and by time stamps."""
    ends = Ends("vmic", "vloop", folder / "loop.wav")
    ends.run(0.3)
    trips: list[float] = []
    stamped: list[float] = []
    lead = 0.01
    click = np.zeros(4800, dtype=np.int16)
    click[240:720] = 20000
    for generation in range(1, 6):
        pushed = time.monotonic()
        ends.play(generation, click)
        ends.speaker.pump(pushed)
        heard = ends.loud_at(pushed + 0.5)
        if heard is not None:
            now, t = heard
            trips.append(now - pushed - lead)
            stamped.append(t - ends.until(Started, generation) - lead)
        ends.run(max(0.0, pushed + 0.5 - time.monotonic()))
    say(
        event="loop",
        trips_ms=[1000 * trip for trip in trips],
        stamped_ms=[1000 * trip for trip in stamped],
        closed=ends.close(),
    )


def names() -> None:
    """What is listed, and what a wrong name says."""
    say(event="devices", names=[device.name for device in portaudio.list_devices()])
    for opening in (portaudio.open_capture, portaudio.open_playback):
        try:
            opening("no such device", wake=lambda: None)
        except AudioError as error:
            say(event="refused", kind=type(error).__name__, message=str(error))


if __name__ == "__main__":
    if sys.argv[1] == "names":
        names()
    elif sys.argv[1] == "loop":
        loop(Path(sys.argv[2]))
    else:
        duplex(Path(sys.argv[2]))
