"""Firmware profiles: what one kind of hardware needs, one TOML file each, every value sourced.

A profile is the layer between the built-in defaults and the configuration file. Loading refuses
what is wrong; ``check_profile`` also refuses values without a source.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from agent.config.document import Document, read_document
from agent.config.judgement import Finding, judge, sources_of
from agent.config.key import Value, shown, suggestion
from agent.config.keycode import CODES
from agent.config.schema import KEYS
from agent.errors import ConfigError

DIRECTORY = Path(__file__).resolve().parents[2] / "firmware_profiles"


@dataclass(frozen=True, slots=True)
class Button:
    """A talk button: input device path, kernel key code, wiring, and what holding it does."""

    device: str
    code: int
    gpio: int | None
    active: str
    hold: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of hardware. ``settings`` are configuration values by ``section.key``."""

    name: str
    title: str
    description: str
    hardware: tuple[str, ...]
    verified: bool
    settings: Mapping[str, Value]
    echo_cancelled: bool
    button: Button | None
    sources: Mapping[str, str]
    path: Path


def is_path(name: str) -> bool:
    """Whether a profile is named by its file."""
    return "/" in name or name.endswith(".toml")


def load_profile(name_or_path: str | Path) -> Profile:
    """The profile. Raises ``ConfigError``: unknown name, no such file, or a value that is wrong."""
    document = read_document(_locate(name_or_path))
    values, findings = judge(document)
    for finding in findings:
        if not finding.source:
            raise ConfigError(str(finding))
    return _build(document, values)


def list_profiles() -> list[Profile]:
    """The shipped profiles by name. Raises ``ConfigError`` if one is wrong."""
    return [load_profile(path) for path in _shipped().values()]


def check_profile(name_or_path: str | Path) -> list[Finding]:
    """Everything wrong with a profile, values without a source included; empty when it is sound.

    Raises ``ConfigError`` if there is no such profile or the file is not TOML.
    """
    document = read_document(_locate(name_or_path))
    return judge(document)[1]


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(DIRECTORY.glob("*.toml"))}


def _locate(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, Path) or is_path(name_or_path):
        return Path(name_or_path).expanduser()
    shipped = _shipped()
    if name_or_path not in shipped:
        raise ConfigError(
            f"there is no profile '{name_or_path}'{suggestion(name_or_path, shipped)}",
            remedy=f"Profiles are: {', '.join(shipped)}; or give the path of a profile file.",
        )
    return shipped[name_or_path]


def _build(document: Document, values: Mapping[str, Value]) -> Profile:
    button = None
    if "button.device" in values:
        code, gpio = values["button.key"], values.get("button.gpio")
        button = Button(
            device=str(values["button.device"]),
            code=CODES[code] if isinstance(code, str) else _whole(code),
            gpio=None if gpio is None else _whole(gpio),
            active=str(values.get("button.active", "low")),
            hold=str(values.get("button.hold", "none")),
        )
    settings = {path: value for path, value in values.items() if path in KEYS}
    sources = {path: str(text) for path, text in sources_of(document).items()}
    if button is not None and button.hold == "push_to_talk":
        settings.setdefault("conversation.turn", "push_to_talk")
        sources.setdefault("conversation.turn", sources.get("button.hold", "no source"))
    hardware = values["profile.hardware"]
    assert isinstance(hardware, tuple)
    return Profile(
        name=str(values["profile.name"]),
        title=str(values["profile.title"]),
        description=str(values["profile.description"]),
        hardware=hardware,
        verified=bool(values["profile.verified"]),
        settings=MappingProxyType(settings),
        echo_cancelled=bool(values["echo.cancelled"]),
        button=button,
        sources=MappingProxyType(sources),
        path=document.path,
    )


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value


def render_profile(profile: Profile) -> str:
    """A profile for people: what it is for, its values with their sources, its button."""
    state = "heard on the hardware" if profile.verified else "not verified on hardware"
    lines = [f"{profile.name}: {profile.title} ({state})", ""]
    lines += textwrap.wrap(profile.description, 96)
    lines += ["", "Hardware", *(f"  - {part}" for part in profile.hardware), "", "Settings"]
    rows = [(path, shown(value)) for path, value in profile.settings.items()]
    rows.append(("echo.cancelled", shown(profile.echo_cancelled)))
    button = profile.button
    if button is not None:
        rows += [("button.device", button.device), ("button.key", str(button.code))]
        rows.append(("button.hold", button.hold))
    for path, value in rows:
        lines.append(f"  {path} = {value}")
        source = profile.sources.get(path, "no source")
        lines += textwrap.wrap(source, 94, initial_indent="      ", subsequent_indent="      ")
    if button is not None and button.gpio is not None:
        lines += ["", "Line for /boot/firmware/config.txt", f"  {overlay_line(profile)}"]
    return "\n".join(lines)


def overlay_line(profile: Profile) -> str:
    """The ``gpio-key`` overlay that makes the profile's push button an input device.

    Parameters as in the overlay's documentation: the pull is opposite to the active level. Empty
    when the profile has no button on a GPIO.
    """
    button = profile.button
    if button is None or button.gpio is None:
        return ""
    low = button.active == "low"
    return (
        f"dtoverlay=gpio-key,gpio={button.gpio},active_low={int(low)},"
        f"gpio_pull={'up' if low else 'down'},keycode={button.code},label=talkbox"
    )
