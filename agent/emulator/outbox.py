"""What a connection is about to send: in order, each frame at its time, without busy waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from agent.emulator.jitter import Route

# Whoever produces more than this ahead of the network has to wait, as it would for a real one.
_MOST_BYTES = 1 << 20

Deed = Callable[[], Awaitable[None]]
Item = str | bytes | Deed
"""A text frame, a binary frame, or something done between two frames."""


class Wire(Protocol):
    """Where frames go; an aiohttp WebSocketResponse is one."""

    async def send_str(self, data: str) -> None:
        """Send a text frame."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary frame."""


class Outbox:
    """Sends from a task of its own. ``route`` delays frames, None delivers them at once."""

    def __init__(self, wire: Wire, route: Route | None = None) -> None:
        self._wire = wire
        self._route = route
        self._loop = asyncio.get_running_loop()
        self._opened = self._loop.time()
        self._items: deque[tuple[float, int, Item]] = deque()
        self._size = 0
        self._sending = False
        self._changed = asyncio.Event()
        self._over = False
        self._task = asyncio.create_task(self._pump())

    def add(self, *items: Item) -> None:
        """Queue items behind all others; ignored once the outbox is closed."""
        now = self._loop.time()
        for item in () if self._over else items:
            size = len(item) if isinstance(item, str | bytes) else 0
            due = now
            if self._route is not None:
                due = self._opened + self._route.arrival(now - self._opened, size)
            self._items.append((due, size, item))
            self._size += size
        self._notify()

    async def room(self) -> None:
        """Wait until what is queued is not too much."""
        while self._size > _MOST_BYTES and not self._over:
            await self._changed.wait()

    async def flush(self, longest: float) -> None:
        """Wait until all is sent, at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                while (self._items or self._sending) and not self._over:
                    await self._changed.wait()

    def close(self) -> None:
        """Send nothing more; what is queued is lost."""
        self._over = True
        self._items.clear()
        self._size = 0
        self._notify()
        if asyncio.current_task() is not self._task:
            self._task.cancel()

    def _notify(self) -> None:
        """Wake everybody who waits for a change, once."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _pump(self) -> None:
        while not self._over:
            if not self._items:
                await self._changed.wait()
                continue
            due, size, item = self._items.popleft()
            self._sending = True
            if (wait := due - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            try:
                await self._send(item)
            except ConnectionError:
                self.close()
            self._sending = False
            self._size = max(0, self._size - size)
            self._notify()

    async def _send(self, item: Item) -> None:
        if isinstance(item, str):
            await self._wire.send_str(item)
        elif isinstance(item, bytes):
            await self._wire.send_bytes(item)
        else:
            await item()
