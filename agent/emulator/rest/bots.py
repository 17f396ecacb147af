"""Bots: looking at them, making, changing, publishing and unpublishing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from agent.emulator.bots import API, Bot
from agent.emulator.rest.reply import (
    ApiError,
    body,
    flag,
    grant,
    integer,
    ok,
    page_of,
    text,
    word,
)
from agent.emulator.service import Service
from agent.emulator.tokens import Denial, Grant
from agent.emulator.voices import VOICES

_STATES = ("all", "published_online", "published_draft", "unpublished_draft")
_TABLES = (
    "prompt_info",
    "onboarding_info",
    "knowledge",
    "suggest_reply_info",
    "model_info_config",
    "plugin_id_list",
    "workflow_id_list",
)
_NAME, _DESCRIPTION = 20, 500
_MODEL = {"model_id": "1", "model_name": "talkbox brain", "context_round": 30}
_SEARCH = {"dataset_ids": [], "auto_call": True, "search_strategy": 0}


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/bots…``, ``/v1/bot/…`` and the older list of a space."""
    bots = service.bots

    async def retrieve(request: web.Request) -> web.Response:
        who = grant(request, service, "getMetadata")
        bot = bots.find(request.match_info["bot_id"], who.account)
        if flag(request.query, "is_published", True):
            return ok(_online(bot, who))
        return ok(_shown(bot, bot.draft, who))

    async def online(request: web.Request) -> web.Response:
        who = grant(request, service, "getMetadata")
        shown = _online(bots.find(text(request.query, "bot_id", None), who.account), who)
        del shown["voice_info_list"]
        return ok(shown)

    async def listing(request: web.Request) -> web.Response:
        who = grant(request, service)
        query = request.query
        state = word(query, "publish_status", _STATES, "published_online")
        connector = text(query, "connector_id", API)
        found = [
            _listed(bot, state, who)
            for bot in bots.listed(who.account, text(query, "workspace_id"))
            if _fits(bot, state, connector)
        ]
        # The SDK for Python calls the page's number page_index.
        page_num = integer(query, "page_num", integer(query, "page_index", 1, 1), 1)
        items, _, total = page_of(found, page_num, integer(query, "page_size", 20, 1, 50))
        return ok({"items": items, "total": total})

    async def published(request: web.Request) -> web.Response:
        who = grant(request, service)
        found = [
            {
                "bot_id": bot.id,
                "bot_name": config.get("name", ""),
                "description": config.get("description", ""),
                "icon_url": "",
                "publish_time": str(bot.published_at),
            }
            for bot in bots.listed(who.account, text(request.query, "space_id", None))
            if bot.online and (config := bot.published) is not None
        ]
        page_num = integer(request.query, "page_index", 1, 1)
        page_size = integer(request.query, "page_size", 20, 1, 50)
        items, _, total = page_of(found, page_num, page_size)
        return ok({"space_bots": items, "total": total})

    async def create(request: web.Request) -> web.Response:
        who = grant(request, service)
        values = await body(request)
        space_id = text(values, "space_id", None)
        text(values, "name", None)
        draft = _settings(values)
        bot = bots.create(service.ids.number(), who.account, space_id, draft)
        return ok({"bot_id": bot.id})

    async def update(request: web.Request) -> web.Response:
        who = grant(request, service)
        values = await body(request)
        bots.change(_own(who, text(values, "bot_id", None)), **_settings(values))
        return ok()

    async def publish(request: web.Request) -> web.Response:
        who = grant(request, service)
        values = await body(request)
        bot = _own(who, text(values, "bot_id", None))
        connectors = values.get("connector_ids")
        if (
            not isinstance(connectors, list)
            or not connectors
            or not all(isinstance(one, str) for one in connectors)
        ):
            raise ApiError(4000, "invalid parameter: connector_ids must be a list of strings", 400)
        account = grant(request, service).account
        choices = service.publishing.choices(connectors, values.get("connectors"), account)
        bots.publish(bot, connectors)
        service.publishing.published(bot, connectors, choices, account)
        return ok({"bot_id": bot.id, "version": str(bot.version)})

    async def unpublish(request: web.Request) -> web.Response:
        bot = _own(grant(request, service), request.match_info["bot_id"])
        values = await body(request)
        connector_id = text(values, "connector_id", None)
        bots.unpublish(bot, connector_id)
        service.publishing.unpublished(bot, connector_id, grant(request, service).account)
        return ok()

    def _own(who: Grant, id: str) -> Bot:
        bot = bots.find(id, who.account)
        if not bot.account:
            raise Denial(403, 4101, "the bot belongs to the emulator and cannot be changed")
        return bot

    def _online(bot: Bot, who: Grant) -> dict[str, Any]:
        if bot.published is None:
            raise ApiError(4015, "the bot is not published to the channel: API")
        return _shown(bot, bot.published, who)

    def _owner(who: Grant) -> str:
        return service.accounts.get(who.account).user_id

    def _shown(bot: Bot, config: Mapping[str, Any], who: Grant) -> dict[str, Any]:
        return {
            "bot_id": bot.id,
            "name": config.get("name", ""),
            "description": config.get("description", ""),
            "icon_url": "",
            "create_time": bot.created_at,
            "update_time": bot.updated_at,
            "version": str(bot.version),
            "prompt_info": {"prompt": "", **config.get("prompt_info", {})},
            "onboarding_info": {
                "prologue": "",
                "suggested_questions": [],
                **config.get("onboarding_info", {}),
            },
            "knowledge": {**_SEARCH, **config.get("knowledge", {})},
            "bot_mode": 0,
            "plugin_info_list": [],
            "model_info": {**_MODEL, **config.get("model_info_config", {})},
            "suggest_reply_info": {
                "reply_mode": "disable",
                "customized_prompt": "",
                **config.get("suggest_reply_info", {}),
            },
            "background_image_info": {},
            "shortcut_commands": [],
            "variables": [],
            "voice_info_list": [
                {"voice_id": voice.id, "language_code": voice.language_code} for voice in VOICES[:2]
            ],
            "default_user_input_type": "voice",
            "workflow_info_list": [],
            "owner_user_id": _owner(who),
            "folder_id": "",
        }

    def _listed(bot: Bot, state: str, who: Grant) -> dict[str, Any]:
        config = bot.published if state == "published_online" and bot.published else bot.draft
        item = {
            "id": bot.id,
            "name": config.get("name", ""),
            "description": config.get("description", ""),
            "icon_url": "",
            "is_published": bot.online,
            "updated_at": bot.updated_at,
            "owner_user_id": _owner(who),
            "folder_id": "",
        }
        return item | ({"published_at": bot.published_at} if bot.published_at else {})

    return [
        web.get("/v1/bots", listing),
        web.get("/v1/bots/{bot_id}", retrieve),
        web.post("/v1/bots/{bot_id}/unpublish", unpublish),
        web.get("/v1/bot/get_online_info", online),
        web.get("/v1/space/published_bots_list", published),
        web.post("/v1/bot/create", create),
        web.post("/v1/bot/update", update),
        web.post("/v1/bot/publish", publish),
    ]


def _fits(bot: Bot, state: str, connector: str) -> bool:
    if state == "all":
        return True
    if state == "unpublished_draft":
        return bot.published is None or connector not in bot.connectors
    return bot.published is not None and connector in bot.connectors


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """What of a body configures the bot. Raises ``ApiError`` 4000."""
    found: dict[str, Any] = {}
    if values.get("name") is not None:
        found["name"] = text(values, "name", None, _NAME)
    if values.get("description") is not None:
        found["description"] = text(values, "description", "", _DESCRIPTION)
    if values.get("icon_file_id"):
        found["icon_file_id"] = text(values, "icon_file_id")
    for table in _TABLES:
        value = values.get(table)
        if value is None:
            continue
        if not isinstance(value, dict):
            raise ApiError(4000, f"invalid parameter: {table} must be an object", 400)
        found[table] = {key: item for key, item in value.items() if item is not None}
    return found
