"""Long conversations with an unreliable platform, in seconds, the same every time."""

from __future__ import annotations

import pytest

from agent.dialog.states import ACTIVE
from tests.dialog.world import World

CASES = [
    ("local", "off"),
    ("local", "button"),
    ("local", "confirmed"),
    ("local", "instant"),
    ("push_to_talk", "button"),
    ("server_vad", "button"),
    ("server_vad", "confirmed"),
    ("semantic_vad", "keyword"),
]
TURNS = 250


@pytest.mark.parametrize(("turn", "barge_in"), CASES)
def test_a_long_conversation(turn: str, barge_in: str) -> None:
    """No stuck state, no stale sample, no missed drain, no unexplained silence."""
    world = World(seed=CASES.index((turn, barge_in)), turn=turn, barge_in=barge_in)
    world.run(TURNS)
    assert world.engine.state not in ACTIVE
    assert world.speaker.sounded > 1000
    assert world.speaker.stale == []
    assert world.count["problem: drain_missed"] == 0
    assert world.unexcused == []
    assert world.watcher.overs == world.engine.turns >= TURNS
    assert world.longest_active < 120.0
    assert world.count["answered"] > TURNS // 4
