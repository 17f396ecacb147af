"""Names of keys."""

from __future__ import annotations

from agent.config.keycode import CODES, LAST_CODE


def test_codes_are_those_of_the_kernel_header() -> None:
    # Spot values of linux/input-event-codes.h.
    assert CODES["KEY_ENTER"] == 28
    assert CODES["KEY_PLAYPAUSE"] == 164
    assert CODES["KEY_VOICECOMMAND"] == 582
    assert all(0 < code <= LAST_CODE for code in CODES.values())
    assert len(set(CODES.values())) == len(CODES)
