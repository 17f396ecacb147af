import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from agent.emulator.store import VERSION, Store
from agent.emulator.tables import TABLES
from agent.errors import ConfigError

SCHEMA = ["CREATE TABLE IF NOT EXISTS thing (name TEXT PRIMARY KEY);"]


def names(store: Store) -> list[str]:
    return [row["name"] for row in store.rows("SELECT name FROM thing ORDER BY name")]


def add(store: Store, name: str) -> None:
    store.execute("INSERT INTO thing VALUES (?)", [name])


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        Store(path, SCHEMA)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_memory_remembers_while_it_is_open() -> None:
    store = Store(None, SCHEMA)
    add(store, "a")
    found = store.row("SELECT * FROM thing")
    assert found is not None and found["name"] == "a"
    assert store.row("SELECT * FROM thing WHERE name = ?", ["b"]) is None


def test_a_file_remembers_longer(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path, SCHEMA)
    add(store, "a")
    store.close()
    store.close()
    assert names(Store(path, SCHEMA)) == ["a"]


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    killed = """
import os, signal, sys
from pathlib import Path
from agent.emulator.store import Store
store = Store(Path(sys.argv[1]), [sys.argv[2]])
store.execute("INSERT INTO thing VALUES ('a')")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", killed, str(path), SCHEMA[0]], check=False)
    assert names(Store(path, SCHEMA)) == ["a"]


def test_a_transaction_is_all_or_nothing() -> None:
    store = Store(None, SCHEMA)
    with pytest.raises(ZeroDivisionError), store.transaction():
        add(store, "a")
        with store.transaction():
            add(store, "b")
        raise ZeroDivisionError
    assert names(store) == []
    with store.transaction():
        add(store, "a")
        with store.transaction():
            add(store, "b")
    assert names(store) == ["a", "b"]


def test_all_rooms_fit_into_one_store() -> None:
    store = Store(None, TABLES)
    tables = store.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    assert len({row["name"] for row in tables}) == len(tables) >= len(TABLES)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are my notes, and nobody should overwrite them. " * 40)
    before = path.read_bytes()
    assert "is no state of an emulator" in refusal(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    before = path.read_bytes()
    assert "belongs to another program" in refusal(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Store(path, SCHEMA).close()
    with sqlite3.connect(path) as newer:
        newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    assert "newer talkbox" in refusal(path)


def test_a_file_in_use(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path, SCHEMA)
    assert "in use" in refusal(path)
    store.close()
    Store(path, SCHEMA).close()


def test_places_where_nothing_can_be_kept(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)
    assert "No such file" in refusal(tmp_path / "missing" / "state.db")


def test_nobody_else_may_read_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path, SCHEMA)
    add(store, "a")
    for file in tmp_path.iterdir():
        assert file.stat().st_mode & 0o077 == 0
    store.close()


def test_an_empty_file_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()
    add(Store(path, SCHEMA), "a")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path, SCHEMA)
    store.close()
    raw = bytearray(path.read_bytes())
    raw[100:] = b"\xff" * (len(raw) - 100)
    path.write_bytes(raw)
    assert "cannot use" in refusal(path)
