"""The access token: found in three places, checked, and never shown."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.config.schema import Config
from agent.errors import ConfigError, NotPermitted

SYSTEM_STATE = Path("/var/lib/talkbox")
CREDENTIAL = "talkbox-token"
# Tokens of the platform are well below 1 kB, JSON web tokens below 4 kB.
_LONGEST = 8192


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and where it was found; printing it shows only the latter."""

    value: str = field(repr=False)
    origin: str

    def __str__(self) -> str:
        return f"<token from {self.origin}>"

    __repr__ = __str__


def find_token(
    env: Mapping[str, str], state_dir: Path, credentials_dir: Path | str | None = None
) -> Token:
    """The token of ``$TALKBOX_TOKEN``, the systemd credential, or ``state_dir/token``.

    Raises ``ConfigError`` if the first one that is there is empty, malformed or readable by
    others, ``NotPermitted`` if there is none.
    """
    if "TALKBOX_TOKEN" in env:
        return _token(env["TALKBOX_TOKEN"], "environment TALKBOX_TOKEN")
    if credentials_dir:
        path = Path(credentials_dir) / CREDENTIAL
        # systemd guards the directory itself and may leave the file 0440.
        text = _read(path, private=False)
        if text is not None:
            return _token(text, f"systemd credential {CREDENTIAL}")
    path = state_dir / "token"
    text = _read(path, private=True)
    if text is not None:
        return _token(text, str(path))
    raise NotPermitted(
        "no access token was found",
        remedy=f"Set TALKBOX_TOKEN, or type: install -D -m 600 /dev/stdin {path}",
        code="no_token",
    )


def state_dir(config: Config, env: Mapping[str, str]) -> Path:
    """Where state is kept; the directory is not created.

    ``device.state_dir``, the first of ``$STATE_DIRECTORY``, /var/lib/talkbox where it is writable
    or the user is root, else ~/.local/state/talkbox.
    """
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    named = config.device.state_dir
    if named:
        return home / named[2:] if named.startswith("~/") else Path(named)
    # systemd separates several directories of one unit by colons.
    given = env.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0 or os.access(SYSTEM_STATE, os.W_OK):
        return SYSTEM_STATE
    return home / ".local/state/talkbox"


def _token(text: str, origin: str) -> Token:
    value = text.strip()
    if not value:
        raise ConfigError(f"the access token from {origin} is empty")
    if len(value) > _LONGEST:
        raise ConfigError(f"the access token from {origin} is longer than {_LONGEST} characters")
    if any(letter.isspace() for letter in value):
        raise ConfigError(
            f"the access token from {origin} has a blank or a line break inside",
            remedy="It must be the token alone, on one line.",
        )
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"the access token from {origin} has characters no token has")
    return Token(value, origin)


def _read(path: Path, *, private: bool) -> str | None:
    """Text of a secret file, ``None`` if there is none."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if private else 0)
    try:
        handle = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if path.is_symlink():
            raise ConfigError(f"{path} is a link, not a regular file") from None
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is not a regular file")
        if private and status.st_mode & 0o077:
            raise ConfigError(
                f"{path} may be read by others (mode {stat.S_IMODE(status.st_mode):04o})",
                remedy=f"Type: chmod 600 {path}",
            )
        return os.read(handle, 2 * _LONGEST).decode("utf-8", "replace")
    finally:
        os.close(handle)
