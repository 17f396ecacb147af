"""The shell of every socket: who may come in, the upgrade, frames in and out, the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from agent.coze.frame import MAX_UPLINK_BYTES
from agent.emulator.envelope import HEADER, refusal_response
from agent.emulator.fields import Refusal
from agent.emulator.line import Line
from agent.emulator.saboteur import Saboteur
from agent.emulator.service import Service
from agent.emulator.tokens import Denial, Grant

log = logging.getLogger(__name__)

# A client that was told goodbye has this long to say it too.
_GOODBYE_S = 1.0
# Some milliseconds of work.
_FRAMES_IN_A_ROW = 8


class Session(Protocol):
    """One conversation on a socket. ``refusals`` counts the wrong frames in a row."""

    refusals: int

    async def open(self) -> None:
        """Send the first frame."""

    async def receive(self, frame: str | bytes) -> None:
        """Handle one frame."""

    async def close(self) -> None:
        """The connection is over; stop everything."""


@dataclass(frozen=True, slots=True)
class _End:
    """When (on the loop's clock) and how a connection ends that lasts too long."""

    at: float
    refusal: Refusal | None
    code: int


class Room(ABC):
    """Serves all connections to one address; subclasses say what is talked there."""

    permission: ClassVar[str]

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open: set[web.WebSocketResponse] = set()

    @abstractmethod
    def session(self, request: web.Request, line: Line, grant: Grant) -> Session:
        """The session of a connection that was let in."""

    def objection(self, request: web.Request, grant: Grant) -> Denial | None:
        """Raises ``Denial`` to refuse the upgrade; one that is returned is told on the socket."""
        return None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection from its upgrade to its end; a plain HTTP answer where it is refused."""
        service = self._service
        logid = service.ids.logid()
        device_id = request.query.get("device_id", "")[:100]
        saboteur = service.faults.arrive(request.path.rpartition("/")[2], device_id, logid)
        if (spoiled := await saboteur.upgrade(request)) is not None:
            return spoiled
        try:
            grant = self._admit(request)
            objection = self.objection(request, grant)
        except Denial as denial:
            return refusal_response(denial.status, denial.code, denial.msg, logid)
        # Compression is off, as no client of the platform was seen to ask for it.
        socket = web.WebSocketResponse(
            compress=False,
            max_msg_size=MAX_UPLINK_BYTES + 1,
            timeout=_GOODBYE_S,
            autoping=saboteur.autoping,
        )
        socket.headers[HEADER] = logid
        if not socket.can_prepare(request).ok:
            return refusal_response(400, 4000, "this address speaks WebSocket only", logid)
        await socket.prepare(request)
        line = Line(
            socket.send_str, service.ids, logid, vad_detail=service.script.switches.vad_detail
        )
        line.carry = saboteur.downlink
        saboteur.attach(socket, request.transport)
        service.faults.here(logid, saboteur)
        self._open.add(socket)
        service.connections += 1
        device_id = device_id or grant.device_id
        line.tap = service.feed.connected(
            logid, device_id, grant.account, request.query.get("bot_id", "")[:100], request.path
        )
        try:
            if objection is not None:
                await line.refuse(Refusal(objection.msg, objection.code))
                await saboteur.close(WSCloseCode.POLICY_VIOLATION, b"refused")
            else:
                session = self.session(request, line, grant)
                saboteur.breaker = getattr(session, "break_off", None)
                await self._talk(saboteur, line, session, request.transport, grant)
        except ConnectionError:
            log.debug("the connection %s was lost", logid)
        finally:
            service.connections -= 1
            service.faults.gone(logid)
            await saboteur.detach()
            service.feed.gone(logid, f"code {socket.close_code}" if socket.close_code else "cut")
            self._open.discard(socket)
        return socket

    async def shut(self) -> None:
        """Say goodbye to everybody."""
        goodbye = [
            socket.close(code=WSCloseCode.GOING_AWAY, message=b"the emulator stops")
            for socket in self._open
        ]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.gather(*goodbye, return_exceptions=True)

    def _admit(self, request: web.Request) -> Grant:
        header = request.headers.get("Authorization") or request.query.get("authorization")
        grant = self._service.access.admit(header)
        if self.permission:
            grant.need(self.permission)
        return grant

    async def _talk(
        self,
        saboteur: Saboteur,
        line: Line,
        session: Session,
        transport: asyncio.Transport | None,
        grant: Grant,
    ) -> None:
        switches = self._service.script.switches
        loop = asyncio.get_running_loop()
        end = self._end(grant, loop.time())
        frames = 0
        try:
            await session.open()
            while True:
                next_end = self._idle_end(loop.time(), end)
                wait = None if next_end is None else max(0.001, next_end.at - loop.time())
                try:
                    message = await saboteur.receive(wait)
                except TimeoutError:
                    assert next_end is not None
                    await self._finish(saboteur, line, transport, next_end)
                    return
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    return
                await session.receive(message.data)
                if session.refusals >= switches.most_refusals:
                    log.info("connection %s sent %d wrong frames", line.logid, session.refusals)
                    await self._cut_off(saboteur, transport, b"too many wrong frames")
                    return
                if end is not None and loop.time() >= end.at:
                    await self._finish(saboteur, line, transport, end)
                    return
                frames += 1
                # Frames may lie ready without end; others want their turn.
                if frames % _FRAMES_IN_A_ROW == 0:
                    await asyncio.sleep(0)
        finally:
            await session.close()

    def _end(self, grant: Grant, now: float) -> _End | None:
        """What limits the life of a connection, the earlier of token and switch."""
        switches = self._service.script.switches
        ends = []
        if switches.longest_session_s:
            ends.append(_End(now + switches.longest_session_s, None, switches.idle_close_code))
        if switches.token_expiry == "close" and grant.expires_at is not None:
            left = grant.expires_at - self._service.now()
            refusal = Refusal("authentication is invalid: the access token has expired", 4100)
            ends.append(_End(now + left, refusal, WSCloseCode.POLICY_VIOLATION))
        return min(ends, key=lambda end: end.at, default=None)

    def _idle_end(self, now: float, end: _End | None) -> _End | None:
        """How the connection ends if nothing comes from ``now`` on."""
        switches = self._service.script.switches
        until = now + switches.idle_close_s
        if not switches.idle_close_s or (end is not None and end.at < until):
            return end
        return _End(until, Refusal("closed for inactivity", 4029), switches.idle_close_code)

    async def _finish(
        self,
        saboteur: Saboteur,
        line: Line,
        transport: asyncio.Transport | None,
        end: _End,
    ) -> None:
        if end.refusal is not None:
            await line.refuse(end.refusal)
        # 1006 stands for no close frame at all; it cannot be sent.
        if end.code == WSCloseCode.ABNORMAL_CLOSURE:
            if transport is not None:
                transport.abort()
            return
        await saboteur.close(end.code, b"closed by the server")

    async def _cut_off(
        self, saboteur: Saboteur, transport: asyncio.Transport | None, why: bytes
    ) -> None:
        """Close, and read nothing more of what keeps coming in."""
        await saboteur.close(WSCloseCode.POLICY_VIOLATION, why)
        if transport is not None:
            transport.abort()
