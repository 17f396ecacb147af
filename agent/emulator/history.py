"""What was said: the messages and chats of all conversations, for whoever asks later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.coze.objects import Chat, LastError, Message, read_chat, write_chat
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    chat_id TEXT NOT NULL,
    section_id TEXT NOT NULL,
    bot_id TEXT NOT NULL,
    role TEXT NOT NULL,
    type TEXT NOT NULL,
    content TEXT NOT NULL,
    content_type TEXT NOT NULL,
    meta_data TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS message_of ON message (conversation_id, seq);
CREATE TABLE IF NOT EXISTS chat (
    id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
    status TEXT NOT NULL,
    content TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chat_of ON chat (conversation_id);
"""

TALK = ("question", "answer", "")
"""Types of the messages that a conversation lists; the steps between them belong to their chat."""

_OVER = ("completed", "failed", "canceled")
# Of one conversation; more than a person says in a year, and little enough for a flood.
_MOST_MESSAGES = 10_000
_MOST_CHARACTERS = 16_000_000
_MOST_CHATS = 2_000
_PRUNE_EVERY = 256


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages in the wanted order, and whether more follow in that order."""

    messages: list[Message]
    has_more: bool


class History:
    """Keeps messages and chats; of each conversation only the newest."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._since_prune = 0
        self._end_interrupted()

    def keep(self, message: Message) -> Message:
        """Add a message; returns it with its time."""
        now = int(self._now())
        message = replace(message, created_at=now, updated_at=now)
        self._store.execute(
            "INSERT INTO message (id, conversation_id, chat_id, section_id, bot_id, role, type,"
            " content, content_type, meta_data, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                message.conversation_id,
                message.chat_id,
                message.section_id,
                message.bot_id,
                message.role,
                message.type,
                message.content,
                message.content_type,
                None if message.meta_data is None else json.dumps(message.meta_data),
                now,
                now,
            ),
        )
        self._since_prune += 1
        if self._since_prune >= _PRUNE_EVERY:
            self._since_prune = 0
            self._prune(message.conversation_id)
        return message

    def find(self, conversation_id: str, id: str) -> Message | None:
        """One message."""
        row = self._store.row(
            "SELECT * FROM message WHERE id = ? AND conversation_id = ?", (id, conversation_id)
        )
        return None if row is None else _message(row)

    def page(
        self,
        conversation_id: str,
        *,
        types: Sequence[str] = TALK,
        chat_id: str = "",
        before: str = "",
        after: str = "",
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page:
        """At most ``limit`` messages of the given ``types``, in the order asked for.

        ``after`` goes on behind that message in this order, ``before`` ends in front of it.
        """
        where = ["conversation_id = ?", f"type IN ({', '.join('?' * len(types))})"]
        params: list[Any] = [conversation_id, *types]
        if chat_id:
            where.append("chat_id = ?")
            params.append(chat_id)
        forward, backward = (">", "<") if not newest_first else ("<", ">")
        for id, direction in ((after, forward), (before, backward)):
            if id:
                where.append(f"seq {direction} (SELECT seq FROM message WHERE id = ?)")
                params.append(id)
        # In front of a message means next to it: read backwards from there, then turn round.
        reverse = bool(before) and not after
        order = "DESC" if newest_first != reverse else "ASC"
        rows = self._store.rows(
            f"SELECT * FROM message WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?",
            [*params, limit + 1],
        )
        found = [_message(row) for row in rows[:limit]]
        return Page(found[::-1] if reverse else found, len(rows) > limit)

    def of_chat(self, conversation_id: str, chat_id: str) -> list[Message]:
        """All messages of a chat but the question, the oldest first."""
        rows = self._store.rows(
            "SELECT * FROM message WHERE conversation_id = ? AND chat_id = ? AND role <> 'user'"
            " ORDER BY seq",
            (conversation_id, chat_id),
        )
        return [_message(row) for row in rows]

    def change(self, message: Message) -> Message:
        """Store the content and metadata of a message that is there; returns it with its time."""
        message = replace(message, updated_at=int(self._now()))
        self._store.execute(
            "UPDATE message SET content = ?, content_type = ?, meta_data = ?, updated_at = ?"
            " WHERE id = ?",
            (
                message.content,
                message.content_type,
                None if message.meta_data is None else json.dumps(message.meta_data),
                message.updated_at,
                message.id,
            ),
        )
        return message

    def remove(self, message: Message) -> None:
        """Forget a message."""
        self._store.execute("DELETE FROM message WHERE id = ?", (message.id,))

    def note(self, chat: Chat) -> None:
        """Store the state of a chat."""
        self._store.execute(
            "INSERT INTO chat VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " status = excluded.status, content = excluded.content",
            (chat.id, chat.conversation_id, chat.status, json.dumps(write_chat(chat))),
        )

    def chat(self, conversation_id: str, id: str) -> Chat | None:
        """The state of a chat."""
        row = self._store.row(
            "SELECT content FROM chat WHERE id = ? AND conversation_id = ?", (id, conversation_id)
        )
        return None if row is None else read_chat(json.loads(row["content"]))

    def _prune(self, conversation_id: str) -> None:
        self._store.execute(
            "DELETE FROM message WHERE conversation_id = ? AND seq <= (SELECT max(seq) FROM (SELECT"
            " seq, row_number() OVER newest AS place, sum(length(content)) OVER newest AS length"
            " FROM message WHERE conversation_id = ? WINDOW newest AS (ORDER BY seq DESC))"
            " WHERE place > ? OR length > ?)",
            (conversation_id, conversation_id, _MOST_MESSAGES, _MOST_CHARACTERS),
        )
        # Ids grow with time, so the smallest are the oldest.
        self._store.execute(
            "DELETE FROM chat WHERE conversation_id = ? AND id <= (SELECT id FROM chat"
            " WHERE conversation_id = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
            (conversation_id, conversation_id, _MOST_CHATS),
        )

    def _end_interrupted(self) -> None:
        """Whatever still ran when the last emulator stopped has failed."""
        rows = self._store.rows(
            f"SELECT content FROM chat WHERE status NOT IN ({', '.join('?' * len(_OVER))})", _OVER
        )
        for row in rows:
            self.note(
                replace(
                    read_chat(json.loads(row["content"])),
                    status="failed",
                    failed_at=int(self._now()),
                    last_error=LastError(5000, "the service was restarted"),
                    tool_calls=(),
                )
            )


def _message(row: sqlite3.Row) -> Message:
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        bot_id=row["bot_id"],
        role=row["role"],
        type=row["type"],
        content=row["content"],
        content_type=row["content_type"],
        chat_id=row["chat_id"],
        section_id=row["section_id"],
        meta_data=None if row["meta_data"] is None else json.loads(row["meta_data"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
