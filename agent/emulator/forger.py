"""What looks like the platform's own word, and is none: refusals, ends and audio made up."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, TypeVar

from aiohttp import web

from agent.coze import events as wire
from agent.emulator.envelope import refusal_response
from agent.emulator.fault import MESSAGES, Fault
from agent.emulator.ids import Ids
from agent.emulator.moments import Progress

D = TypeVar("D", bound=wire.Downlink)

_CODES = {401: 4100, 403: 4101, 429: 4020}


class Forger:
    """Makes frames with the log id of one connection."""

    def __init__(self, ids: Ids, logid: str) -> None:
        self._ids = ids
        self._logid = logid

    def frame(self, event: wire.Downlink) -> str:
        """The frame of an event, with an id and a time of its own."""
        changes: dict[str, Any] = {
            "id": self._ids.event(),
            "logid": self._logid,
            "respond_at": str(int(time.time() * 1000)),
        }
        return wire.dump(replace(event, **changes))

    def error(self, fault: Fault) -> str:
        """An ``error`` with the code and the words of a fault."""
        return self.frame(wire.ErrorEvent(fault.get("code"), words(fault)))

    def failed(self, fault: Fault, progress: Progress) -> str:
        """The last frame of a running chat that failed."""
        error = wire.LastError(fault.get("code"), words(fault))
        now = int(time.time())
        chat = replace(progress.chat, status="failed", failed_at=now, last_error=error)
        return self.frame(wire.TurnFailed(chat))

    def end(self, progress: Progress) -> list[str]:
        """The last two frames of the running chat."""
        chat, audio = progress.chat, progress.audio
        last = wire.Message("0", chat.conversation_id, chat.bot_id, chat_id=chat.id)
        if isinstance(audio, wire.AudioDelta) and audio.message.chat_id == chat.id:
            last = audio.message
        completed = replace(chat, status="completed", completed_at=int(time.time()))
        return [
            self.frame(wire.AudioCompleted(replace(last, content_type="audio"))),
            self.frame(wire.TurnCompleted(completed)),
        ]

    def refusal(self, fault: Fault) -> web.Response:
        """The answer to a refused upgrade: the platform's envelope, or below status 400 a page, as
        of a Wi-Fi that wants a sign-in first."""
        status, retry_after = fault.get("status"), fault.get("retry_after")
        if status < 400:
            page = "<p>Please sign in.</p>"
            response = web.Response(status=status, text=page, content_type="text/html")
            if status >= 300:
                response.headers["Location"] = "http://sign-in.example/"
        else:
            code = fault.get("code") or _CODES.get(status, 5000 if status >= 500 else 4000)
            said = fault.get("msg")
            msg = MESSAGES.get(code, "refused") if said is None else said
            response = refusal_response(status, code, msg, self._logid)
        if retry_after is not None:
            response.headers["Retry-After"] = str(retry_after)
        return response


def words(fault: Fault) -> str:
    """The words of a fault that has a code."""
    said: str | None = fault.get("msg")
    return MESSAGES.get(fault.get("code"), "error") if said is None else said
