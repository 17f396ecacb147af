"""What every session does with a frame: read it, handle it, answer whatever is wrong with it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from agent.coze.frame import WireError
from agent.coze.uplink import UnknownUplink, Uplink, parse_uplink
from agent.emulator.fields import Refusal
from agent.emulator.line import Line
from agent.emulator.script import Switches
from audio.errors import AudioError

_TRUCE_S = 1.0


class Receiver(ABC):
    """Takes the frames of one connection, one after the other.

    Whatever is wrong with a frame is answered by one ``error`` that carries it, and changes
    nothing. ``refusals`` counts the refused frames; an accepted one ends the count, unless a
    refused one came in the second before it.
    """

    def __init__(self, line: Line, switches: Switches) -> None:
        self._line = line
        self._switches = switches
        self.refusals = 0
        self._refused = 0.0

    async def receive(self, frame: str | bytes) -> None:
        """Handle one frame."""
        try:
            event = self._read(frame)
            if not isinstance(event, Uplink):
                raise Refusal(f"invalid parameter: unknown event_type {event.type!r}")
            if not event.id and self._switches.missing_ids == "refuse":
                raise Refusal("invalid parameter: id is missing")
            await self._handle(event, frame)
            if self.refusals and asyncio.get_running_loop().time() - self._refused >= _TRUCE_S:
                self.refusals = 0
        except WireError as error:
            await self._refuse(Refusal(f"invalid parameter: {error}"), frame)
        except Refusal as refusal:
            await self._refuse(refusal, frame)
        except AudioError as error:
            await self._refuse(Refusal(str(error), 5000), frame)

    def _read(self, frame: str | bytes) -> Uplink | UnknownUplink:
        tap = self._line.tap
        try:
            event = parse_uplink(frame)
        except WireError:
            if tap is not None:
                tap.garbage(frame)
            raise
        if tap is not None:
            tap.up(event, frame)
        return event

    @abstractmethod
    async def _handle(self, event: Uplink, frame: str | bytes) -> None:
        """Do what the event asks for. Raises ``Refusal``."""

    async def _refuse(self, refusal: Refusal, frame: str | bytes) -> None:
        self.refusals += 1
        self._refused = asyncio.get_running_loop().time()
        await self._line.refuse(refusal, frame)

    def _echoed(self, event: Uplink) -> str:
        """The id of an acknowledgement; empty for a fresh one."""
        return event.id if self._switches.ack_ids == "echo" else ""
