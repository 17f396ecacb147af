"""All faults of an emulator: those of the script, by one seed, and those of a person's hand."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from agent.emulator.fault import Fault, Plan
from agent.emulator.forger import Forger
from agent.emulator.ids import Ids
from agent.emulator.jitter import Network, Route
from agent.emulator.saboteur import Saboteur

log = logging.getLogger(__name__)

_MOST_STRIKES = 1000

BUTTONS = {
    "drop": Fault(do="drop"),
    "reset": Fault(do="reset"),
    "half_open": Fault(do="half_open"),
    "stall": Fault(do="stall"),
    "quota": Fault(do="quota"),
    "token": Fault(do="token"),
    "garbage": Fault(do="garbage"),
    "close_1011": Fault(do="close"),
}
"""What ``Faults.now`` can do."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that struck: on the nth ``connection`` of that ``socket``, at ``at`` in ``turn``."""

    socket: str
    connection: int
    turn: int
    at: str
    do: str


class Faults:
    """Decides which faults await a connection. ``struck`` keeps the last 1000 strikes."""

    def __init__(
        self,
        faults: Sequence[Fault],
        network: Network,
        seed: int,
        ids: Ids,
        note: Callable[[str, str, str], None] = lambda connection, do, at: None,
    ) -> None:
        """``note`` is told of each strike: log id, what, when.

        Raises ``ConfigError`` for a trace file that cannot be used.
        """
        self._faults = list(faults)
        self._network = network
        self._steps = network.steps()
        self._seed = seed
        self._ids = ids
        self._note = note
        self._left = [fault.times or -1 for fault in faults]
        self._arrived: Counter[tuple[str, str | None]] = Counter()
        self._here: dict[str, Saboteur] = {}
        self.struck: deque[Strike] = deque(maxlen=_MOST_STRIKES)

    def arrive(self, socket: str, device_id: str, logid: str) -> Saboteur:
        """Somebody wants a connection to ``socket``: chat, speech or transcriptions.

        Everybody is counted, also who will be refused.
        """
        self._arrived[socket, None] += 1
        self._arrived[socket, device_id] += 1
        number, of_device = self._arrived[socket, None], self._arrived[socket, device_id]
        luck = f"{self._seed} {socket} {number}"
        plans = []
        for at, fault in enumerate(self._faults):
            count = of_device if fault.device else number
            if (
                fault.socket in (socket, "any")
                and fault.device in ("", device_id)
                and fault.connection in ("every", count)
            ):
                plans.append(Plan(fault, Random(f"fault {at} {luck}"), partial(self._take, at)))
        routes: tuple[Route | None, Route | None] = (None, None)
        if not self._network.ideal:
            down = Route(self._network, self._steps, f"{luck} down")
            up = Route(self._network, self._steps, f"{luck} up") if self._network.uplink else None
            routes = (down, up)

        def note(do: str, moment: str, turn: int) -> None:
            self.struck.append(Strike(socket, number, turn, moment, do))
            log.info("fault on connection %s (%s %d): %s at %s", logid, socket, number, do, moment)
            self._note(logid, do, moment)

        return Saboteur(
            plans,
            routes,
            forger=Forger(self._ids, logid),
            random=Random(f"payload {luck}"),
            note=note,
        )

    def here(self, logid: str, saboteur: Saboteur) -> None:
        """The connection is up."""
        self._here[logid] = saboteur

    def gone(self, logid: str) -> None:
        """The connection is over."""
        self._here.pop(logid, None)

    def now(self, connection_id: str, name: str) -> bool:
        """Do one of ``BUTTONS`` to a connection, by its log id; False if it is not there.

        Raises ``KeyError`` for an unknown name.
        """
        fault = BUTTONS[name]
        saboteur = self._here.get(connection_id)
        if saboteur is None:
            return False
        saboteur.do(fault, "now")
        return True

    def _take(self, at: int) -> bool:
        if self._left[at] == 0:
            return False
        self._left[at] -= self._left[at] > 0
        return True
