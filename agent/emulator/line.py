"""The downlink of one connection: every event gets its id, log id and time, or is filtered out."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent.coze.events import (
    ChatCreated,
    Downlink,
    ErrorEvent,
    SpeechStarted,
    SpeechStopped,
    dump,
)
from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.tap import Tap

_ALWAYS = frozenset((ChatCreated.event_type, ErrorEvent.event_type))
# A refused append may be megabytes; the head is enough to recognise it.
_LONGEST_ORIGIN = 16_384


class Line:
    """Sends events in order. ``subscriptions`` lists the wanted types, empty means all; those of
    ``always`` are sent all the same.

    ``tap``, where there is one, sees every event first. ``carry``, where there is one, sends
    instead of ``send``: it gets each event and its frame, which is empty where it is not wanted.
    """

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        ids: Ids,
        logid: str,
        *,
        vad_detail: bool = True,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._send = send
        self._ids = ids
        self.logid = logid
        self._vad_detail = vad_detail
        self._wall = wall
        self.subscriptions: frozenset[str] = frozenset()
        self.always: frozenset[str] = _ALWAYS
        self.tap: Tap | None = None
        self.carry: Callable[[Downlink, str], Awaitable[None]] | None = None

    async def send(self, *events: Downlink) -> None:
        """Send events that share one ``respond_at``. An id that is set is kept."""
        respond_at = str(int(self._wall() * 1000))
        for event in events:
            text = ""
            if self._wanted(event.event_type):
                event = self._stamped(event, respond_at)
                text = dump(event)
            if self.tap is not None:
                self.tap.down(event, text)
            if self.carry is not None:
                await self.carry(event, text)
            elif text:
                await self._send(text)

    async def refuse(self, refusal: Refusal, origin: str | bytes = "") -> None:
        """Send an ``error``; ``origin`` is the offending frame."""
        if isinstance(origin, bytes):
            origin = origin.decode("utf-8", "replace")
        head = origin[:_LONGEST_ORIGIN]
        await self.send(ErrorEvent(refusal.code, refusal.msg, head))

    def _wanted(self, event_type: str) -> bool:
        wanted = self.subscriptions
        return not wanted or event_type in wanted or event_type in self.always

    def _stamped(self, event: Downlink, respond_at: str) -> Downlink:
        id = event.id or self._ids.event()
        if not self._vad_detail and isinstance(event, SpeechStarted | SpeechStopped):
            return replace(event, id=id)
        return replace(event, id=id, logid=self.logid, respond_at=respond_at)
