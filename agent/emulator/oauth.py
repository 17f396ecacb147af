"""Giving out OAuth tokens: pairs of access and refresh tokens, and the errors of all flows."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from agent.emulator.apps import App, Apps
from agent.emulator.issued import Tokens, new_value
from agent.emulator.store import Store
from agent.emulator.tokens import Grant

SCHEMA = """
CREATE TABLE IF NOT EXISTS refresh_token (
    value TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    account TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    expires_at REAL NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """The script's ``[oauth]``: lifetimes in s, and who decides about consents.

    ``consent`` other than ``ask`` decides every request at once, as automatic tests need it.
    """

    device_code_s: float = 300.0
    interval_s: float = 5.0
    access_s: float = 900.0
    refresh_s: float = 30 * 86400.0
    code_s: float = 600.0
    consent: Literal["ask", "allow", "deny"] = "ask"


class OAuthError(Exception):
    """A refused OAuth request. ``error`` is the word clients look at."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status

    def body(self) -> dict[str, str]:
        """The words under both pairs of names: SDKs read the one or the other."""
        return {
            "error": self.error,
            "error_description": self.description,
            "error_code": self.error,
            "error_message": self.description,
        }


def find_app(apps: Apps, client_id: str, *kinds: str) -> App:
    """The app that asks. Raises ``OAuthError`` where it may not."""
    app = apps.get(client_id)
    if app is None:
        raise OAuthError("invalid_client", f"there is no OAuth app {client_id!r}", 401)
    if app.disabled:
        raise OAuthError("access_deny", "the OAuth app is disabled")
    if app.kind not in kinds:
        raise OAuthError("access_deny", f"an OAuth app of the type {app.kind} cannot do this")
    return app


def check_secret(app: App, bearer: str) -> None:
    """Raises ``OAuthError`` unless a web app brought its secret; others have none."""
    if app.kind == "web" and not hmac.compare_digest(bearer.encode(), app.client_secret.encode()):
        raise OAuthError("invalid_client", "the client secret is wrong", 401)


class Pairs:
    """Gives out access tokens with refresh tokens, and renews them. A refresh token works once."""

    def __init__(
        self, store: Store, tokens: Tokens, settings: OAuthSettings, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._settings = settings
        self._now = now

    def issue(self, app: App, account: str, workspace_id: str = "") -> dict[str, Any]:
        """A new pair, as the token endpoint replies it; ``expires_in`` is a Unix time in s."""
        now = self._now()
        grant = Grant(
            token=new_value("user"),
            account=account,
            scopes=app.scopes,
            kind="user",
            expires_at=now + self._settings.access_s,
            client_id=app.client_id,
            connector_id=app.connector_id,
            workspace_id=workspace_id,
        )
        refresh = secrets.token_urlsafe(48)
        with self._store.transaction():
            self._tokens.add(grant, now)
            self._store.execute("DELETE FROM refresh_token WHERE expires_at <= ?", [now])
            self._store.execute(
                "INSERT INTO refresh_token VALUES (?, ?, ?, ?, ?)",
                [refresh, app.client_id, account, workspace_id, now + self._settings.refresh_s],
            )
        return {
            "access_token": grant.token,
            "refresh_token": refresh,
            "expires_in": int(now + self._settings.access_s),
            "token_type": "Bearer",
        }

    def renew(self, app: App, refresh_token: str) -> dict[str, Any]:
        """A new pair for an old refresh token, which dies. Raises ``OAuthError``."""
        with self._store.transaction():
            row = self._store.row(
                "SELECT * FROM refresh_token WHERE value = ? AND client_id = ? AND expires_at > ?",
                [refresh_token, app.client_id, self._now()],
            )
            if row is None:
                raise OAuthError("invalid_grant", "the refresh token is used, expired or unknown")
            self._store.execute("DELETE FROM refresh_token WHERE value = ?", [refresh_token])
            return self.issue(app, row["account"], row["workspace_id"])
