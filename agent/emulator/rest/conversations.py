"""Conversations: made, found, renamed, cleared and deleted."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.emulator.conversations import CONNECTOR, Conversation
from agent.emulator.rest.entered import messages, metadata
from agent.emulator.rest.reply import ApiError, body, grant, integer, ok, text, word
from agent.emulator.service import Service

_MOST_MESSAGES = 16
_NAME = 100


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/conversation/create|retrieve`` and ``/v1/conversations…``."""
    talks = service.conversations

    async def create(request: web.Request) -> web.Response:
        who = grant(request, service)
        values = await body(request)
        entered = messages(values, "messages", _MOST_MESSAGES)
        bot_id = text(values, "bot_id")
        if bot_id:
            service.bots.check(bot_id, who.account)
        talk = talks.create(
            who.account,
            bot_id=bot_id,
            connector_id=text(values, "connector_id", who.connector_id),
            name=text(values, "name", "", _NAME),
            meta_data=metadata(values),
        )
        for one in entered:
            talks.insert(
                talk,
                one.role,
                one.content,
                one.content_type,
                type=one.type,
                meta_data=one.meta_data,
            )
        return ok(_shown(talk))

    async def retrieve(request: web.Request) -> web.Response:
        who = grant(request, service)
        id = text(request.query, "conversation_id", None)
        return ok(_shown(talks.find(id, who.account)))

    async def listing(request: web.Request) -> web.Response:
        who = grant(request, service)
        query = request.query
        order = word(query, "sort_order", ("ASC", "DESC", "asc", "desc"), "DESC")
        found, has_more = talks.page(
            who.account,
            text(query, "bot_id", None),
            text(query, "connector_id"),
            newest_first=order.upper() == "DESC",
            page_num=integer(query, "page_num", 1, 1, 1_000_000),
            page_size=integer(query, "page_size", 50, 1, 50),
        )
        return ok({"conversations": [_shown(talk) for talk in found], "has_more": has_more})

    async def update(request: web.Request) -> web.Response:
        talk = _found(request)
        values = await body(request)
        if values.get("name") is not None:
            talk.name = text(values, "name", "", _NAME)
            talks.save(talk)
        return ok(_shown(talk))

    async def delete(request: web.Request) -> web.Response:
        talk = _found(request)
        if talk.busy is not None:
            raise ApiError(4016, "the conversation has a running chat")
        talks.delete(talk)
        return ok()

    async def clear(request: web.Request) -> web.Response:
        talk = _found(request)
        talks.clear(talk)
        return ok({"id": talk.section_id, "conversation_id": talk.id})

    def _found(request: web.Request) -> Conversation:
        who = grant(request, service)
        return talks.find(request.match_info["conversation_id"], who.account)

    def _shown(talk: Conversation) -> dict[str, Any]:
        return {
            "id": talk.id,
            "name": talk.name,
            "meta_data": talk.meta_data,
            "created_at": talk.created_at,
            "updated_at": talk.updated_at,
            "creator_id": service.accounts.get(talk.account).user_id,
            "connector_id": talk.connector_id or CONNECTOR,
            "last_section_id": talk.section_id,
        }

    return [
        web.post("/v1/conversation/create", create),
        web.get("/v1/conversation/retrieve", retrieve),
        web.get("/v1/conversations", listing),
        web.put("/v1/conversations/{conversation_id}", update),
        web.delete("/v1/conversations/{conversation_id}", delete),
        web.post("/v1/conversations/{conversation_id}/clear", clear),
    ]
