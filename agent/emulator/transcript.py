"""What the recogniser's words look like on the wire, by ``asr_config``; keywords in them."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Below this length an interim transcript would only repeat the final one.
_SHORT = 4
_INTERIM = 3


def dressed(text: str, asr: dict[str, Any]) -> str:
    """A transcript with the punctuation and the word filters that ``asr_config`` asks for."""
    words = asr.get("sensitive_words_filter", {})
    for word in words.get("filter_with_empty", []):
        text = _without(text, word, "")
    for word in words.get("filter_with_signed", []):
        text = _without(text, word, "*" * len(word))
    # Brackets stand around what is no transcript, such as the length of speech not understood.
    if not asr.get("enable_punc", True) and not text.startswith("["):
        text = "".join(letter for letter in text if not _is_mark(letter))
    return " ".join(text.split())


def interim(text: str) -> list[str]:
    """The growing beginnings of a transcript, each the full text so far, the whole one last."""
    parts = re.findall(r"\S+\s*", text) if " " in text else list(text)
    if len(parts) < _SHORT:
        return [text] if text else []
    steps = range(1, _INTERIM + 1)
    return ["".join(parts[: len(parts) * step // _INTERIM]).rstrip() for step in steps]


def interrupts(text: str, config: dict[str, Any] | None) -> bool:
    """Whether words interrupt the answer. Without an ``interrupt_config`` any speech does."""
    if not config or not config.get("keywords"):
        return True
    plain = _plain(text)
    keywords = [_plain(word) for word in config["keywords"]]
    if config.get("mode") == "keyword_prefix":
        return plain.startswith(tuple(keywords))
    return any(word in plain for word in keywords)


def _without(text: str, word: str, instead: str) -> str:
    return re.sub(re.escape(word), instead, text, flags=re.IGNORECASE) if word else text


def _plain(text: str) -> str:
    """Without marks and case, words parted by single spaces."""
    kept = "".join(" " if _is_mark(letter) else letter for letter in text.casefold())
    return " ".join(kept.split())


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("P") and letter != "'"
