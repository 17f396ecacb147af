"""Firmware profiles: the shipped ones are sound, and what is wrong with one is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import load, profile
from agent.config.keycode import CODES
from agent.errors import ConfigError

SHIPPED = [entry.name for entry in profile.list_profiles()]

GOOD = """\
[profile]
name = "mine"
title = "Title"
description = "Words."
hardware = ["a part"]
verified = false

[audio]
input_rate = 48000

[echo]
cancelled = true

[button]
device = "/dev/input/event0"
key = 164

[sources]
audio.input_rate = "driver: x"
echo.cancelled = "datasheet: y"
button.device = "choice: z"
"button.key" = "standard: z"
"""


def _check(folder: Path, text: str) -> list[str]:
    path = folder / "mine.toml"
    path.write_text(text)
    return [str(finding) for finding in profile.check_profile(path)]


def test_seven_kinds_of_hardware_are_shipped() -> None:
    assert set(SHIPPED) >= {
        *("generic", "pi-zero2w-i2s", "pi-usb-speakerphone", "pi-2mic-hat"),
        *("pi-4mic-array", "x86-kiosk", "toy-button"),
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_is_sound_and_loads_as_a_configuration(name: str, tmp_path: Path) -> None:
    assert profile.check_profile(name) == []
    config = load(env={"TALKBOX_DEVICE__PROFILE": name}, home=tmp_path)
    shipped = profile.load_profile(name)
    for path, value in shipped.settings.items():
        section, key = path.split(".")
        assert getattr(getattr(config, section), key) == value
        assert config.origins[path] == f"profile {name}"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_in_print_has_every_value_with_its_source(name: str) -> None:
    shipped = profile.load_profile(name)
    text = profile.render_profile(shipped)
    assert "no source" not in text
    assert shipped.title in text
    for path in shipped.settings:
        assert f"{path} = " in text
    assert shipped.verified or "not verified on hardware" in text


def test_only_hardware_with_a_canceller_claims_one() -> None:
    claims = {entry.name for entry in profile.list_profiles() if entry.echo_cancelled}
    assert claims == {"pi-usb-speakerphone", "pi-4mic-array"}


def test_the_button_of_the_toy() -> None:
    toy = profile.load_profile("toy-button")
    assert toy.button == profile.Button(
        device="/dev/input/by-path/platform-button@11-event",
        code=CODES["KEY_VOICECOMMAND"],
        gpio=17,
        active="low",
        hold="push_to_talk",
    )
    # udev names the link after the GPIO number in hexadecimal
    assert toy.button is not None
    assert f"@{toy.button.gpio:x}-event" in toy.button.device
    assert profile.overlay_line(toy) == (
        "dtoverlay=gpio-key,gpio=17,active_low=1,gpio_pull=up,keycode=582,label=talkbox"
    )
    assert profile.overlay_line(profile.load_profile("generic")) == ""


def test_a_button_to_hold_makes_the_turn_push_to_talk(tmp_path: Path) -> None:
    assert profile.load_profile("toy-button").settings["conversation.turn"] == "push_to_talk"
    assert "conversation.turn" not in profile.load_profile("pi-2mic-hat").settings
    held = GOOD.replace("key = 164", 'key = 164\nhold = "push_to_talk"')
    findings = _check(tmp_path, held + '[conversation]\nturn = "local"\n')
    assert any("contradicts conversation.turn" in finding for finding in findings)


def test_a_profile_by_path(tmp_path: Path) -> None:
    assert _check(tmp_path, GOOD) == []
    mine = profile.load_profile(str(tmp_path / "mine.toml"))
    assert (mine.name, mine.echo_cancelled) == ("mine", True)
    assert mine.button is not None
    assert (mine.button.code, mine.button.gpio, mine.button.hold) == (164, None, "none")
    assert mine.settings == {"audio.input_rate": 48000}


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ConfigError) as caught:
        profile.load_profile("pi-zero2w-i2c")
    assert 'did you mean "pi-zero2w-i2s"?' in str(caught.value)
    assert "x86-kiosk" in str(caught.value)
    with pytest.raises(ConfigError, match="there is no file"):
        profile.load_profile("/nowhere/x.toml")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[audio]", "[audoi]", 'no section [audoi]; did you mean "audio"?'),
        ("input_rate = 48000", "inputrate = 48000", 'did you mean "input_rate"?'),
        ("input_rate = 48000", "input_rate = 4", "mine.toml:9: audio.input_rate = 4 is out of"),
        ("input_rate = 48000", "input_channel = 2", "audio.input_channels = 1"),
        ("cancelled = true", 'cancelled = "yes"', "true or false is wanted"),
        ("cancelled = true", "", "echo.cancelled is missing"),
        ("verified = false\n", "", "profile.verified is missing"),
        ('title = "Title"', 'title = ""', "profile.title is empty"),
        ('name = "mine"', 'name = "yours"', 'profile.name is "yours"'),
        ("key = 164", 'key = "KEY_NOTHING"', "button.key"),
        ("key = 164", "", "a button needs button.key"),
        ("[echo]", '[coze]\nbot_id = "1"\n[echo]', "no section [coze]"),
        ("[echo]", "[conversation]\nprologue = true\n[echo]", "no key 'conversation.prologue'"),
    ],
)
def test_what_is_wrong_is_found_and_not_loaded(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    findings = _check(tmp_path, GOOD.replace(old, new, 1))
    assert any(expected in finding for finding in findings), findings
    with pytest.raises(ConfigError):
        profile.load_profile(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('audio.input_rate = "driver: x"\n', "", "audio.input_rate has no source"),
        ('"driver: x"', '""', "audio.input_rate has no source"),
        ('"driver: x"', "1", "audio.input_rate has no source"),
        ('"driver: x"', '"somebody said so"', "must begin with one of"),
        (
            '"driver: x"',
            '"driver: x"\naudio.bitrate = "driver: y"',
            "'audio.bitrate', which is not",
        ),
    ],
)
def test_evidence_is_demanded_by_the_check_only(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    findings = _check(tmp_path, GOOD.replace(old, new, 1))
    assert any(expected in finding for finding in findings), findings
    assert profile.load_profile(tmp_path / "mine.toml").name == "mine"


def test_sections_that_are_no_tables_do_not_break_the_check(tmp_path: Path) -> None:
    findings = _check(tmp_path, "audio = 1\nprofile = []\nsources = 3\n")
    assert any("must be a section" in finding for finding in findings)
