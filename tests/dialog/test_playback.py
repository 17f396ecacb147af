from __future__ import annotations

import pytest

from agent.dialog.actions import BeginPlayback, CutPlayback, FinishPlayback, Play
from agent.dialog.playback import HELD_PACKETS, Playback


def test_an_answer_is_begun_once_and_finished_once() -> None:
    p = Playback()
    assert p.play(b"a", 60, 1.0) == [BeginPlayback(1), Play(1, b"a")]
    assert p.play(b"b", 60, 1.1) == [Play(1, b"b")]
    assert p.finish(1.2) == [FinishPlayback(1)]
    assert p.finish(1.3) == []
    assert p.drained(1) == (True, [])
    assert not p.active


def test_a_drain_of_another_generation_or_before_the_finish_is_ignored() -> None:
    p = Playback()
    p.play(b"a", 60, 1.0)
    assert p.drained(1) == (False, [])
    p.finish(1.1)
    assert p.drained(0) == (False, [])
    assert p.active
    assert p.drained(1)[0]
    assert not p.drained(1)[0]


def test_a_cut_bumps_the_generation_and_so_does_the_next_answer() -> None:
    p = Playback()
    p.play(b"a", 60, 1.0)
    assert p.cut() == [CutPlayback(2)]
    p.finish(1.1)
    assert p.play(b"b", 60, 1.2) == [BeginPlayback(3), Play(3, b"b")]


def test_sound_after_the_finish_waits_for_the_drain() -> None:
    p = Playback()
    p.play(b"a", 60, 1.0)
    p.finish(1.1)
    assert p.play(b"b", 60, 1.2) == []
    assert p.play(b"c", 60, 1.2) == []
    assert p.finish(1.3) == []
    over, actions = p.drained(1)
    assert not over
    assert actions == [BeginPlayback(2), Play(2, b"b"), Play(2, b"c"), FinishPlayback(2)]
    assert p.drained(2) == (True, [])


def test_a_held_answer_that_is_not_finished_stays_open() -> None:
    p = Playback()
    p.play(b"a", 60, 1.0)
    p.finish(1.1)
    p.play(b"b", 60, 1.2)
    assert p.drained(1) == (False, [BeginPlayback(2), Play(2, b"b")])
    assert p.play(b"c", 60, 1.3) == [Play(2, b"c")]


def test_a_cut_forgets_what_was_held() -> None:
    p = Playback()
    p.play(b"a", 60, 1.0)
    p.finish(1.1)
    p.play(b"b", 60, 1.2)
    p.cut()
    p.play(b"n", 60, 2.0)
    p.finish(2.1)
    assert p.drained(p.generation) == (True, [])


def test_the_waiting_room_is_bounded_and_counts_what_it_turns_away() -> None:
    p = Playback()
    p.play(b"a", 60, 1.0)
    p.finish(1.1)
    for _ in range(HELD_PACKETS + 7):
        p.play(b"b", 60, 1.2)
    assert p.held_dropped == 7


def test_the_end_is_estimated_from_the_sound_not_from_the_arrival() -> None:
    p = Playback()
    for _ in range(100):
        p.play(b"a", 60, 10.0)
    assert p.estimated_end == pytest.approx(16.0)
    assert p.stall_deadline(8.0) == pytest.approx(24.0)
    p.play(b"late", 60, 30.0)
    assert p.stall_deadline(8.0) == pytest.approx(38.06)
