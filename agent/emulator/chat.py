"""The shell of ``/v1/chat``: who may come in, the upgrade, frames in and out, the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from aiohttp import WSCloseCode, WSMsgType, web

from agent.coze.frame import MAX_UPLINK_BYTES
from agent.emulator.envelope import HEADER, refusal_response
from agent.emulator.fields import Refusal
from agent.emulator.line import Line
from agent.emulator.service import Service
from agent.emulator.session import ChatSession
from agent.emulator.tokens import Denial, Grant

log = logging.getLogger(__name__)

PATH = "/v1/chat"


class ChatRoom:
    """Serves all connections to the chat socket."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection from its upgrade to its end; a plain HTTP answer where it is refused."""
        service = self._service
        logid = service.ids.logid()
        bot_id = request.query.get("bot_id") or service.script.bot.id
        refused: Denial | None = None
        try:
            grant = self._admit(request)
            grant.need_bot(bot_id)
        except Denial as denial:
            return refusal_response(denial.status, denial.code, denial.msg, logid)
        try:
            service.tokens.check_bot(bot_id)
        except Denial as denial:
            if service.script.switches.bad_bot == "http":
                return refusal_response(denial.status, denial.code, denial.msg, logid)
            refused = denial
        # Compression is off, as no client of the platform was seen to ask for it.
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_UPLINK_BYTES + 1)
        socket.headers[HEADER] = logid
        if not socket.can_prepare(request).ok:
            return refusal_response(400, 4000, "this address speaks WebSocket only", logid)
        await socket.prepare(request)
        line = Line(
            socket.send_str, service.ids, logid, vad_detail=service.script.switches.vad_detail
        )
        self._open.add(socket)
        service.connections += 1
        try:
            if refused is not None:
                await line.refuse(Refusal(refused.msg, refused.code))
                await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"bot refused")
            else:
                session = ChatSession(service, line, grant, bot_id)
                await self._talk(socket, line, session, request.transport)
        except ConnectionError:
            log.debug("the connection %s was lost", logid)
        finally:
            service.connections -= 1
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
        grant.need("chat")
        device_id = request.query.get("device_id", "")
        if device_id and not is_int64(device_id):
            if self._service.script.switches.device_id == "digits":
                raise Denial(400, 4000, "the device_id is not a decimal int64")
            log.warning("device_id is not a decimal int64: %.100r", device_id)
        return grant

    async def _talk(
        self,
        socket: web.WebSocketResponse,
        line: Line,
        session: ChatSession,
        transport: asyncio.Transport | None,
    ) -> None:
        switches = self._service.script.switches
        try:
            await session.open()
            while True:
                try:
                    message = await socket.receive(switches.idle_close_s or None)
                except TimeoutError:
                    await self._close_idle(socket, line, transport)
                    return
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    return
                await session.receive(message.data)
                if session.refusals >= switches.most_refusals:
                    log.info("connection %s sent %d wrong frames", line.logid, session.refusals)
                    await socket.close(
                        code=WSCloseCode.POLICY_VIOLATION, message=b"too many wrong frames"
                    )
                    return
                # Frames may lie ready without end; others want their turn.
                await asyncio.sleep(0)
        finally:
            await session.close()

    async def _close_idle(
        self,
        socket: web.WebSocketResponse,
        line: Line,
        transport: asyncio.Transport | None,
    ) -> None:
        code = self._service.script.switches.idle_close_code
        await line.refuse(Refusal("closed for inactivity", 4029))
        # 1006 stands for no close frame at all; it cannot be sent.
        if code == WSCloseCode.ABNORMAL_CLOSURE:
            if transport is not None:
                transport.abort()
            return
        await socket.close(code=code, message=b"closed for inactivity")


def is_int64(text: str) -> bool:
    """Whether ``text`` is a decimal int64, not negative."""
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 1 << 63
