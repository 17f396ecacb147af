"""Channels: in which workspaces they are, which devices they know, and which bots they carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.emulator.fields import invalid
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS connector_install (
    connector_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    account TEXT NOT NULL,
    installed_at REAL NOT NULL,
    PRIMARY KEY (connector_id, workspace_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS connector_config (
    connector_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (connector_id, user_id, key, value)
);
CREATE TABLE IF NOT EXISTS connector_bot (
    connector_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    config TEXT NOT NULL,
    audit_status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    published_at REAL NOT NULL,
    PRIMARY KEY (connector_id, bot_id)
) WITHOUT ROWID;
"""

OFFICIAL = frozenset(
    ("1024", "999", "10000010", "10000011", "10000113", "10000117", "10000120", "10000121",
     "10000122", "10000126", "10000127", "10000128")
)  # fmt: skip
"""The platform's own channels (API, Chat SDK, shop, messengers …), which need no installing."""

PENDING, APPROVED, REJECTED = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Binding:
    """One value a publisher may choose: a device with its name for people."""

    key: str
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A bot on a channel. ``config`` are the chosen values by key; the status is the review's."""

    connector_id: str
    bot_id: str
    config: Mapping[str, list[str]]
    audit_status: int
    reason: str
    published_at: float


class Connectors:
    """The channels of all accounts; one exists as soon as somebody installs or binds it."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def install(self, connector_id: str, workspace_id: str, account: str) -> None:
        """Add a channel to a workspace; twice is the same as once."""
        self._store.execute(
            "INSERT OR IGNORE INTO connector_install VALUES (?, ?, ?, ?)",
            [connector_id, workspace_id, account, self._now()],
        )

    def installed(self, connector_id: str) -> list[str]:
        """The workspaces a channel was added to."""
        rows = self._store.rows(
            "SELECT workspace_id FROM connector_install WHERE connector_id = ?"
            " ORDER BY installed_at",
            [connector_id],
        )
        return [row["workspace_id"] for row in rows]

    def bind(
        self, connector_id: str, user_id: str, bindings: Iterable[Binding], *, replace: bool
    ) -> None:
        """Tell which values publishers may choose; ``replace`` forgets others of the same keys."""
        bindings = list(bindings)
        with self._store.transaction():
            for key in {binding.key for binding in bindings} if replace else ():
                self._store.execute(
                    "DELETE FROM connector_config"
                    " WHERE connector_id = ? AND user_id = ? AND key = ?",
                    [connector_id, user_id, key],
                )
            for binding in bindings:
                self._store.execute(
                    "INSERT OR REPLACE INTO connector_config VALUES (?, ?, ?, ?, ?)",
                    [connector_id, user_id, binding.key, binding.value, binding.label],
                )

    def bindings(self, connector_id: str, user_id: str = "") -> list[Binding]:
        """What may be chosen, by that user or by all."""
        rows = self._store.rows(
            "SELECT key, value, label FROM connector_config"
            " WHERE connector_id = ? AND user_id IN ('', ?) ORDER BY rowid",
            [connector_id, user_id],
        )
        return [Binding(**dict(row)) for row in rows]

    def choices(
        self, connector_ids: Iterable[str], given: Any, user_id: str
    ) -> dict[str, dict[str, list[str]]]:
        """The ``connectors`` of a publishing request, by channel and key. Raises ``Refusal``.

        Each value is a JSON array as text; the values must have been bound to the channel.
        """
        given = {} if given is None else given
        if not isinstance(given, dict):
            raise invalid("connectors", "an object")
        found: dict[str, dict[str, list[str]]] = {}
        for connector_id, config in given.items():
            path = f"connectors.{connector_id}"
            if connector_id not in connector_ids:
                raise invalid(path, "one of the connector_ids")
            if not isinstance(config, dict):
                raise invalid(path, "an object")
            bound = self.bindings(connector_id, user_id)
            found[connector_id] = {
                key: _chosen(f"{path}.{key}", value, {b.value for b in bound if b.key == key})
                for key, value in config.items()
            }
        for connector_id in connector_ids:
            if connector_id not in OFFICIAL and not self.installed(connector_id):
                raise invalid("connector_ids", f"installed first, {connector_id} is not")
        return found

    def put(
        self, connector_id: str, bot_id: str, config: Mapping[str, list[str]], audit_status: int
    ) -> None:
        """Put a bot on a channel, or a new version of it."""
        self._store.execute(
            "INSERT OR REPLACE INTO connector_bot VALUES (?, ?, ?, ?, '', ?)",
            [connector_id, bot_id, json.dumps(config), audit_status, self._now()],
        )

    def audit(self, connector_id: str, bot_id: str, audit_status: int, reason: str) -> bool:
        """Take note of a review. False for a bot that is not on the channel."""
        changed = self._store.execute(
            "UPDATE connector_bot SET audit_status = ?, reason = ?"
            " WHERE connector_id = ? AND bot_id = ?",
            [audit_status, reason, connector_id, bot_id],
        )
        return changed.rowcount > 0

    def remove(self, connector_id: str, bot_id: str) -> None:
        """Take a bot off a channel."""
        self._store.execute(
            "DELETE FROM connector_bot WHERE connector_id = ? AND bot_id = ?",
            [connector_id, bot_id],
        )

    def listed(self, connector_id: str, bot_id: str) -> Listing | None:
        """A bot on a channel."""
        row = self._store.row(
            "SELECT * FROM connector_bot WHERE connector_id = ? AND bot_id = ?",
            [connector_id, bot_id],
        )
        if row is None:
            return None
        values = dict(row)
        return Listing(**{**values, "config": json.loads(values["config"])})


def _chosen(path: str, value: Any, bound: set[str]) -> list[str]:
    if not isinstance(value, str):
        raise invalid(path, "a JSON array as text")
    try:
        chosen = json.loads(value)
    except (ValueError, RecursionError):
        raise invalid(path, "a JSON array as text") from None
    if not isinstance(chosen, list) or not all(isinstance(one, str) for one in chosen):
        raise invalid(path, "a JSON array of strings as text")
    for one in chosen:
        if one not in bound:
            raise invalid(path, f"bound to the channel first, {one} is not")
    return chosen
