"""What survives a restart, and what a damaged file does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from agent.statefile import Saved, StateFile, write_durably


def test_a_saved_value_is_there_after_a_restart(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    state.update(volume=40, muted=True)
    state.update(conversation_id="75")
    state.close()
    assert StateFile(tmp_path).saved == Saved(volume=40, muted=True, conversation_id="75")


def test_nothing_is_written_when_nothing_changes(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    state.update(muted=False)
    state.close()
    assert not state.path.exists()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"volume": 900}', b'{"volume": "x"}', b"\xff\xfe", b"[" * 9999]
)
def test_a_damaged_file_is_set_aside_and_never_fatal(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "state.json").write_bytes(damage)
    assert StateFile(tmp_path).saved == Saved()
    assert (tmp_path / "state.unreadable").read_bytes() == damage
    assert not (tmp_path / "state.json").exists()


def test_the_file_is_private_and_never_half_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.json"
    write_durably(path, b"one")
    assert path.stat().st_mode & 0o777 == 0o600
    write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


def test_a_full_disk_does_not_stop_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_space(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    state = StateFile(tmp_path)
    state.update(volume=1)
    state.close()
    assert "No space left" in caplog.text
    assert state.saved.volume == 1


def test_only_the_newest_value_has_to_be_written(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    for volume in range(101):
        state.update(volume=volume)
    state.close()
    assert json.loads(state.path.read_text())["volume"] == 100
