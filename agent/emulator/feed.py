"""Live events of all connections, for whoever watches."""

from __future__ import annotations


class Feed:
    """Takes note of what happens on the sockets; costs next to nothing while nobody watches."""

    def connected(self, id: str, device_id: str = "", account: str = "", bot: str = "") -> None:
        """A connection was opened; ``id`` is its log id."""

    def gone(self, id: str) -> None:
        """A connection ended."""

    def note(
        self, kind: str, connection_id: str, direction: str, event_type: str, summary: str = ""
    ) -> None:
        """One event: ``direction`` is ``up``, ``down`` or empty."""
