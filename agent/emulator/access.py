"""Who may come in: the script's policy and the tokens this platform gave out, joined."""

from __future__ import annotations

from collections.abc import Callable

from agent.emulator.issued import Tokens, looks_issued
from agent.emulator.tokens import Denial, Grant, TokenPolicy

__all__ = ["Access", "Denial", "Grant"]


class Access:
    """Judges the bearer of every request.

    A token that was given out obeys its expiry and its scopes. Any other is judged by the script's
    policy alone, which by default lets everybody in.
    """

    def __init__(self, policy: TokenPolicy, tokens: Tokens, now: Callable[[], float]) -> None:
        self._policy = policy
        self._tokens = tokens
        self._now = now

    def admit(self, authorization: str | None) -> Grant:
        """The grant of an ``Authorization`` value, ``Bearer <token>``. Raises ``Denial``."""
        token = self._policy.bearer(authorization)
        grant = self._tokens.find(token)
        if grant is None:
            if looks_issued(token):
                raise Denial(401, 4100, "authentication is invalid: no such access token")
            return self._policy.admit(authorization)
        self._policy.check_refused(token)
        if self.expired(grant):
            raise Denial(401, 4100, "authentication is invalid: the access token has expired")
        return grant

    def expired(self, grant: Grant) -> bool:
        """Whether the grant's time is over."""
        return grant.expires_at is not None and self._now() >= grant.expires_at
