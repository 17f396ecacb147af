"""Variables that bots and apps keep for each of their users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS variable (
    account TEXT NOT NULL,
    owner TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    connector_uid TEXT NOT NULL,
    keyword TEXT NOT NULL,
    value TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    PRIMARY KEY (account, owner, connector_id, connector_uid, keyword)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Whose variables: ``owner`` is the bot or app, ``connector_uid`` its user."""

    account: str
    owner: str
    connector_id: str
    connector_uid: str


def read(store: Store, shelf: Shelf, keywords: Iterable[str]) -> list[dict[str, Any]]:
    """The variables of these keywords, or all where none is named."""
    wanted = set(keywords)
    rows = store.rows(
        "SELECT keyword, value, create_time, update_time FROM variable WHERE account = ?"
        " AND owner = ? AND connector_id = ? AND connector_uid = ? ORDER BY keyword",
        (shelf.account, shelf.owner, shelf.connector_id, shelf.connector_uid),
    )
    return [dict(row) for row in rows if not wanted or row["keyword"] in wanted]


def write(store: Store, shelf: Shelf, pairs: Iterable[tuple[str, str]], now: int) -> None:
    """Set all of them or none."""
    key = (shelf.account, shelf.owner, shelf.connector_id, shelf.connector_uid)
    with store.transaction():
        for keyword, value in pairs:
            store.execute(
                "INSERT INTO variable VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
                " SET value = excluded.value, update_time = excluded.update_time",
                (*key, keyword, value, now, now),
            )
