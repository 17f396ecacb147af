"""The JSON around every REST answer, and the log id of every HTTP exchange."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from aiohttp import web

from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.tokens import Denial

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADER = "X-Tt-Logid"

LOGID: ContextVar[str] = ContextVar("logid", default="")
"""The log id of the request being answered."""


class ApiError(Exception):
    """A refused REST call: the platform's ``code`` and ``msg``, and the HTTP ``status``."""

    def __init__(self, code: int, msg: str, status: int = 200) -> None:
        super().__init__(msg)
        self.code = code
        self.msg = msg
        self.status = status


def refusal_response(status: int, code: int, msg: str, logid: str) -> web.Response:
    """A refusal with the platform's ``code``, never 0."""
    body = {"code": code, "msg": msg, "detail": {"logid": logid}}
    return web.json_response(body, status=status, headers={HEADER: logid})


def envelope(ids: Ids) -> Any:
    """Middleware: an envelope around every error, a log id on every answer that has none yet."""

    @web.middleware
    async def wrap(request: web.Request, handler: Handler) -> web.StreamResponse:
        logid = ids.logid()
        LOGID.set(logid)
        try:
            response = await handler(request)
        except (ApiError, Denial) as error:
            response = refusal_response(error.status, error.code, error.msg, logid)
        except Refusal as error:
            response = refusal_response(200, error.code, error.msg, logid)
        except web.HTTPException as error:
            code = 4200 if error.status == 404 else 4000
            response = refusal_response(error.status, code, error.reason.lower(), logid)
        except Exception:
            log.exception("%s %s failed (logid %s)", request.method, request.path, logid)
            response = refusal_response(500, 5000, "internal error", logid)
        if not response.prepared:
            response.headers.setdefault(HEADER, logid)
        return response

    return wrap
