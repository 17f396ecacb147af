"""The REST side of the platform: one module per room, each with ``routes(service)``."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from agent.emulator.rest import (
    apiapps,
    benefits,
    bills,
    bots,
    chat3,
    connectors,
    consent,
    conversations,
    files,
    limitations,
    messages,
    oauth,
    rooms,
    speech,
    tokens,
    transcription,
    users,
    variables,
    voiceprint,
    voices,
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
    bots.routes,
    chat3.routes,
    conversations.routes,
    files.routes,
    messages.routes,
    rooms.routes,
    speech.routes,
    transcription.routes,
    variables.routes,
    voiceprint.routes,
    voices.routes,
)
