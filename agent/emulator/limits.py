"""Rate limits of an account, as the platform has them per plan. Off unless a script sets them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agent.emulator.access import Access
from agent.emulator.fields import Refusal
from agent.emulator.tokens import Denial

CODE = 4020
_SECOND, _MINUTE = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The script's ``[limits]``; 0 is no limit. ``calls`` is the total of the free plan's kind."""

    chat_qps: int = 0
    workflow_qps: int = 0
    upload_qps: int = 0
    model_rpm: int = 0
    calls: int = 0


class Limiter:
    """Counts the calls of each account in sliding windows on the platform's clock."""

    def __init__(self, limits: Limits, now: Callable[[], float]) -> None:
        self._now = now
        self._windows: Mapping[str, tuple[int, float]] = {
            group: window
            for group, window in {
                "chat": (limits.chat_qps, _SECOND),
                "workflow": (limits.workflow_qps, _SECOND),
                "upload": (limits.upload_qps, _SECOND),
                "model": (limits.model_rpm, _MINUTE),
            }.items()
            if window[0]
        }
        self._total = limits.calls
        self._spent: dict[str, int] = {}
        self._recent: dict[tuple[str, str], deque[float]] = {}

    @property
    def on(self) -> bool:
        """Whether there is any limit."""
        return bool(self._windows or self._total)

    def call(self, account: str, path: str) -> None:
        """Count a call to an address. Raises ``Denial`` 429 with the code 4020."""
        if self._total:
            spent = self._spent.get(account, 0)
            if spent >= self._total:
                raise Denial(429, CODE, f"all {self._total} API calls of the plan are used up")
            self._spent[account] = spent + 1
        group = _group(path)
        if group:
            self.take(account, group)

    def question(self, account: str) -> None:
        """Count a call to the model. Raises ``Refusal`` 4020."""
        try:
            self.take(account, "model")
        except Denial as denial:
            raise Refusal(denial.msg, denial.code) from None

    def take(self, account: str, group: str) -> None:
        """Count one of chat, workflow, upload or model. Raises ``Denial`` 429, code 4020."""
        window = self._windows.get(group)
        if window is None:
            return
        most, seconds = window
        now = self._now()
        recent = self._recent.setdefault((account, group), deque())
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        if len(recent) >= most:
            unit = "second" if seconds == _SECOND else "minute"
            raise Denial(429, CODE, f"more than {most} {group} calls in one {unit}")
        recent.append(now)


def limited(limiter: Limiter, access: Access) -> Any:
    """Middleware: counts every call to the API that brings a token; others fail by themselves."""

    @web.middleware
    async def count(request: web.Request, handler: Any) -> Any:
        if limiter.on and request.path.startswith(("/v1/", "/v3/")):
            header = request.headers.get("Authorization") or request.query.get("authorization")
            try:
                account = access.admit(header).account
            except Denial:
                return await handler(request)
            limiter.call(account, request.path)
        return await handler(request)

    return count


def _group(path: str) -> str:
    if path == "/v1/chat" or path.startswith("/v3/chat"):
        return "chat"
    if path.startswith(("/v1/workflow", "/v1/workflows")):
        return "workflow"
    return "upload" if path == "/v1/files/upload" else ""
