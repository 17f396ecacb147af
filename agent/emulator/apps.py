"""The OAuth apps: who may ask for tokens, by which of the four flows, with which keys.

Three apps and a fleet's back end are there without any script: ``demo-device``, ``demo-pkce``,
``demo-web`` and ``demo-jwt``. The key of the last is made on demand and kept in the store.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agent.emulator.accounts import DEFAULT
from agent.emulator.store import Store
from agent.errors import ConfigError

SCHEMA = """
CREATE TABLE IF NOT EXISTS app_key (
    client_id TEXT PRIMARY KEY,
    private_key TEXT NOT NULL
);
"""

Kind = Literal["device", "jwt", "web", "pkce"]

DEMO_JWT = "demo-jwt"
DEMO_WEB_SECRET = "demo-web-secret"
_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class ScriptedApp:
    """One ``[[app]]``. ``account`` owns it, and the tokens of a ``jwt`` app act for that account.

    ``scopes`` are the permissions its tokens have, none stands for all. ``redirect_uris`` are the
    only ones allowed, none stands for any. ``kid`` is the key's fingerprint where it is not given.
    """

    client_id: str = ""
    kind: Kind = "device"
    name: str = ""
    public_key_file: str = ""
    kid: str = ""
    client_secret: str = ""
    redirect_uris: list[str] = field(default_factory=list)
    account: str = DEFAULT
    connector_id: str = "1024"
    scopes: list[str] = field(default_factory=list)
    disabled: bool = False

    def beside(self, script: Path) -> ScriptedApp:
        """The same, its key file relative to the script's directory."""
        if not self.public_key_file:
            return self
        return replace(self, public_key_file=str(script.parent / self.public_key_file))


@dataclass(frozen=True, slots=True)
class App:
    """An app as the flows see it. Only ``jwt`` apps have a ``public_key``."""

    client_id: str
    kind: Kind
    name: str
    kid: str = ""
    public_key: rsa.RSAPublicKey | None = None
    client_secret: str = ""
    redirect_uris: tuple[str, ...] = ()
    account: str = DEFAULT
    connector_id: str = "1024"
    scopes: frozenset[str] | None = None
    disabled: bool = False


class Apps:
    """All apps, by client id. Raises ``ConfigError`` for a wrong ``[[app]]``."""

    def __init__(self, scripted: Iterable[ScriptedApp], store: Store) -> None:
        self._store = store
        self._known: dict[str, App] = {
            "demo-device": App("demo-device", "device", "Demo device"),
            "demo-pkce": App("demo-pkce", "pkce", "Demo app"),
            "demo-web": App("demo-web", "web", "Demo site", client_secret=DEMO_WEB_SECRET),
        }
        mine: set[str] = set()
        for at, item in enumerate(scripted):
            if item.client_id in mine:
                raise ConfigError(f"app[{at}]: the client_id {item.client_id} is there twice")
            mine.add(item.client_id)
            self._known[item.client_id] = _app(item, f"app[{at}]")

    def get(self, client_id: str) -> App | None:
        """The app of that id. ``demo-jwt`` is there once its key was made."""
        found = self._known.get(client_id)
        if found is None and client_id == DEMO_JWT:
            row = self._store.row("SELECT private_key FROM app_key WHERE client_id = ?", [DEMO_JWT])
            if row is not None:
                found = self._known[DEMO_JWT] = _demo_jwt(row["private_key"])
        return found

    def demo_key(self) -> str | None:
        """The private key of ``demo-jwt`` as PEM, if there is one yet."""
        row = self._store.row("SELECT private_key FROM app_key WHERE client_id = ?", [DEMO_JWT])
        return None if row is None else row["private_key"]

    def keep_demo_key(self, pem: str) -> None:
        """Keep a key for ``demo-jwt``, unless it has one."""
        self._store.execute("INSERT OR IGNORE INTO app_key VALUES (?, ?)", [DEMO_JWT, pem])

    def all(self) -> list[App]:
        """Every app there is."""
        self.get(DEMO_JWT)
        return list(self._known.values())


def new_key() -> str:
    """A new RSA key as PEM (PKCS 8). Takes a tenth of a second and more."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def fingerprint(key: rsa.RSAPublicKey) -> str:
    """SHA-256 of the public key (DER) in base64 for URLs: 43 characters."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def _app(item: ScriptedApp, where: str) -> App:
    if not item.client_id:
        raise ConfigError(f"{where} needs a client_id")
    key: rsa.RSAPublicKey | None = None
    if item.kind == "jwt":
        if not item.public_key_file:
            raise ConfigError(f"{where} is of kind jwt and needs a public_key_file")
        key = _read_key(Path(item.public_key_file), where)
    if item.kind == "web" and not item.client_secret:
        raise ConfigError(f"{where} is of kind web and needs a client_secret")
    return App(
        client_id=item.client_id,
        kind=item.kind,
        name=item.name or item.client_id,
        kid=item.kid or (fingerprint(key) if key else ""),
        public_key=key,
        client_secret=item.client_secret,
        redirect_uris=tuple(item.redirect_uris),
        account=item.account,
        connector_id=item.connector_id,
        scopes=frozenset(item.scopes) if item.scopes else None,
        disabled=item.disabled,
    )


def _read_key(path: Path, where: str) -> rsa.RSAPublicKey:
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{where}: cannot read the public key {path}: {error.strerror}"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{where}: {path} is no public key in PEM") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigError(f"{where}: {path} is no RSA key")
    return key


def _demo_jwt(pem: str) -> App:
    private = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    key = private.public_key()
    return App(DEMO_JWT, "jwt", "Demo back end", kid=fingerprint(key), public_key=key)
