"""Who used how much, for people to look at: sums of the bill, and what the limitations leave."""

from __future__ import annotations

from typing import Any

from agent.emulator.limitations import BENEFITS, CONSUMER, DEVICE, POINTS, Entity, governing
from agent.emulator.meter import Meter
from agent.emulator.store import Store
from agent.emulator.usage import BALANCES

_MOST = 50


class Spending:
    """Sums the bill up, again only after something was written or ruled anew."""

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter
        self._version: tuple[int, int] | None = None
        self._rows: list[dict[str, Any]] = []
        self._until = 0.0

    def rows(self) -> list[dict[str, Any]]:
        """One per device or other consumer, the latest first: points, seconds, tokens, limits.

        A turn appears when it is over.
        """
        now = self._meter.now()
        if self._version != self._meter.version or now >= self._until:
            self._version = self._meter.version
            self._rows = [self._row(dict(found), now) for found in self._sums()]
            ends = [limit["resets_at"] for row in self._rows for limit in row["limits"]]
            self._until = min((end for end in ends if end), default=float("inf"))
        return self._rows

    def _sums(self) -> list[Any]:
        return self._store.rows(
            "SELECT tenant, device_id AS device, custom_consumer AS consumer,"
            " SUM(CASE WHEN balance_type = ? THEN milli ELSE 0 END) / 1000.0 AS points,"
            " SUM(CASE WHEN balance_type <> ? THEN milli ELSE 0 END) / 1000.0 AS voice_s,"
            " SUM(model_input_token + model_output_token) AS tokens"
            " FROM usage GROUP BY tenant, device_id, custom_consumer"
            " ORDER BY MAX(consume_time) DESC LIMIT ?",
            [BALANCES[POINTS], BALANCES[POINTS], _MOST],
        )

    def _row(self, row: dict[str, Any], now: float) -> dict[str, Any]:
        tenant = row.pop("tenant")
        whom = [
            Entity(kind, id)
            for kind, id in ((DEVICE, row["device"]), (CONSUMER, row["consumer"]))
            if id
        ]
        rules = self._meter.quotas.concerning(tenant, whom)
        row["limits"] = [
            {
                "limit": rule.limit,
                "used": self._meter.ledger.used(
                    tenant, entity, benefit, (window := rule.window(now)).start
                ),
                "unit": "points" if benefit == POINTS else "s of voice",
                "resets_at": window.end,
            }
            for entity in whom
            for benefit in BENEFITS
            for rule in governing(rules, entity, benefit, now)
        ]
        return row
