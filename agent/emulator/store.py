"""What the emulator remembers: one SQLite file, or memory where none is named.

One connection, used by the event loop's thread alone. Every statement outside of a transaction is
one by itself; with a write-ahead log and ``synchronous=NORMAL`` it costs no flush to the disk, and
a killed process loses nothing. A second emulator cannot open the same file.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

VERSION = 1
"""The schema this program writes. A file with a higher number comes from a newer program."""

# "tbox": tells our files from those of other programs.
_APPLICATION_ID = 0x74626F78
_ELSE = "Name another file with --state."


class Store:
    """The database. ``schema`` are the ``CREATE TABLE IF NOT EXISTS`` scripts of all rooms.

    Raises ``ConfigError`` for a file that cannot be opened, is no database, belongs to another
    program, is in use, or was written by a newer version.
    """

    def __init__(self, path: Path | None, schema: Iterable[str] = ()) -> None:
        self.path = path
        self._depth = 0
        try:
            self._connection = self._open()
        except sqlite3.Error as error:
            raise _unusable(path, error) from error
        try:
            self._prepare(schema)
        except sqlite3.Error as error:
            self._connection.close()
            raise _unusable(path, error) from error
        except ConfigError:
            self._connection.close()
            raise

    def execute(self, sql: str, params: Iterable[Any] = ()) -> sqlite3.Cursor:
        """Run one statement; ``rowcount`` and ``lastrowid`` are the cursor's."""
        return self._connection.execute(sql, tuple(params))

    def row(self, sql: str, params: Iterable[Any] = ()) -> sqlite3.Row | None:
        """The first row, if there is one."""
        found: sqlite3.Row | None = self.execute(sql, params).fetchone()
        return found

    def rows(self, sql: str, params: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """All rows."""
        return self.execute(sql, params).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. One inside another joins it. Never await inside."""
        outermost = self._depth == 0
        if outermost:
            self._connection.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            if outermost:
                self._connection.execute("ROLLBACK")
            raise
        else:
            if outermost:
                self._connection.execute("COMMIT")
        finally:
            self._depth -= 1

    def close(self) -> None:
        """Write everything out. Closing twice is no error."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        if self.path is not None:
            try:
                # Tokens and a private key will stand in it: nobody else may read a new one.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            except OSError as error:
                raise ConfigError(
                    f"cannot use the state file {self.path}: {error.strerror}", remedy=_ELSE
                ) from error
        # An emulator may be made in one thread and served by the loop of another.
        connection = sqlite3.connect(
            self.path or ":memory:", timeout=0.2, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _prepare(self, schema: Iterable[str]) -> None:
        # Before anything is written, so that a foreign file stays as it is.
        self._check_origin()
        connection = self._connection
        if self.path is not None:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        connection.execute("PRAGMA foreign_keys = ON")
        for script in schema:
            connection.executescript(script)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")

    def _check_origin(self) -> None:
        version = self._number("PRAGMA user_version")
        application = self._number("PRAGMA application_id")
        if application == _APPLICATION_ID:
            if version > VERSION:
                raise ConfigError(
                    f"the state file {self.path} was written by a newer talkbox "
                    f"(schema {version}, this one knows {VERSION})",
                    remedy="Update talkbox, or name another file with --state.",
                )
        elif application or version or self._number("SELECT count(*) FROM sqlite_master"):
            raise ConfigError(
                f"the state file {self.path} belongs to another program", remedy=_ELSE
            )

    def _number(self, sql: str) -> int:
        return int(self._connection.execute(sql).fetchone()[0])


def _unusable(path: Path | None, error: sqlite3.Error) -> ConfigError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return ConfigError(
            f"the state file {path} is in use by another program",
            remedy="Stop the other emulator, or name another file with --state.",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigError(f"the state file {path} is no state of an emulator", remedy=_ELSE)
    return ConfigError(f"cannot use the state file {path}: {error}", remedy=_ELSE)
