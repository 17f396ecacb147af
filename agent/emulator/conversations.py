"""The conversations of all accounts: the same ones on the sockets and over REST."""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent.coze.objects import Message
from agent.emulator.fields import Refusal
from agent.emulator.history import History
from agent.emulator.ids import Ids
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS conversation (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    user_id TEXT NOT NULL,
    section_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    name TEXT NOT NULL,
    meta_data TEXT NOT NULL,
    memory TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS conversation_of ON conversation (account, bot_id, created_at);
"""

CONNECTOR = "1024"
"""The connector "API", where a caller names none."""

# A fleet's worth; beyond it the oldest is forgotten, so that a flood of new ones cannot fill up.
_MOST = 50_000
_NAME = 100


@dataclass(slots=True, weakref_slot=True, eq=False)
class Conversation:
    """A container of turns. ``section_id`` equals ``id`` until the context is cleared.

    There is one object for each conversation in use, so that all see the same. ``memory`` is the
    brain's. ``busy`` is whoever runs a turn in it, the only one who may.
    """

    id: str
    account: str
    user_id: str
    section_id: str
    bot_id: str = ""
    connector_id: str = CONNECTOR
    name: str = ""
    meta_data: dict[str, str] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    created_at: int = 0
    updated_at: int = 0
    busy: object | None = None
    deleted: bool = False

    def claim(self, owner: object) -> None:
        """Begin a turn. Raises ``Refusal`` 4016 while another connection runs one.

        4002 if the conversation has been deleted meanwhile.
        """
        if self.deleted:
            raise _unknown(self.id)
        if self.busy is not None and self.busy is not owner:
            raise Refusal("the conversation already has a running chat", 4016)
        self.busy = owner

    def release(self, owner: object) -> None:
        """End the turn of ``owner``, if it is theirs."""
        if self.busy is owner:
            self.busy = None


class Conversations:
    """Finds and makes conversations; ``history`` holds what was said in them."""

    def __init__(self, ids: Ids, store: Store, now: Callable[[], float]) -> None:
        self._ids = ids
        self._store = store
        self._now = now
        self._live: weakref.WeakValueDictionary[str, Conversation] = weakref.WeakValueDictionary()
        self.history = History(store, now)
        row = store.row("SELECT count(*) AS n FROM conversation")
        self._count = int(row["n"]) if row else 0

    def __len__(self) -> int:
        return self._count

    def create(
        self,
        account: str,
        user_id: str = "",
        id: str = "",
        *,
        bot_id: str = "",
        connector_id: str = CONNECTOR,
        name: str = "",
        meta_data: dict[str, str] | None = None,
    ) -> Conversation:
        """A new, empty conversation. Raises ``Refusal`` 4002 for an ``id`` of somebody else."""
        id = id or self._ids.number()
        now = int(self._now())
        made = Conversation(
            *(id, account, user_id, id, bot_id, connector_id, name, dict(meta_data or {})),
            created_at=now,
            updated_at=now,
        )
        try:
            self._store.execute(
                "INSERT INTO conversation VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{}', ?, ?)",
                (
                    *(id, account, user_id, id, bot_id, connector_id, name),
                    *(json.dumps(made.meta_data), now, now),
                ),
            )
        except sqlite3.IntegrityError:
            raise _unknown(id) from None
        self._count += 1
        self._live[id] = made
        if self._count > _MOST:
            self._forget_oldest()
        return made

    def find(self, id: str, account: str, user_id: str = "") -> Conversation:
        """A conversation of this account, and of this user where both sides name one.

        Raises ``Refusal`` 4002 where there is none: to others it must not even seem to exist.
        """
        found = self._live.get(id) or self._load(id)
        if found is None or found.deleted or found.account != account:
            raise _unknown(id)
        if found.user_id and user_id and found.user_id != user_id:
            raise _unknown(id)
        return found

    def page(
        self,
        account: str,
        bot_id: str,
        connector_id: str = "",
        *,
        newest_first: bool = True,
        page_num: int = 1,
        page_size: int = 50,
    ) -> tuple[list[Conversation], bool]:
        """One page of an account's conversations with a bot, and whether more follow."""
        order = "DESC" if newest_first else "ASC"
        rows = self._store.rows(
            "SELECT * FROM conversation WHERE account = ? AND bot_id = ?"
            " AND (? = '' OR connector_id = ?)"
            f" ORDER BY created_at {order}, rowid {order} LIMIT ? OFFSET ?",
            [
                *(account, bot_id, connector_id, connector_id),
                *(page_size + 1, (page_num - 1) * page_size),
            ],
        )
        found = [self._live.get(row["id"]) or self._made(row) for row in rows[:page_size]]
        return found, len(rows) > page_size

    def clear(self, conversation: Conversation) -> None:
        """Begin a new section, with nothing remembered."""
        conversation.section_id = self._ids.number()
        conversation.memory = {}
        self.save(conversation)

    def save(self, conversation: Conversation) -> None:
        """Store what may change: section, name, bot and memory."""
        conversation.updated_at = int(self._now())
        self._store.execute(
            "UPDATE conversation SET section_id = ?, bot_id = ?, name = ?, memory = ?,"
            " updated_at = ? WHERE id = ?",
            (
                conversation.section_id,
                conversation.bot_id,
                conversation.name,
                json.dumps(conversation.memory, ensure_ascii=False, default=str),
                conversation.updated_at,
                conversation.id,
            ),
        )

    def delete(self, conversation: Conversation) -> None:
        """Forget it, with all that was said."""
        conversation.deleted = True
        self._live.pop(conversation.id, None)
        removed = self._store.execute("DELETE FROM conversation WHERE id = ?", (conversation.id,))
        self._count -= removed.rowcount

    def keep(self, conversation: Conversation, message: Message) -> Message:
        """Add a message of a turn. The first question names a conversation that has no name."""
        if conversation.deleted:
            return message
        if message.role == "user" and not conversation.name:
            conversation.name = message.content[:_NAME]
        return self.history.keep(message)

    def insert(
        self,
        conversation: Conversation,
        role: str,
        content: str,
        content_type: str = "text",
        *,
        type: str = "",
        meta_data: dict[str, str] | None = None,
    ) -> Message:
        """Add a message from outside of any turn."""
        message = Message(
            id=self._ids.number(),
            conversation_id=conversation.id,
            bot_id=conversation.bot_id,
            role=role,
            type=type or ("question" if role == "user" else "answer"),
            content=content,
            content_type=content_type,
            section_id=conversation.section_id,
            meta_data=None if meta_data is None else dict(meta_data),
        )
        if role == "assistant" and content_type == "text":
            conversation.memory["said"] = content
        kept = self.keep(conversation, message)
        self.save(conversation)
        return kept

    def _load(self, id: str) -> Conversation | None:
        row = self._store.row("SELECT * FROM conversation WHERE id = ?", (id,))
        if row is None:
            return None
        found = self._live[id] = self._made(row)
        return found

    @staticmethod
    def _made(row: sqlite3.Row) -> Conversation:
        values = dict(row)
        for key in ("meta_data", "memory"):
            values[key] = json.loads(values[key])
        return Conversation(**values)

    def _forget_oldest(self) -> None:
        for row in self._store.rows(
            "SELECT id FROM conversation ORDER BY created_at, rowid LIMIT ?",
            (self._count - _MOST + _MOST // 100,),
        ):
            found = self._live.get(row["id"]) or self._load(row["id"])
            # One in use stays: it is the idle ones that nobody misses.
            if found is not None and found.busy is None:
                self.delete(found)


def _unknown(id: str) -> Refusal:
    return Refusal(f"the conversation does not exist: {id}", 4002)
