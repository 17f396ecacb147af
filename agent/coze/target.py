"""Where to connect and as whom."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from agent.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Target:
    """Where to connect and as whom. ``url`` is ``wss://host[:port]/path?query``; ``ca_file``
    replaces the system's trust store by the PEM certificates of that file.

    ``ws://`` with a token is for this machine and private networks only: elsewhere it would
    show the token to everybody on the way. Raises ``ConfigError`` for a URL or token of no use.
    """

    url: str
    token: str = field(default="", repr=False)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            parse_uri(self.url)
            port = parts.port
        except (ValueError, InvalidURI):
            raise ConfigError(
                "the service address is no websocket address",
                remedy="It looks like wss://ws.coze.cn/v1/chat?bot_id=123.",
            ) from None
        # Not quoted in the message: it holds a secret.
        if parts.username is not None or "authorization" in dict(parse_qsl(parts.query)):
            raise ConfigError("the service address must not contain a user, password or token")
        if not self.url.isascii() or port == 0:
            raise ConfigError(f"the service address {self.url} is no websocket address")
        if not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise ConfigError("the token contains characters that no token has")
        if self.token and not self.secure and not _is_private(self.host):
            raise ConfigError(
                f"the token would be sent to {self.host} unencrypted",
                remedy="Use wss:// in the service address.",
            )

    @classmethod
    def chat(
        cls,
        base: str,
        *,
        bot_id: str,
        token: str,
        device_id: str = "",
        workflow_id: str = "",
        ca_file: str | None = None,
    ) -> Target:
        """The duplex voice chat ``/v1/chat`` of the platform at ``base`` (``wss://ws.coze.cn``)."""
        query = {"bot_id": bot_id, "device_id": device_id, "workflow_id": workflow_id}
        query = {name: value for name, value in query.items() if value}
        path = f"/v1/chat?{urlencode(query)}" if query else "/v1/chat"
        return cls(base.rstrip("/") + path, token, ca_file)

    @property
    def secure(self) -> bool:
        """True for ``wss://``."""
        return urlsplit(self.url).scheme.lower() == "wss"

    @property
    def host(self) -> str:
        """Name or literal address, without brackets."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """443 or 80 when the URL names none."""
        return urlsplit(self.url).port or (443 if self.secure else 80)

    @property
    def place(self) -> str:
        """``host:port`` for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _is_private(host: str) -> bool:
    """This machine, or an address that is not routed on the Internet."""
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_private or address.is_loopback or address.is_link_local
