"""What an account bought, what things cost, and where callbacks may go, in a script's words."""

from __future__ import annotations

from dataclasses import dataclass, field

LEVELS = ("free", "pro_personal", "team", "enterprise")
LICENCES = ("both", "system", "custom", "none")

QPS = {
    "chat": {"free": 20, "pro_personal": 100, "team": 200, "enterprise": 500},
    "workflow": {"free": 50, "pro_personal": 100, "team": 200, "enterprise": 500},
    "plugin": {"free": 20, "pro_personal": 100, "team": 200, "enterprise": 500},
}
"""Calls per second that each level comes with; those of plugins are assumed to equal chat's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of all accounts. Prices are in points.

    ``voice_licence`` says for which voices speech is paid in seconds; the others cost points. Only
    the price of tokens has a source, a documented bill row: 104 tokens cost 0.16 points.
    """

    level: str = "enterprise"
    voice_licence: str = "both"
    custom_voices: list[str] = field(default_factory=list)
    model_id: str = "1737521813"
    points_per_1000_tokens: float = 1.5
    points_per_1000_chars: float = 10.0
    points_per_asr_minute: float = 1.0
    extra_qps: int = 0
    tool_calls: int = 500
    bill_ready_s: float = 60.0
    bill_fails: bool = False

    def qps(self, resource: str) -> int:
        """Calls per second included for chat, workflow or plugin."""
        return QPS[resource][self.level]

    def licensed(self, custom: bool) -> bool:
        """Whether speech of custom or of system voices is paid in seconds."""
        return self.voice_licence in ("both", "custom" if custom else "system")


@dataclass(frozen=True, slots=True)
class CallbackPolicy:
    """How callbacks are delivered. ``reach`` keeps a test platform from calling out.

    ``repeat`` delivers every event once more after it was taken, for receivers that must tell
    events by their ids.
    """

    reach: str = "private"
    attempts: int = 5
    backoff_ms: float = 1000.0
    timeout_ms: float = 3000.0
    publish_timeout_ms: float = 10000.0
    repeat: bool = False
