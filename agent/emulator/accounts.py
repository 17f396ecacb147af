"""The people behind the tokens, and the workspaces they work in.

An account has a short name, used in scripts, tokens and consents, and a user id, which is what the
platform's answers tell. Every account comes with a personal workspace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from agent.emulator.store import Store
from agent.errors import ConfigError

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    name TEXT PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE,
    user_name TEXT NOT NULL,
    nick_name TEXT NOT NULL,
    avatar_url TEXT NOT NULL,
    enterprise_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS workspace (
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    role_type TEXT NOT NULL,
    workspace_type TEXT NOT NULL,
    enterprise_id TEXT NOT NULL,
    PRIMARY KEY (id, account)
);
"""

DEFAULT = "default"
"""The account of everybody who is nobody in particular."""


@dataclass(frozen=True, slots=True)
class ScriptedAccount:
    """One ``[[account]]``; names that are not given are the account's own."""

    name: str = ""
    user_name: str = ""
    nick_name: str = ""
    avatar_url: str = ""
    enterprise_id: str = ""


@dataclass(frozen=True, slots=True)
class ScriptedWorkspace:
    """One ``[[workspace]]`` in which an account has a part."""

    id: str = ""
    name: str = ""
    account: str = DEFAULT
    role_type: Literal["owner", "admin", "member"] = "owner"
    workspace_type: Literal["personal", "team"] = "team"
    enterprise_id: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """``name`` is ours, the rest is told by ``/v1/users/me``."""

    name: str
    user_id: str
    user_name: str
    nick_name: str
    avatar_url: str
    enterprise_id: str


@dataclass(frozen=True, slots=True)
class Workspace:
    """``role_type`` is owner, admin or member; ``workspace_type`` personal or team."""

    id: str
    name: str
    role_type: str
    workspace_type: str
    enterprise_id: str


class Accounts:
    """Finds accounts; one that is not known yet begins to exist when it is first asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, name: str) -> Account:
        """The account of that name."""
        row = self._store.row("SELECT * FROM account WHERE name = ?", [name])
        if row is None:
            self.put(name)
            row = self._store.row("SELECT * FROM account WHERE name = ?", [name])
        assert row is not None
        return Account(**dict(row))

    def by_user_id(self, user_id: str) -> Account | None:
        """The account with that user id."""
        row = self._store.row("SELECT * FROM account WHERE user_id = ?", [user_id])
        return None if row is None else Account(**dict(row))

    def put(
        self,
        name: str,
        user_name: str = "",
        nick_name: str = "",
        avatar_url: str = "",
        enterprise_id: str = "",
    ) -> None:
        """Make or change an account."""
        user_id = name if name.isascii() and name.isdigit() else stable_id("user", name)
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO account VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " user_name = excluded.user_name, nick_name = excluded.nick_name,"
                " avatar_url = excluded.avatar_url, enterprise_id = excluded.enterprise_id",
                [name, user_id, user_name or name, nick_name or name, avatar_url, enterprise_id],
            )
            if not self.workspaces(name):
                self.put_workspace(stable_id("workspace", name), name, "Personal")

    def declare(
        self, accounts: Iterable[ScriptedAccount], workspaces: Iterable[ScriptedWorkspace]
    ) -> None:
        """What a script says. Raises ``ConfigError`` for one without a name or an id."""
        for account in accounts:
            if not account.name:
                raise ConfigError("every [[account]] needs a name")
            self.put(**asdict(account))
        for space in workspaces:
            if not space.id.isdigit():
                raise ConfigError(f"every [[workspace]] needs an id of digits, not {space.id!r}")
            self.get(space.account)
            self.put_workspace(**{**asdict(space), "name": space.name or space.id})

    def names(self) -> list[str]:
        """All known accounts by name."""
        return [row["name"] for row in self._store.rows("SELECT name FROM account ORDER BY name")]

    def put_workspace(
        self,
        id: str,
        account: str,
        name: str,
        role_type: str = "owner",
        workspace_type: str = "personal",
        enterprise_id: str = "",
    ) -> None:
        """Make a workspace, or this account's part in it."""
        self._store.execute(
            "INSERT OR REPLACE INTO workspace VALUES (?, ?, ?, ?, ?, ?)",
            [id, account, name, role_type, workspace_type, enterprise_id],
        )

    def workspaces(self, account: str) -> list[Workspace]:
        """The workspaces of an account, the oldest first."""
        rows = self._store.rows(
            "SELECT id, name, role_type, workspace_type, enterprise_id FROM workspace"
            " WHERE account = ? ORDER BY rowid",
            [account],
        )
        return [Workspace(**dict(row)) for row in rows]


def stable_id(kind: str, name: str) -> str:
    """An int64 as decimal text that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{kind}:{name}".encode()).digest()
    # Into the range in which the platform's ids lie, 7.4e18 to 7.6e18.
    return str(7_400_000_000_000_000_000 + int.from_bytes(digest[:8], "big") % 10**17)
