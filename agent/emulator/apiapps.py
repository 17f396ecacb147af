"""Callback apps: who wants to be told of what, and where."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS api_app (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    app_type TEXT NOT NULL,
    name TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    callback_url TEXT NOT NULL,
    verify_token TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS api_app_of ON api_app (tenant);
CREATE TABLE IF NOT EXISTS api_app_event (
    api_app_id TEXT NOT NULL REFERENCES api_app (id) ON DELETE CASCADE,
    event_type TEXT NOT NULL,
    PRIMARY KEY (api_app_id, event_type)
);
"""

NORMAL, CONNECTOR = "normal", "connector"

USAGE = "benefit.usage"
PUBLISHED = "bot.published"
UNPUBLISHED = "bot.unpublished"
EVENTS = {
    USAGE: "Something was used and put on the bill.",
    "benefit.plugin.scale.requested": "More calls of a plug-in were asked for.",
    "benefit.plugin.scale.expired": "Additional calls of a plug-in ended.",
    PUBLISHED: "A bot was published.",
    "bot.deleted": "A bot was deleted.",
    UNPUBLISHED: "A bot was taken off a channel.",
}
"""Event types and what to say of them."""


@dataclass(frozen=True, slots=True)
class ApiApp:
    """One app. ``app_type`` is normal, for events of a tenant, or connector, for one channel."""

    id: str
    tenant: str
    account: str
    app_type: str
    name: str = ""
    connector_id: str = ""
    callback_url: str = ""
    verify_token: str = ""

    def told(self) -> dict[str, str]:
        """The app as the platform shows it."""
        shown = asdict(self)
        del shown["tenant"], shown["account"]
        if self.app_type == NORMAL:
            del shown["connector_id"]
        return shown


class ApiApps:
    """The apps of all tenants and what they subscribed to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self, id: str, tenant: str, account: str, app_type: str, name: str, connector_id: str
    ) -> ApiApp:
        """A new app without an address."""
        app = ApiApp(
            id, tenant, account, app_type, name, connector_id, "", secrets.token_urlsafe(24)
        )
        self._store.execute(
            "INSERT INTO api_app VALUES (?, ?, ?, ?, ?, ?, ?, ?)", list(asdict(app).values())
        )
        return app

    def find(self, id: str) -> ApiApp | None:
        """The app with that id."""
        row = self._store.row("SELECT * FROM api_app WHERE id = ?", [id])
        return None if row is None else _app(row)

    def listed(self, tenant: str, app_type: str = "") -> list[ApiApp]:
        """All apps of a tenant, the oldest first."""
        rows = self._store.rows(
            "SELECT * FROM api_app WHERE tenant = ? AND (? = '' OR app_type = ?) ORDER BY rowid",
            [tenant, app_type, app_type],
        )
        return [_app(row) for row in rows]

    def update(self, id: str, name: str, callback_url: str) -> None:
        """Rename an app, and tell where its callbacks go."""
        self._store.execute(
            "UPDATE api_app SET name = ?, callback_url = ? WHERE id = ?", [name, callback_url, id]
        )

    def delete(self, id: str) -> None:
        """Forget an app and its subscriptions."""
        self._store.execute("DELETE FROM api_app WHERE id = ?", [id])

    def subscribe(self, id: str, event_types: Iterable[str]) -> None:
        """Add subscriptions."""
        with self._store.transaction():
            for event_type in event_types:
                self._store.execute(
                    "INSERT OR IGNORE INTO api_app_event VALUES (?, ?)", [id, event_type]
                )

    def unsubscribe(self, id: str, event_types: Iterable[str]) -> None:
        """Take subscriptions back."""
        with self._store.transaction():
            for event_type in event_types:
                self._store.execute(
                    "DELETE FROM api_app_event WHERE api_app_id = ? AND event_type = ?",
                    [id, event_type],
                )

    def events(self, id: str) -> list[str]:
        """What an app subscribed to, in order of subscription."""
        rows = self._store.rows(
            "SELECT event_type FROM api_app_event WHERE api_app_id = ? ORDER BY rowid", [id]
        )
        return [row["event_type"] for row in rows]

    def listeners(self, tenant: str, event_type: str, connector_id: str) -> list[ApiApp]:
        """Apps with an address that want to know: the tenant's own, and that of the channel.

        A channel hears of the bots of all tenants, but only of its own tenant's usage.
        """
        rows = self._store.rows(
            "SELECT api_app.* FROM api_app JOIN api_app_event ON api_app_id = id"
            " WHERE event_type = ? AND callback_url != ''"
            " AND ((app_type = 'normal' AND tenant = ?)"
            " OR (app_type = 'connector' AND connector_id = ? AND (tenant = ? OR ?)))"
            " ORDER BY api_app.rowid",
            [event_type, tenant, connector_id, tenant, event_type != USAGE],
        )
        return [_app(row) for row in rows]


def _app(row: sqlite3.Row) -> ApiApp:
    return ApiApp(**dict(row))
