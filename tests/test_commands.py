"""What the command line is told when a request cannot be carried out."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from agent.commands import execute
from agent.dialog.actions import State
from agent.dialog.events import Event
from agent.dialog.states import Link
from agent.errors import NotPermitted, ServiceUnreachable, UsageError


@dataclass
class Desk:
    """A daemon in a given state that only notes what it is told."""

    state: State = State.IDLE
    link: Link = Link.READY
    said: list[Event] = field(default_factory=list)
    level_dbfs: float = -96.0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.parts: Any = SimpleNamespace(
            engine=SimpleNamespace(link=self.link), sound=SimpleNamespace(capturing=True)
        )
        self.reporter: Any = SimpleNamespace(last_error="the wire is cut")

    def post(self, event: Event) -> None:
        self.said.append(event)


@pytest.mark.parametrize("command", ["ask", "say"])
@pytest.mark.parametrize("text", ["hi\udcff", "\ud83d"])
def test_text_that_is_no_unicode_is_refused(command: str, text: str) -> None:
    desk = Desk()
    with pytest.raises(UsageError, match="not valid UTF-8"):
        execute(desk, {"command": command, "value": text})
    assert not desk.said


@pytest.mark.parametrize("command", ["ask", "say", "listen"])
@pytest.mark.parametrize(
    ("desk", "error", "words"),
    [
        (Desk(State.OFFLINE, Link.DOWN), ServiceUnreachable, "offline: the wire is cut"),
        (Desk(State.CONNECTING, Link.CONNECTING), ServiceUnreachable, "connecting"),
        (Desk(State.MUTED, Link.DOWN), ServiceUnreachable, "offline"),
        (Desk(State.SPEAKING, Link.DOWN), ServiceUnreachable, "offline"),
        (Desk(State.BLOCKED, Link.DOWN), NotPermitted, "blocked: the wire is cut"),
    ],
)
def test_what_would_not_be_answered_is_refused(
    command: str, desk: Desk, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        execute(desk, {"command": command, "value": "hello"})
    assert not desk.said


def test_a_link_closed_for_idleness_is_no_reason_to_refuse() -> None:
    desk = Desk(State.IDLE, Link.DORMANT)
    execute(desk, {"command": "ask", "value": "hello"})
    assert len(desk.said) == 1
