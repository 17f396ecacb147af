"""Live events of all connections, for whoever watches.

Everything lies in one bounded ring. A subscriber is no queue but a ``Cursor`` into it: who reads
too slowly finds the oldest entries gone, is told how many, and delays nobody. Entries change after
they were made (a line of folded audio grows), so each carries the ``stamp`` of its last change.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agent.emulator.tap import Tap
from agent.emulator.watched import Device, Entry

_MOST_ENTRIES = 2000
# All kept frames together; characters, which are bytes as long as they are ASCII.
_MOST_CHARACTERS = 4_000_000
# One update of a page; what is more counts as lost.
_MOST_PER_UPDATE = 400
_MOST_DEVICES = 100


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a subscriber has read: the last ``stamp``, and the ``seq`` of the next new entry."""

    stamp: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new since a cursor. ``lost`` entries fell out of the ring unread."""

    cursor: Cursor
    entries: list[Entry]
    devices: list[Device]
    lost: int


class Feed:
    """Takes note of what happens; costs next to nothing while nobody watches.

    ``now`` gives Unix seconds. Belongs to the event loop's thread.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        most_entries: int = _MOST_ENTRIES,
        most_characters: int = _MOST_CHARACTERS,
    ) -> None:
        self.now = now
        self.stamp = 0
        self._seq = 0
        self._most_entries = most_entries
        self._most_characters = most_characters
        self._characters = 0
        self._ring: deque[Entry] = deque()
        self._devices: dict[str, Device] = {}
        self._taps: dict[str, Tap] = {}
        self.sleepers: list[asyncio.Event] = []

    # --- what happens ---------------------------------------------------------------------------

    def connected(
        self, id: str, device_id: str = "", account: str = "", bot: str = "", path: str = "/v1/chat"
    ) -> Tap:
        """A connection was opened; ``id`` is its log id. Its frames go through the tap."""
        device = self._device(device_id or f"unnamed {id[-6:]}", account)
        tap = Tap(self, id, device, bot, path)
        self._taps[id] = tap
        device.connections[id] = tap.status
        self.touch(device)
        self.note("link", id, "", "connected", path)
        return tap

    def gone(self, id: str, why: str = "") -> None:
        """A connection ended."""
        tap = self._taps.pop(id, None)
        if tap is None:
            return
        self.add(Entry(self.now(), tap.device.key, id, "link", "", "disconnected", why))
        tap.device.connections.pop(id, None)
        tap.device.seen = self.now()
        tap.device.talk.end(self)
        self.touch(tap.device)

    def note(
        self, kind: str, connection_id: str, direction: str, event_type: str, summary: str = ""
    ) -> None:
        """One event beside the frames; ``direction`` is ``up``, ``down`` or empty."""
        tap = self._taps.get(connection_id)
        key = tap.device.key if tap is not None else ""
        self.add(Entry(self.now(), key, connection_id, kind, direction, event_type, summary))

    def add(self, entry: Entry) -> Entry:
        """Put an entry into the ring; the oldest leave it."""
        entry.seq = self._seq
        self._seq += 1
        self._ring.append(entry)
        self._characters += len(entry.frame)
        while len(self._ring) > self._most_entries or self._characters > self._most_characters:
            self._characters -= len(self._ring.popleft().frame)
        self.touch(entry)
        return entry

    def touch(self, *changed: Entry | Device) -> None:
        """These changed; wake who waits."""
        self.stamp += 1
        for one in changed:
            one.stamp = self.stamp
        if self.sleepers:
            self.wake()

    def wake(self) -> None:
        """Tell all who wait that something changed."""
        for sleeper in self.sleepers:
            sleeper.set()
        self.sleepers.clear()

    # --- who watches ----------------------------------------------------------------------------

    @property
    def connections(self) -> list[str]:
        """The ids of the open connections."""
        return list(self._taps)

    @property
    def devices(self) -> list[str]:
        """The keys of the devices that are remembered."""
        return list(self._devices)

    def entry(self, seq: int) -> Entry | None:
        """An entry that is still in the ring."""
        if not self._ring:
            return None
        at = seq - self._ring[0].seq
        return self._ring[at] if 0 <= at < len(self._ring) else None

    def since(self, cursor: Cursor) -> Changes:
        """What was added or changed after ``cursor``; from ``Cursor()`` on everything."""
        entries = [entry for entry in self._ring if entry.stamp > cursor.stamp]
        devices = [device for device in self._devices.values() if device.stamp > cursor.stamp]
        lost = self._seq - len(self._ring) - cursor.seq if cursor.stamp else 0
        if len(entries) > _MOST_PER_UPDATE:
            if cursor.stamp:
                lost = max(0, lost) + len(entries) - _MOST_PER_UPDATE
            entries = entries[-_MOST_PER_UPDATE:]
        return Changes(Cursor(self.stamp, self._seq), entries, devices, max(0, lost))

    async def changed(self, cursor: Cursor) -> None:
        """Wait until there is something after ``cursor``."""
        if self.stamp > cursor.stamp:
            return
        sleeper = asyncio.Event()
        self.sleepers.append(sleeper)
        try:
            await sleeper.wait()
        finally:
            if sleeper in self.sleepers:
                self.sleepers.remove(sleeper)

    def _device(self, device_id: str, account: str) -> Device:
        key = f"{account}/{device_id}"
        device = self._devices.get(key)
        if device is None:
            device = self._devices[key] = Device(key, device_id, account, self.now())
            self._forget()
        return device

    def _forget(self) -> None:
        """Drop the devices that are away the longest, where there are too many."""
        excess = len(self._devices) - _MOST_DEVICES
        if excess > 0:
            away = [device for device in self._devices.values() if not device.connections]
            # The newest is not connected yet.
            away = sorted(away, key=lambda device: device.seen)[:-1]
            for device in away[:excess]:
                del self._devices[device.key]
