"""A button on the device, read as a Linux input event (evdev).

The kernel's ``gpio-keys`` overlay turns a push button on any GPIO into ``/dev/input/eventN``, with
debouncing done in the driver; headset and speakerphone buttons come the same way. One record of
``struct input_event`` is two native longs (time), two u16 (type, code) and one s32 (value).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from agent.errors import ConfigError

_RECORD = struct.Struct("@llHHi")
_EV_KEY = 1


class Button:
    """Calls ``pressed`` and ``released``; auto-repeat (value 2) is ignored."""

    def __init__(
        self, path: str, code: int, pressed: Callable[[], None], released: Callable[[], None]
    ) -> None:
        """``path``: the input device; ``code``: the key code of linux/input-event-codes.h.

        Raises ``ConfigError`` when the device cannot be opened.
        """
        self._code = code
        self._pressed, self._released = pressed, released
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigError(
                f"cannot open the button {path}: {error.strerror}",
                remedy="Check the gpio-key overlay, and that the user is in group 'input'.",
            ) from error

    def read(self) -> bool:
        """Take what the kernel has; False when the device is gone."""
        try:
            data = os.read(self.fd, _RECORD.size * 16)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        whole = len(data) - len(data) % _RECORD.size
        for _, _, kind, code, value in _RECORD.iter_unpack(data[:whole]):
            if kind == _EV_KEY and code == self._code:
                if value == 1:
                    self._pressed()
                elif value == 0:
                    self._released()
        return True

    def close(self) -> None:
        """Let the device go."""
        os.close(self.fd)
