"""A dialog on a virtual clock, and a watcher that checks what must hold after every event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import Action, State
from agent.dialog.engine import Engine
from agent.dialog.settings import DialogSettings
from agent.dialog.states import ACTIVE, TRANSITIONS, Link

PACKET = b"\x48\x0b"


class Watcher:
    """Sees events and actions from outside, as the rest of the device does."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.state = engine.state
        self.generation = 0
        self.playing = False
        self.finished = False
        self.uplink = False
        self.gate = True
        self.capture = True
        self.ducked = False
        self.overs = 0
        self.chats: set[str] = set()
        self.dead: set[str] = set()
        self.calls: list[str] = []

    def see(self, event: ev.Event, actions: Iterable[Action]) -> None:
        for action in actions:
            method = getattr(self, f"_{type(action).__name__}", None)
            if method is not None:
                method(action)
        if isinstance(event, ev.ReplyAudio) and any(isinstance(a, act.Play) for a in actions):
            assert event.chat_id not in self.dead, f"sound of the dead chat {event.chat_id}"
            if event.chat_id:
                self.chats.add(event.chat_id)
        assert self.state is self.engine.state
        running = self.engine.turns - self.overs
        assert running in (0, 1)
        if self.state not in ACTIVE:
            assert running == 0, "a turn runs in a rest state"
            assert self.engine.settings.server_turn or not self.uplink
        else:
            assert self.engine.deadline() is not None, f"{self.state} may last for ever"
        if self.state is State.TOOL:
            assert self.calls, "waiting for tools that nobody runs"

    def _EnterState(self, action: act.EnterState) -> None:
        assert action.state is not self.state
        assert action.state in TRANSITIONS[self.state], f"{self.state} -> {action.state}"
        self.state = action.state

    def _TurnOver(self, action: act.TurnOver) -> None:
        self.overs += 1
        assert self.overs <= self.engine.turns
        self.dead |= self.chats
        self.chats = set()
        self.calls = []

    def _BeginPlayback(self, action: act.BeginPlayback) -> None:
        assert action.generation > self.generation
        self.generation = action.generation
        self.playing, self.finished = True, False

    def _Play(self, action: act.Play) -> None:
        assert self.playing and not self.finished
        assert action.generation == self.generation

    def _FinishPlayback(self, action: act.FinishPlayback) -> None:
        assert self.playing and not self.finished
        assert action.generation == self.generation
        self.finished = True

    def _CutPlayback(self, action: act.CutPlayback) -> None:
        assert action.generation > self.generation
        self.generation = action.generation
        self.playing = False

    def _OpenUplink(self, action: act.OpenUplink) -> None:
        assert not self.uplink and self.capture
        self.uplink = True

    def _CommitUplink(self, action: act.CommitUplink) -> None:
        assert self.uplink and not self.engine.settings.server_turn
        self.uplink = False

    def _AbandonUplink(self, action: act.AbandonUplink) -> None:
        assert self.uplink
        self.uplink = False

    def _ResendUplink(self, action: act.ResendUplink) -> None:
        assert self.uplink and self.engine.link is Link.READY

    def _Gate(self, action: act.Gate) -> None:
        assert action.open is not self.gate
        self.gate = action.open

    def _CloseCapture(self, action: act.CloseCapture) -> None:
        assert self.capture and not self.uplink
        self.capture = False

    def _OpenCapture(self, action: act.OpenCapture) -> None:
        assert not self.capture
        self.capture = True

    def _Duck(self, action: act.Duck) -> None:
        assert not self.ducked
        self.ducked = True

    def _Unduck(self, action: act.Unduck) -> None:
        assert self.ducked
        self.ducked = False

    def _RunTools(self, action: act.RunTools) -> None:
        self.calls += [call.id for call in action.calls]

    def _SubmitTools(self, action: act.SubmitTools) -> None:
        assert [output.id for output in action.outputs] == self.calls
        self.calls = []


class Talk:
    """An engine with a clock: every event may be given without its time."""

    def __init__(self, **settings: Any) -> None:
        self.engine = Engine(DialogSettings(**settings))
        self.watcher = Watcher(self.engine)
        self.now = 100.0
        self.seen: list[Action] = []

    @property
    def state(self) -> State:
        return self.engine.state

    def give(self, event: ev.Event) -> list[Action]:
        actions = self.engine.handle(event)
        self.watcher.see(event, actions)
        self.seen += actions
        return actions

    def __call__(self, kind: Any, *args: Any, after: float = 0.0, **kwargs: Any) -> list[Action]:
        self.wait(after)
        return self.give(kind(self.now, *args, **kwargs))

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass, with a tick at every deadline on the way."""
        end = self.now + seconds
        actions: list[Action] = []
        while True:
            due = self.engine.deadline()
            if due is None or due > end:
                break
            self.now = max(due, self.now)
            actions += self.give(ev.Tick(self.now))
            again = self.engine.deadline()
            assert again is None or again > self.now, "a deadline that does not pass"
        self.now = end
        return actions

    def run_down(self) -> list[Action]:
        """Only ticks from here on, until nothing is going on."""
        actions: list[Action] = []
        for _ in range(20):
            if self.state not in ACTIVE:
                return actions
            due = self.engine.deadline()
            assert due is not None
            self.now = max(due, self.now)
            actions += self.give(ev.Tick(self.now))
        raise AssertionError(f"stuck in {self.state}")

    # --- the beginnings of most stories ---

    def online(self) -> Talk:
        self(ev.LinkConnecting)
        self(ev.LinkReady, after=0.3)
        return self

    def listening(self) -> Talk:
        """The mode's own way into listening."""
        if self.engine.settings.server_turn:
            self(ev.ServerSpeechStarted, after=0.5)
        elif self.engine.settings.turn == "push_to_talk":
            self(ev.Listen, "button", after=0.5)
        else:
            self(ev.SpeechStart, self.now + 0.3, after=0.5)
        assert self.state is State.LISTENING
        return self

    def thinking(self) -> Talk:
        self.listening()
        if self.engine.settings.server_turn:
            self(ev.ServerSpeechStopped, after=1.0)
        elif self.engine.settings.turn == "push_to_talk":
            self(ev.Release, after=1.0)
        else:
            self(ev.SpeechEnd, self.now + 0.6, "silence", after=1.0)
        assert self.state is State.THINKING
        return self

    def created(self, chat: str = "c1") -> Talk:
        self.thinking()
        if not self.engine.settings.server_turn:
            self(ev.CommitAcknowledged, after=0.1)
        self(ev.TurnCreated, chat, after=0.2)
        return self

    def speaking(self, chat: str = "c1") -> Talk:
        self.created(chat)
        self.packet(chat, after=0.4)
        assert self.state is State.SPEAKING
        return self

    def tool(self, chat: str = "c1") -> Talk:
        self.created(chat)
        self(ev.ToolsRequested, chat, (call("t1"), call("t2")), after=0.4)
        assert self.state is State.TOOL
        return self

    def packet(self, chat: str = "c1", ms: float = 60.0, after: float = 0.01) -> list[Action]:
        return self(ev.ReplyAudio, chat, PACKET, ms, after=after)

    def drain(self, after: float = 0.5) -> list[Action]:
        return self(ev.PlaybackDrained, self.engine.generation, after=after)


def call(call_id: str, name: str = "get_time") -> ev.ToolCall:
    return ev.ToolCall(call_id, name, "{}")


def only(actions: Iterable[Action], *kinds: type[Any]) -> list[Any]:
    """The actions of these kinds, in order."""
    return [action for action in actions if isinstance(action, kinds)]


def kinds(actions: Iterable[Action]) -> list[type[Any]]:
    return [type(action) for action in actions]


def over(actions: Iterable[Action]) -> tuple[bool, str]:
    """How the one turn that ended in ``actions`` ended."""
    (action,) = only(actions, act.TurnOver)
    return action.answered, action.reason


def problems(actions: Iterable[Action]) -> list[str]:
    return [action.code for action in only(actions, act.Problem)]
