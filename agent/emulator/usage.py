"""What was used, row by row, as bills and callbacks tell it.

Amounts are kept in thousandths of a point or of a second, so that sums are exact.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, fields
from typing import Any

from agent.emulator.limitations import CUSTOM_VOICE, DEVICE, POINTS, SYSTEM_VOICE, Entity
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS usage (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    consume_time REAL NOT NULL,
    record_root_id TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    connector_uid TEXT NOT NULL,
    device_id TEXT NOT NULL,
    custom_consumer TEXT NOT NULL,
    space_id TEXT NOT NULL,
    root_entity_type INTEGER NOT NULL,
    root_entity_id TEXT NOT NULL,
    milli INTEGER NOT NULL,
    balance_type INTEGER NOT NULL,
    resource_type INTEGER NOT NULL,
    resource_id TEXT NOT NULL,
    model_id TEXT NOT NULL,
    model_input_token INTEGER NOT NULL,
    model_output_token INTEGER NOT NULL,
    tts_char_num INTEGER NOT NULL,
    tts_count INTEGER NOT NULL,
    asr_audio_length INTEGER NOT NULL,
    cost_account_id TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS usage_of_device
    ON usage (tenant, device_id, balance_type, consume_time, milli);
CREATE INDEX IF NOT EXISTS usage_of_consumer
    ON usage (tenant, custom_consumer, balance_type, consume_time, milli);
CREATE INDEX IF NOT EXISTS usage_at ON usage (tenant, consume_time);
"""

BALANCES = {POINTS: 2, SYSTEM_VOICE: 3, CUSTOM_VOICE: 4}
"""``balance_type`` of each benefit."""

BOT, VOICE_ROOT = 1, 6
"""``root_entity_type`` of a bot, and of speech without one."""

MODEL, VOICE = 1, 3
"""``resource_type`` of a language model, and of hearing and speaking."""

TTS_CHARS = "Tts_system_text_to_speech_chars"
ASR_STREAM = "Asr_large_model_streaming_duration"
ASR_FILE = "Asr_large_model_recording_duration"


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One row of a bill. ``milli`` are thousandths of a point or second, the rest is as told."""

    id: str
    tenant: str
    consume_time: float
    record_root_id: str
    connector_id: str
    connector_uid: str
    device_id: str
    custom_consumer: str
    space_id: str
    root_entity_type: int
    root_entity_id: str
    milli: int
    balance_type: int
    resource_type: int
    resource_id: str
    model_id: str = ""
    model_input_token: int = 0
    model_output_token: int = 0
    tts_char_num: int = 0
    tts_count: int = 0
    asr_audio_length: int = 0
    cost_account_id: str = ""

    def event(self) -> dict[str, Any]:
        """The row as a ``benefit.usage`` event; bills have the same fields."""
        told = asdict(self)
        told.pop("tenant")
        told["change_balance"] = decimal(told.pop("milli"))
        told["consume_time"] = int(self.consume_time)
        # Calls by RTC are not emulated.
        told.update(rtc_duration=0, rtc_begin_time=0, rtc_end_time=0)
        return {name: told[name] for name in COLUMNS}


COLUMNS = (
    "id", "consume_time", "record_root_id", "connector_id", "connector_uid", "device_id",
    "custom_consumer", "space_id", "root_entity_type", "root_entity_id", "change_balance",
    "balance_type", "resource_type", "resource_id", "model_id", "model_input_token",
    "model_output_token", "tts_char_num", "tts_count", "asr_audio_length", "rtc_duration",
    "rtc_begin_time", "rtc_end_time", "cost_account_id",
)  # fmt: skip
"""The fields of an event, which are the columns of a bill."""

_STORED = tuple(field.name for field in fields(UsageRow))


class Ledger:
    """All rows of all tenants."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, rows: list[UsageRow]) -> None:
        """Write rows down, all or none."""
        marks = ", ".join("?" for _ in _STORED)
        with self._store.transaction():
            for row in rows:
                values = [getattr(row, name) for name in _STORED]
                self._store.execute(
                    f"INSERT INTO usage ({', '.join(_STORED)}) VALUES ({marks})", values
                )

    def used(self, tenant: str, entity: Entity, benefit_type: str, since: float) -> float:
        """Points or seconds that somebody used since a time."""
        column = "device_id" if entity.kind == DEVICE else "custom_consumer"
        row = self._store.row(
            f"SELECT COALESCE(SUM(milli), 0) AS spent FROM usage WHERE tenant = ?"
            f" AND {column} = ? AND balance_type = ? AND consume_time >= ?",
            [tenant, entity.id, BALANCES[benefit_type], since],
        )
        assert row is not None
        return float(row["spent"]) / 1000

    def count(self, tenant: str, start: float, end: float) -> int:
        """How many rows a time has, its end excluded."""
        row = self._store.row(
            "SELECT COUNT(*) AS rows FROM usage"
            " WHERE tenant = ? AND consume_time >= ? AND consume_time < ?",
            [tenant, start, end],
        )
        assert row is not None
        return int(row["rows"])

    def nth(self, tenant: str, start: float, end: float, nth: int) -> UsageRow | None:
        """The row at place ``nth`` (from 0) of a time in order, the end excluded."""
        row = self._store.row(
            f"SELECT {', '.join(_STORED)} FROM usage WHERE tenant = ? AND consume_time >= ?"
            " AND consume_time < ? ORDER BY consume_time, id LIMIT 1 OFFSET ?",
            [tenant, start, end, nth],
        )
        return None if row is None else _row(row)

    def page(
        self, tenant: str, start: float, end: float, after: tuple[float, str], limit: int
    ) -> list[UsageRow]:
        """Rows of a time in order, those beyond ``after`` (time, id), the end excluded."""
        rows = self._store.rows(
            f"SELECT {', '.join(_STORED)} FROM usage WHERE tenant = ? AND consume_time >= ?"
            " AND consume_time < ? AND (consume_time, id) > (?, ?)"
            " ORDER BY consume_time, id LIMIT ?",
            [tenant, start, end, *after, limit],
        )
        return [_row(row) for row in rows]


def decimal(milli: int) -> str:
    """Thousandths as the shortest decimal text: ``160`` is ``"0.16"``."""
    whole, rest = divmod(abs(milli), 1000)
    text = f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
    return f"-{text}" if milli < 0 else text


def _row(row: sqlite3.Row) -> UsageRow:
    return UsageRow(**dict(row))
