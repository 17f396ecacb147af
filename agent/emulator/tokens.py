"""Who may come in: bearer tokens, bots and the refusals that go with them.

The codes are the platform's: 4100 (authentication invalid, HTTP 401), 4101 (no permission, HTTP
403), 4006 (no such bot or no access), 4015 (bot not published to the API channel).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for. ``account`` owns the conversations made with it."""

    token: str
    account: str


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
    ``accepted`` is not empty and does not list it. ``forbidden`` tokens are known but lack the
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

    def admit(self, authorization: str | None) -> Grant:
        """The grant of an ``Authorization`` value, ``Bearer <token>``. Raises ``Denial``."""
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not self._known(token):
            raise Denial(401, 4100, "authentication is invalid")
        if token in self.forbidden:
            raise Denial(403, 4101, "the token lacks the permission: chat")
        return Grant(token, self.accounts.get(token, "default"))

    def check_bot(self, bot_id: str) -> None:
        """Raises ``Denial`` for a bot that does not exist or is not published."""
        if _begins(bot_id, self.unknown_bot_prefix):
            raise Denial(400, 4006, "the bot_id is wrong, or you have no access to the bot")
        if _begins(bot_id, self.unpublished_bot_prefix):
            raise Denial(400, 4015, "the bot is not published to the channel: API")

    def _known(self, token: str) -> bool:
        if token in self.refused or _begins(token, self.refused_prefix):
            return False
        return not self.accepted or token in self.accepted or token in self.forbidden


def _begins(text: str, prefix: str) -> bool:
    """An empty prefix stands for none, not for every text."""
    return bool(prefix) and text.startswith(prefix)
