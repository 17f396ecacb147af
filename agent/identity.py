"""Who this device is: a stable text id, and the whole number the platform's sockets want.

Both are documented rules, so that quota and binding follow the device and not the memory card.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from agent.errors import ConfigError

MACHINE_ID = Path("/etc/machine-id")
# The first is the Raspberry Pi's (device tree), the second a PC's (root only on most systems).
SERIALS = (Path("/proc/device-tree/serial-number"), Path("/sys/class/dmi/id/product_serial"))

# What board makers leave in the serial number when they did not set one.
_PLACEHOLDERS = {
    *("none", "null", "default", "default string", "not specified", "not applicable"),
    *("not available", "n/a", "na", "unknown", "invalid", "empty", "serial", "serial number"),
    *("system serial number", "chassis serial number", "to be filled by o.e.m.", "oem"),
    *("to be filled by o.e.m", "0123456789", "123456789", "1234567890", "12345678", "xxxxxxxx"),
}


def text_id(
    config_id: str,
    *,
    machine_id_path: Path = MACHINE_ID,
    serial_paths: Iterable[Path] = SERIALS,
) -> tuple[str, str]:
    """The text id and where it came from.

    ``config_id`` if set; else the board's serial number in lower case; else ``m-`` and 32
    hexadecimal digits of HMAC-SHA256(key = the machine-id's text, message = ``talkbox``), because
    the machine-id itself is confidential (machine-id(5)). Raises ``ConfigError`` if none is there.
    """
    if config_id:
        return config_id, "configuration (device.id)"
    for path in serial_paths:
        serial = _serial(_read(path))
        if serial:
            return serial, f"board serial ({path})"
    machine = _read(machine_id_path).lower()
    if re.fullmatch(r"[0-9a-f]{32}", machine) and machine.strip("0"):
        digest = hmac.new(machine.encode(), b"talkbox", hashlib.sha256).hexdigest()
        return f"m-{digest[:32]}", f"machine-id ({machine_id_path}), hashed"
    raise ConfigError(
        "this device has neither a serial number nor a machine-id to be known by",
        remedy='Set id = "…" below [device] in the configuration file.',
    )


def numeric_id(text: str) -> int:
    """The ``device_id`` of the socket address: 1 to 2**63 - 1, a fixed function of the text id.

    The first 8 bytes, big endian, of SHA-256(``talkbox-device:`` + UTF-8 of the text), without the
    top bit; 0 becomes 1.
    """
    digest = hashlib.sha256(b"talkbox-device:" + text.encode()).digest()
    return (int.from_bytes(digest[:8], "big") & (2**63 - 1)) or 1


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return ""


def _serial(text: str) -> str:
    """A usable serial number in lower case, or nothing."""
    word = " ".join(text.lower().split())
    if word in _PLACEHOLDERS or len(word) < 4:
        return ""
    if len(set(re.sub(r"[^a-z0-9]", "", word))) < 2:
        return ""
    return re.sub(r"[^a-z0-9._:-]", "-", word)[:64]
