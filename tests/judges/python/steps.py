"""What a client of the judges saw, step by step, as JSON on stdout.

These clients run in an environment of their own and import nothing of this project, so that what
they see is what a stranger sees.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from cozepy import ChatPoll, CozeAPIError
from pydantic import BaseModel


class Steps:
    """Runs calls of the SDK and keeps what came back, under the names of the calls."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def take(self, step: str, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """What the call returns; None if it raised, which is kept as well."""
        try:
            found = call(*args, **kwargs)
            self.seen[step] = {"gave": plain(found)}
        except Exception as error:  # noqa: BLE001 (whatever the SDK stumbles over is the finding)
            self.seen[step] = {"raised": told(error)}
            return None
        return found

    def write(self) -> None:
        """Everything, for the test that started this client."""
        json.dump(self.seen, sys.stdout)


def told(error: BaseException) -> dict[str, Any]:
    """An exception as JSON."""
    found: dict[str, Any] = {"type": type(error).__name__, "text": str(error)}
    if isinstance(error, CozeAPIError):
        found |= {"code": error.code, "msg": error.msg, "logid": error.logid}
    return found


def plain(value: Any) -> Any:
    """What an SDK returned as JSON. Pages and streams are read to their end."""
    if isinstance(value, ChatPoll):
        return {"chat": plain(value.chat), "messages": plain(value.messages)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value]
