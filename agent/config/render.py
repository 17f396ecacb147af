"""Settings in print: the table of ``talkbox config``, its JSON, and the default file."""

from __future__ import annotations

import json
import textwrap

from agent.config.key import Key, Value, masked, shown
from agent.config.schema import KEYS, SECTIONS, Config

_INTRODUCTION = """\
# Configuration of talkbox: /etc/talkbox/talkbox.toml, or ~/.config/talkbox/talkbox.toml.
#
# Every key stands here with its default, switched off by '#'. Take the '#' away to set it.
# A key that is set here wins over the firmware profile; the environment (TALKBOX_COZE__BOT_ID)
# and the command line win over this file. `talkbox config` shows what is in effect, and why.
#
# Secrets never stand in this file. The access token comes from the variable TALKBOX_TOKEN, from a
# systemd credential named talkbox-token, or from the file 'token' (mode 0600) in the state
# directory.
"""


def value_of(config: Config, key: Key) -> Value:
    """The effective value of a key."""
    value: Value = getattr(getattr(config, key.section), key.name)
    return value


def render(config: Config) -> str:
    """A table of key, effective value and origin, secrets masked."""
    rows = [
        (key.path, shown(value_of(config, key)), config.origins.get(key.path, "default"))
        for key in KEYS.values()
    ]
    name_width = max(len(row[0]) for row in rows)
    # One long text must not push the last column off every line.
    value_width = min(40, max(len(row[1]) for row in rows))
    file = str(config.path) if config.path else "none (built-in defaults)"
    lines = [f"configuration file: {file}", ""]
    lines += [
        f"{name:<{name_width}}  {value:<{value_width}}  {origin}".rstrip()
        for name, value, origin in rows
    ]
    return "\n".join(lines)


def render_json(config: Config) -> str:
    """The same as one JSON object: ``file``, and ``settings`` with ``value`` and ``origin``."""
    settings = {
        key.path: {
            "value": _masked(value_of(config, key)),
            "origin": config.origins.get(key.path, "default"),
        }
        for key in KEYS.values()
    }
    file = str(config.path) if config.path else None
    return json.dumps({"file": file, "settings": settings}, ensure_ascii=False, indent=2)


def default_file() -> str:
    """The commented default configuration file."""
    parts = [_INTRODUCTION]
    for section, kind in SECTIONS.items():
        heading = " ".join((kind.__doc__ or "").split())
        parts.append("\n".join([f"# {line}" for line in textwrap.wrap(heading, 96)]))
        parts[-1] += f"\n[{section}]\n"
        for key in KEYS.values():
            if key.section == section:
                comment = textwrap.wrap(f"{key.meaning} Allowed: {key.allowed}.", 96)
                lines = [f"# {line}" for line in comment]
                parts.append("\n".join([*lines, f"#{key.name} = {shown(key.default)}\n"]))
    return "\n".join(parts)


def _masked(value: Value) -> Value | list[str]:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, tuple):
        return [masked(part) for part in value]
    return value
