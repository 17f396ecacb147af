"""The reference pages, made from the schema: ``python -m agent.config.reference configuration``.

``configuration`` prints docs/configuration.md, ``profiles`` the table inside docs/profiles.md.
"""

from __future__ import annotations

import sys

from agent.config.key import Key, shown
from agent.config.loader import RESERVED
from agent.config.profile import list_profiles
from agent.config.schema import KEYS, SECTIONS

_HEAD = """\
# Configuration

One TOML file holds every setting. The first of these that exists is read, and only that one:

1. the file given by `--config` (it is an error if it does not exist)
2. the file named by `$TALKBOX_CONFIG` (likewise)
3. `/etc/talkbox/talkbox.toml`
4. `~/.config/talkbox/talkbox.toml`

Without a file the built-in defaults are used. `talkbox config --default` prints a file with every
key explained and switched off ([talkbox.toml](talkbox.toml) is the same file).

## What wins

default < firmware profile < file < environment < command line.

`talkbox config` prints every key with its effective value and where it came from; `--json` does
so for programs. Secrets in addresses are masked in both.

The environment variable of a key is `TALKBOX_SECTION__KEY`, with two underscores in the middle.
Lists are written with commas: `TALKBOX_CONVERSATION__KEYWORDS=小助手,停一下`. A variable that looks
like an override but names no key is an error.

## Strictness

An unknown section or key, a wrong type, a value out of range and a file that is not TOML are
errors: one sentence with file, line and key, exit code 78. So are values that are defined but not
served by this version; they are never silently ignored:

- `conversation.turn = "wake_word"`
- `auth.method` other than `token`
- `quota.limit` above 0, and `quota.source` `coze` or `http`
- `conversation.barge_in = "keyword"` without a server-side `turn` or without keywords, and
  keywords without it
- `audio.frame_ms` other than 20

## Secrets

The access token never stands in the file; a key such as `token` or a value that is evidently an
access token is refused. The first of these that is there is used:

1. the environment variable `TALKBOX_TOKEN`
2. the systemd credential `talkbox-token` (`LoadCredential=talkbox-token:/path`)
3. the file `token` in the state directory: a regular file of mode 0600

The state directory is `device.state_dir`, else the first of `$STATE_DIRECTORY`,
`/var/lib/talkbox` (where writable), `~/.local/state/talkbox`.

## Identity

The text id of a device is `device.id`, else the serial number of the board
(`/proc/device-tree/serial-number`, or the firmware's product serial where it is readable and not
a placeholder), else `m-` and 32 hexadecimal digits of an HMAC-SHA256 keyed with the machine-id
over the word `talkbox`; the machine-id itself never leaves the device. The platform's sockets
want a whole number: the first 8 bytes, big endian, of SHA-256 over `talkbox-device:` and the text
id, without the top bit, and 1 instead of 0.

## Other variables

| Variable | Meaning |
| --- | --- |
"""

_RESERVED_MEANING = {
    "TALKBOX_TOKEN": "the access token",
    "TALKBOX_CONFIG": "the configuration file",
    "TALKBOX_RECORDINGS": "directory of speech recordings for demonstration and tests",
    "TALKBOX_CA_FILE": "certificate authorities to trust, where `coze.ca_file` is empty",
}


def configuration_page() -> str:
    """docs/configuration.md."""
    lines = [f"| `{name}` | {_RESERVED_MEANING[name]} |" for name in RESERVED]
    parts = [_HEAD + "\n".join(lines) + "\n\n## Keys\n"]
    for section, kind in SECTIONS.items():
        heading = " ".join((kind.__doc__ or "").split())
        rows = [_row(key) for key in KEYS.values() if key.section == section]
        parts.append(
            f"### [{section}]\n\n{heading}\n\n"
            "| Key | Default | Allowed | Meaning | Variable |\n| --- | --- | --- | --- | --- |\n"
            + "\n".join(rows)
            + "\n"
        )
    return "\n".join(parts)


def profile_table() -> str:
    """The shipped profiles as a Markdown table."""
    rows = [
        "| Profile | Title | Echo cancelled | Button | Verified |",
        "| --- | --- | --- | --- | --- |",
    ]
    for profile in list_profiles():
        button = "none" if profile.button is None else f"GPIO {profile.button.gpio}"
        rows.append(
            f"| `{profile.name}` | {profile.title} | {'yes' if profile.echo_cancelled else 'no'} "
            f"| {button} | {'yes' if profile.verified else 'not verified on hardware'} |"
        )
    return "\n".join(rows) + "\n"


def _row(key: Key) -> str:
    mark = " (profile)" if key.profile else ""
    cells = (
        f"`{key.name}`{mark}",
        f"`{shown(key.default)}`",
        key.allowed,
        key.meaning,
        f"`{key.variable}`",
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else "configuration"
    sys.stdout.write(profile_table() if wanted == "profiles" else configuration_page())
