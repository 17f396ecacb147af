"""Where settings come from, which one wins, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import Config, find_file, load, loader
from agent.config.schema import KEYS
from agent.errors import ConfigError

TOKEN = "pat_" + "Zx9Qw8" * 6


@pytest.fixture(autouse=True)
def _no_system_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(loader, "SYSTEM_FILE", tmp_path / "etc" / "talkbox.toml")


def _file(folder: Path, text: str) -> Path:
    path = folder / "talkbox.toml"
    path.write_text(text)
    return path


def _refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(_file(folder, text), env={})
    assert caught.value.exit_code == 78
    return str(caught.value)


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    config = load(env={}, home=tmp_path)
    assert config.path is None
    for section in ("device", "coze", "auth", "conversation", "quota"):
        assert getattr(config, section) == getattr(Config(), section)
    assert config.origins["conversation.volume"] == "default"
    assert set(config.origins) == set(KEYS)


def test_a_full_file_is_read_with_its_lines(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        '[coze]\nregion = "com"\nbot_id = "74"\n[audio]\ninput = "mic"\ninput_channels = 2\n'
        'input_channel = "mean"\n[quota]\nwarn_at = 1\n',
    )
    config = load(path, env={})
    assert (config.coze.region, config.coze.bot_id) == ("com", "74")
    assert config.audio.input_channel == "mean"
    assert config.quota.warn_at == 1.0
    assert config.origins["coze.bot_id"] == f"{path}:3"
    assert config.path == path


def test_the_order_of_the_layers(tmp_path: Path) -> None:
    def volume(env: dict[str, str], text: str, overrides: dict[str, Any]) -> tuple[int, str]:
        config = load(_file(tmp_path, text), env=env, overrides=overrides)
        return config.conversation.volume, config.origins["conversation.volume"]

    profile = '[device]\nprofile = "toy-button"\n'
    file = profile + "[conversation]\nvolume = 50\n"
    env = {"TALKBOX_CONVERSATION__VOLUME": "40"}
    assert volume({}, "", {}) == (70, "default")
    assert volume({}, profile, {}) == (60, "profile toy-button")
    assert volume({}, file, {}) == (50, f"{tmp_path / 'talkbox.toml'}:4")
    assert volume(env, file, {}) == (40, "environment TALKBOX_CONVERSATION__VOLUME")
    assert volume(env, file, {"conversation.volume": 30}) == (30, "command line")
    assert volume(env, file, {"conversation.volume": "30"}) == (30, "command line")


def test_the_profile_itself_may_come_from_any_layer(tmp_path: Path) -> None:
    path = _file(tmp_path, '[device]\nprofile = "toy-button"\n')
    env = {"TALKBOX_DEVICE__PROFILE": "pi-4mic-array"}
    assert load(path, env=env).audio.input_channels == 6
    config = load(path, env=env, overrides={"device.profile": "generic"})
    assert config.audio.input_channels == 1


def test_a_relative_profile_path_belongs_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        '[profile]\nname = "mine"\ntitle = "T"\ndescription = "D"\nhardware = ["H"]\n'
        "verified = false\n[conversation]\nvolume = 11\n[echo]\ncancelled = false\n"
    )
    config = load(_file(tmp_path, '[device]\nprofile = "mine.toml"\n'), env={})
    assert config.conversation.volume == 11
    assert config.device.profile == str(tmp_path / "mine.toml")


def test_an_unknown_profile_is_named_with_what_is_near(tmp_path: Path) -> None:
    text = _refused(tmp_path, '[device]\nprofile = "toy-buton"\n')
    assert 'did you mean "toy-button"' in text
    assert "pi-usb-speakerphone" in text


# --- which file ---------------------------------------------------------------------------------


def test_the_search_order(tmp_path: Path) -> None:
    given_by_flag = _file(tmp_path, "")
    by_variable = tmp_path / "other.toml"
    by_variable.write_text("")
    system = loader.SYSTEM_FILE
    system.parent.mkdir()
    mine = tmp_path / ".config" / "talkbox" / "talkbox.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text("")
    env = {"TALKBOX_CONFIG": str(by_variable), "HOME": str(tmp_path)}
    assert find_file(given_by_flag, env=env) == given_by_flag
    assert find_file(env=env) == by_variable
    del env["TALKBOX_CONFIG"]
    assert find_file(env=env) == mine
    system.write_text("")
    assert find_file(env=env) == system
    assert find_file(env={"HOME": str(tmp_path / "nobody")}) == system
    system.unlink()
    assert find_file(env={}) is None


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_named_file_must_exist(tmp_path: Path, by: str) -> None:
    missing = tmp_path / "none.toml"
    env = {"TALKBOX_CONFIG": str(missing)} if by == "variable" else {}
    with pytest.raises(ConfigError, match="there is no such file"):
        load(missing if by == "flag" else None, env=env)


# --- strictness ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[coz]\n", ':1: there is no section [coz]; did you mean "coze"?'),
        ('[coze]\nbot = ""\n', ":2: there is no key 'coze.bot'"),
        ('[coze]\nbotid = ""\n', 'did you mean "bot_id"?'),
        ("[audio]\nvolume = 3\n", 'did you mean "conversation.volume"?'),
        ('bot_id = "1"\n', ":1: 'bot_id' stands outside of any section: put it below [coze]"),
        ("coze = 1\n", "write [coze] as a line of its own"),
        ("[conversation]\n\nvolume = 101\n", ":3: conversation.volume = 101 is out of range"),
        ("[coze]\nbot_id = 74\n", 'put quotes around it, as in bot_id = "74"'),
        ('[conversation]\nturn = "vad"\n', '"local", "push_to_talk"'),
        ("[audio]\ninput = {a = 1}\n", "audio.input = a table has the wrong type"),
        (
            "[audio]\nframe_ms = 10\n",
            "audio.frame_ms = 10 is not one of the allowed values: only 20",
        ),
        ("[coze\n", ":1:6: not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(
    tmp_path: Path, text: str, expected: str
) -> None:
    message = _refused(tmp_path, text)
    assert expected in message
    assert str(tmp_path / "talkbox.toml") in message


@pytest.mark.parametrize(
    "text",
    [
        '[coze]\ntoken = "s3cr3t-value"\n',
        '[auth]\naccess_token = "s3cr3t-value"\n',
        '[auth]\nClient-Secret = "s3cr3t-value"\n',
        'token = "s3cr3t-value"\n',
        f'[coze]\nbot_id = "{TOKEN}"\n',
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    message = _refused(tmp_path, text)
    assert "TALKBOX_TOKEN" in message
    assert "0600" in message
    assert "s3cr3t-value" not in message
    assert TOKEN not in message


def test_a_wrong_value_with_a_password_in_it_is_masked(tmp_path: Path) -> None:
    message = _refused(tmp_path, '[auth]\ntoken_url = "ftp://me:hunter2@host/"\n')
    assert "hunter2" not in message


# --- environment and command line ---------------------------------------------------------------


def test_environment_values_are_typed(tmp_path: Path) -> None:
    env = {
        "TALKBOX_COZE__BOT_ID": "74",
        "TALKBOX_CONVERSATION__PROLOGUE": "true",
        "TALKBOX_CONVERSATION__KEYWORDS": "小助手,停一下",
        "TALKBOX_CONVERSATION__BARGE_IN": "keyword",
        "TALKBOX_CONVERSATION__TURN": "server_vad",
        "TALKBOX_QUOTA__WARN_AT": "0.5",
        "TALKBOX_TOKEN": TOKEN,
        "TALKBOX_RECORDINGS": "/r",
        "TALKBOX_CA_FILE": "/c",
        "PATH": "/bin",
    }
    config = load(env=env, home=tmp_path)
    assert config.coze.bot_id == "74"
    assert config.conversation.prologue is True
    assert config.conversation.keywords == ("小助手", "停一下")
    assert config.quota.warn_at == 0.5
    assert config.origins["coze.bot_id"] == "environment TALKBOX_COZE__BOT_ID"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("TALKBOX_COZE__BOTID", "1", 'did you mean "TALKBOX_COZE__BOT_ID"?'),
        ("TALKBOX_COZE_BOT_ID", "1", 'did you mean "TALKBOX_COZE__BOT_ID"?'),
        ("TALKBOX_TOKN", "1", 'did you mean "TALKBOX_TOKEN"?'),
        ("TALKBOX_QQQ__ZZZ", "1", "overrides no key"),
        ("TALKBOX_CONVERSATION__VOLUME", "loud", "must be a whole number from 0 to 100"),
        ("TALKBOX_CONVERSATION__VOLUME", "101", "is out of range"),
        ("TALKBOX_COZE__BOT_ID", TOKEN, "looks like an access token"),
    ],
)
def test_a_wrong_variable_is_an_error(tmp_path: Path, name: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(env={name: value}, home=tmp_path)
    assert name in str(caught.value)
    assert expected in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_variable_that_resembles_no_override_is_not_ours(tmp_path: Path) -> None:
    load(env={"TALKBOX_HARNESS": "x"}, home=tmp_path)


def test_wrong_command_line_values_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean"):
        load(env={}, home=tmp_path, overrides={"audio.inptu": "x"})
    with pytest.raises(ConfigError, match=r"command line: conversation\.volume = 300"):
        load(env={}, home=tmp_path, overrides={"conversation.volume": 300})


_VALUES = st.one_of(st.integers(), st.booleans(), st.sampled_from(['"x"', '""', "[]", "1.5", "{}"]))


@given(path=st.sampled_from(sorted(KEYS)), value=_VALUES)
@settings(max_examples=80, deadline=None)
def test_any_value_loads_or_is_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, path: str, value: object
) -> None:
    section, name = path.split(".")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    file = _file(tmp_path_factory.mktemp("any"), f"[{section}]\n{name} = {text}\n")
    try:
        load(file, env={})
    except ConfigError as error:
        assert "\n" not in str(error)
        assert name in str(error) or "profile" in str(error)
