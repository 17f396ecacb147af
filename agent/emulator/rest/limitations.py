"""Quotas of devices and other consumers: made, listed, changed; never deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from aiohttp import web

from agent.emulator.limitations import (
    BENEFITS,
    OLD_SCOPES,
    SCOPES,
    UNITS,
    Entity,
    Limitation,
)
from agent.emulator.rest.reply import ApiError, body, grant, integer, ok, text, word
from agent.emulator.service import Service
from agent.emulator.tokens import Denial

PATH = "/v1/commerce/benefit/limitations"

_STATES = ("valid", "frozen")
_CHANGEABLE = (
    "active_mode",
    "started_at",
    "ended_at",
    "limit",
    "status",
    "trigger_unit",
    "trigger_time",
)


def routes(service: Service) -> list[web.RouteDef]:
    """Create, list and update."""
    meter, switches = service.meter, service.script.switches

    async def create(request: web.Request) -> web.Response:
        tenant = _administered(request, "createBenefitLimitation")
        values = await body(request)
        info = values.get("benefit_info")
        if not isinstance(info, dict):
            raise ApiError(4000, "invalid parameter: benefit_info must be an object", 400)
        scope = _scope(values)
        single = scope.startswith("single")
        entity_id = text(values, "entity_id", None if single else "")
        rule = Limitation(
            benefit_id=service.ids.number(),
            entity_type=scope,
            entity_id=entity_id if single else "",
            benefit_type=word(info, "benefit_type", BENEFITS),
            limit=integer(info, "limit"),
            active_mode=word(info, "active_mode", ("absolute_time",)),
            started_at=integer(info, "started_at"),
            ended_at=integer(info, "ended_at"),
            status=word(info, "status", _STATES, "valid"),
            trigger_unit=word(info, "trigger_unit", tuple(UNITS), "never"),
            trigger_time=integer(info, "trigger_time", 1, 1, 1_000_000),
        )
        rule = _consistent(rule)
        if single and switches.unreported_entity == "refuse":
            entity = Entity(scope.removeprefix("single_"), entity_id)
            if not meter.quotas.reported(tenant, entity):
                raise ApiError(4000, f"invalid parameter: {entity_id} has not reported yet")
        _refuse_second(tenant, rule)
        meter.quotas.put(tenant, rule)
        told = _told(rule)
        return ok(told if switches.limitation_reply == "flat" else {"benefit_info": told})

    async def listing(request: web.Request) -> web.Response:
        tenant = _administered(request, "listBenefitLimitation")
        query = request.query
        scope = _scope(query)
        single = scope.startswith("single")
        found = meter.quotas.listed(
            tenant,
            scope,
            word(query, "benefit_type", BENEFITS),
            text(query, "entity_id", None) if single else "",
            word(query, "status", _STATES, "valid"),
        )
        # The token is where the next page begins, as text.
        start = integer(query, "page_token", 0)
        end = start + integer(query, "page_size", 20, 1, 200)
        more = end < len(found)
        return ok(
            {
                "has_more": more,
                "page_token": str(end) if more else "",
                "benefit_infos": [_told(rule) for rule in found[start:end]],
            }
        )

    async def update(request: web.Request) -> web.Response:
        tenant = _administered(request, "updateBenefitLimitation")
        rule = meter.quotas.find(tenant, request.match_info["benefit_id"])
        if rule is None:
            raise ApiError(4200, "the benefit limitation does not exist")
        values = await body(request)
        # One form of the documentation nests what is to change.
        inner = values.get("benefit_info", values)
        if not isinstance(inner, dict):
            raise ApiError(4000, "invalid parameter: benefit_info must be an object", 400)
        given: dict[str, Any] = {
            name: inner[name] for name in _CHANGEABLE if inner.get(name) is not None
        }
        rule = _consistent(
            replace(
                rule,
                limit=integer(given, "limit", rule.limit),
                active_mode=word(given, "active_mode", ("absolute_time",), rule.active_mode),
                started_at=integer(given, "started_at", rule.started_at),
                ended_at=integer(given, "ended_at", rule.ended_at),
                status=word(given, "status", _STATES, rule.status),
                trigger_unit=word(given, "trigger_unit", tuple(UNITS), rule.trigger_unit),
                trigger_time=integer(given, "trigger_time", rule.trigger_time, 1, 1_000_000),
            )
        )
        _refuse_second(tenant, rule)
        meter.quotas.put(tenant, rule)
        return ok({"benefit_info": _told(rule)} if switches.limitation_update == "info" else None)

    def _administered(request: web.Request, permission: str) -> str:
        """The tenant of an administrator of an enterprise."""
        who = grant(request, service, permission)
        if service.script.plan.level != "enterprise":
            raise Denial(403, 4101, "limitations need the enterprise plan")
        return meter.tenant(who.account)

    def _refuse_second(tenant: str, rule: Limitation) -> None:
        others = meter.quotas.listed(tenant, rule.entity_type, rule.benefit_type)
        if any(rule.clashes(other, service.now()) for other in others):
            kind = "cumulative" if rule.cumulative else "periodic"
            raise ApiError(4201, f"{rule.entity_type} already has a {kind} limitation")

    return [
        web.post(PATH, create),
        web.get(PATH, listing),
        web.put(PATH + "/{benefit_id}", update),
    ]


def _scope(values: Mapping[str, Any]) -> str:
    scope = word(values, "entity_type", (*SCOPES, *OLD_SCOPES))
    return OLD_SCOPES.get(scope, scope)


def _consistent(rule: Limitation) -> Limitation:
    if rule.started_at > rule.ended_at:
        raise ApiError(4000, "invalid parameter: started_at must not be after ended_at", 400)
    return replace(rule, trigger_time=1) if rule.cumulative else rule


def _told(rule: Limitation) -> dict[str, Any]:
    told = asdict(rule)
    if not rule.single:
        del told["entity_id"]
    return told
