"""What every downlink event has in common: the envelope, the registry, the shapes of ``data``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, TypeVar

from agent.coze.frame import JsonObject, WireError, code_of, text_of
from agent.coze.objects import (
    Chat,
    Message,
    read_chat,
    read_message,
    write_chat,
    write_message,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """The envelope: the server's event id, its log id of the connection (the only handle vendor
    support accepts), and its time of sending as text, ms since the epoch. Empty where absent.
    """

    event_type: ClassVar[str] = ""

    id: str = ""
    logid: str = ""
    respond_at: str = ""

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        """Build the event from its ``data`` object; raises ``WireError``."""
        return cls(**envelope)

    def data(self) -> JsonObject | None:
        """The ``data`` object of the frame, ``None`` where real frames have none."""
        return None


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a type this module does not know; to be ignored."""

    type: str
    id: str = ""
    logid: str = ""
    respond_at: str = ""

    @property
    def event_type(self) -> str:
        """The ``event_type`` of the frame, at most 100 characters of it."""
        return self.type


_E = TypeVar("_E", bound=type[Downlink])

DOWNLINK_EVENTS: dict[str, type[Downlink]] = {}
"""Every known ``event_type`` of a downlink frame and its class."""


def known(cls: _E) -> _E:
    """Class decorator: ``parse`` finds the class by its ``event_type``."""
    DOWNLINK_EVENTS[cls.event_type] = cls
    return cls


def required(data: JsonObject | None) -> JsonObject:
    """``data`` of an event that makes no sense without; raises ``WireError``."""
    if data is None:
        raise WireError("data is missing")
    return data


# --- shapes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConfigShape(Downlink):
    """``data`` is a configuration as applied by the server, in the shape of the update event."""

    config: JsonObject = field(default_factory=dict)

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(data or {}, **envelope)

    def data(self) -> JsonObject | None:
        return self.config


@dataclass(frozen=True, slots=True)
class ContentShape(Downlink):
    """``data.content`` is the full text so far, not an increment."""

    content: str = ""

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(text_of(required(data), "content"), **envelope)

    def data(self) -> JsonObject | None:
        return {"content": self.content}


@dataclass(frozen=True, slots=True)
class ChatShape(Downlink):
    """``data`` is a turn."""

    chat: Chat

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(read_chat(required(data)), **envelope)

    def data(self) -> JsonObject | None:
        return write_chat(self.chat)


@dataclass(frozen=True, slots=True)
class MessageShape(Downlink):
    """``data`` is a message with text content."""

    message: Message

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(read_message(required(data)), **envelope)

    def data(self) -> JsonObject | None:
        return write_message(self.message, self.message.content)


@dataclass(frozen=True, slots=True)
class CodeShape(Downlink):
    """``data`` is a code and a message; both default where absent."""

    code: int = 0
    msg: str = ""

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(code_of(data or {}), text_of(data or {}, "msg"), **envelope)

    def data(self) -> JsonObject | None:
        return {"code": self.code, "msg": self.msg}
