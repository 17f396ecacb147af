"""Who may come in: bearer tokens, bots and the refusals that go with them.

The codes are the platform's: 4100 (authentication invalid, HTTP 401), 4101 (no permission, HTTP
403), 4006 (no such bot or no access), 4015 (bot not published to the API channel).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Where the two ways to write a permission differ by more than the part before the dot.
_SAME_AS = {"botChat": "chat"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for. ``account`` owns the conversations made with it.

    ``scopes`` are permissions as ``chat`` or as ``Connector.botChat``; None allows everything.
    ``bots`` are those it may talk to; None allows all. ``kind`` is personal, service, jwt, user, or
    any for a token that was not given out here. ``device_id`` or ``custom_consumer`` is metered.
    ``expires_at`` is in Unix seconds, None is never. ``workspace_id`` is empty unless the token is
    meant for one workspace.
    """

    token: str
    account: str
    scopes: frozenset[str] | None = None
    device_id: str = ""
    custom_consumer: str = ""
    kind: str = "any"
    expires_at: float | None = None
    session_name: str = ""
    bots: frozenset[str] | None = None
    client_id: str = ""
    connector_id: str = "1024"
    workspace_id: str = ""

    def allows(self, permission: str) -> bool:
        """Whether the scopes contain the permission."""
        if self.scopes is None:
            return True
        words = {scope.rpartition(".")[2] for scope in self.scopes}
        wanted = permission.rpartition(".")[2]
        return wanted in words or wanted in {_SAME_AS.get(word) for word in words}

    def need(self, permission: str) -> None:
        """Raises ``Denial`` 4101 that names the missing permission."""
        if not self.allows(permission):
            raise Denial(403, 4101, f"the token lacks the permission: {permission}")

    def need_bot(self, bot_id: str) -> None:
        """Raises ``Denial`` 4101 for a bot the token is not meant for."""
        if self.bots is not None and bot_id not in self.bots:
            raise Denial(403, 4101, f"the token has no permission for the bot: {bot_id}")


class Denial(Exception):
    """A refused request: the HTTP ``status`` and the envelope's ``code`` and ``msg``."""

    def __init__(self, status: int, code: int, msg: str) -> None:
        super().__init__(msg)
        self.status = status
        self.code = code
        self.msg = msg


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Which tokens and bots are accepted.

    Every non-empty token is, unless it stands in ``refused``, begins with ``refused_prefix``, or
    ``accepted`` is not empty and does not list it. With ``only_issued`` just those listed are, next
    to the tokens that were given out. ``forbidden`` tokens are known but lack the
    permission to chat. Tokens belong to the account ``default`` unless ``accounts`` says
    otherwise, so that a device whose token was renewed finds its conversations again.
    """

    accepted: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)
    refused_prefix: str = "bad"
    unknown_bot_prefix: str = "unknown"
    unpublished_bot_prefix: str = "unpublished"
    only_issued: bool = False

    def admit(self, authorization: str | None) -> Grant:
        """The grant of an ``Authorization`` value, ``Bearer <token>``. Raises ``Denial``."""
        token = self.bearer(authorization)
        if not self._known(token):
            raise Denial(401, 4100, "authentication is invalid")
        if token in self.forbidden:
            raise Denial(403, 4101, "the token lacks the permission: chat")
        return Grant(token, self.accounts.get(token, "default"))

    def bearer(self, authorization: str | None) -> str:
        """The token in ``Bearer <token>``. Raises ``Denial`` where there is none."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        # Bytes of a header that are no text arrive as characters that cannot be written anywhere.
        if scheme.lower() != "bearer" or not token or not token.isprintable():
            raise Denial(401, 4100, "authentication is invalid")
        return token

    def check_refused(self, token: str) -> None:
        """Raises ``Denial`` for a token that the script refuses by name."""
        if token in self.refused:
            raise Denial(401, 4100, "authentication is invalid")
        if token in self.forbidden:
            raise Denial(403, 4101, "the token lacks the permission: chat")

    def check_bot(self, bot_id: str) -> None:
        """Raises ``Denial`` for a bot that does not exist or is not published."""
        if _begins(bot_id, self.unknown_bot_prefix):
            raise Denial(400, 4006, "the bot_id is wrong, or you have no access to the bot")
        if _begins(bot_id, self.unpublished_bot_prefix):
            raise Denial(400, 4015, "the bot is not published to the channel: API")

    def _known(self, token: str) -> bool:
        if token in self.refused or _begins(token, self.refused_prefix):
            return False
        if token in self.accepted or token in self.forbidden:
            return True
        return not self.accepted and not self.only_issued


def _begins(text: str, prefix: str) -> bool:
    """An empty prefix stands for none, not for every text."""
    return bool(prefix) and text.startswith(prefix)
