"""Put the effective settings together: default < profile < file < environment < command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent.config.document import Document, read_document
from agent.config.key import Key, Value, masked, secret_like, shown, suggestion
from agent.config.profile import is_path, load_profile
from agent.config.rules import check
from agent.config.schema import KEYS, SECTIONS, Config
from agent.errors import ConfigError

SYSTEM_FILE = Path("/etc/talkbox/talkbox.toml")
HOME_FILE = Path(".config/talkbox/talkbox.toml")

# Variables that are read elsewhere and override no key.
RESERVED = ("TALKBOX_TOKEN", "TALKBOX_CONFIG", "TALKBOX_RECORDINGS", "TALKBOX_CA_FILE")

_SECRETS = "Secrets belong into $TALKBOX_TOKEN, a systemd credential 'talkbox-token', or the file "
_SECRETS += "'token' (mode 0600) in the state directory."
_SECRET_NAMES = (
    *("token", "access_token", "refresh_token", "pat", "secret", "client_secret", "password"),
    *("passwd", "private_key", "api_key", "apikey", "jwt", "authorization", "credential"),
)


@dataclass(slots=True)
class _Layers:
    """Values laid over each other; the last one placed wins."""

    values: dict[str, Value] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay(self, values: Mapping[str, Value], origin: str | Mapping[str, str]) -> None:
        for path, value in values.items():
            self.values[path] = value
            self.origins[path] = origin if isinstance(origin, str) else origin[path]


def load(
    path: Path | str | None = None,
    *,
    env: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    home: Path | None = None,
) -> Config:
    """The effective, checked settings.

    ``path`` is the file of ``--config``; ``overrides`` are the command line's, by ``section.key``;
    ``home`` is the home directory (``$HOME`` where not given). Raises ``ConfigError`` with one
    sentence for anything that is unknown, of the wrong type, out of range or not served.
    """
    file = find_file(path, env=env, home=home)
    from_file: dict[str, Value] = {}
    file_origins: dict[str, str] = {}
    if file is not None:
        from_file, file_origins = _read_file(read_document(file), file.parent)
    from_env = _read_environment(env)
    from_line = _read_overrides(overrides or {})

    layers = _Layers()
    layers.lay({name: key.default for name, key in KEYS.items()}, "default")
    chosen = {**layers.values, **from_file, **from_env, **from_line}["device.profile"]
    profile = load_profile(str(chosen))
    layers.lay(profile.settings, f"profile {profile.name}")
    layers.lay(from_file, file_origins)
    layers.lay(from_env, {name: f"environment {KEYS[name].variable}" for name in from_env})
    layers.lay(from_line, "command line")

    sections = {
        section: kind(
            **{
                key.name: layers.values[name]
                for name, key in KEYS.items()
                if key.section == section
            }
        )
        for section, kind in SECTIONS.items()
    }
    config = Config(**sections, path=file, origins=MappingProxyType(layers.origins))
    check(config)
    return config


def find_file(
    path: Path | str | None = None, *, env: Mapping[str, str], home: Path | None = None
) -> Path | None:
    """The configuration file that counts, ``None`` for the built-in defaults.

    ``--config``, ``$TALKBOX_CONFIG``, /etc/talkbox/talkbox.toml, ~/.config/talkbox/talkbox.toml.
    Raises ``ConfigError`` if one of the first two is given and there is no such file.
    """
    for given, by in ((path, "--config"), (env.get("TALKBOX_CONFIG"), "$TALKBOX_CONFIG")):
        if given:
            named = Path(given)
            if not _present(named):
                raise ConfigError(
                    f"{by} names {named}, and there is no such file",
                    remedy=f"Type: talkbox config --default > {named}",
                )
            return named
    if home is None and env.get("HOME"):
        home = Path(env["HOME"])
    for candidate in (SYSTEM_FILE, home / HOME_FILE if home else None):
        if candidate is not None and _present(candidate):
            return candidate
    return None


def _present(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise ConfigError(f"cannot look at {path}: {error.strerror}") from error


def _read_file(document: Document, folder: Path) -> tuple[dict[str, Value], dict[str, str]]:
    values: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for section, content in document.data.items():
        if not isinstance(content, dict):
            raise _outside(document, section)
        if section not in SECTIONS:
            raise ConfigError(
                f"{document.where(section)}: there is no section [{section}]"
                f"{suggestion(section, SECTIONS)}"
            )
        for name, value in content.items():
            path = f"{section}.{name}"
            where = document.where(path)
            _refuse_secret(where, path, name, value)
            key = KEYS.get(path)
            if key is None:
                raise ConfigError(f"{where}: there is no key '{path}'{_nearest(section, name)}")
            values[path] = _accept(key, value, where)
            origins[path] = where
    profile = values.get("device.profile")
    if isinstance(profile, str) and is_path(profile):
        # A relative profile path belongs to the file that names it, not to the working directory.
        values["device.profile"] = str(folder / Path(profile).expanduser())
    return values, origins


def _outside(document: Document, name: str) -> ConfigError:
    where = document.where(name)
    if _secret_name(name):
        return ConfigError(f"{where}: '{name}' may not stand in this file", remedy=_SECRETS)
    home = [key.section for key in KEYS.values() if key.name == name]
    hint = f": put it below [{home[0]}]" if home else ""
    if name in SECTIONS:
        hint = f": write [{name}] as a line of its own"
    return ConfigError(f"{where}: '{name}' stands outside of any section{hint}")


def _nearest(section: str, name: str) -> str:
    siblings = [key.name for key in KEYS.values() if key.section == section]
    near = suggestion(name, siblings)
    if near:
        return near
    elsewhere = [key.path for key in KEYS.values() if key.name == name]
    if elsewhere:
        return f'; did you mean "{elsewhere[0]}"?'
    return f"; [{section}] has {', '.join(siblings)}"


def _secret_name(name: str) -> bool:
    return name.lower().replace("-", "_") in _SECRET_NAMES


def _refuse_secret(where: str, path: str, name: str, value: object) -> None:
    if path in KEYS:
        if isinstance(value, str) and secret_like(value):
            raise ConfigError(f"{where}: {path} looks like an access token", remedy=_SECRETS)
        return
    if _secret_name(name):
        raise ConfigError(f"{where}: '{path}' may not stand in this file", remedy=_SECRETS)


def _accept(key: Key, value: object, where: str) -> Value:
    try:
        return key.accept(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {key.path} = {shown(value)} {error}") from None


def _read_environment(env: Mapping[str, str]) -> dict[str, Value]:
    variables = {key.variable: key for key in KEYS.values()}
    squeezed = {name.replace("__", "_"): name for name in variables}
    values: dict[str, Value] = {}
    for name in sorted(env):
        if not name.startswith("TALKBOX_") or name in RESERVED:
            continue
        key = variables.get(name)
        if key is None:
            exact = squeezed.get(name.replace("__", "_"))
            near = f'; did you mean "{exact}"?' if exact else _near_variable(name, variables)
            # A variable without the double underscore that resembles nothing is not ours.
            if near or "__" in name:
                raise ConfigError(f"the environment variable {name} overrides no key{near}")
            continue
        if secret_like(env[name]):
            raise ConfigError(f"{name} looks like an access token", remedy=_SECRETS)
        try:
            values[key.path] = key.parse(env[name])
        except ValueError as error:
            raise ConfigError(
                f"the environment variable {name}={masked(env[name])} {error}"
            ) from None
    return values


def _near_variable(name: str, variables: Mapping[str, Key]) -> str:
    cutoff = 0.6 if "__" in name else 0.85
    options = {option.lower(): option for option in (*variables, *RESERVED)}
    near = suggestion(name, options, cutoff)
    for lower, option in options.items():
        near = near.replace(f'"{lower}"', f'"{option}"')
    return near


def _read_overrides(overrides: Mapping[str, Any]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for path, value in overrides.items():
        key = KEYS.get(path)
        if key is None:
            raise ConfigError(f"there is no key '{path}'{suggestion(path, KEYS)}")
        try:
            values[path] = key.parse(value) if isinstance(value, str) else key.accept(value)
        except ValueError as error:
            raise ConfigError(f"command line: {path} = {shown(value)} {error}") from None
    return values
