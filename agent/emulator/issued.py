"""Tokens this platform gave out: personal, service, OAuth. Kept with all that they stand for."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from agent.emulator.accounts import DEFAULT
from agent.emulator.store import Store
from agent.emulator.tokens import Grant
from agent.errors import ConfigError

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
    workspace_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL
);
"""

PREFIXES = {"personal": "pat_", "service": "sat_", "jwt": "czs_", "user": "czu_"}
"""The kinds of tokens and how their values begin."""

# Ours and nobody else's: the platform's own tokens have other lengths.
_OURS = re.compile(r"(?:pat|sat|czs|czu)_[A-Za-z0-9_-]{48}")
_KEEP_S = 86400.0


@dataclass(frozen=True, slots=True)
class ScriptedToken:
    """One ``[[token]]``. Its life of ``expires_s`` begins with the emulator's; 0 never ends."""

    value: str = ""
    kind: Literal["personal", "service"] = "personal"
    account: str = DEFAULT
    scopes: list[str] = field(default_factory=list)
    bots: list[str] = field(default_factory=list)
    expires_s: float = 0.0
    device_id: str = ""
    custom_consumer: str = ""
    session_name: str = ""

    def grant(self, now: float) -> Grant:
        """What it stands for. Raises ``ConfigError`` for one without a value."""
        if not self.value or any(letter.isspace() for letter in self.value):
            raise ConfigError(f"every [[token]] needs a value without blanks, not {self.value!r}")
        return Grant(
            token=self.value,
            account=self.account,
            scopes=frozenset(self.scopes) or None,
            device_id=self.device_id,
            custom_consumer=self.custom_consumer,
            kind=self.kind,
            expires_at=now + self.expires_s if self.expires_s else None,
            session_name=self.session_name,
            bots=frozenset(self.bots) or None,
        )


class Tokens:
    """The tokens of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, grant: Grant, now: float) -> None:
        """Keep a token; one of the same value is replaced. Forgets long expired ones."""
        with self._store.transaction():
            self._store.execute("DELETE FROM token WHERE expires_at < ?", [now - _KEEP_S])
            self._store.execute(
                "INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                    grant.workspace_id,
                    now,
                    grant.expires_at,
                ],
            )

    def declare(self, scripted: Iterable[ScriptedToken], now: float) -> None:
        """Keep the tokens of a script. Raises ``ConfigError``."""
        for item in scripted:
            self.add(item.grant(now), now)

    def find(self, value: str) -> Grant | None:
        """What the token stands for, expired or not."""
        row = self._store.row("SELECT * FROM token WHERE value = ?", [value])
        return None if row is None else _grant(row)

    def all(self, limit: int = 200) -> list[Grant]:
        """The newest tokens."""
        rows = self._store.rows("SELECT * FROM token ORDER BY created_at DESC LIMIT ?", [limit])
        return [_grant(row) for row in rows]

    def revoke(self, value: str, now: float) -> bool:
        """Let a token expire at once. False if it was not known."""
        done = self._store.execute("UPDATE token SET expires_at = ? WHERE value = ?", [now, value])
        return done.rowcount > 0


def new_value(kind: str) -> str:
    """A fresh token of a kind; cannot be guessed, whatever the seed."""
    return PREFIXES[kind] + secrets.token_urlsafe(36)


def looks_issued(value: str) -> bool:
    """Whether only this emulator makes tokens of that shape, so that it must know them."""
    return _OURS.fullmatch(value) is not None


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
        workspace_id=row["workspace_id"],
    )
