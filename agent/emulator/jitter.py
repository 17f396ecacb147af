"""How a network delays what is sent: pure models of Wi-Fi and 4G, and recorded traces.

The connection is TCP, so nothing is lost and nothing overtakes: what would have come late holds up
all that follows, which then arrives in a clump. The shapes of the built-in traces (base delay,
gamma-distributed jitter, stalls that come at random, retransmissions, one handover) are those the
players of the project were measured with; a seed makes each of them repeatable.
"""

from __future__ import annotations

import csv
import difflib
import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol

from agent.errors import ConfigError

_HANDOVER_WITHIN_S = 60.0

Steps = list[tuple[float, float]]
"""Times and delays of a recorded trace, in s."""


@dataclass(frozen=True, slots=True)
class Stall:
    """The network stands still for ``ms``, ``at_s`` seconds after the connection was opened."""

    at_s: float = 0.0
    ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a script. ``trace`` is a name of ``SHAPES`` or a CSV file.

    Delays are in ms and add up; ``rate_kbps`` 0 is without limit. ``uplink`` applies all of it,
    separately, to what the client sends too.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_kbps: float = 0.0
    stalls: list[Stall] = field(default_factory=list)
    trace: str = ""
    uplink: bool = False

    def beside(self, script: Path) -> Network:
        """With its trace file found from the folder of the script."""
        if not self.trace.endswith(".csv"):
            return self
        return replace(self, trace=str(script.parent / self.trace))

    def steps(self) -> Steps | None:
        """Those of a recorded trace, None where it is none. Raises ``ConfigError``."""
        return read_steps(Path(self.trace)) if self.trace.endswith(".csv") else None

    @property
    def ideal(self) -> bool:
        """Whether nothing is delayed at all."""
        return not (self.delay_ms or self.jitter_ms or self.rate_kbps or self.stalls or self.trace)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of network; all in ms but ``every_s``, the mean time from one stall to the next.

    Jitter is gamma-distributed. A part ``lost`` of the frames waits for its retransmission, and
    once in the first minute there is a handover.
    """

    base: float
    gamma: tuple[float, float]
    stall: tuple[float, float]
    every_s: float
    lost: float = 0.0
    handover: float = 0.0


SHAPES = {
    "wifi": Shape(15, (1.5, 2.5), (60, 160), 6),
    "wifi_busy": Shape(20, (2, 6), (100, 300), 3),
    "4g": Shape(45, (2, 7), (100, 300), 4),
    "4g_bad": Shape(45, (2, 9), (150, 300), 5, lost=0.01, handover=700),
}
"""The built-in traces, by name."""

# One round trip and three duplicate acknowledgements at 20 ms, and what the client's stack adds.
_RETRANSMISSION_MS = (160.0, 200.0)


class Trace(Protocol):
    """The delay of one frame."""

    def delay(self, t: float) -> float:
        """Seconds that a frame sent at ``t`` (s since the beginning, never falling) needs."""


class ShapedTrace:
    """A trace drawn from a shape."""

    def __init__(self, shape: Shape, random: Random) -> None:
        self._shape = shape
        self._frames = Random(random.getrandbits(64))
        self._stalls = Random(random.getrandbits(64))
        self._from = self._until = 0.0
        self._next_stall()
        self._handover = random.uniform(0.0, _HANDOVER_WITHIN_S) if shape.handover else math.inf

    def delay(self, t: float) -> float:
        shape, random = self._shape, self._frames
        # Both draws happen for every frame, so that a frame's luck depends on its number only.
        ms = shape.base + random.gammavariate(*shape.gamma)
        late = random.uniform(*_RETRANSMISSION_MS)
        if random.random() < shape.lost:
            ms += late
        arrival = t + ms / 1000
        while arrival >= self._until:
            self._next_stall()
        if arrival >= self._from:
            arrival = self._until
        if self._handover <= arrival < self._handover + shape.handover / 1000:
            arrival = self._handover + shape.handover / 1000
        return arrival - t

    def _next_stall(self) -> None:
        self._from = self._until + self._stalls.expovariate(1 / self._shape.every_s)
        self._until = self._from + self._stalls.uniform(*self._shape.stall) / 1000


class RecordedTrace:
    """Steps of time (s) and delay (s), as of ``read_steps``; it begins again when it is over."""

    def __init__(self, steps: Steps) -> None:
        self._times = [t for t, _ in steps]
        self._delays = [delay for _, delay in steps]
        # The last step holds as long as the one before it did.
        last = self._times[-1] - self._times[-2] if len(steps) > 1 else 1.0
        self._length = self._times[-1] + last

    def delay(self, t: float) -> float:
        return self._delays[bisect_right(self._times, t % self._length) - 1]


class Route:
    """One direction of one connection: when each frame arrives."""

    def __init__(self, network: Network, steps: Steps | None, seed: object) -> None:
        """``steps`` of a recorded trace; equal seeds have equal luck."""
        random = Random(f"network {seed}")
        self._network = network
        self._random = Random(random.getrandbits(64))
        self._trace: Trace | None = None
        if steps:
            self._trace = RecordedTrace(steps)
        elif network.trace:
            self._trace = ShapedTrace(SHAPES[network.trace], random)
        self._free = 0.0
        self._last = 0.0

    def arrival(self, t: float, size: int) -> float:
        """When (s since the connection was opened) a frame of ``size`` bytes sent at ``t`` arrives.

        Never earlier than the frame before it. Each ``t`` is at least the one before it.
        """
        network = self._network
        if network.rate_kbps:
            self._free = t = max(t, self._free) + size * 8 / (network.rate_kbps * 1000)
        arrival = t + (network.delay_ms + self._random.uniform(0, network.jitter_ms)) / 1000
        if self._trace is not None:
            arrival += self._trace.delay(t)
        for stall in network.stalls:
            if stall.at_s <= arrival < stall.at_s + stall.ms / 1000:
                arrival = stall.at_s + stall.ms / 1000
        self._last = max(self._last, arrival)
        return self._last


def check_network(network: Network, where: str) -> None:
    """Raises ``ConfigError`` that begins with ``where`` for a trace of no known kind."""
    if not network.trace or network.trace in SHAPES or network.trace.endswith(".csv"):
        return
    near = difflib.get_close_matches(network.trace, SHAPES, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(SHAPES)}"
    raise ConfigError(
        f"{where}.trace: {network.trace!r} is neither a known trace nor a .csv file", remedy=hint
    )


def read_steps(path: Path) -> Steps:
    """A recorded trace: lines of ``t_ms,delay_ms`` below that header, times rising from 0.

    Raises ``ConfigError``.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except OSError as error:
        raise ConfigError(f"cannot read the trace {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"the trace {path} is not CSV text: {error}") from error
    if not rows or [cell.strip() for cell in rows[0][1]] != ["t_ms", "delay_ms"]:
        raise ConfigError(f"the trace {path} must begin with the line t_ms,delay_ms")
    steps: Steps = []
    for line, row in rows[1:]:
        try:
            t, delay = (float(cell) / 1000 for cell in row)
        except ValueError:
            raise ConfigError(f"{path}, line {line}: must be two numbers, t_ms,delay_ms") from None
        if not (0 <= delay < math.inf and t < math.inf):
            raise ConfigError(f"{path}, line {line}: the delay is out of range")
        if not (t > steps[-1][0] if steps else t == 0):
            raise ConfigError(f"{path}, line {line}: times must begin at 0 and rise")
        steps.append((t, delay))
    if not steps:
        raise ConfigError(f"the trace {path} is empty")
    return steps
