"""Bill exports: tasks that take a while, and the files they end in."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS bill_task (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    created_at REAL NOT NULL,
    secret TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS bill_task_of ON bill_task (tenant, created_at);
"""

DAY = 86400
KEPT_S = 7 * DAY
ROWS_PER_FILE = 500_000

# The platform's days are those of China, which has one time zone and no summer time.
_ZONE = timezone(timedelta(hours=8))
_OPENING = datetime(2025, 3, 13, tzinfo=_ZONE)
# How much of the waiting a task spends before it begins to run.
_QUEUED = 0.2


@dataclass(frozen=True, slots=True)
class BillTask:
    """An export of whole days; ``ended_at`` is their last second. ``secret`` opens its files."""

    id: str
    tenant: str
    started_at: int
    ended_at: int
    created_at: float
    secret: str

    @property
    def expires_at(self) -> int:
        """From when on its files are gone."""
        return int(self.created_at) + KEPT_S

    def status(self, now: float, ready_s: float, fails: bool = False) -> str:
        """``init``, ``running`` and at last ``succeed`` or ``failed``."""
        age = now - self.created_at
        if age >= ready_s:
            return "failed" if fails else "succeed"
        return "init" if age < ready_s * _QUEUED else "running"


class Bills:
    """The tasks of all tenants."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now

    def create(self, id: str, tenant: str, started_at: int, ended_at: int) -> BillTask:
        """A task for days as returned by ``whole_days``."""
        task = BillTask(id, tenant, started_at, ended_at, self._now(), secrets.token_urlsafe(24))
        self._store.execute(
            "INSERT INTO bill_task VALUES (?, ?, ?, ?, ?, ?)",
            [id, tenant, started_at, ended_at, task.created_at, task.secret],
        )
        return task

    def listed(self, tenant: str, ids: Iterable[str] = ()) -> list[BillTask]:
        """The tasks with these ids, or those of the last 7 days; the newest first."""
        ids = list(ids)
        if not ids:
            rows = self._store.rows(
                "SELECT * FROM bill_task WHERE tenant = ? AND created_at >= ?"
                " ORDER BY created_at DESC, rowid DESC",
                [tenant, self._now() - KEPT_S],
            )
        else:
            marks = ", ".join("?" for _ in ids)
            rows = self._store.rows(
                f"SELECT * FROM bill_task WHERE tenant = ? AND id IN ({marks})"
                " ORDER BY created_at DESC, rowid DESC",
                [tenant, *ids],
            )
        return [_task(row) for row in rows]

    def find(self, id: str) -> BillTask | None:
        """The task with that id, whoever asks."""
        row = self._store.row("SELECT * FROM bill_task WHERE id = ?", [id])
        return None if row is None else _task(row)


def whole_days(started_at: int, ended_at: int, now: float) -> tuple[int, int]:
    """First and last second of the days that two times lie in.

    Raises ``ValueError`` with a clause for the caller where bills do not reach.
    """
    if started_at > ended_at:
        raise ValueError("started_at must not be after ended_at")
    try:
        first, last = _midnight(started_at), _midnight(ended_at)
    except (OverflowError, OSError, ValueError):
        raise ValueError("started_at and ended_at must be Unix times in seconds") from None
    if first < _OPENING.timestamp():
        raise ValueError("started_at must not be before 2025-03-13")
    if last >= _midnight(int(now)):
        raise ValueError("ended_at must be before today")
    return first, last + DAY - 1


def _midnight(moment: int) -> int:
    day = datetime.fromtimestamp(moment, UTC).astimezone(_ZONE)
    return int(day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def _task(row: sqlite3.Row) -> BillTask:
    return BillTask(**dict(row))
