"""Uploaded files, in pieces small enough that no upload fills the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS file (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS file_part (
    file_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (file_id, part)
) WITHOUT ROWID;
"""

LARGEST = 512 * 1024 * 1024
"""Bytes of one file, as documented."""

_KEPT_S = 90 * 24 * 3600
_PART = 1 << 20
# Of all files together; the oldest make room.
_MOST_ON_DISK = 2 * 1024**3
_MOST_IN_MEMORY = 128 * 1024**2


@dataclass(frozen=True, slots=True)
class StoredFile:
    """``bytes`` is the size; ``created_at`` in Unix seconds."""

    id: str
    account: str
    name: str
    bytes: int
    created_at: int


class Upload:
    """A file that is still coming. ``finish`` or ``abort`` it."""

    def __init__(self, files: Files, id: str, most: int) -> None:
        self._files = files
        self._id = id
        self._most = most
        self._buffer = bytearray()
        self._part = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add bytes. Raises ``Refusal`` 4302 above the limit."""
        self.size += len(data)
        if self.size > self._most:
            raise Refusal(f"the file has more than {self._most} bytes", 4302)
        self._buffer += data
        while len(self._buffer) >= _PART:
            self._put(bytes(self._buffer[:_PART]))
            del self._buffer[:_PART]

    def finish(self, account: str, name: str) -> StoredFile:
        """The whole file."""
        if self._buffer:
            self._put(bytes(self._buffer))
        return self._files.add(self._id, account, name, self.size)

    def abort(self) -> None:
        """Forget what came."""
        self._files.drop(self._id)

    def _put(self, data: bytes) -> None:
        self._files.put(self._id, self._part, data)
        self._part += 1


class Files:
    """Keeps files for three months, as long as there is room."""

    def __init__(self, store: Store, ids: Ids, now: Callable[[], float]) -> None:
        self._store = store
        self._ids = ids
        self._now = now
        self._most = _MOST_IN_MEMORY if store.path is None else _MOST_ON_DISK
        # Parts of uploads that the last emulator did not see the end of.
        store.execute("DELETE FROM file_part WHERE file_id NOT IN (SELECT id FROM file)")

    def upload(self) -> Upload:
        """Begin a file."""
        return Upload(self, self._ids.number(), min(LARGEST, self._most))

    def find(self, id: str, account: str) -> StoredFile:
        """A file of this account. Raises ``Refusal`` 4200."""
        row = self._store.row(
            "SELECT * FROM file WHERE id = ? AND account = ? AND created_at > ?",
            (id, account, self._now() - _KEPT_S),
        )
        if row is None:
            raise Refusal(f"the file does not exist: {id}", 4200)
        return StoredFile(**dict(row))

    def read(self, file: StoredFile) -> bytes:
        """The content."""
        rows = self._store.rows(
            "SELECT data FROM file_part WHERE file_id = ? ORDER BY part", (file.id,)
        )
        return b"".join(row["data"] for row in rows)

    def put(self, id: str, part: int, data: bytes) -> None:
        """Keep one part of a file to come."""
        self._store.execute("INSERT INTO file_part VALUES (?, ?, ?)", (id, part, data))

    def add(self, id: str, account: str, name: str, size: int) -> StoredFile:
        """A file whose parts are all there."""
        file = StoredFile(id, account, name, size, int(self._now()))
        with self._store.transaction():
            self._store.execute(
                "INSERT INTO file VALUES (?, ?, ?, ?, ?)",
                (id, account, name, size, file.created_at),
            )
            self._make_room()
        return file

    def drop(self, id: str) -> None:
        """Forget a file, whole or not."""
        self._store.execute("DELETE FROM file WHERE id = ?", (id,))
        self._store.execute("DELETE FROM file_part WHERE file_id = ?", (id,))

    def _make_room(self) -> None:
        kept = 0
        oldest = self._now() - _KEPT_S
        for row in self._store.rows("SELECT id, bytes, created_at FROM file ORDER BY rowid DESC"):
            kept += row["bytes"]
            if kept > self._most or row["created_at"] <= oldest:
                self.drop(row["id"])
