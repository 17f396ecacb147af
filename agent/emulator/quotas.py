"""The quota rules of every enterprise, and who has reported to be metered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from agent.emulator.limitations import CONSUMER, DEVICE, Entity, Limitation
from agent.emulator.store import Store
from agent.emulator.tokens import Grant

SCHEMA = """
CREATE TABLE IF NOT EXISTS limitation (
    benefit_id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    benefit_type TEXT NOT NULL,
    "limit" INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    trigger_unit TEXT NOT NULL,
    trigger_time INTEGER NOT NULL,
    active_mode TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS limitation_of ON limitation (tenant, entity_id);
CREATE TABLE IF NOT EXISTS reported (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    first_at REAL NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) WITHOUT ROWID;
"""

_COLUMNS = (
    'benefit_id, entity_type, entity_id, benefit_type, "limit", started_at, ended_at, status,'
    " trigger_unit, trigger_time, active_mode"
)


def entities(grant: Grant) -> tuple[Entity, ...]:
    """Who is metered under a token: what its device info names, and nobody else."""
    found = []
    if grant.device_id:
        found.append(Entity(DEVICE, grant.device_id))
    if grant.custom_consumer:
        found.append(Entity(CONSUMER, grant.custom_consumer))
    return tuple(found)


class Quotas:
    """Limitations by ``tenant``, which is an enterprise or an account of its own.

    ``version`` changes with every rule, so that what was judged before can be judged anew.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.version = 0

    def put(self, tenant: str, rule: Limitation) -> None:
        """Make a rule, or replace the one with its id."""
        values = asdict(rule)
        marks = ", ".join("?" for _ in values)
        names = ", ".join(f'"{name}"' for name in values)
        again = ", ".join(f'"{name}" = excluded."{name}"' for name in values)
        self._store.execute(
            f"INSERT INTO limitation (tenant, {names}) VALUES (?, {marks})"
            f" ON CONFLICT (benefit_id) DO UPDATE SET {again}",
            [tenant, *values.values()],
        )
        self.version += 1

    def change(self, tenant: str, rule: Limitation, **values: Any) -> Limitation:
        """A rule with some values replaced; the new one."""
        changed = replace(rule, **values)
        self.put(tenant, changed)
        return changed

    def find(self, tenant: str, benefit_id: str) -> Limitation | None:
        """The rule with that id."""
        row = self._store.row(
            f"SELECT {_COLUMNS} FROM limitation WHERE tenant = ? AND benefit_id = ?",
            [tenant, benefit_id],
        )
        return None if row is None else _limitation(row)

    def listed(
        self,
        tenant: str,
        entity_type: str,
        benefit_type: str,
        entity_id: str = "",
        status: str = "valid",
    ) -> list[Limitation]:
        """Rules of one scope and benefit, the oldest first."""
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM limitation WHERE tenant = ? AND entity_type = ?"
            " AND benefit_type = ? AND status = ? AND (? = '' OR entity_id = ?) ORDER BY rowid",
            [tenant, entity_type, benefit_type, status, entity_id, entity_id],
        )
        return [_limitation(row) for row in rows]

    def concerning(self, tenant: str, whom: Iterable[Entity]) -> list[Limitation]:
        """All rules that may hold for any of these."""
        ids = ["", *(entity.id for entity in whom)]
        marks = ", ".join("?" for _ in ids)
        rows = self._store.rows(
            f"SELECT {_COLUMNS} FROM limitation WHERE tenant = ? AND status = 'valid'"
            f" AND entity_id IN ({marks})",
            [tenant, *ids],
        )
        return [_limitation(row) for row in rows]

    def report(self, tenant: str, whom: Iterable[Entity], now: float) -> None:
        """Remember that a token with their device info was used or given out."""
        for entity in whom:
            self._store.execute(
                "INSERT OR IGNORE INTO reported VALUES (?, ?, ?, ?)",
                [tenant, entity.kind, entity.id, now],
            )

    def reported(self, tenant: str, entity: Entity) -> bool:
        """Whether they ever were."""
        found = self._store.row(
            "SELECT 1 FROM reported WHERE tenant = ? AND kind = ? AND id = ?",
            [tenant, entity.kind, entity.id],
        )
        return found is not None


def _limitation(row: sqlite3.Row) -> Limitation:
    return Limitation(**dict(row))
