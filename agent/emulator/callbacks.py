"""Callbacks: events go to the apps that subscribed, again and again until one is taken.

What waits is kept in the store, so that a restart loses nothing. An event keeps its ``event_id``
through all attempts: receivers must tell repetitions by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import uuid
from collections.abc import Callable
from typing import Any

from agent.emulator.apiapps import CONNECTOR, PUBLISHED, USAGE, ApiApp, ApiApps
from agent.emulator.outbound import Caller, Unreachable
from agent.emulator.plan import CallbackPolicy
from agent.emulator.store import Store
from agent.emulator.usage import UsageRow

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS callback (
    event_id TEXT PRIMARY KEY,
    api_app_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL,
    answer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS callback_waiting ON callback (api_app_id) WHERE state = 'waiting';
"""

# Deliveries to one app at a time: one that is slow must not hold up all that follow.
_AT_ONCE = 4
# Deliveries that were taken or given up, kept to be looked at.
_KEEP = 10_000
# Of deliveries to somebody who is never there, at most so many wait.
_MOST = 200_000
_CHALLENGE_S = 3.0

Audit = Callable[[str, str, int, str], object]


class Callbacks:
    """Delivers events. ``seconds`` turns milliseconds of the script into seconds to wait.

    ``on_audit(connector_id, bot_id, audit_status, reason)`` is told how a channel answered
    ``bot.published``.
    """

    def __init__(
        self,
        store: Store,
        policy: CallbackPolicy,
        now: Callable[[], float],
        seconds: Callable[[float], float],
    ) -> None:
        self.apps = ApiApps(store)
        self.on_audit: list[Audit] = []
        self._store = store
        self._policy = policy
        self._now = now
        self._seconds = seconds
        self._caller: Caller | None = None
        self._busy: set[str] = set()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._open = False

    async def start(self) -> None:
        """Begin to deliver, first what waited since the last time."""
        self._open = True
        for row in self._store.rows(
            "SELECT DISTINCT api_app_id FROM callback WHERE state = 'waiting'"
        ):
            self._wake(row["api_app_id"])

    async def stop(self) -> None:
        """Deliver no more; what waits stays in the store."""
        self._open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._caller is not None:
            await self._caller.close()
            self._caller = None

    def usage(self, row: UsageRow) -> None:
        """Tell of a row of a bill."""
        self.emit(row.tenant, USAGE, row.event(), connector_id=row.connector_id)

    def emit(
        self,
        tenant: str,
        event_type: str,
        event: dict[str, Any],
        *,
        account_id: str = "",
        connector_id: str = "",
        only: str = "",
    ) -> int:
        """Queue an event for everybody who wants it; how many do.

        ``only`` restricts it to ``normal`` or ``connector`` apps.
        """
        listeners = [
            app
            for app in self.apps.listeners(tenant, event_type, connector_id)
            if only in ("", app.app_type)
        ]
        for app in listeners:
            self._queue(app, event_type, event, account_id)
        return len(listeners)

    async def challenge(self, app: ApiApp, url: str) -> None:
        """Ask an address to echo a challenge. Raises ``Unreachable`` unless it does."""
        word = secrets.token_urlsafe(24)
        body = json.dumps({"challenge": word}).encode()
        reply = await self._call().post(url, body, app.verify_token, self._stamp(), _CHALLENGE_S)
        if reply.status != 200:
            raise Unreachable(f"it answered {reply.status} to the challenge")
        echoed: Any = None
        with contextlib.suppress(ValueError, RecursionError):
            echoed = json.loads(reply.body)
        if not isinstance(echoed, dict) or echoed.get("challenge") != word:
            raise Unreachable("it did not send the challenge back")

    def waiting(self) -> int:
        """How many deliveries are still to be made."""
        row = self._store.row("SELECT COUNT(*) AS n FROM callback WHERE state = 'waiting'")
        assert row is not None
        return int(row["n"])

    def _queue(self, app: ApiApp, event_type: str, event: dict[str, Any], account_id: str) -> None:
        event_id = f"{uuid.uuid4()}-{app.id}"
        header = {
            "event_type": event_type,
            "event_id": event_id,
            "created_at": int(self._now() * 1000),
            "api_app_id": app.id,
        }
        if account_id:
            header["coze_account_id"] = account_id
        if app.app_type == CONNECTOR:
            header["connector_id"] = app.connector_id
            event = {key: value for key, value in event.items() if key != "space_id"}
        body = json.dumps(
            {"header": header, "event": event}, ensure_ascii=False, separators=(",", ":")
        )
        self._store.execute(
            "INSERT INTO callback VALUES (?, ?, ?, ?, 0, 'waiting', '')",
            [event_id, app.id, event_type, body],
        )
        self._wake(app.id)

    def _wake(self, app_id: str) -> None:
        running = sum(1 for of in self._tasks.values() if of == app_id)
        if not self._open or running >= _AT_ONCE:
            return
        task = asyncio.get_running_loop().create_task(self._work(app_id))
        self._tasks[task] = app_id
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _work(self, app_id: str) -> None:
        """Deliver what waits for one app until nothing does."""
        while True:
            busy = list(self._busy)
            marks = ", ".join("?" for _ in busy)
            row = self._store.row(
                "SELECT event_id, event_type, body FROM callback WHERE api_app_id = ?"
                f" AND state = 'waiting' AND event_id NOT IN ({marks}) ORDER BY rowid LIMIT 1",
                [app_id, *busy],
            )
            if row is None:
                return
            self._busy.add(row["event_id"])
            try:
                await self._deliver(app_id, row["event_id"], row["event_type"], row["body"])
            except Exception:
                # One delivery that cannot be made must not end those that follow.
                log.exception("the callback %s failed", row["event_id"])
                self._settle(row["event_id"], "failed", "internal error")
            finally:
                self._busy.discard(row["event_id"])

    async def _deliver(self, app_id: str, event_id: str, event_type: str, body: str) -> None:
        policy, why = self._policy, ""
        timeout = policy.publish_timeout_ms if event_type == PUBLISHED else policy.timeout_ms
        for attempt in range(1, policy.attempts + 1):
            # The app may have moved or gone in the meantime.
            app = self.apps.find(app_id)
            if app is None or not app.callback_url:
                self._settle(event_id, "dropped", "the app has no address")
                return
            self._store.execute(
                "UPDATE callback SET attempts = attempts + 1 WHERE event_id = ?", [event_id]
            )
            try:
                reply = await self._call().post(
                    app.callback_url,
                    body.encode(),
                    app.verify_token,
                    self._stamp(),
                    timeout / 1000,
                )
            except Unreachable as unreachable:
                why = str(unreachable)
            else:
                why = f"status {reply.status}"
                if reply.status == 200 and self._taken(app, event_type, body, reply.body):
                    self._settle(event_id, "taken", why)
                    if policy.repeat:
                        with contextlib.suppress(Unreachable):
                            await self._call().post(
                                app.callback_url,
                                body.encode(),
                                app.verify_token,
                                self._stamp(),
                                timeout / 1000,
                            )
                    return
            log.info("callback %s, attempt %d: %s", event_id, attempt, why)
            if attempt < policy.attempts:
                await asyncio.sleep(self._seconds(policy.backoff_ms * 2 ** (attempt - 1)))
        self._settle(event_id, "failed", why)
        self._audited(app, event_type, body, 3, "the channel did not answer")

    def _taken(self, app: ApiApp, event_type: str, body: str, answer: bytes) -> bool:
        """Whether an answer is enough: a channel has to say what it thinks of a new bot."""
        if event_type != PUBLISHED or app.app_type != CONNECTOR:
            return True
        try:
            audit = json.loads(answer)["audit"]
            status, reason = int(audit["audit_status"]), str(audit.get("reason", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        if status not in (1, 2, 3):
            return False
        self._audited(app, event_type, body, status, reason)
        return True

    def _audited(
        self, app: ApiApp | None, event_type: str, body: str, status: int, reason: str
    ) -> None:
        if app is None or event_type != PUBLISHED or app.app_type != CONNECTOR:
            return
        bot_id = str(json.loads(body)["event"]["bot_id_str"])
        for listener in self.on_audit:
            listener(app.connector_id, bot_id, status, reason)

    def _settle(self, event_id: str, state: str, answer: str) -> None:
        self._store.execute(
            "UPDATE callback SET state = ?, answer = ? WHERE event_id = ?",
            [state, answer[:200], event_id],
        )
        for which, most in (("state != 'waiting'", _KEEP), ("TRUE", _MOST)):
            self._store.execute(
                f"DELETE FROM callback WHERE {which} AND rowid <="
                " (SELECT MAX(rowid) FROM callback) - ?",
                [most],
            )

    def _call(self) -> Caller:
        if self._caller is None:
            self._caller = Caller(self._policy.reach)
        return self._caller

    def _stamp(self) -> int:
        return int(self._now())
