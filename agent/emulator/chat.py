"""``/v1/chat``: what an upgrade must bring along, and the session behind it."""

from __future__ import annotations

import logging

from aiohttp import web

from agent.emulator.connection import Room, Session
from agent.emulator.line import Line
from agent.emulator.meter import Exhausted
from agent.emulator.session import ChatSession
from agent.emulator.tokens import Denial, Grant

log = logging.getLogger(__name__)

PATH = "/v1/chat"


class ChatRoom(Room):
    """Serves all connections to the chat socket."""

    permission = "chat"

    def session(self, request: web.Request, line: Line, grant: Grant) -> Session:
        return ChatSession(self._service, line, grant, self._bot(request))

    def objection(self, request: web.Request, grant: Grant) -> Denial | None:
        switches = self._service.script.switches
        device_id = request.query.get("device_id", "")
        if device_id and not is_int64(device_id):
            if switches.device_id == "digits":
                raise Denial(400, 4000, "the device_id is not a decimal int64")
            log.warning("device_id is not a decimal int64: %.100r", device_id)
        if grant.device_id and device_id and device_id != grant.device_id:
            log.info("metered as device %.100r, not %.100r", grant.device_id, device_id)
        meter = self._service.meter
        meter.report(grant)
        if switches.quota_form == "upgrade" and meter.allowed(grant):
            raise Denial(403, switches.quota_code, Exhausted.MSG)
        if request.query.get("workflow_id") and switches.workflow_id == "refuse":
            raise Denial(400, 4000, "workflow_id is not a parameter of this address")
        bot_id = self._bot(request)
        grant.need_bot(bot_id)
        try:
            self._service.bots.check(bot_id, grant.account)
        except Denial as denial:
            if switches.bad_bot == "http":
                raise
            return denial
        return None

    def _bot(self, request: web.Request) -> str:
        return request.query.get("bot_id") or self._service.script.bot.id


def is_int64(text: str) -> bool:
    """Whether ``text`` is a decimal int64, not negative."""
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) < 1 << 63
