"""Tokens this platform gave out: personal, service, OAuth. Kept with all that they stand for."""

from __future__ import annotations

import json
import secrets
import sqlite3

from agent.emulator.store import Store
from agent.emulator.tokens import Grant

SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
    value TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    account TEXT NOT NULL,
    scopes TEXT,
    bots TEXT,
    device_id TEXT NOT NULL,
    custom_consumer TEXT NOT NULL,
    session_name TEXT NOT NULL,
    client_id TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL
);
"""

PREFIXES = {"personal": "pat_", "service": "sat_", "jwt": "czs_", "user": "czu_"}
"""The kinds of tokens and how their values begin."""

# Somebody may want to see why a device was refused; after that long nobody does.
_KEEP_S = 7 * 86400


class Tokens:
    """The tokens of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, grant: Grant, now: float) -> None:
        """Keep a token; one of the same value is replaced. Forgets long expired ones."""
        with self._store.transaction():
            self._store.execute("DELETE FROM token WHERE expires_at < ?", [now - _KEEP_S])
            self._store.execute(
                "INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    grant.token,
                    grant.kind,
                    grant.account,
                    _dump(grant.scopes),
                    _dump(grant.bots),
                    grant.device_id,
                    grant.custom_consumer,
                    grant.session_name,
                    grant.client_id,
                    grant.connector_id,
                    now,
                    grant.expires_at,
                ],
            )

    def find(self, value: str) -> Grant | None:
        """What the token stands for, expired or not."""
        row = self._store.row("SELECT * FROM token WHERE value = ?", [value])
        return None if row is None else _grant(row)

    def all(self, limit: int = 200) -> list[Grant]:
        """The newest tokens."""
        rows = self._store.rows("SELECT * FROM token ORDER BY created_at DESC LIMIT ?", [limit])
        return [_grant(row) for row in rows]

    def revoke(self, value: str) -> bool:
        """Forget a token. False if it was not known."""
        return self._store.execute("DELETE FROM token WHERE value = ?", [value]).rowcount > 0


def new_value(kind: str) -> str:
    """A fresh token of a kind; cannot be guessed, whatever the seed."""
    return PREFIXES[kind] + secrets.token_urlsafe(36)


def _dump(words: frozenset[str] | None) -> str | None:
    return None if words is None else json.dumps(sorted(words))


def _load(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(json.loads(text))


def _grant(row: sqlite3.Row) -> Grant:
    return Grant(
        token=row["value"],
        account=row["account"],
        scopes=_load(row["scopes"]),
        device_id=row["device_id"],
        custom_consumer=row["custom_consumer"],
        kind=row["kind"],
        expires_at=row["expires_at"],
        session_name=row["session_name"],
        bots=_load(row["bots"]),
        client_id=row["client_id"],
        connector_id=row["connector_id"],
    )
