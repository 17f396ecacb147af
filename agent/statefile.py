"""What survives a restart: volume, mute, the conversation. A small JSON file, written durably.

Written as tmp, fsync, rename, fsync of the directory: after a power cut the file is the old one or
the new one, never half of either. Writing happens on a thread of its own, so a slow SD card never
delays sound; only the newest value counts.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

log = logging.getLogger("talkbox.state")

NAME = "state.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """``volume`` in percent; ``None`` where nothing was ever saved."""

    volume: int | None = None
    muted: bool = False
    conversation_id: str = ""
    bot_id: str = ""


class StateFile:
    """Loads once, saves in the background. ``close`` waits for the last write."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / NAME
        self.saved = self._load()
        self._pending: Saved | None = None
        self._change = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def _load(self) -> Saved:
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return _checked(data)
        except FileNotFoundError:
            return Saved()
        except (OSError, ValueError, TypeError, RecursionError) as error:
            self._quarantine(error)
            return Saved()

    def _quarantine(self, error: Exception) -> None:
        aside = self.path.with_suffix(".unreadable")
        try:
            self.path.replace(aside)
        except OSError as problem:
            log.warning("state %s is unreadable (%s) and stays: %s", self.path, error, problem)
        else:
            log.warning("state %s was unreadable (%s); kept as %s", self.path, error, aside)

    def update(self, **changes: Any) -> None:
        """Change fields of ``Saved`` and have them written soon."""
        changed = replace(self.saved, **changes)
        if changed == self.saved:
            return
        self.saved = changed
        with self._change:
            self._pending = changed
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="state", daemon=True)
                self._thread.start()
            self._change.notify()

    def close(self, timeout: float = 1.0) -> None:
        """Write what is pending, at most ``timeout`` seconds."""
        with self._change:
            self._closing = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            with self._change:
                while self._pending is None and not self._closing:
                    self._change.wait()
                pending, self._pending = self._pending, None
            if pending is None:
                return
            try:
                write_durably(self.path, json.dumps(asdict(pending)).encode())
            except OSError as error:
                log.error("cannot save %s: %s", self.path, error)


def _checked(data: Any) -> Saved:
    if not isinstance(data, dict):
        raise TypeError("not an object")
    volume = data.get("volume")
    if volume is not None and not (isinstance(volume, int) and 0 <= volume <= 100):
        raise ValueError("volume is not 0-100")
    texts = {key: str(data.get(key, "")) for key in ("conversation_id", "bot_id")}
    return Saved(volume=volume, muted=bool(data.get("muted", False)), **texts)


def write_durably(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` (mode 0600) so that a power cut leaves old or new.

    Raises ``OSError``. The order (write, fsync, rename, fsync of the directory) is the one that
    lost nothing in power-cut tests; without the last step the newest version can be lost.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    tmp = path.with_name(f".{path.name}.tmp")
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    tmp.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
