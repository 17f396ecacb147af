"""The objects that several events of the socket share: a chat (one turn), a message, tool calls."""

from __future__ import annotations

from dataclasses import dataclass

from agent.coze.frame import (
    JsonObject,
    code_of,
    id_of,
    list_of,
    optional_int,
    optional_object,
    optional_text,
    text_of,
)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn; zeros until it is completed."""

    token_count: int = 0
    output_count: int = 0
    input_count: int = 0


@dataclass(frozen=True, slots=True)
class LastError:
    """Why a turn failed."""

    code: int = 0
    msg: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One local function the platform wants run; ``arguments`` is JSON as text.

    ``type`` is ``function``, or ``reply_message`` for a question node of a chatflow.
    """

    id: str
    name: str
    arguments: str
    type: str = "function"


@dataclass(frozen=True, slots=True)
class Chat:
    """One turn. Times are whole seconds since the epoch, absent until reached."""

    id: str
    conversation_id: str = ""
    bot_id: str = ""
    section_id: str = ""
    status: str = ""
    created_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    meta_data: JsonObject | None = None
    last_error: LastError | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One item of a turn. Ids are ``"0"`` for speech without a turn.

    In audio events ``content`` is empty: the decoded bytes stand in the event itself.
    """

    id: str
    conversation_id: str = ""
    bot_id: str = ""
    role: str = "assistant"
    type: str = "answer"
    content: str = ""
    content_type: str = "text"
    chat_id: str = ""
    section_id: str = ""
    meta_data: JsonObject | None = None
    reasoning_content: str | None = None
    created_at: int | None = None
    updated_at: int | None = None


def read_chat(data: JsonObject) -> Chat:
    """Raises ``WireError`` for a field of the wrong type."""
    error = optional_object(data, "last_error")
    usage = optional_object(data, "usage")
    action = optional_object(data, "required_action") or {}
    submit = optional_object(action, "submit_tool_outputs") or {}
    return Chat(
        id=id_of(data, "id"),
        conversation_id=id_of(data, "conversation_id"),
        bot_id=id_of(data, "bot_id"),
        section_id=id_of(data, "section_id"),
        status=text_of(data, "status"),
        created_at=optional_int(data, "created_at"),
        completed_at=optional_int(data, "completed_at"),
        failed_at=optional_int(data, "failed_at"),
        meta_data=optional_object(data, "meta_data"),
        last_error=None if error is None else LastError(code_of(error), text_of(error, "msg")),
        tool_calls=tuple(_read_call(call) for call in list_of(submit, "tool_calls")),
        usage=None if usage is None else _read_usage(usage),
    )


def _read_call(call: JsonObject) -> ToolCall:
    function = optional_object(call, "function") or {}
    return ToolCall(
        id=id_of(call, "id"),
        name=text_of(function, "name"),
        arguments=text_of(function, "arguments"),
        type=text_of(call, "type", "function"),
    )


def _read_usage(usage: JsonObject) -> Usage:
    return Usage(
        optional_int(usage, "token_count") or 0,
        optional_int(usage, "output_count") or 0,
        optional_int(usage, "input_count") or 0,
    )


def write_chat(chat: Chat) -> JsonObject:
    """The ``data`` object of a chat event, in the field order of real frames."""
    data: JsonObject = {
        "id": chat.id,
        "conversation_id": chat.conversation_id,
        "bot_id": chat.bot_id,
    }
    for key in ("created_at", "completed_at", "failed_at"):
        value = getattr(chat, key)
        if value is not None:
            data[key] = value
    data["status"] = chat.status
    if chat.meta_data is not None:
        data["meta_data"] = chat.meta_data
    if chat.last_error is not None:
        data["last_error"] = {"code": chat.last_error.code, "msg": chat.last_error.msg}
    if chat.tool_calls:
        data["required_action"] = {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": [_write_call(call) for call in chat.tool_calls]},
        }
    if chat.usage is not None:
        data["usage"] = {
            "token_count": chat.usage.token_count,
            "output_count": chat.usage.output_count,
            "input_count": chat.usage.input_count,
        }
    if chat.section_id:
        data["section_id"] = chat.section_id
    return data


def _write_call(call: ToolCall) -> JsonObject:
    return {
        "id": call.id,
        "type": call.type,
        "function": {"name": call.name, "arguments": call.arguments},
    }


def read_message(data: JsonObject, *, audio: bool = False) -> Message:
    """Raises ``WireError`` for a field of the wrong type; ``audio`` leaves ``content`` out."""
    return Message(
        id_of(data, "id"),
        id_of(data, "conversation_id"),
        id_of(data, "bot_id"),
        text_of(data, "role"),
        text_of(data, "type"),
        "" if audio else text_of(data, "content"),
        text_of(data, "content_type"),
        id_of(data, "chat_id"),
        id_of(data, "section_id"),
        optional_object(data, "meta_data"),
        optional_text(data, "reasoning_content"),
        optional_int(data, "created_at"),
        optional_int(data, "updated_at"),
    )


def write_message(message: Message, content: str) -> JsonObject:
    """The ``data`` object of a message event, in the field order of real frames."""
    data: JsonObject = {
        "id": message.id,
        "conversation_id": message.conversation_id,
        "bot_id": message.bot_id,
        "role": message.role,
        "type": message.type,
        "content": content,
        "content_type": message.content_type,
    }
    for key in ("chat_id", "section_id"):
        if getattr(message, key):
            data[key] = getattr(message, key)
    for key in ("meta_data", "reasoning_content", "created_at", "updated_at"):
        if getattr(message, key) is not None:
            data[key] = getattr(message, key)
    return data
