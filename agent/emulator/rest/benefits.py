"""What the account's plan includes. Nothing here is per device."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from agent.emulator.limitations import NEVER_ENDS
from agent.emulator.plan import QPS
from agent.emulator.rest.reply import ApiError, grant, ok, text, word
from agent.emulator.service import Service

PATH = "/v1/commerce/benefit/benefits/get"

_RATE, _TOOLS = "api_run_qps", "call_tool_limit"


def routes(service: Service) -> list[web.RouteDef]:
    """``benefits/get``."""
    plan = service.script.plan

    async def get(request: web.Request) -> web.Response:
        grant(request, service)
        wanted = [kind for kind in text(request.query, "benefit_type_list").split(",") if kind]
        for kind in wanted:
            if kind not in (_RATE, _TOOLS):
                raise ApiError(
                    4000, f"invalid parameter: benefit_type_list must have {_RATE}, {_TOOLS}", 400
                )
        data: dict[str, Any] = {"basic_info": {"user_level": plan.level}}
        if wanted:
            resource = ""
            if _RATE in wanted:
                resource = word(request.query, "resource_id", tuple(QPS))
            data["benefit_info"] = [_benefit(kind, resource) for kind in wanted]
        return ok(data)

    def _benefit(kind: str, resource: str) -> dict[str, Any]:
        if kind == _TOOLS:
            # Plug-ins that the platform runs itself are not emulated, so none is ever called.
            quota = _item(plan.tool_calls)
            return {"benefit_type": kind, "basic": quota, "effective": quota, "extra": []}
        included = plan.qps(resource)
        extra = [_item(plan.extra_qps)] if plan.extra_qps else []
        return {
            "benefit_type": kind,
            "resource_id": resource,
            "basic": _item(included),
            "effective": _item(included + plan.extra_qps),
            "extra": extra,
        }

    return [web.get(PATH, get)]


def _item(total: int) -> dict[str, Any]:
    return {
        "status": "valid",
        "item_info": {
            "used": 0,
            "total": total,
            "start_at": 0,
            "end_at": NEVER_ENDS,
            "strategy": "by_quota",
        },
    }
