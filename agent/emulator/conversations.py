"""The conversations of all accounts, kept in memory for as long as the emulator runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids

_MOST = 10_000


@dataclass(slots=True)
class Conversation:
    """A container of turns. ``section_id`` equals ``id`` until the context is cleared.

    ``memory`` is the brain's; ``messages`` are (role, text) pairs. ``busy`` is the connection
    that runs a turn in it, the only one that may.
    """

    id: str
    account: str
    user_id: str
    section_id: str
    memory: dict[str, Any] = field(default_factory=dict)
    messages: list[tuple[str, str]] = field(default_factory=list)
    busy: object | None = None

    def remember(self, role: str, text: str) -> None:
        """Add to the context; only the newest 200 messages are kept."""
        self.messages.append((role, text))
        del self.messages[:-200]
        if role == "assistant":
            self.memory["said"] = text

    def claim(self, owner: object) -> None:
        """Begin a turn. Raises ``Refusal`` 4016 while another connection runs one."""
        if self.busy is not None and self.busy is not owner:
            raise Refusal("the conversation already has a running chat", 4016)
        self.busy = owner

    def release(self, owner: object) -> None:
        """End the turn of ``owner``, if it is theirs."""
        if self.busy is owner:
            self.busy = None


class Conversations:
    """Finds and makes conversations."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._known: dict[str, Conversation] = {}

    def __len__(self) -> int:
        return len(self._known)

    def create(self, account: str, user_id: str = "", id: str = "") -> Conversation:
        """A new, empty conversation. Of very many, the oldest idle one is forgotten."""
        id = id or self._ids.number()
        if len(self._known) >= _MOST:
            idle = next((old for old, talk in self._known.items() if talk.busy is None), None)
            self._known.pop(idle or "", None)
        self._known[id] = Conversation(id, account, user_id, id)
        return self._known[id]

    def find(self, id: str, account: str, user_id: str = "") -> Conversation:
        """A conversation of this account, and of this user where both sides name one.

        Raises ``Refusal`` 4002 where there is none: to others it must not even seem to exist.
        """
        found = self._known.get(id)
        if found is None or found.account != account:
            raise Refusal(f"the conversation does not exist: {id}", 4002)
        if found.user_id and user_id and found.user_id != user_id:
            raise Refusal(f"the conversation does not exist: {id}", 4002)
        return found

    def clear(self, conversation: Conversation) -> None:
        """Begin a new section, with nothing remembered."""
        conversation.section_id = self._ids.number()
        conversation.memory = {}
        conversation.messages = []
