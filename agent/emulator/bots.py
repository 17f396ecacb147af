"""The bots of all workspaces: made and published over REST, talked to on every way in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.emulator.store import Store
from agent.emulator.tokens import Denial, TokenPolicy

SCHEMA = """
CREATE TABLE IF NOT EXISTS bot (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    space_id TEXT NOT NULL,
    draft TEXT NOT NULL,
    published TEXT,
    connectors TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    published_at INTEGER NOT NULL
);
"""

_UNPUBLISHED = 4015

API = "1024"
"""The connector through which a bot can be talked to from programs."""


@dataclass(slots=True)
class Bot:
    """A bot with its configuration as it was sent: the ``draft``, and what was last published.

    ``account`` is empty for the bot of the script and for those nobody made here: everybody's.
    """

    id: str
    account: str
    space_id: str
    draft: dict[str, Any]
    published: dict[str, Any] | None
    connectors: list[str] = field(default_factory=list)
    version: int = 0
    created_at: int = 0
    updated_at: int = 0
    published_at: int = 0

    @property
    def online(self) -> bool:
        """Whether it can be talked to from programs."""
        return self.published is not None and API in self.connectors


class Bots:
    """Finds and keeps bots.

    ``default`` is the one of the script. Any other id that the script's policy accepts stands for a
    bot like it, so that a client needs no preparation.
    """

    def __init__(
        self,
        store: Store,
        policy: TokenPolicy,
        default: Bot,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._policy = policy
        self._now = now
        self.default = default

    def check(self, bot_id: str, account: str) -> Bot:
        """The bot to talk to. Raises ``Denial`` 4006 (unknown) and 4015 (not published)."""
        bot = self.find(bot_id, account)
        if not bot.online:
            raise Denial(400, _UNPUBLISHED, "the bot is not published to the channel: API")
        return bot

    def find(self, bot_id: str, account: str) -> Bot:
        """A bot of this account, or one that is everybody's. Raises ``Denial`` 4006."""
        row = self._store.row("SELECT * FROM bot WHERE id = ?", (bot_id,))
        if row is not None:
            bot = _bot(row)
            if bot.account != account:
                raise Denial(400, 4006, "the bot_id is wrong, or you have no access to the bot")
            return bot
        online = True
        try:
            self._policy.check_bot(bot_id)
        except Denial as denial:
            if denial.code != _UNPUBLISHED:
                raise
            online = False
        base = self.default
        return Bot(
            bot_id,
            "",
            "",
            base.draft,
            base.draft if online else None,
            [API] if online else [],
            created_at=base.created_at,
            updated_at=base.updated_at,
            published_at=base.published_at,
        )

    def prologue(self, bot_id: str, account: str) -> str:
        """What the bot opens with. Raises ``Denial`` 4006."""
        bot = self.find(bot_id, account)
        config = bot.published or bot.draft
        return str(config.get("onboarding_info", {}).get("prologue") or "")

    def listed(self, account: str, space_id: str = "") -> list[Bot]:
        """The bots that an account made, the newest first, then the one of the script."""
        rows = self._store.rows(
            "SELECT * FROM bot WHERE account = ? AND (? = '' OR space_id = ?)"
            " ORDER BY updated_at DESC, rowid DESC",
            (account, space_id, space_id),
        )
        return [*(_bot(row) for row in rows), self.default]

    def create(self, id: str, account: str, space_id: str, draft: dict[str, Any]) -> Bot:
        """A new bot, not published."""
        now = int(self._now())
        bot = Bot(id, account, space_id, draft, None, created_at=now, updated_at=now)
        self._store.execute(
            "INSERT INTO bot VALUES (?, ?, ?, ?, NULL, '[]', 0, ?, ?, 0)",
            (id, account, space_id, json.dumps(draft), now, now),
        )
        return bot

    def change(self, bot: Bot, **values: Any) -> None:
        """Change keys of the draft."""
        bot.draft = {**bot.draft, **values}
        self._save(bot)

    def publish(self, bot: Bot, connectors: list[str]) -> None:
        """Make the draft what callers through these connectors meet."""
        bot.published = bot.draft
        bot.connectors = sorted({*bot.connectors, *connectors})
        bot.version += 1
        bot.published_at = int(self._now())
        self._save(bot)

    def unpublish(self, bot: Bot, connector: str) -> None:
        """Take it off a connector."""
        bot.connectors = [one for one in bot.connectors if one != connector]
        self._save(bot)

    def _save(self, bot: Bot) -> None:
        bot.updated_at = int(self._now())
        self._store.execute(
            "UPDATE bot SET draft = ?, published = ?, connectors = ?, version = ?, updated_at = ?,"
            " published_at = ? WHERE id = ?",
            (
                json.dumps(bot.draft),
                None if bot.published is None else json.dumps(bot.published),
                json.dumps(bot.connectors),
                bot.version,
                bot.updated_at,
                bot.published_at,
                bot.id,
            ),
        )


def _bot(row: sqlite3.Row) -> Bot:
    values = dict(row)
    for key in ("draft", "published", "connectors"):
        values[key] = None if values[key] is None else json.loads(values[key])
    return Bot(**values)
