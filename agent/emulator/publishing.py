"""Putting bots on channels and taking them off, and telling whoever wants to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agent.emulator.accounts import Accounts
from agent.emulator.apiapps import CONNECTOR, NORMAL, PUBLISHED, UNPUBLISHED
from agent.emulator.bots import Bot
from agent.emulator.callbacks import Callbacks
from agent.emulator.connectors import APPROVED, OFFICIAL, PENDING, Connectors
from agent.emulator.meter import Meter

Choices = Mapping[str, Mapping[str, list[str]]]


class Publishing:
    """What happens around a bot's publication, beyond the bot itself."""

    def __init__(
        self, connectors: Connectors, callbacks: Callbacks, accounts: Accounts, meter: Meter
    ) -> None:
        self._connectors = connectors
        self._callbacks = callbacks
        self._accounts = accounts
        self._meter = meter

    def choices(self, connector_ids: Iterable[str], given: Any, account: str) -> Choices:
        """The devices chosen in a request's ``connectors``. Raises ``Refusal``."""
        user_id = self._accounts.get(account).user_id
        return self._connectors.choices(list(connector_ids), given, user_id)

    def published(
        self, bot: Bot, connector_ids: Iterable[str], choices: Choices, account: str
    ) -> None:
        """A bot was published; channels with a callback have to approve of it."""
        owner = self._accounts.get(account)
        event = {
            "user_id_str": _number(owner.user_id),
            "space_id": bot.space_id,
            "user_name": owner.nick_name,
            "bot_id_str": _number(bot.id),
            "bot_name": bot.draft.get("name", ""),
            "description": bot.draft.get("description", ""),
            "version": str(bot.version),
        }
        ids = list(dict.fromkeys(connector_ids))
        for connector_id in ids:
            config = {key: list(values) for key, values in choices.get(connector_id, {}).items()}
            self._connectors.put(connector_id, bot.id, config, APPROVED)
            if connector_id in OFFICIAL:
                continue
            if self._emit(PUBLISHED, event, account, connector_id, CONNECTOR):
                self._connectors.audit(connector_id, bot.id, PENDING, "")
        if any(connector_id in OFFICIAL for connector_id in ids):
            self._emit(PUBLISHED, event, account, "", NORMAL)

    def unpublished(self, bot: Bot, connector_id: str, account: str) -> None:
        """A bot was taken off a channel."""
        self._connectors.remove(connector_id, bot.id)
        event = {
            "bot_id": bot.id,
            "space_id": bot.space_id,
            "connector_id": connector_id,
            "bot_name": bot.draft.get("name", ""),
            "description": bot.draft.get("description", ""),
        }
        self._emit(UNPUBLISHED, event, account, connector_id, "")

    def _emit(
        self, event_type: str, event: dict[str, Any], account: str, connector_id: str, only: str
    ) -> int:
        return self._callbacks.emit(
            self._meter.tenant(account),
            event_type,
            event,
            account_id=self._accounts.get(account).user_id,
            connector_id=connector_id,
            only=only,
        )


def _number(id: str) -> int | str:
    """Ids of these events are numbers on the wire, where they can be."""
    return int(id) if id.isascii() and id.isdigit() else id
