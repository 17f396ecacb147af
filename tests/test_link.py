"""The line to the platform: connects, retries, resends, and says goodbye. No network."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from agent.coze.backoff import Backoff
from agent.coze.session import Session
from agent.coze.settings import SessionSettings
from agent.coze.socketevents import Closed, Opened, Received, SocketEvent
from agent.coze.target import Target
from agent.dialog.events import Event
from agent.errors import NotPermitted, ServiceUnreachable, TalkboxError
from agent.link import KEEPALIVE_RESTING, KEEPALIVE_TALKING, Link

CREATED = '{"event_type":"chat.created","id":"1","detail":{"logid":"L"}}'
UPDATED = '{"event_type":"chat.updated","id":"2","data":{},"detail":{"logid":"L"}}'


class FakeSocket:
    """What the link sees of a socket; the test puts events in and looks at what was sent."""

    def __init__(self) -> None:
        self.inbox: list[SocketEvent] = []
        self.sent: list[tuple[str, bool]] = []
        self.closed_with: tuple[int, str] | None = None
        self.pings: list[tuple[float, float]] = []
        self.started = False

    def start(self, t: float) -> None:
        self.started = True

    def pump(self, t: float) -> list[SocketEvent]:
        events, self.inbox = self.inbox, []
        return events

    def send(self, text: str, *, droppable: bool = False, t: float) -> bool:
        self.sent.append((text, droppable))
        return True

    def keepalive(self, ping: float, pong: float, t: float) -> None:
        self.pings.append((ping, pong))

    def flush(self) -> None:
        pass

    def close(self, code: int = 1000, reason: str = "", *, t: float) -> None:
        self.closed_with = (code, reason)

    def abort(self) -> None:
        self.closed_with = (1006, "")

    def deadline(self) -> float | None:
        return None

    def types(self) -> list[str]:
        return [json.loads(text)["event_type"] for text, _ in self.sent]


@dataclass
class World:
    """A link with fake sockets and a watcher that remembers."""

    sockets: list[FakeSocket] = field(default_factory=list)
    failures: list[tuple[TalkboxError, int, bool]] = field(default_factory=list)
    retries: list[float] = field(default_factory=list)
    refuse: TalkboxError | None = None

    def __post_init__(self) -> None:
        self.link = Link(
            Session(SessionSettings(bot_id="7")),
            self.target,
            self.make,  # type: ignore[arg-type]
            Backoff(random.Random(1)),
            self,
        )

    def target(self) -> Target:
        if self.refuse is not None:
            raise self.refuse
        return Target.chat("ws://127.0.0.1:1", bot_id="7", token="t")

    def make(self, target: Target) -> Any:
        self.sockets.append(FakeSocket())
        return self.sockets[-1]

    def link_failed(self, t: float, error: TalkboxError, in_a_row: int, blocked: bool) -> None:
        self.failures.append((error, in_a_row, blocked))

    def link_retries(self, t: float, attempt: int, delay: float, reason: str) -> None:
        self.retries.append(delay)

    def ready(self, t: float = 0.0) -> list[Event]:
        self.link.open(t)
        self.sockets[-1].inbox += [
            Opened("L", t),
            Received(CREATED, t),
            Received(UPDATED, t),
        ]
        return self.link.pump(t)


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_it_connects_configures_and_is_ready() -> None:
    world = World()
    assert kinds(world.ready()) == ["LinkConnecting", "LinkReady"]
    assert world.sockets[0].types() == ["chat.update"]
    assert world.link.ready


def test_audio_is_sent_only_when_ready_and_may_be_dropped() -> None:
    world = World()
    world.link.open(0.0)
    world.link.append(b"abc", 0.0)
    assert world.sockets[0].sent == []
    world.ready()
    world.link.append(b"abc", 1.0)
    world.link.append(b"abc", 1.0, again=True)
    assert [droppable for _, droppable in world.sockets[-1].sent] == [False, True, False]
    assert world.link.session.dropped_early == 1


def test_a_failed_attempt_is_tried_again_later_and_later() -> None:
    world = World()
    world.link.open(0.0)
    t = 0.0
    for attempt in range(1, 6):
        world.sockets[-1].inbox.append(Closed(1006, "", ServiceUnreachable("no"), t))
        assert "LinkDown" in kinds(world.link.pump(t))
        assert world.failures[-1][1] == attempt
        due = world.link.deadline()
        assert due is not None
        assert due == t + world.retries[-1]
        assert world.link.pump(due - 0.001) == []
        t = due
        assert kinds(world.link.pump(t)) == ["LinkConnecting"]
    assert len(world.sockets) == 6


def test_a_lost_connection_is_one_link_down_and_a_quick_retry() -> None:
    world = World()
    world.ready()
    world.sockets[0].inbox.append(Closed(1006, "", ServiceUnreachable("gone"), 5.0))
    assert kinds(world.link.pump(5.0)) == ["LinkDown"]
    assert world.retries[-1] <= 1.0
    assert world.link.lost == 1


def test_a_token_that_cannot_be_had_is_a_failed_attempt() -> None:
    world = World()
    world.refuse = NotPermitted("no token")
    world.link.open(0.0)
    assert kinds(world.link.pump(0.0)) == ["LinkConnecting", "LinkDown"]
    assert isinstance(world.failures[0][0], NotPermitted)
    assert world.retries[0] >= 3600


def test_a_refusal_for_quota_blocks_and_is_probed_at_most_hourly() -> None:
    world = World()
    world.ready()
    refusal = (
        '{"event_type":"error","id":"3","data":{"code":4011,"msg":"x"},"detail":{"logid":"L"}}'
    )
    world.sockets[0].inbox.append(Received(refusal, 1.0))
    events = world.link.pump(1.0)
    assert "LinkBlocked" in kinds(events)
    assert world.failures[0][2] is True
    assert world.retries[0] >= 3599
    assert world.sockets[0].closed_with is not None
    assert world.failures[0][0].logid == "L"


def test_rest_says_goodbye_and_stays_away_until_opened() -> None:
    world = World()
    world.ready()
    world.link.rest("idle", 10.0)
    assert world.sockets[0].closed_with == (1000, "idle")
    assert not world.link.ready
    world.link.pump(10_000.0)
    assert len(world.sockets) == 1
    world.link.open(10_001.0)
    assert len(world.sockets) == 2


def test_reconnect_drops_the_socket_and_dials_at_once() -> None:
    world = World()
    world.ready()
    world.link.reconnect("it hangs", 3.0)
    assert kinds(world.link.pump(3.0)) == ["LinkDown", "LinkConnecting"]
    assert len(world.sockets) == 2


def test_the_conversation_is_asked_for_again_after_a_reconnect() -> None:
    world = World()
    world.ready()
    turn = {
        "event_type": "conversation.chat.created",
        "id": "4",
        "data": {"id": "1", "conversation_id": "7512345", "bot_id": "7", "status": "created"},
    }
    world.sockets[0].inbox.append(Received(json.dumps(turn), 1.0))
    world.link.pump(1.0)
    world.link.reconnect("test", 2.0)
    world.link.pump(2.0)
    world.ready(2.0)
    update = json.loads(world.sockets[-1].sent[0][0])
    assert update["data"]["chat_config"]["conversation_id"] == "7512345"


def test_a_dead_line_is_looked_for_harder_while_somebody_talks() -> None:
    world = World()
    world.ready()
    world.link.talking(True, 1.0)
    world.link.talking(True, 1.1)
    world.link.talking(False, 2.0)
    assert world.sockets[0].pings == [
        KEEPALIVE_RESTING,
        KEEPALIVE_TALKING,
        KEEPALIVE_RESTING,
    ]
    world.link.talking(True, 3.0)
    world.link.reconnect("test", 4.0)
    world.link.pump(4.0)
    world.ready(4.0)
    assert world.sockets[-1].pings == [KEEPALIVE_TALKING]


def test_a_busy_service_is_given_more_time() -> None:
    world = World()
    world.link.open(0.0)
    world.sockets[-1].inbox.append(Closed(1006, "", ServiceUnreachable("x", code="503"), 0.0))
    world.link.pump(0.0)
    assert world.retries[0] >= 2.0
