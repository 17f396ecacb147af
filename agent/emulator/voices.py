"""The voices that the platform offers: names for the brain's own, and clones of callers' voices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.emulator.fields import Refusal
from agent.emulator.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS voice (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    language_code TEXT NOT NULL,
    preview_text TEXT NOT NULL,
    trainings INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
"""

BIG, SMALL = "big", "small"

TRAININGS = 10
"""How often one voice can be cloned, each time over the one before."""

LANGUAGES = {
    "zh": "中文",
    "en": "English",
    "ja": "日语",
    "es": "西语",
    "id": "印尼语",
    "pt": "葡萄牙语",
}

CLONE_PREVIEW = "你好，我是你的专属AI克隆声音，希望未来可以一起好好相处哦"
"""What a clone says of itself where its maker does not tell, as documented."""


@dataclass(frozen=True, slots=True)
class Voice:
    """``model_type`` is big or small; ``account`` is empty for the platform's own.

    ``trainings`` are those left.
    """

    id: str
    name: str
    language_code: str
    preview_text: str
    model_type: str = BIG
    account: str = ""
    trainings: int = 0
    created_at: int = 0
    updated_at: int = 0


VOICES = (
    Voice("7426720361733046281", "Heart", "en", "Hello, how can I help you?"),
    Voice("7426720361733046282", "晓语", "zh", "你好，有什么可以帮你？"),
    Voice("7426720361733046283", "Terminal", "en", "All systems are running.", SMALL),
    Voice("7426720361733046284", "小机器人", "zh", "系统运行正常。", SMALL),
)
"""One for each language and model; whichever is named, the brain speaks as it can."""


class Voices:
    """Finds voices and keeps clones."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        since = int(now())
        self._own = {
            voice.id: replace(voice, created_at=since, updated_at=since) for voice in VOICES
        }

    def listed(self, account: str) -> list[Voice]:
        """The clones of an account, the newest first, then the platform's own."""
        rows = self._store.rows(
            "SELECT * FROM voice WHERE account = ? ORDER BY created_at DESC, rowid DESC", (account,)
        )
        return [*(Voice(**dict(row)) for row in rows), *self._own.values()]

    def find(self, id: str, account: str) -> Voice | None:
        """A voice that this account may use."""
        row = self._store.row("SELECT * FROM voice WHERE id = ? AND account = ?", (id, account))
        return self._own.get(id) if row is None else Voice(**dict(row))

    def model_type(self, id: str, account: str) -> str:
        """big or small; empty for a voice that is not known here."""
        voice = self.find(id, account)
        return voice.model_type if voice else ""

    def preview(self, id: str) -> str | None:
        """What a voice says of itself."""
        if id in self._own:
            return self._own[id].preview_text
        row = self._store.row("SELECT preview_text FROM voice WHERE id = ?", (id,))
        return None if row is None else str(row["preview_text"])

    def clone(self, id: str, account: str, name: str, language: str, preview: str) -> Voice:
        """A new clone. Its id must be new."""
        now = int(self._now())
        self._store.execute(
            "INSERT INTO voice VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (id, account, name, language, preview, TRAININGS - 1, now, now),
        )
        return Voice(id, name, language, preview, BIG, account, TRAININGS - 1, now, now)

    def train(self, id: str, account: str, name: str, language: str, preview: str) -> Voice:
        """Clone over a voice. Raises ``Refusal`` 4200 for none, 4000 after too many times."""
        voice = self.find(id, account)
        if voice is None or not voice.account:
            raise Refusal(f"the voice does not exist: {id}", 4200)
        if voice.trainings <= 0:
            raise Refusal(f"the voice was already cloned {TRAININGS} times")
        self._store.execute(
            "UPDATE voice SET name = ?, language_code = ?, preview_text = ?,"
            " trainings = trainings - 1, updated_at = ? WHERE id = ?",
            (name, language, preview, int(self._now()), id),
        )
        trained = self.find(id, account)
        assert trained is not None
        return trained
