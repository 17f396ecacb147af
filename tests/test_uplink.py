"""From frames to packets: the pre-roll, the utterance that can be sent again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.uplink import Uplink
from audio.packetizer import Packetizer

FRAME = 320


def frame(value: int) -> NDArray[np.int16]:
    return np.full(FRAME, value, dtype=np.int16)


def uplink(preroll_ms: int = 60, keep_ms: int = 1000) -> Uplink:
    return Uplink(Packetizer("pcm", 16000, 20), preroll_ms=preroll_ms, keep_ms=keep_ms)


def values(packets: list[bytes]) -> list[int]:
    return [int(np.frombuffer(packet, "<i2")[0]) for packet in packets]


def test_the_last_moments_before_the_opening_are_sent_first() -> None:
    up = uplink(preroll_ms=60)
    for n in range(10):
        assert up.frame(frame(n)) == []
    assert values(up.open(preroll=True)) == [7, 8, 9]
    assert values(up.frame(frame(10))) == [10]


def test_without_preroll_nothing_from_before_is_sent() -> None:
    up = uplink()
    up.frame(frame(1))
    assert up.open(preroll=False) == []


def test_the_whole_utterance_can_be_sent_again() -> None:
    up = uplink()
    up.frame(frame(1))
    sent = up.open(preroll=True)
    sent += up.frame(frame(2))
    sent += up.close()
    assert up.resend() == sent
    assert not up.is_open


def test_an_utterance_longer_than_what_is_kept_is_not_sent_again_in_part() -> None:
    up = uplink(keep_ms=100)
    up.open(preroll=False)
    for n in range(6):
        up.frame(frame(n))
    assert up.resend() == []


def test_a_new_utterance_holds_nothing_of_the_old_one() -> None:
    up = uplink()
    up.open(preroll=False)
    up.frame(frame(1))
    up.close()
    up.open(preroll=True)
    up.frame(frame(2))
    assert values(up.resend()) == [2]


def test_what_was_forgotten_is_gone() -> None:
    up = uplink()
    up.frame(frame(1))
    up.open(preroll=True)
    up.forget()
    assert up.resend() == []
    assert up.open(preroll=True) == []


def test_a_packet_of_several_frames_is_padded_at_the_end() -> None:
    up = Uplink(Packetizer("pcm", 16000, 60), preroll_ms=60, keep_ms=1000)
    up.open(preroll=False)
    assert up.frame(frame(1)) == []
    (last,) = up.close()
    samples = np.frombuffer(last, "<i2")
    assert len(samples) == 3 * FRAME
    assert (samples[FRAME:] == 0).all()
