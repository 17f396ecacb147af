"""Who speaks: voices compared by the shape of their spectra.

A voice is described by the mean and the spread of its log-mel bands while it speaks, each without
its own average, so that loudness does not count. That tells people apart who sound different, and
is far from what a trained model can do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.emulator.brain.spectrogram import FRAMES_PER_SECOND, RATE, log_mel
from agent.emulator.fields import Refusal
from agent.emulator.ids import Ids
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS voiceprint_group (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    desc TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS voiceprint (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES voiceprint_group (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    desc TEXT NOT NULL,
    print BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
"""

MOST_GROUPS = 1000
MOST_IN_GROUP = 10

_LONGEST_S = 60.0
_LEAST_S = 0.5
# Frames this much (in the spectrogram's units of 40 dB) below the loudest are no speech.
_QUIET = 0.75
# Unlike voices still share the slope of all speech: what lies below this is no likeness.
_STRANGE = 0.5

Print = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Group:
    """Voices that are told apart from each other."""

    id: str
    account: str
    name: str
    desc: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Feature:
    """One voice of a group."""

    id: str
    group_id: str
    name: str
    desc: str
    print: Print
    created_at: int
    updated_at: int


def voiceprint(samples: NDArray[np.int16]) -> Print:
    """The description of the voice in 16 kHz mono, a vector of length 1.

    Blocks for some ms a second of speech. Raises ``Refusal`` 4304 without half a second of sound.
    """
    seconds = min(len(samples) / RATE, _LONGEST_S)
    if seconds < _LEAST_S:
        raise Refusal(f"the recording is shorter than {_LEAST_S} s", 4304)
    bands = log_mel(samples, seconds)
    level = bands.max(axis=0)
    voiced = bands[:, level > level.max() - _QUIET]
    if not np.abs(samples.astype(np.int32)).max() > 30 or voiced.shape[1] < (
        _LEAST_S / 2 * FRAMES_PER_SECOND
    ):
        raise Refusal("no speech was found in the recording", 4304)
    mean, spread = voiced.mean(axis=1), voiced.std(axis=1)
    vector = np.concatenate([mean - mean.mean(), spread - spread.mean()])
    described: Print = (vector / (np.linalg.norm(vector) or 1.0)).astype(np.float32)
    return described


def score(one: Print, other: Print) -> float:
    """How alike two voices are, 0 to 100."""
    cosine = float(np.dot(one, other))
    return round(100 * min(1.0, max(0.0, (cosine - _STRANGE) / (1 - _STRANGE))), 2)


class Voiceprints:
    """Keeps groups and the voices in them."""

    def __init__(self, store: Store, ids: Ids, now: Callable[[], float]) -> None:
        self._store = store
        self._ids = ids
        self._now = now

    def create_group(self, account: str, name: str, desc: str) -> str:
        """A new group; its id. Raises ``Refusal`` above 1000."""
        row = self._store.row(
            "SELECT count(*) AS n FROM voiceprint_group WHERE account = ?", (account,)
        )
        if row and row["n"] >= MOST_GROUPS:
            raise Refusal(f"there are already {MOST_GROUPS} voiceprint groups")
        id, now = self._ids.number(), int(self._now())
        self._store.execute(
            "INSERT INTO voiceprint_group VALUES (?, ?, ?, ?, ?, ?)",
            (id, account, name, desc, now, now),
        )
        return id

    def groups(self, account: str) -> list[tuple[Group, int]]:
        """The groups of an account and how many voices are in each, the newest first."""
        rows = self._store.rows(
            "SELECT *, (SELECT count(*) FROM voiceprint WHERE group_id = g.id) AS n"
            " FROM voiceprint_group AS g WHERE account = ? ORDER BY created_at DESC, rowid DESC",
            (account,),
        )
        return [
            (Group(**{key: row[key] for key in Group.__slots__}), int(row["n"])) for row in rows
        ]

    def group(self, id: str, account: str) -> Group:
        """A group of this account. Raises ``Refusal`` 4200."""
        row = self._store.row(
            "SELECT * FROM voiceprint_group WHERE id = ? AND account = ?", (id, account)
        )
        if row is None:
            raise Refusal(f"the voiceprint group does not exist: {id}", 4200)
        return Group(**dict(row))

    def change_group(self, group: Group, name: str, desc: str) -> None:
        """Name or describe it anew."""
        self._store.execute(
            "UPDATE voiceprint_group SET name = ?, desc = ?, updated_at = ? WHERE id = ?",
            (name, desc, int(self._now()), group.id),
        )

    def delete_group(self, group: Group) -> None:
        """Forget it and its voices."""
        self._store.execute("DELETE FROM voiceprint_group WHERE id = ?", (group.id,))

    def add(self, group: Group, name: str, desc: str, print: Print) -> str:
        """A new voice; its id. Raises ``Refusal`` above 10."""
        if len(self.features(group)) >= MOST_IN_GROUP:
            raise Refusal(f"the group already has {MOST_IN_GROUP} voices")
        id, now = self._ids.number(), int(self._now())
        self._store.execute(
            "INSERT INTO voiceprint VALUES (?, ?, ?, ?, ?, ?, ?)",
            (id, group.id, name, desc, print.tobytes(), now, now),
        )
        return id

    def features(self, group: Group) -> list[Feature]:
        """The voices of a group, the oldest first."""
        rows = self._store.rows(
            "SELECT * FROM voiceprint WHERE group_id = ? ORDER BY rowid", (group.id,)
        )
        return [
            Feature(**{**dict(row), "print": np.frombuffer(row["print"], dtype=np.float32)})
            for row in rows
        ]

    def feature(self, group: Group, id: str) -> Feature:
        """One of them. Raises ``Refusal`` 4200."""
        found = next((one for one in self.features(group) if one.id == id), None)
        if found is None:
            raise Refusal(f"the voiceprint does not exist: {id}", 4200)
        return found

    def change(self, feature: Feature, name: str, desc: str, print: Print) -> None:
        """Name, describe or record it anew."""
        self._store.execute(
            "UPDATE voiceprint SET name = ?, desc = ?, print = ?, updated_at = ? WHERE id = ?",
            (name, desc, print.tobytes(), int(self._now()), feature.id),
        )

    def remove(self, feature: Feature) -> None:
        """Forget it."""
        self._store.execute("DELETE FROM voiceprint WHERE id = ?", (feature.id,))
