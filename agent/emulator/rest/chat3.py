"""Chat by text: ``/v3/chat``, streamed or polled, with tools, cancelling and what was said."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from aiohttp import web

from agent.coze.objects import write_chat
from agent.coze.uplink import ToolResult
from agent.emulator.chats import Chats, RunningChat, Told
from agent.emulator.clip import hear
from agent.emulator.config import default_config
from agent.emulator.conversations import Conversation
from agent.emulator.envelope import HEADER, LOGID
from agent.emulator.fields import Refusal, pairs
from agent.emulator.meter import Exhausted
from agent.emulator.rest.entered import Entered, messages, metadata
from agent.emulator.rest.messages import shown
from agent.emulator.rest.reply import ApiError, body, flag, grant, ok, text
from agent.emulator.service import Service
from agent.emulator.tokens import Grant
from agent.emulator.turn import Question

log = logging.getLogger(__name__)

_MOST_MESSAGES = 100

_check_variables = pairs()


def routes(service: Service) -> list[web.RouteDef]:
    """``/v3/chat…``."""
    talks, history = service.conversations, service.conversations.history
    chats = Chats(service)
    service.closers.append(chats.shut)

    async def create(request: web.Request) -> web.StreamResponse:
        who = grant(request, service, "chat")
        values = await body(request)
        bot_id, user_id = text(values, "bot_id", None), text(values, "user_id", None)
        who.need_bot(bot_id)
        service.bots.check(bot_id, who.account)
        stream, saved = flag(values, "stream"), flag(values, "auto_save_history", True)
        if not stream and not saved:
            raise ApiError(4007, "without stream, auto_save_history must be true")
        entered = messages(values, "additional_messages", _MOST_MESSAGES)
        service.meter.report(who)
        if service.script.switches.quota_form != "failed" and service.meter.allowed(who):
            raise ApiError(service.script.switches.quota_code, Exhausted.MSG)
        _check(entered, text(request.query, "conversation_id"))
        spoken = await _spoken(entered, who)
        config = _config(values, saved=saved, spoken=bool(spoken))
        talk = _conversation(request, who, user_id)
        chat = chats.begin(talk, config, bot_id, _question(talk, entered, spoken), who)
        for one in entered[:-1] if saved else ():
            kept = talks.insert(
                talk,
                one.role,
                one.content,
                one.content_type,
                type=one.type,
                meta_data=one.meta_data,
            )
            chat.stream.inserted.append(kept.id)
        return await _reply(request, chat, chat.start, stream=stream)

    async def submit(request: web.Request) -> web.StreamResponse:
        who = grant(request, service, "submitToolChat")
        talk = talks.find(text(request.query, "conversation_id", None), who.account)
        chat_id = text(request.query, "chat_id", None)
        values = await body(request)
        outputs = _outputs(chat_id, values)
        chat = chats.find(talk.id, chat_id)
        if chat is None:
            raise ApiError(4001, f"the chat does not wait for tool outputs: {chat_id}")
        chat.turn.check(chat_id, outputs)
        return await _reply(
            request, chat, lambda: chat.submit(outputs), stream=flag(values, "stream")
        )

    async def retrieve(request: web.Request) -> web.Response:
        talk, chat_id = await _named(request)
        running = chats.find(talk.id, chat_id)
        if running is not None:
            return ok(running.state())
        return ok(_past(talk, chat_id))

    async def cancel(request: web.Request) -> web.Response:
        talk, chat_id = await _named(request)
        running = chats.find(talk.id, chat_id)
        if running is not None:
            return ok(await running.cancel())
        status = _past(talk, chat_id)["status"]
        raise ApiError(4104, f"the chat cannot be canceled here, its status is {status}")

    async def said(request: web.Request) -> web.Response:
        talk, chat_id = await _named(request)
        if chats.find(talk.id, chat_id) is None:
            _past(talk, chat_id)
        return ok([shown(message) for message in history.of_chat(talk.id, chat_id)])

    def _conversation(request: web.Request, who: Grant, user_id: str) -> Conversation:
        id = text(request.query, "conversation_id")
        if id:
            return talks.find(id, who.account, user_id)
        return talks.create(who.account, user_id, connector_id=who.connector_id)

    async def _named(request: web.Request) -> tuple[Conversation, str]:
        """The conversation and the chat that the query or the body names."""
        who = grant(request, service)
        values = {**request.query, **await body(request)}
        talk = talks.find(text(values, "conversation_id", None), who.account)
        return talk, text(values, "chat_id", None)

    def _past(talk: Conversation, chat_id: str) -> dict[str, Any]:
        chat = history.chat(talk.id, chat_id)
        if chat is None:
            raise ApiError(4001, f"the chat does not exist: {chat_id}")
        return write_chat(chat)

    def _question(talk: Conversation, entered: list[Entered], spoken: str) -> Question:
        if entered:
            last = entered[-1]
            return Question(spoken or last.text, last.content, last.content_type)
        found = history.page(talk.id, limit=1).messages
        if not found or found[0].role != "user":
            raise ApiError(4004, "additional_messages must contain a question")
        last_said = found[0].content
        return Question(last_said, last_said, found[0].content_type, kept=True)

    async def _spoken(entered: list[Entered], who: Grant) -> str:
        """The words of a question that was uploaded as audio."""
        words = []
        for item in _items(entered[-1]) if entered else ():
            if item["type"] == "text":
                words.append(item["text"])
            elif item["type"] == "audio" and item.get("file_id"):
                data = service.files.read(service.files.find(str(item["file_id"]), who.account))
                words.append(await hear(service, data))
        return " ".join(word for word in words if word) if _has_audio(entered) else ""

    return [
        web.post("/v3/chat", create),
        web.post("/v3/chat/submit_tool_outputs", submit),
        web.get("/v3/chat/retrieve", retrieve),
        # Documented as GET, called as POST by both SDKs.
        web.post("/v3/chat/retrieve", retrieve),
        web.post("/v3/chat/cancel", cancel),
        web.get("/v3/chat/message/list", said),
        web.post("/v3/chat/message/list", said),
    ]


def _check(entered: list[Entered], conversation_id: str) -> None:
    """Raises ``ApiError`` 4004 where there is no question."""
    if not entered and not conversation_id:
        raise ApiError(4004, "additional_messages must contain a question")
    if entered and entered[-1].role != "user":
        raise ApiError(4004, "the last of additional_messages must be the user's")


def _items(entered: Entered) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        json.loads(entered.content) if entered.content_type == "object_string" else []
    )
    return found


def _has_audio(entered: list[Entered]) -> bool:
    return bool(entered) and any(item["type"] == "audio" for item in _items(entered[-1]))


def _config(values: Mapping[str, Any], *, saved: bool, spoken: bool) -> dict[str, Any]:
    """What a turn needs to know. A spoken question is answered aloud: 24 kHz PCM, as documented."""
    variables = values.get("custom_variables")
    if variables is not None:
        try:
            _check_variables("custom_variables", variables)
        except Refusal as refusal:
            raise ApiError(4000, refusal.msg, 400) from None
    return {
        "chat_config": {"auto_save_history": saved, "meta_data": metadata(values)},
        "output_audio": default_config()["output_audio"] if spoken else None,
    }


def _outputs(chat_id: str, values: Mapping[str, Any]) -> tuple[ToolResult, ...]:
    found = values.get("tool_outputs")
    if not isinstance(found, list) or not found:
        raise ApiError(4000, "invalid parameter: tool_outputs must be a list", 400)
    outputs = []
    for item in found:
        if not isinstance(item, dict):
            raise ApiError(4000, "invalid parameter: tool_outputs must be a list of objects", 400)
        output = item.get("output")
        if not isinstance(output, str):
            raise ApiError(4000, "invalid parameter: tool_outputs[].output must be a string", 400)
        outputs.append(ToolResult(text(item, "tool_call_id", None), output))
    return tuple(outputs)


async def _reply(
    request: web.Request, chat: RunningChat, go: Callable[[], None], *, stream: bool
) -> web.StreamResponse:
    """Let the chat go on, and answer with its events or with its state once it is in progress."""
    if not stream:
        go()
        await chat.stream.begun.wait()
        state = {**chat.state(), "status": "in_progress"}
        # Answered a moment ago, even where the turn has not read it yet.
        state.pop("required_action", None)
        return ok(state)
    events = chat.stream.follow()
    go()
    return await _stream(request, events)


async def _stream(request: web.Request, events: AsyncIterator[Told]) -> web.StreamResponse:
    """Server-sent events, one line each for name and data, as the SDKs read them."""
    headers = {
        "Content-Type": "text/event-stream; charset=utf-8",
        "Cache-Control": "no-cache",
        HEADER: LOGID.get(),
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    try:
        async for told in events:
            await _write(response, told.event, told.data)
        await _write(response, "done", "[DONE]")
        await response.write_eof()
    except ConnectionError:
        # The chat goes on without its listener; its end can be asked for.
        log.debug("the follower of a chat left")
    return response


async def _write(response: web.StreamResponse, event: str, data: Any) -> None:
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    await response.write(f"event:{event}\ndata:{content}\n\n".encode())
