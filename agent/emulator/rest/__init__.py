"""The REST side of the platform: one module per room, each with ``routes(service)``."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from agent.emulator.rest import (
    apiapps,
    benefits,
    bills,
    connectors,
    consent,
    limitations,
    oauth,
    tokens,
    users,
)
from agent.emulator.service import Service

ROOMS: tuple[Callable[[Service], list[web.RouteDef]], ...] = (
    users.routes,
    oauth.routes,
    consent.routes,
    tokens.routes,
    limitations.routes,
    benefits.routes,
    bills.routes,
    apiapps.routes,
    connectors.routes,
)
