"""``/v1/audio/simult_interpretation``: known by name only, and refused in plain words."""

from __future__ import annotations

from aiohttp import web

from agent.emulator.connection import Room, Session
from agent.emulator.line import Line
from agent.emulator.tokens import Denial, Grant

PATH = "/v1/audio/simult_interpretation"


class InterpretationRoom(Room):
    """Refuses every upgrade: no source tells enough of this socket to imitate it."""

    permission = ""

    def objection(self, request: web.Request, grant: Grant) -> Denial | None:
        raise Denial(501, 4000, "simultaneous interpretation is not offered by this emulator")

    def session(self, request: web.Request, line: Line, grant: Grant) -> Session:
        raise NotImplementedError("nobody is let in")
