from __future__ import annotations

from typing import Any

import pytest

from agent.dialog.settings import DialogSettings


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("turn", "auto"),
        ("barge_in", "auto"),
        ("tool_s", 0.0),
        ("first_answer_s", -1.0),
        ("idle_close_s", -1.0),
        ("echo_guard_s", float("nan")),
    ],
)
def test_senseless_settings_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        DialogSettings(**{field: value})


def test_zero_is_allowed_where_it_means_never_or_none() -> None:
    DialogSettings(idle_close_s=0.0, echo_guard_s=0.0, min_press_s=0.0)


@pytest.mark.parametrize(
    ("turn", "barge_in", "half"),
    [
        ("local", "off", True),
        ("local", "button", True),
        ("local", "keyword", True),
        ("local", "confirmed", False),
        ("push_to_talk", "instant", False),
        ("server_vad", "button", True),
        ("server_vad", "keyword", False),
        ("semantic_vad", "confirmed", False),
    ],
)
def test_half_duplex_follows_from_policy_and_who_listens(
    turn: Any, barge_in: Any, half: bool
) -> None:
    assert DialogSettings(turn=turn, barge_in=barge_in).half_duplex is half
