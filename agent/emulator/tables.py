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
    files,
    history,
    issued,
    oauth,
    quotas,
    usage,
    variables,
    voiceprints,
    voices,
)

TABLES: tuple[str, ...] = (
    accounts.SCHEMA,
    issued.SCHEMA,
    apps.SCHEMA,
    oauth.SCHEMA,
    consents.SCHEMA,
    assertion.SCHEMA,
    bots.SCHEMA,
    files.SCHEMA,
    conversations.SCHEMA,
    history.SCHEMA,
    voices.SCHEMA,
    voiceprints.SCHEMA,
    variables.SCHEMA,
    quotas.SCHEMA,
    usage.SCHEMA,
    bills.SCHEMA,
    apiapps.SCHEMA,
    callbacks.SCHEMA,
    connectors.SCHEMA,
)
