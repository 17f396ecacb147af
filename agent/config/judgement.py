"""What is wrong with a profile file: unknown keys, bad values, values without a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agent.config.document import Document
from agent.config.key import Key, Value, shown, suggestion
from agent.config.keycode import CODES, LAST_CODE
from agent.config.schema import KEYS

# How a source begins: the kind of evidence, then where to look it up.
SOURCE_KINDS = (
    *("datasheet", "driver", "documentation", "measured", "field report", "standard", "choice"),
)


def _own(section: str, name: str, default: Value, meaning: str, **hints: Any) -> Key:
    kinds = {str: "string", bool: "boolean", int: "integer", tuple: "list"}
    kind: Any = kinds[type(default)]
    return Key(section=section, name=name, kind=kind, default=default, meaning=meaning, **hints)


# Keys that only profiles have. The rest is [audio] and [conversation] of the configuration.
OWN_KEYS: dict[str, Key] = {
    key.path: key
    for key in (
        _own("profile", "name", "", "the file's name without .toml", form="id"),
        _own("profile", "title", "", "one line, shown by `talkbox profile list`"),
        _own("profile", "description", "", "what it is for, how to wire and set it up"),
        _own("profile", "hardware", (), "the parts it is meant for"),
        _own("profile", "verified", False, "true once it has been heard on the real hardware"),
        _own("echo", "cancelled", False, "the hardware removes its own sound from the microphone"),
        _own("button", "device", "", "input device of the button", form="path"),
        _own(
            "button",
            "key",
            0,
            "key name or code it sends",
            words=tuple(CODES),
            low=1,
            high=LAST_CODE,
        ),
        _own("button", "gpio", 0, "GPIO number of the 40-pin header (BCM)", low=0, high=27),
        _own("button", "active", "low", "level of the pin while pressed", choices=("low", "high")),
        _own(
            "button",
            "hold",
            "none",
            "push_to_talk: the profile sets conversation.turn so",
            choices=("push_to_talk", "none"),
        ),
    )
}
REQUIRED = (
    "profile.name",
    "profile.title",
    "profile.description",
    "profile.hardware",
    "profile.verified",
    "echo.cancelled",
)
SECTIONS = ("profile", "audio", "conversation", "echo", "button", "sources")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a profile; ``source`` is True if only its evidence is missing."""

    where: str
    message: str
    source: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class _Wrong(Protocol):
    def __call__(self, path: str, message: str, source: bool = False) -> None: ...


def judge(document: Document) -> tuple[dict[str, Value], list[Finding]]:
    """The values that are sound, and everything that is wrong."""
    values: dict[str, Value] = {}
    findings: list[Finding] = []

    def wrong(path: str, message: str, source: bool = False) -> None:
        findings.append(Finding(document.where(path), message, source))

    for section, content in document.data.items():
        if section not in SECTIONS:
            wrong(section, f"a profile has no section [{section}]{suggestion(section, SECTIONS)}")
        elif not isinstance(content, dict):
            wrong(section, f"'{section}' must be a section: [{section}]")
        elif section != "sources":
            known = _known(section)
            for name, value in content.items():
                path = f"{section}.{name}"
                if path not in known:
                    near = suggestion(name, [key.name for key in known.values()])
                    wrong(path, f"a profile has no key '{path}'{near}")
                    continue
                try:
                    values[path] = known[path].accept(value)
                except ValueError as error:
                    wrong(path, f"{path} = {shown(value)} {error}")
    for path in REQUIRED:
        section, name = path.split(".")
        table = document.data.get(section)
        if not isinstance(table, dict) or name not in table:
            wrong(path, f"{path} is missing")
        elif values.get(path) in ("", ()):
            wrong(path, f"{path} is empty")
    _judge_names(document, values, wrong)
    _judgesources_of(document, values, wrong)
    return values, findings


def _judge_names(document: Document, values: Mapping[str, Value], wrong: _Wrong) -> None:
    name = values.get("profile.name")
    if name and name != document.path.stem:
        wrong("profile.name", f'profile.name is "{name}", but the file is {document.path.name}')
    if "button" in document.data:
        for path in ("button.device", "button.key"):
            if path not in values:
                wrong("button", f"a button needs {path}")
    turn = values.get("conversation.turn")
    if values.get("button.hold") == "push_to_talk" and turn not in (None, "push_to_talk"):
        wrong(
            "button.hold",
            f'button.hold = "push_to_talk" contradicts conversation.turn = {shown(turn)}',
        )
    channel, channels = values.get("audio.input_channel", 0), values.get("audio.input_channels", 1)
    if isinstance(channel, int) and isinstance(channels, int) and channel >= channels:
        wrong(
            "audio.input_channel",
            f"audio.input_channel = {channel} is not there: audio.input_channels = {channels}, "
            "and channels are counted from 0",
        )


def _judgesources_of(document: Document, values: Mapping[str, Value], wrong: _Wrong) -> None:
    sources = sources_of(document)
    for path in values:
        if path.startswith("profile."):
            continue
        text = sources.get(path)
        if not isinstance(text, str) or not text.strip():
            wrong(path, f"{path} has no source in [sources]", source=True)
        elif not text.startswith(tuple(f"{kind}:" for kind in SOURCE_KINDS)):
            wrong(
                f"sources.{path}",
                f"the source of {path} must begin with one of: {', '.join(SOURCE_KINDS)}, "
                "then a colon",
                source=True,
            )
    for path in sources:
        if path not in values:
            wrong(f"sources.{path}", f"there is a source for '{path}', which is not set", True)


def sources_of(document: Document) -> dict[str, Any]:
    """``[sources]`` flat: ``"audio.input" = …``, ``audio.input = …`` and ``[sources.audio]``."""
    flat: dict[str, Any] = {}
    table = document.data.get("sources", {})
    for name, value in table.items() if isinstance(table, dict) else ():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": text for inner, text in value.items()})
        else:
            flat[name] = value
    return flat


def _known(section: str) -> dict[str, Key]:
    known = {**OWN_KEYS, **{path: key for path, key in KEYS.items() if key.profile}}
    return {path: key for path, key in known.items() if key.section == section}
