"""The tables of all rooms. A room with something to keep adds its schema here."""

from __future__ import annotations

from agent.emulator import accounts, conversations, history, issued

TABLES: tuple[str, ...] = (
    accounts.SCHEMA,
    issued.SCHEMA,
    conversations.SCHEMA,
    history.SCHEMA,
)
