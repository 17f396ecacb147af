"""Button events as the kernel writes them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from agent.button import Button
from agent.errors import ConfigError

EV_KEY, EV_SYN, KEY_RECORD, KEY_ENTER = 1, 0, 167, 28


def record(kind: int, code: int, value: int) -> bytes:
    return struct.pack("@llHHi", 0, 0, kind, code, value)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "event0"
    os.mkfifo(path)
    return path


def test_press_and_release_of_the_right_key_are_reported(fifo: Path) -> None:
    seen: list[str] = []
    button = Button(str(fifo), KEY_RECORD, lambda: seen.append("down"), lambda: seen.append("up"))
    with fifo.open("wb", buffering=0) as kernel:
        kernel.write(record(EV_KEY, KEY_RECORD, 1) + record(EV_SYN, 0, 0))
        kernel.write(record(EV_KEY, KEY_ENTER, 1))
        kernel.write(record(EV_KEY, KEY_RECORD, 2))
        assert button.read()
        assert seen == ["down"]
        kernel.write(record(EV_KEY, KEY_RECORD, 0))
        assert button.read()
        assert button.read()
    assert seen == ["down", "up"]
    assert not button.read()
    button.close()


def test_a_missing_button_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"cannot open the button /dev/input/none: No such file"):
        Button("/dev/input/none", KEY_RECORD, lambda: None, lambda: None)
