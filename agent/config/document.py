"""A TOML file read with its line numbers, so that every complaint can say where."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]")
_ASSIGNMENT = re.compile(
    r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: ``data`` as tomllib gives it, ``lines`` by dotted name, counted from 1."""

    path: Path
    data: dict[str, Any]
    lines: dict[str, int]

    def where(self, name: str) -> str:
        """``path:line`` of a dotted name; the nearest enclosing table, or only the path."""
        probe = name
        while probe:
            if probe in self.lines:
                return f"{self.path}:{self.lines[probe]}"
            probe = probe.rpartition(".")[0]
        return str(self.path)


def read_document(path: Path) -> Document:
    """Read a TOML file. Raises ``ConfigError``: missing, unreadable, not UTF-8, broken TOML."""
    try:
        # A byte order mark, as editors on other systems write it, is let pass.
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a directory, not a file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path}:{line}: the file is not UTF-8 text", remedy="Save it as UTF-8."
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_broken(path, text, str(error))) from None
    return Document(path, data, _lines(text))


def _broken(path: Path, text: str, message: str) -> str:
    found = _AT.search(message)
    what = _AT.sub("", message)
    what = what[:1].lower() + what[1:]
    if found and found[1]:
        return f"{path}:{found[1]}:{found[2]}: not valid TOML: {what}"
    rows = text.split("\n")
    return f"{path}:{len(rows)}:{len(rows[-1]) + 1}: not valid TOML: {what} at the end of the file"


def _lines(text: str) -> dict[str, int]:
    """Line of every table header and assignment, first mention; multi-line strings are skipped."""
    found: dict[str, int] = {}
    table = ""
    fence = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if fence:
            fence = "" if line.count(fence) % 2 else fence
            continue
        if header := _HEADER.match(line):
            table = _dotted(header[1])
            found.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            name = _dotted(assignment[1])
            found.setdefault(f"{table}.{name}" if table else name, number)
        for mark in ('"""', "'''"):
            if line.count(mark) % 2:
                fence = mark
    return found


def _dotted(text: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in text.split("."))
