import numpy as np
import pytest

from agent.emulator import g711

EVERY = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)


@pytest.mark.parametrize("law", g711.LAWS)
def test_every_code_survives_a_round_trip(law: str) -> None:
    codes = bytes(range(256))
    decoded = g711.decode(law, codes)
    assert (g711.decode(law, g711.encode(law, decoded)) == decoded).all()


@pytest.mark.parametrize("law", g711.LAWS)
def test_the_error_grows_with_the_level_only(law: str) -> None:
    error = np.abs(g711.decode(law, g711.encode(law, EVERY)).astype(int) - EVERY)
    # 13 segments: a step is at most 1/16 of the value, so the error at most 1/32 and a bit; what
    # lies beyond the largest value of mu-law, 32124, is clipped.
    within = np.abs(EVERY.astype(int)) <= 32124
    assert (error[within] <= np.abs(EVERY[within].astype(int)) / 32 + 9).all()
    assert error.max() <= 644


def test_values_of_the_standard() -> None:
    assert g711.encode("g711a", np.zeros(1, np.int16)) == b"\xd5"
    assert g711.encode("g711u", np.zeros(1, np.int16)) == b"\xff"
    assert g711.decode("g711u", b"\x00\x80\xff").tolist() == [-32124, 32124, 0]
    assert g711.decode("g711a", b"\x2a\xaa\xd5").tolist() == [-32256, 32256, 8]
