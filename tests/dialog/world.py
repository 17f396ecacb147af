"""A platform, a speaker and a person on a virtual clock, to hold long conversations with.

The world knows the truth the engine has to infer: every packet carries the serial number of the
request it answers, so that a sample of an answer nobody waits for is recognised when it sounds,
whatever ids it came with.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import Action, State
from agent.dialog.engine import Engine
from agent.dialog.settings import DialogSettings
from agent.dialog.states import ACTIVE, Link
from tests.dialog.harness import Watcher
from tests.dialog.simserver import PACKET_MS, SimServer

DAC_DELAY_S = 0.04
UNANSWERED = ("interrupted", "too_short", "no_speech", "false_alarm")
"""Ends of turns that people brought about."""


class Clock:
    """Future calls in order of time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._calls, (self.now + max(0.0, seconds), self._count, call))

    def step(self) -> None:
        self.now, _, call = heapq.heappop(self._calls)
        call()


class SimSpeaker:
    """Plays one generation in real time; reports through the DAC's delay."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.generation = 0
        self.queue: deque[bytes] = deque()
        self.finished = False
        self.running = False
        self.started = False
        self.sounded = 0
        self.stale: list[bytes] = []

    def begin(self, generation: int) -> None:
        self.cut(generation)
        self.world.clock.after(0.12, lambda: self._start(generation))

    def push(self, generation: int, payload: bytes) -> None:
        assert generation == self.generation
        self.queue.append(payload)
        if self.started and not self.running:
            self._next(generation)

    def finish(self, generation: int) -> None:
        assert generation == self.generation
        self.finished = True
        if self.started and not self.running:
            self._drained(generation)

    def cut(self, generation: int) -> None:
        self.generation = generation
        self.queue.clear()
        self.finished = self.running = self.started = False

    def _start(self, generation: int) -> None:
        if generation == self.generation:
            self.started = True
            self.world.clock.after(
                DAC_DELAY_S, lambda: self.world.tell(ev.PlaybackStarted, generation)
            )
            self._next(generation)

    def _next(self, generation: int) -> None:
        if generation != self.generation:
            return
        self.running = bool(self.queue)
        if self.running:
            payload = self.queue.popleft()
            self.sounded += 1
            if self.world.is_stale(payload):
                self.stale.append(payload)
            self.world.clock.after(PACKET_MS / 1000, lambda: self._next(generation))
        elif self.finished:
            self._drained(generation)

    def _drained(self, generation: int) -> None:
        self.started = False
        self.world.clock.after(DAC_DELAY_S, lambda: self.world.tell(ev.PlaybackDrained, generation))


class World:
    """Engine, link, speaker, server and person; ``run`` until enough turns have been held."""

    def __init__(self, seed: int, **settings: Any) -> None:
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.engine = Engine(DialogSettings(**settings))
        self.watcher = Watcher(self.engine)
        self.speaker = SimSpeaker(self)
        self.server: SimServer | None = None
        self.count: Counter[str] = Counter()
        self.serial = 0
        """Requests made so far."""
        self.floor = 0
        """Answers to requests older than this must not sound any more."""
        self.answers: dict[str, int] = {}
        """Chat id to the request it answers."""
        self.event: ev.Event | None = None
        self.spoiled = False
        """The link was lost during the present turn: that excuses it from an answer."""
        self.faulty: set[int] = set()
        """Requests the platform was made to fail."""
        self.unexcused: list[str] = []
        self.since_rest = self.clock.now
        self.longest_active = 0.0
        self.utterance_on: SimServer | None = None
        """The session that has all of the open utterance."""
        self.talking = False
        self.next_tick = float("inf")

    # --- what the person and the parts say ---

    def new_chat(self, serial: int) -> str:
        chat = f"chat{len(self.answers)}"
        self.answers[chat] = serial
        return chat

    def fault(self, kind: str, serial: int) -> None:
        self.count[f"fault: {kind}"] += 1
        self.faulty.add(serial)

    def is_stale(self, payload: bytes) -> bool:
        return int(payload) < self.floor

    def tell(self, kind: Any, *args: Any) -> None:
        self.event = event = kind(self.clock.now, *args)
        before = self.engine.state
        actions = self.engine.handle(event)
        self.watcher.see(event, actions)
        for action in actions:
            self._do(action)
        now = self.clock.now
        if before not in ACTIVE:
            self.since_rest = now
        self.longest_active = max(self.longest_active, now - self.since_rest)
        self._plan_tick()

    def _plan_tick(self) -> None:
        due = self.engine.deadline()
        if due is not None and due < self.next_tick:
            self.next_tick = due
            self.clock.after(due - self.clock.now, lambda: self._tick(due))

    def _tick(self, due: float) -> None:
        if self.next_tick == due:
            self.next_tick = float("inf")
        self.tell(ev.Tick)

    # --- what the engine asks for ---

    def _do(self, action: Action) -> None:
        method = getattr(self, f"_{type(action).__name__}", None)
        if method is not None:
            method(action)

    def _request(self) -> int:
        self.serial += 1
        return self.serial

    def _send(self, method: Callable[[SimServer], Callable[..., None]], *args: Any) -> None:
        assert self.engine.link is Link.READY and self.server is not None
        self.server.receive(method(self.server), *args)

    def _OpenUplink(self, action: act.OpenUplink) -> None:
        self.utterance_on = self.server if self.engine.link is Link.READY else None

    def _ResendUplink(self, action: act.ResendUplink) -> None:
        self.count["resent utterances"] += 1
        self.utterance_on = self.server

    def _CommitUplink(self, action: act.CommitUplink) -> None:
        assert self.utterance_on is self.server, "the server has only a part of the utterance"
        self._send(lambda server: server.commit, self._request())

    def _CancelTurn(self, action: act.CancelTurn) -> None:
        self.count["cancels"] += 1
        if self.server is not None and self.engine.link is Link.READY:
            self._send(lambda server: server.cancel)

    def _SendQuestion(self, action: act.SendQuestion) -> None:
        self._send(lambda server: server.ask, self._request())

    def _SendSpeech(self, action: act.SendSpeech) -> None:
        self._send(lambda server: server.say, self._request())

    def _SubmitTools(self, action: act.SubmitTools) -> None:
        self.count["tool rounds"] += 1
        self._send(lambda server: server.submit)

    def _RunTools(self, action: act.RunTools) -> None:
        for call in action.calls:
            seconds = self.rng.uniform(0.01, 1.0) if self.rng.random() < 0.95 else 12.0
            output = ev.ToolOutput(call.id, "{}")
            self.clock.after(
                seconds,
                lambda output=output: self.tell(  # type: ignore[misc]
                    ev.ToolFinished, action.chat_id, output
                ),
            )

    def _BeginPlayback(self, action: act.BeginPlayback) -> None:
        self.speaker.begin(action.generation)

    def _Play(self, action: act.Play) -> None:
        self.speaker.push(action.generation, action.payload)

    def _FinishPlayback(self, action: act.FinishPlayback) -> None:
        self.speaker.finish(action.generation)

    def _CutPlayback(self, action: act.CutPlayback) -> None:
        self.speaker.cut(action.generation)

    def _Interrupted(self, action: act.Interrupted) -> None:
        self.count[f"interrupted by {action.by}"] += 1
        self._raise_floor()

    def _TurnOver(self, action: act.TurnOver) -> None:
        self.count[f"over: {action.reason}"] += 1
        if action.answered:
            self.count["answered"] += 1
        elif action.reason == "refused" and self.serial not in self.faulty:
            # A refusal names no request: that of the one before, replaced within a round trip,
            # hits this one, whose answer may come all the same.
            self.count["refusals of the request before"] += 1
            assert self.serial - 1 in self.faulty
            self.spoiled = False
            return
        elif not (self.spoiled or self.serial in self.faulty or action.reason in UNANSWERED):
            self.unexcused.append(action.reason)
        self._raise_floor()
        self.spoiled = False

    def _raise_floor(self) -> None:
        """Everything asked so far is over, but for what the server just now begins to answer."""
        begun = self.event.chat_id if isinstance(self.event, ev.TurnCreated) else ""
        self.floor = self.answers.get(begun, self.serial + 1)

    def _Problem(self, action: act.Problem) -> None:
        self.count[f"problem: {action.code}"] += 1

    def _Reconnect(self, action: act.Reconnect) -> None:
        self.lose("reconnect", tell=False)

    def _CloseLink(self, action: act.CloseLink) -> None:
        self.count["idle closes"] += 1
        self._drop_server()
        self.clock.after(0.1, lambda: self._say_down("closed"))

    def _OpenLink(self, action: act.OpenLink) -> None:
        self._connect(self.rng.uniform(0.0, 0.05))

    # --- the link ---

    def _drop_server(self) -> None:
        if self.server is not None:
            self.server.alive = False
            self.server = None

    def _say_down(self, reason: str) -> None:
        if self.engine.link is Link.DORMANT:
            self.tell(ev.LinkDown, reason)

    def lose(self, reason: str, *, tell: bool = True) -> None:
        if self.server is None:
            return
        self.count["losses"] += 1
        self._drop_server()
        self.spoiled = True
        if tell:
            self.tell(ev.LinkDown, reason)
        self._connect(self.rng.choice((0.5, 1.0, 3.0, 25.0)))

    def _connect(self, delay: float) -> None:
        def begin() -> None:
            if self.server is None:
                self.tell(ev.LinkConnecting)
                self.clock.after(self.rng.uniform(0.1, 0.5), ready)

        def ready() -> None:
            if self.server is None:
                self.server = SimServer(self, self.rng)
                self.tell(ev.LinkReady)

        self.clock.after(delay, begin)

    # --- the person ---

    def run(self, turns: int) -> None:
        self._connect(0.0)
        self.clock.after(1.0, self._live)
        self.clock.after(self.rng.expovariate(1 / 60), self._misfortune)
        while self.engine.turns < turns or self.engine.state in ACTIVE:
            self.clock.step()
            assert self.clock.now - self.since_rest < 600 or self.engine.state not in ACTIVE, (
                f"stuck in {self.engine.state}"
            )

    def _misfortune(self) -> None:
        self.lose("reset by peer")
        self.clock.after(self.rng.expovariate(1 / 60), self._misfortune)

    def _live(self) -> None:
        """Do something, look again in a while."""
        state = self.engine.state
        if state is State.MUTED and self.rng.random() < 0.5:
            self.tell(ev.Unmute)
        elif state is State.IDLE or state is State.MUTED:
            self._begin()
        elif state is not State.LISTENING and state in ACTIVE and self.rng.random() < 0.25:
            self._interrupt()
        pause = 400.0 if self.rng.random() < 0.01 else self.rng.uniform(0.1, 4.0)
        self.clock.after(pause, self._live)

    def _begin(self) -> None:
        chance = self.rng.random()
        if chance < 0.1:
            self.tell(ev.Ask, "question")
        elif chance < 0.2:
            self.tell(ev.Say, "text")
        elif chance < 0.22 and not self.engine.muted:
            self.tell(ev.Mute)
        elif not self.engine.muted:
            self._talk()

    def _talk(self) -> None:
        settings = self.engine.settings
        if settings.server_turn:
            self._talk_to_server()
        elif settings.turn == "push_to_talk":
            self.tell(ev.Listen, "button")
            self.clock.after(self.rng.uniform(0.1, 4.0), lambda: self.tell(ev.Release))
        else:
            if self.rng.random() < 0.2:
                self.tell(ev.Listen, "command")
            self._speak()

    def _speak(self) -> None:
        """What the endpointer makes of a voice; behind a closed gate it hears nothing."""
        if not self.watcher.gate or not self.watcher.capture:
            return
        self.tell(ev.Onset)

        def confirmed() -> None:
            if not self.watcher.gate or not self.watcher.capture:
                return
            if self.rng.random() < 0.2:
                self.tell(ev.FalseAlarm)
                return
            self.tell(ev.SpeechStart, self.clock.now - 0.2)
            self.clock.after(self.rng.uniform(0.3, 4.0), done)

        def done() -> None:
            if self.watcher.capture:
                self.tell(ev.SpeechEnd, self.clock.now - 0.5, "silence")

        self.clock.after(0.15, confirmed)

    def _talk_to_server(self) -> None:
        """What the server's VAD makes of a voice while the uplink is open."""
        if not self.engine.uplink_open or self.server is None or self.talking:
            return
        server = self.server
        server.receive(server.speech)
        self.talking = True

        def done() -> None:
            self.talking = False
            if server.alive and self.engine.uplink_open:
                server.receive(server.heard, self._request())

        self.clock.after(self.rng.uniform(0.4, 3.0), done)

    def _interrupt(self) -> None:
        settings = self.engine.settings
        choice = self.rng.choice(("stop", "listen", "speech", "speech", "ask", "say", "mute"))
        if choice == "stop":
            self.tell(ev.Stop, "button")
        elif choice == "listen":
            self.tell(ev.Listen, "button")
            if settings.turn == "push_to_talk":
                self.clock.after(self.rng.uniform(0.1, 3.0), lambda: self.tell(ev.Release))
            elif settings.server_turn:
                self._talk_to_server()
            else:
                self._speak()
        elif choice == "ask":
            self.tell(ev.Ask, "another")
        elif choice == "say":
            self.tell(ev.Say, "announcement")
        elif choice == "mute":
            self.tell(ev.Mute)
        elif settings.server_turn:
            if settings.barge_in == "keyword" and self.server is not None:
                self.server.receive(self.server._stop, 1)
            else:
                self._talk_to_server()
        else:
            self._speak()
