"""The device's ids: fixed rules with golden vectors."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ConfigError
from agent.identity import numeric_id, text_id

GOLDEN_MACHINE = "732dd2a857af2ca5a686eb86954a5893"
MACHINE = "0123456789abcdef0123456789abcdef"


def _files(folder: Path, serial: bytes | None, machine: str | None) -> tuple[Path, list[Path]]:
    serial_path, machine_path = folder / "serial-number", folder / "machine-id"
    if serial is not None:
        serial_path.write_bytes(serial)
    if machine is not None:
        machine_path.write_text(machine)
    return machine_path, [folder / "absent", serial_path]


def test_the_configuration_wins(tmp_path: Path) -> None:
    machine, serials = _files(tmp_path, b"10000000abcdef01\0", MACHINE)
    found = text_id("kiosk-7", machine_id_path=machine, serial_paths=serials)
    assert found == ("kiosk-7", "configuration (device.id)")


def test_then_the_board_serial(tmp_path: Path) -> None:
    machine, serials = _files(tmp_path, b"10000000ABCDEF01\0", MACHINE)
    found, origin = text_id("", machine_id_path=machine, serial_paths=serials)
    assert found == "10000000abcdef01"
    assert origin == f"board serial ({serials[1]})"


@pytest.mark.parametrize(
    "serial",
    [
        *(b"", b"\0", b"0000000000000000\0", b"To be filled by O.E.M.\n", b"Default string\n"),
        *(b"None", b"System Serial Number", b"Not  Specified", b"xxxxxxxx", b"ab", b"........"),
        *(b"0123456789", b"-1-1-1-1-"),
    ],
)
def test_a_placeholder_is_no_serial(tmp_path: Path, serial: bytes) -> None:
    machine, serials = _files(tmp_path, serial, MACHINE)
    found, origin = text_id("", machine_id_path=machine, serial_paths=serials)
    assert found.startswith("m-")
    assert origin.startswith("machine-id")


def test_the_machine_id_itself_is_never_used(tmp_path: Path) -> None:
    machine, serials = _files(tmp_path, None, MACHINE + "\n")
    found, _ = text_id("", machine_id_path=machine, serial_paths=serials)
    digest = hmac.new(MACHINE.encode(), b"talkbox", hashlib.sha256).hexdigest()
    assert found == f"m-{digest[:32]}"
    assert found == "m-" + GOLDEN_MACHINE
    assert MACHINE not in found


def test_odd_characters_of_a_serial_are_replaced(tmp_path: Path) -> None:
    machine, serials = _files(tmp_path, "VM ab/12 é".encode(), None)
    found, _ = text_id("", machine_id_path=machine, serial_paths=serials)
    assert found == "vm-ab-12--"


@pytest.mark.parametrize("machine", [None, "uninitialized\n", "0" * 32, ""])
def test_without_anything_it_must_be_configured(tmp_path: Path, machine: str | None) -> None:
    machine_path, serials = _files(tmp_path, None, machine)
    with pytest.raises(ConfigError, match="device"):
        text_id("", machine_id_path=machine_path, serial_paths=serials)


def test_on_this_machine_it_is_stable() -> None:
    try:
        first = text_id("")
    except ConfigError:
        pytest.skip("this machine has no serial number and no machine-id")
    assert text_id("") == first


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 1756726748034868377),
        ("kiosk-7", 5947159048229785408),
        ("10000000abcdef01", 5289855932577252278),
        ("小助手", 3445186605183655957),
    ],
)
def test_golden_numbers_never_change(text: str, number: int) -> None:
    assert numeric_id(text) == number


@given(st.text())
def test_a_number_is_a_positive_63_bit_integer(text: str) -> None:
    number = numeric_id(text)
    assert 1 <= number < 2**63
    assert numeric_id(text) == number


def test_serials_next_to_each_other_do_not_collide() -> None:
    # 20 000 neighbours; a 63-bit hash collides among them with probability 2e-11.
    numbers = {numeric_id(f"10000000{serial:08x}") for serial in range(20_000)}
    assert len(numbers) == 20_000


def test_zero_becomes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Zero:
        def digest(self) -> bytes:
            return b"\x80" + bytes(31)

    monkeypatch.setattr(hashlib, "sha256", lambda data: Zero())
    assert numeric_id("any") == 1
