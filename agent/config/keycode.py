"""Names of the input keys a talk button may send, with the kernel's codes."""

from __future__ import annotations

# Numbers are those of the kernel's include/uapi/linux/input-event-codes.h.
CODES: dict[str, int] = {
    "KEY_ENTER": 28,
    "KEY_SPACE": 57,
    "KEY_F1": 59,
    "KEY_F12": 88,
    "KEY_MUTE": 113,
    "KEY_VOLUMEDOWN": 114,
    "KEY_VOLUMEUP": 115,
    "KEY_POWER": 116,
    "KEY_PROG1": 148,
    "KEY_PROG2": 149,
    "KEY_PLAYPAUSE": 164,
    "KEY_RECORD": 167,
    "KEY_PHONE": 169,
    "KEY_F13": 183,
    "KEY_MEDIA": 226,
    "KEY_MICMUTE": 248,
    "BTN_0": 0x100,
    "KEY_VOICECOMMAND": 0x246,
}
# KEY_MAX of the same header.
LAST_CODE = 0x2FF
