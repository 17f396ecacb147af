"""What `talkbox config` prints, and the default file."""

from __future__ import annotations

import json
import re
from pathlib import Path

from agent.config import AuthConfig, Config, CozeConfig, default_file, load, render, render_json
from agent.config.schema import KEYS

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_has_every_key_with_value_and_origin(tmp_path: Path) -> None:
    path = tmp_path / "talkbox.toml"
    path.write_text("[conversation]\nvolume = 33\n")
    text = render(load(path, env={}))
    lines = text.splitlines()
    assert lines[0] == f"configuration file: {path}"
    rows = {line.split()[0]: line for line in lines[2:]}
    assert set(rows) == set(KEYS)
    assert rows["conversation.volume"].split() == ["conversation.volume", "33", f"{path}:2"]
    assert rows["coze.region"].split() == ["coze.region", '"cn"', "default"]


def test_secrets_are_masked_everywhere() -> None:
    token = "pat_" + "A1b2C3d4" * 4
    config = Config(
        coze=CozeConfig(user_id=token, api_base="http://me:hunter2@h"),
        auth=AuthConfig(token_url="https://me:hunter2@host/t?key=topsecret"),
    )
    for text in (render(config), render_json(config)):
        assert "hunter2" not in text
        assert "topsecret" not in text
        assert token not in text
        assert "https://***@host/t?key=***" in text


def test_json_is_for_programs(tmp_path: Path) -> None:
    made = json.loads(render_json(load(env={}, home=tmp_path)))
    assert set(made["settings"]) == set(KEYS)
    assert made["settings"]["conversation.volume"] == {"value": 70, "origin": "default"}
    assert made["settings"]["conversation.keywords"]["value"] == []


def test_the_shipped_default_file_is_the_one_printed() -> None:
    assert (ROOT / "docs" / "talkbox.toml").read_text() == default_file()


def test_the_default_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talkbox.toml"
    path.write_text(default_file())
    loaded, plain = load(path, env={}), load(env={}, home=tmp_path)
    for key in KEYS.values():
        assert getattr(getattr(loaded, key.section), key.name) == getattr(
            getattr(plain, key.section), key.name
        )
    assert not any(origin.startswith(str(path)) for origin in loaded.origins.values())


def test_every_key_stands_in_the_default_file_and_can_be_switched_on(tmp_path: Path) -> None:
    path = tmp_path / "talkbox.toml"
    path.write_text(re.sub(r"(?m)^#(?=\w+ = )", "", default_file()))
    loaded = load(path, env={})
    for name, key in KEYS.items():
        assert loaded.origins[name].startswith(f"{path}:"), name
        assert getattr(getattr(loaded, key.section), key.name) == key.default
