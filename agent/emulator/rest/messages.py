"""The messages of conversations: added, listed, looked at, changed and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from agent.coze.objects import Message, write_message
from agent.emulator.conversations import Conversation
from agent.emulator.rest.entered import contents, message, metadata
from agent.emulator.rest.reply import ApiError, body, grant, integer, ok, text, word
from agent.emulator.service import Service

_FEEDBACK = ("like", "unlike")


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/conversation/message/…`` and the feedback on a message."""
    talks, history = service.conversations, service.conversations.history

    async def create(request: web.Request) -> web.Response:
        talk = _talk(request)
        entered = message(await body(request))
        kept = talks.insert(
            talk,
            entered.role,
            entered.content,
            entered.content_type,
            type=entered.type,
            meta_data=entered.meta_data,
        )
        return ok(shown(kept))

    async def listing(request: web.Request) -> web.Response:
        talk = _talk(request)
        values: Mapping[str, Any] = await body(request) or request.query
        order = word(values, "order", ("asc", "desc"), "desc")
        page = history.page(
            talk.id,
            chat_id=text(values, "chat_id"),
            before=text(values, "before_id"),
            after=text(values, "after_id"),
            limit=integer(values, "limit", 50, 1, 50),
            newest_first=order == "desc",
        )
        ends = (page.messages[0].id, page.messages[-1].id) if page.messages else ("", "")
        return ok(
            [shown(one) for one in page.messages],
            first_id=ends[0],
            last_id=ends[1],
            has_more=page.has_more,
        )

    async def retrieve(request: web.Request) -> web.Response:
        return ok(shown(_message(request)[1]))

    async def modify(request: web.Request) -> web.Response:
        _, found = _message(request)
        values = await body(request)
        if values.get("content") is not None:
            content, content_type, _ = contents(values)
            found = replace(found, content=content, content_type=content_type)
        if values.get("meta_data") is not None:
            found = replace(found, meta_data=metadata(values))
        # Of all answers this one alone is not called data.
        return ok(message=shown(history.change(found)))

    async def delete(request: web.Request) -> web.Response:
        _, found = _message(request)
        history.remove(found)
        return ok(shown(found))

    async def feedback(request: web.Request) -> web.Response:
        talk = talks.find(request.match_info["conversation_id"], grant(request, service).account)
        if history.find(talk.id, request.match_info["message_id"]) is None:
            raise _unknown(request.match_info["message_id"])
        if request.method == "POST":
            word(await body(request), "feedback_type", _FEEDBACK, None)
        return ok()

    def _talk(request: web.Request) -> Conversation:
        who = grant(request, service)
        return talks.find(text(request.query, "conversation_id", None), who.account)

    def _message(request: web.Request) -> tuple[Conversation, Message]:
        talk = _talk(request)
        id = text(request.query, "message_id", None)
        found = history.find(talk.id, id)
        if found is None:
            raise _unknown(id)
        return talk, found

    base = "/v1/conversation/message"
    one = "/v1/conversations/{conversation_id}/messages/{message_id}/feedback"
    return [
        web.post(f"{base}/create", create),
        web.post(f"{base}/list", listing),
        web.get(f"{base}/list", listing),
        web.get(f"{base}/retrieve", retrieve),
        web.post(f"{base}/modify", modify),
        web.post(f"{base}/delete", delete),
        web.post(one, feedback),
        web.delete(one, feedback),
    ]


def shown(message: Message) -> dict[str, Any]:
    """A message as REST tells it."""
    return write_message(message, message.content)


def _unknown(id: str) -> ApiError:
    return ApiError(4005, f"the message does not exist: {id}")
