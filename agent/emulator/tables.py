"""The tables of all rooms. A room with something to keep adds its schema here."""

from __future__ import annotations

from agent.emulator import (
    accounts,
    apiapps,
    apps,
    assertion,
    bills,
    bots,
    callbacks,
    connectors,
    consents,
    conversations,
    history,
    issued,
    oauth,
    quotas,
    usage,
)

TABLES: tuple[str, ...] = (
    accounts.SCHEMA,
    issued.SCHEMA,
    apps.SCHEMA,
    oauth.SCHEMA,
    consents.SCHEMA,
    assertion.SCHEMA,
    bots.SCHEMA,
    conversations.SCHEMA,
    history.SCHEMA,
    quotas.SCHEMA,
    usage.SCHEMA,
    bills.SCHEMA,
    apiapps.SCHEMA,
    callbacks.SCHEMA,
    connectors.SCHEMA,
)
