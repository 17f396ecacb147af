"""Who a token belongs to, and the workspaces it can see."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from agent.emulator.rest.reply import grant, integer, ok, page_of
from agent.emulator.service import Service


def routes(service: Service) -> list[web.RouteDef]:
    """``/v1/users/me`` and ``/v1/workspaces``."""

    async def me(request: web.Request) -> web.Response:
        account = service.accounts.get(grant(request, service).account)
        return ok(
            {
                "user_id": account.user_id,
                "user_name": account.user_name,
                "nick_name": account.nick_name,
                "avatar_url": account.avatar_url,
            }
        )

    async def workspaces(request: web.Request) -> web.Response:
        asking = grant(request, service)
        spaces = service.accounts.workspaces(service.accounts.get(asking.account).name)
        if asking.workspace_id:
            spaces = [space for space in spaces if space.id == asking.workspace_id]
        page_num = integer(request.query, "page_num", 1, least=1)
        page_size = integer(request.query, "page_size", 20, least=1, most=50)
        found, _, total = page_of(spaces, page_num, page_size)
        listed = [{**asdict(space), "icon_url": ""} for space in found]
        return ok({"workspaces": listed, "total_count": total})

    return [web.get("/v1/users/me", me), web.get("/v1/workspaces", workspaces)]
