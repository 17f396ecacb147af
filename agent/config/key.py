"""One configuration key: its type, default, limits and meaning, and how a value is judged."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

Kind: TypeAlias = Literal["string", "integer", "number", "boolean", "list"]
Value: TypeAlias = str | int | float | bool | tuple[str, ...]

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_ARTICLE = {
    "string": "a string in quotes",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "list": "a list of strings in quotes",
}
# The platform's personal (pat_) and service (sat_) access tokens, and JSON web tokens.
_TOKEN_LIKE = re.compile(r"\b(?:pat|sat|czu|czs)_[A-Za-z0-9]{12,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.")


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand at ``section.name``.

    ``words`` are strings an integer key takes besides numbers; ``low``/``high`` are inclusive, in
    ``unit``; ``zero`` says what 0 means where it is allowed below ``low``; ``form`` names a check
    of ``FORMS``; ``profile`` is whether a firmware profile may set it.
    """

    section: str
    name: str
    kind: Kind
    default: Value
    meaning: str
    choices: tuple[Value, ...] = ()
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    zero: str = ""
    unit: str = ""
    form: str = ""
    profile: bool = False

    @property
    def path(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"

    @property
    def variable(self) -> str:
        """Name of the environment variable that overrides it."""
        return f"TALKBOX_{self.section.upper()}__{self.name.upper()}"

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices:
            if len(self.choices) == 1:
                return f"only {shown(self.choices[0])}"
            listed = [shown(choice) for choice in self.choices]
            return f"{', '.join(listed[:-1])} or {listed[-1]}"
        if self.kind in ("integer", "number"):
            text = _ARTICLE[self.kind]
            if self.low is not None and self.high is not None:
                text = f"{text} from {_plain(self.low)} to {_plain(self.high)}"
            elif self.low is not None:
                text = f"{text} not below {_plain(self.low)}"
            if self.unit:
                text = f"{text} {self.unit}"
            if self.zero:
                text = f"{text}, or 0 ({self.zero})"
            if self.words:
                text = f"{text}, or {' or '.join(shown(word) for word in self.words)}"
            return text
        if self.form:
            return FORMS[self.form].text
        return _ARTICLE[self.kind]

    def accept(self, value: object) -> Value:
        """A TOML or JSON value as this key's type. Raises ``ValueError`` with one clause."""
        typed = self._typed(value)
        if self.choices and typed not in self.choices:
            options = [choice for choice in self.choices if isinstance(choice, str)]
            hint = suggestion(typed, options) if isinstance(typed, str) else ""
            raise ValueError(f"is not one of the allowed values: {self.allowed}{hint}")
        if isinstance(typed, int | float) and not isinstance(typed, bool):
            self._within(typed)
        for text in typed if isinstance(typed, tuple) else (typed,):
            if isinstance(text, str):
                self._clean(text)
        return typed

    def parse(self, text: str) -> Value:
        """A value written as text (environment, command line). Raises ``ValueError``."""
        word = text.strip()
        if self.kind == "string":
            return self.accept(text)
        if self.kind == "boolean":
            if word.lower() in (*_TRUE, *_FALSE):
                return word.lower() in _TRUE
            raise ValueError("is neither true nor false")
        if self.kind == "list":
            inner = word[1:-1] if word.startswith("[") and word.endswith("]") else word
            parts = [part.strip().strip("\"'") for part in inner.split(",")]
            return self.accept([part for part in parts if part])
        if word in self.words:
            return word
        try:
            number = int(word) if self.kind == "integer" else float(word)
        except ValueError:
            raise ValueError(f"must be {self.allowed}") from None
        return self.accept(number)

    def _typed(self, value: object) -> Value:
        if self.kind == "string" and isinstance(value, str):
            return value
        if self.kind == "boolean" and isinstance(value, bool):
            return value
        if self.kind == "integer" and isinstance(value, int) and not isinstance(value, bool):
            return value
        if self.kind == "integer" and isinstance(value, str) and value in self.words:
            return value
        if (
            self.kind == "number"
            and isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
        ):
            return float(value)
        if (
            self.kind == "list"
            and isinstance(value, list | tuple)
            and all(isinstance(part, str) for part in value)
        ):
            return tuple(value)
        hint = ""
        if self.kind == "string" and isinstance(value, int | float):
            hint = f': put quotes around it, as in {self.name} = "{str(value).lower()}"'
        raise ValueError(f"has the wrong type: {_ARTICLE[self.kind]} is wanted{hint}")

    def _within(self, number: float) -> None:
        if self.zero and number == 0:
            return
        if (self.low is not None and number < self.low) or (
            self.high is not None and number > self.high
        ):
            raise ValueError(f"is out of range: allowed is {self.allowed}")

    def _clean(self, text: str) -> None:
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise ValueError("has control characters in it, which are not allowed")
        if text and self.form and not FORMS[self.form].fits(text):
            raise ValueError(f"is not {FORMS[self.form].text}")


@dataclass(frozen=True, slots=True)
class Form:
    """A shape of a string: a test, and the shape in words."""

    fits: Callable[[str], bool]
    text: str


def _url(schemes: tuple[str, ...]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            return False
        plain = not re.search(r"\s", text) and not parts.fragment
        return plain and parts.scheme in schemes and bool(parts.hostname) and port != 0

    return fits


FORMS: dict[str, Form] = {
    "http_url": Form(_url(("http", "https")), "an address that begins with http:// or https://"),
    "ws_url": Form(_url(("ws", "wss")), "an address that begins with ws:// or wss://"),
    "path": Form(
        lambda text: text.startswith(("/", "~/")), "an absolute path (or one that begins with ~/)"
    ),
    "id": Form(
        lambda text: re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", text) is not None,
        "1 to 64 letters, digits, dots, colons, dashes or underscores",
    ),
    "word": Form(
        lambda text: re.search(r"\s", text) is None and len(text) <= 128,
        "one word of at most 128 characters, without blanks",
    ),
}


def _plain(number: float) -> str:
    """Without an exponent, and without ``.0``."""
    return str(int(number)) if number == int(number) else str(number)


def shown(value: object) -> str:
    """A value as TOML would write it, with whatever looks like a secret masked."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = masked(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(shown(part) for part in value)}]"
    if isinstance(value, dict):
        return "a table"
    return str(value)


def masked(text: str) -> str:
    """The text with tokens, and passwords and keys inside addresses, replaced by ``***``."""
    text = _TOKEN_LIKE.sub("***", text)
    # user:password@ and user@ of an address; greedy to the last @ before the path
    text = re.sub(r"(?<=://)[^/?#]*@", "***@", text)
    return re.sub(r"([?&][^=&#]+=)[^&#]+", r"\1***", text) if "://" in text else text


def secret_like(text: str) -> bool:
    """Whether a value is evidently an access token."""
    return _TOKEN_LIKE.search(text) is not None


def suggestion(word: str, options: Iterable[str], cutoff: float = 0.6) -> str:
    """``; did you mean "x"?``, or nothing when no option is near."""
    near = difflib.get_close_matches(word.lower(), list(options), n=1, cutoff=cutoff)
    return f'; did you mean "{near[0]}"?' if near else ""


def key_from(section: str, name: str, default: Any, hints: dict[str, Any]) -> Key:
    """Build the key of one dataclass field from its default and metadata."""
    kinds: dict[type, Kind] = {
        bool: "boolean",
        str: "string",
        int: "integer",
        float: "number",
        tuple: "list",
    }
    return Key(section=section, name=name, kind=kinds[type(default)], default=default, **hints)
