"""The token: where it is found, what is refused, and that it never shows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent import credentials
from agent.config import Config, DeviceConfig
from agent.credentials import Token, find_token, state_dir
from agent.errors import ConfigError, NotPermitted

SECRET = "pat_0123456789abcdefABCDEF"


def _state(folder: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


def _credential(folder: Path, text: str) -> Path:
    place = folder / "credentials"
    place.mkdir()
    (place / "talkbox-token").write_text(text)
    (place / "talkbox-token").chmod(0o440)
    return place


def test_the_order(tmp_path: Path) -> None:
    path = _state(tmp_path, "from-state")
    place = _credential(tmp_path, "from-systemd\n")
    env = {"TALKBOX_TOKEN": "from-env"}
    assert find_token(env, tmp_path, place) == Token("from-env", "environment TALKBOX_TOKEN")
    assert find_token({}, tmp_path, place).value == "from-systemd"
    assert find_token({}, tmp_path, place).origin == "systemd credential talkbox-token"
    assert find_token({}, tmp_path, str(tmp_path / "absent")) == Token("from-state", str(path))
    assert find_token({}, tmp_path).value == "from-state"


def test_a_line_end_around_the_token_is_taken_off(tmp_path: Path) -> None:
    _state(tmp_path, f" {SECRET}\r\n")
    assert find_token({}, tmp_path).value == SECRET


@pytest.mark.parametrize(
    "text", ["", " \n", "two words", "two\nlines", "tab\tinside", "schön", "a\0b"]
)
@pytest.mark.parametrize("where", ["environment", "systemd", "state"])
def test_a_malformed_token_is_refused_without_showing_it(
    tmp_path: Path, text: str, where: str
) -> None:
    env: dict[str, str] = {}
    place = None
    if where == "environment":
        env = {"TALKBOX_TOKEN": text}
    elif where == "systemd":
        place = _credential(tmp_path, text)
    else:
        _state(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        find_token(env, tmp_path, place)
    assert not text.strip() or text not in str(caught.value)


def test_an_endless_token_is_refused(tmp_path: Path) -> None:
    _state(tmp_path, "x" * 100_000)
    with pytest.raises(ConfigError, match="longer than"):
        find_token({}, tmp_path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o620])
def test_a_file_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = _state(tmp_path, mode=mode)
    with pytest.raises(ConfigError) as caught:
        find_token({}, tmp_path)
    assert f"chmod 600 {path}" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_only_a_regular_file_will_do(tmp_path: Path) -> None:
    real = _state(tmp_path)
    elsewhere = tmp_path / "state"
    elsewhere.mkdir()
    (elsewhere / "token").symlink_to(real)
    with pytest.raises(ConfigError, match="not a regular file"):
        find_token({}, elsewhere)
    (elsewhere / "token").unlink()
    (elsewhere / "token").mkdir()
    with pytest.raises(ConfigError, match="not a regular file"):
        find_token({}, elsewhere)
    (elsewhere / "token").rmdir()
    os.mkfifo(elsewhere / "token", 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        find_token({}, elsewhere)


def test_none_at_all_is_not_permitted(tmp_path: Path) -> None:
    with pytest.raises(NotPermitted) as caught:
        find_token({}, tmp_path / "absent")
    assert caught.value.exit_code == 77
    assert "TALKBOX_TOKEN" in str(caught.value)
    assert str(tmp_path / "absent" / "token") in str(caught.value)


def test_a_token_never_shows() -> None:
    token = Token(SECRET, "somewhere")
    for text in (str(token), repr(token), f"{token}", f"{token!r}", repr([token])):
        assert SECRET not in text
        assert "somewhere" in text


@pytest.fixture
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without privileges, and a system directory that is not there."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(credentials, "SYSTEM_STATE", tmp_path / "var")
    return tmp_path / "var"


def test_where_state_is_kept(_nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"HOME": "/home/pi"}
    assert state_dir(Config(), env) == Path("/home/pi/.local/state/talkbox")
    _nobody.mkdir()
    assert state_dir(Config(), env) == _nobody
    _nobody.rmdir()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_dir(Config(), env) == _nobody
    env["STATE_DIRECTORY"] = "/var/lib/private/talkbox:/other"
    assert state_dir(Config(), env) == Path("/var/lib/private/talkbox")
    config = Config(device=DeviceConfig(state_dir="/data/talkbox"))
    assert state_dir(config, env) == Path("/data/talkbox")
    config = Config(device=DeviceConfig(state_dir="~/talkbox"))
    assert state_dir(config, env) == Path("/home/pi/talkbox")
