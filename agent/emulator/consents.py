"""What waits for a person's consent: device codes, and the codes of browser logins."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from agent.emulator.apps import App
from agent.emulator.oauth import OAuthError, OAuthSettings
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS device_code (
    device_code TEXT PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    expires_at REAL NOT NULL,
    interval REAL NOT NULL,
    polled_at REAL,
    state TEXT NOT NULL,
    account TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS login_code (
    code TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    account TEXT NOT NULL,
    workspace_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    method TEXT NOT NULL,
    expires_at REAL NOT NULL
);
"""

# No vowels, no digits: no words, and nothing to mix up when read aloud.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_SLOWER_S = 5.0
# SDKs grow no slower than this; asking for more would lock them out for good.
_SLOWEST_S = 30.0
# Timers of clients are not exact.
_EARLY_S = 0.25
_KEEP_S = 86400.0


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A device that waits. ``state`` is pending, allowed, denied or used."""

    device_code: str
    user_code: str
    client_id: str
    workspace_id: str
    expires_at: float
    interval: float
    polled_at: float | None
    state: str
    account: str


class DeviceCodes:
    """The device flow between its first request and the tokens."""

    def __init__(self, store: Store, settings: OAuthSettings, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    def begin(self, app: App, workspace_id: str = "") -> DeviceCode:
        """New codes for a device."""
        now = self._now()
        letters = [secrets.choice(_LETTERS) for _ in range(8)]
        code = DeviceCode(
            device_code=secrets.token_urlsafe(32),
            user_code=f"{''.join(letters[:4])}-{''.join(letters[4:])}",
            client_id=app.client_id,
            workspace_id=workspace_id,
            expires_at=now + self._settings.device_code_s,
            interval=self._settings.interval_s,
            polled_at=None,
            state="pending",
            account="",
        )
        with self._store.transaction():
            self._store.execute("DELETE FROM device_code WHERE expires_at < ?", [now - _KEEP_S])
            # Of 25 billion codes one may come again; the older one is the one to go.
            self._store.execute(
                "INSERT OR REPLACE INTO device_code VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    code.device_code,
                    code.user_code,
                    code.client_id,
                    code.workspace_id,
                    code.expires_at,
                    code.interval,
                    None,
                    code.state,
                    code.account,
                ],
            )
        if self._settings.consent != "ask":
            self.decide(
                code.user_code, allow=self._settings.consent == "allow", account=app.account
            )
        return code

    def find(self, user_code: str) -> DeviceCode | None:
        """The device that shows that code, however it was typed."""
        letters = "".join(letter for letter in user_code.upper() if letter.isalnum())
        row = self._store.row(
            "SELECT * FROM device_code WHERE user_code = ?", [f"{letters[:4]}-{letters[4:]}"]
        )
        return None if row is None else DeviceCode(**dict(row))

    def pending(self) -> list[DeviceCode]:
        """Those that wait for a decision, the oldest first."""
        rows = self._store.rows(
            "SELECT * FROM device_code WHERE state = 'pending' AND expires_at > ?"
            " ORDER BY rowid LIMIT 50",
            [self._now()],
        )
        return [DeviceCode(**dict(row)) for row in rows]

    def waiting(self, code: DeviceCode) -> bool:
        """Whether somebody may still decide."""
        return code.state == "pending" and self._now() < code.expires_at

    def decide(self, user_code: str, *, allow: bool, account: str) -> bool:
        """A person's answer. False if there is nothing to decide (any more)."""
        code = self.find(user_code)
        if code is None or not self.waiting(code):
            return False
        self._store.execute(
            "UPDATE device_code SET state = ?, account = ? WHERE device_code = ?",
            ["allowed" if allow else "denied", account, code.device_code],
        )
        return True

    def poll(self, app: App, device_code: str) -> DeviceCode:
        """The code, once it was allowed. Raises ``OAuthError`` until then.

        A poll that comes too early gets ``slow_down`` only while nothing is decided.
        """
        row = self._store.row(
            "SELECT * FROM device_code WHERE device_code = ? AND client_id = ?",
            [device_code, app.client_id],
        )
        if row is None:
            raise OAuthError("invalid_grant", "the device code is unknown")
        code = DeviceCode(**dict(row))
        now = self._now()
        if code.state == "denied":
            raise OAuthError("access_denied", "the user refused")
        if code.state == "used" or now >= code.expires_at:
            raise OAuthError("expired_token", "the device code has expired or was used")
        if code.state == "pending":
            raise self._not_yet(code, now)
        return code

    def use(self, code: DeviceCode) -> None:
        """The tokens were given out: the code will not work again."""
        self._store.execute(
            "UPDATE device_code SET state = 'used' WHERE device_code = ?", [code.device_code]
        )

    def _not_yet(self, code: DeviceCode, now: float) -> OAuthError:
        fast = code.polled_at is not None and now - code.polled_at < code.interval - _EARLY_S
        interval = min(code.interval + _SLOWER_S, max(_SLOWEST_S, code.interval))
        self._store.execute(
            "UPDATE device_code SET polled_at = ?, interval = ? WHERE device_code = ?",
            [now, interval if fast else code.interval, code.device_code],
        )
        if fast:
            return OAuthError("slow_down", f"polled too fast, wait {interval:g} s")
        return OAuthError("authorization_pending", "the user has not decided yet")


class LoginCodes:
    """The codes that a browser carries back to a web or PKCE app. Each works once."""

    def __init__(self, store: Store, settings: OAuthSettings, now: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._now = now

    def issue(
        self,
        app: App,
        account: str,
        redirect_uri: str,
        challenge: str = "",
        method: str = "",
        workspace_id: str = "",
    ) -> str:
        """A new code. ``method`` is plain or S256 where there is a challenge."""
        now = self._now()
        code = f"code_{secrets.token_urlsafe(32)}"
        with self._store.transaction():
            self._store.execute("DELETE FROM login_code WHERE expires_at <= ?", [now])
            self._store.execute(
                "INSERT INTO login_code VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    code,
                    app.client_id,
                    account,
                    workspace_id,
                    redirect_uri,
                    challenge,
                    method,
                    now + self._settings.code_s,
                ],
            )
        return code

    def redeem(self, app: App, code: str, redirect_uri: str, verifier: str) -> tuple[str, str]:
        """Account and workspace of a code, which dies even where it is refused.

        Raises ``OAuthError``.
        """
        row = self._store.row(
            "DELETE FROM login_code WHERE code = ? AND client_id = ? RETURNING *",
            [code, app.client_id],
        )
        if row is None or row["expires_at"] <= self._now():
            raise OAuthError("invalid_grant", "the code is used, expired or unknown")
        if row["redirect_uri"] != redirect_uri:
            raise OAuthError("invalid_grant", "the redirect_uri is not the one of the login")
        _check_verifier(row, verifier)
        return row["account"], row["workspace_id"]


def _check_verifier(row: sqlite3.Row, verifier: str) -> None:
    if not row["challenge"]:
        return
    if not verifier:
        raise OAuthError("invalid_request", "code_verifier is required")
    if row["method"] == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        verifier = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if not hmac.compare_digest(verifier.encode(), row["challenge"].rstrip("=").encode()):
        raise OAuthError("invalid_grant", "the code_verifier does not fit the code_challenge")
