"""The JWT bearer grant: a back end signs who it is and which device it speaks for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from agent.emulator.apps import App, Apps
from agent.emulator.oauth import OAuthError, find_app
from agent.emulator.store import Store
from agent.emulator.tokens import Grant

SCHEMA = """
CREATE TABLE IF NOT EXISTS used_jwt (
    client_id TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires_at REAL NOT NULL,
    PRIMARY KEY (client_id, jti)
);
"""

LONGEST_S = 86_399
DEFAULT_S = 900
# Clocks of back ends go wrong by that much.
_SKEW_S = 60.0


@dataclass(frozen=True, slots=True)
class Assertion:
    """A JWT that was found right. All texts may be empty but ``jti``."""

    app: App
    jti: str
    expires_at: float
    session_name: str
    device_id: str
    custom_consumer: str


class Assertions:
    """Checks the JWTs of back ends; each may be used once."""

    def __init__(self, apps: Apps, store: Store, now: Callable[[], float]) -> None:
        self._apps = apps
        self._store = store
        self._now = now

    def check(self, token: str, audiences: Collection[str]) -> Assertion:
        """Signature, key, audience and times. Raises ``OAuthError``."""
        head, claims, signed, signature = _split(token)
        if head.get("alg") != "RS256":
            raise OAuthError("invalid_request", "the JWT must be signed by RS256")
        app = find_app(self._apps, _text(claims, "iss"), "jwt")
        if not app.connector_id:
            raise OAuthError("access_deny", "the channel app is bound to no connector")
        if head.get("kid") != app.kid:
            raise OAuthError("invalid_client", "the kid is no public key of the app", 401)
        assert app.public_key is not None
        try:
            app.public_key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise OAuthError("invalid_client", "the signature of the JWT is wrong", 401) from None
        self._check_claims(claims, audiences)
        device = _object(_object(claims, "session_context"), "device_info")
        return Assertion(
            app=app,
            jti=_text(claims, "jti"),
            expires_at=_time(claims, "exp"),
            session_name=_text(claims, "session_name"),
            device_id=_text(device, "device_id"),
            custom_consumer=_text(device, "custom_consumer"),
        )

    def use(self, assertion: Assertion) -> None:
        """Take note that it was used. Raises ``OAuthError`` if it was already."""
        with self._store.transaction():
            self._store.execute("DELETE FROM used_jwt WHERE expires_at < ?", [self._now()])
            added = self._store.execute(
                "INSERT OR IGNORE INTO used_jwt VALUES (?, ?, ?)",
                [assertion.app.client_id, assertion.jti, assertion.expires_at],
            )
        if added.rowcount == 0:
            raise OAuthError("invalid_request", "the jti was used before, a JWT works once")

    def _check_claims(self, claims: Mapping[str, Any], audiences: Collection[str]) -> None:
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(name, str) and name in audiences for name in named):
            wanted = " or ".join(sorted(audiences))
            raise OAuthError("invalid_request", f"the aud of the JWT must be {wanted}")
        now = self._now()
        if now >= _time(claims, "exp"):
            raise OAuthError("invalid_request", "the JWT has expired")
        if _time(claims, "iat") > now + _SKEW_S:
            raise OAuthError("invalid_request", "the iat of the JWT lies in the future")
        if not _text(claims, "jti"):
            raise OAuthError("invalid_request", "the JWT needs a jti")


def grant_of(
    assertion: Assertion, body: Mapping[str, Any], token: str, account: str, now: float
) -> Grant:
    """What a token made of this JWT and the request's body stands for. Raises ``OAuthError``."""
    app = assertion.app
    seconds = body.get("duration_seconds")
    seconds = DEFAULT_S if seconds is None else seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds <= LONGEST_S:
        raise OAuthError("invalid_request", f"duration_seconds must be 1 to {LONGEST_S}")
    scope = _object(body, "scope")
    scopes = _words(_object(scope, "account_permission"), "permission_list")
    attributes = _object(_object(scope, "attribute_constraint"), "connector_bot_chat_attribute")
    if scopes is not None and app.scopes is not None and not scopes <= app.scopes:
        lacking = ", ".join(sorted(scopes - app.scopes))
        raise OAuthError("access_deny", f"the OAuth app lacks the permission: {lacking}")
    return Grant(
        token=token,
        account=account,
        scopes=app.scopes if scopes is None else scopes,
        device_id=assertion.device_id,
        custom_consumer=assertion.custom_consumer,
        kind="jwt",
        expires_at=now + seconds,
        session_name=assertion.session_name,
        bots=_words(attributes, "bot_id_list"),
        client_id=app.client_id,
        connector_id=app.connector_id,
    )


def _split(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    parts = token.split(".")
    if len(parts) != 3:
        raise OAuthError("invalid_request", "the Authorization header must be Bearer and a JWT")
    try:
        head, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
    except (ValueError, RecursionError):
        raise OAuthError("invalid_request", "the JWT cannot be read") from None
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise OAuthError("invalid_request", "the JWT cannot be read")
    return head, claims, f"{parts[0]}.{parts[1]}".encode(), signature


def _decode(part: str) -> bytes:
    return base64.b64decode(
        part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True
    )


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 1024 or not value.isprintable():
        raise OAuthError("invalid_request", f"{name} must be a short string")
    return value


def _time(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    # Written so that NaN is refused too.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise OAuthError("invalid_request", f"the {name} of the JWT must be a Unix time in seconds")
    return float(value)


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise OAuthError("invalid_request", f"{name} must be an object")
    return value


def _words(values: Mapping[str, Any], name: str) -> frozenset[str] | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise OAuthError("invalid_request", f"{name} must be a list of strings")
    # An empty list restricts nothing, as SDKs send one where the caller named none.
    return frozenset(value) or None
