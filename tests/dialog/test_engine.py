"""Every state meets every event, and any sequence of events keeps what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialog import actions as act
from agent.dialog import events as ev
from agent.dialog.actions import State
from agent.dialog.engine import HANDLERS
from agent.dialog.settings import BargeIn, TurnMode
from agent.dialog.states import ACTIVE
from tests.dialog.harness import PACKET, Talk, call

MODES = get_args(TurnMode)
POLICIES = get_args(BargeIn)


def dormant(talk: Talk) -> Talk:
    talk.online().wait(181.0)
    return talk


def muted_offline(talk: Talk) -> Talk:
    talk(ev.Mute)
    return talk


def connecting(talk: Talk) -> Talk:
    talk(ev.LinkConnecting)
    return talk


def blocked(talk: Talk) -> Talk:
    talk.online()(ev.LinkBlocked, talk.now + 60.0, "quota")
    return talk


def muted(talk: Talk) -> Talk:
    talk.online()(ev.Mute)
    return talk


def muted_speaking(talk: Talk) -> Talk:
    muted(talk)(ev.Ask, "q")
    talk(ev.TurnCreated, "c1")
    talk.packet("c1")
    return talk


def finished(talk: Talk) -> Talk:
    talk.online().speaking()(ev.TurnEnded, "c1")
    return talk


def filler_tool(talk: Talk) -> Talk:
    talk.online().speaking()(ev.ToolsRequested, "c1", (call("t1"), call("t2")))
    return talk


def lost_listening(talk: Talk) -> Talk:
    talk.online().listening()(ev.LinkDown, "lost")
    return talk


def lost_speaking(talk: Talk) -> Talk:
    talk.online().speaking()(ev.LinkDown, "lost")
    return talk


def saying(talk: Talk) -> Talk:
    talk.online()(ev.Say, "hello")
    return talk


def guarded(talk: Talk) -> Talk:
    finished(talk).drain()
    return talk


def cancelled(talk: Talk) -> Talk:
    talk.online().thinking()(ev.Stop)
    return talk


def held_question(talk: Talk) -> Talk:
    connecting(talk)(ev.Ask, "q")
    return talk


SITUATIONS: dict[str, tuple[State, Callable[[Talk], Any]]] = {
    "offline": (State.OFFLINE, lambda talk: talk),
    "connecting": (State.CONNECTING, connecting),
    "idle": (State.IDLE, lambda talk: talk.online()),
    "dormant": (State.IDLE, dormant),
    "guarded": (State.IDLE, guarded),
    "cancelled": (State.IDLE, cancelled),
    "listening": (State.LISTENING, lambda talk: talk.online().listening()),
    "lost_listening": (State.LISTENING, lost_listening),
    "thinking": (State.THINKING, lambda talk: talk.online().thinking()),
    "created": (State.THINKING, lambda talk: talk.online().created()),
    "saying": (State.THINKING, saying),
    "held_question": (State.THINKING, held_question),
    "speaking": (State.SPEAKING, lambda talk: talk.online().speaking()),
    "finished": (State.SPEAKING, finished),
    "lost_speaking": (State.SPEAKING, lost_speaking),
    "muted_speaking": (State.SPEAKING, muted_speaking),
    "tool": (State.TOOL, lambda talk: talk.online().tool()),
    "filler_tool": (State.TOOL, filler_tool),
    "blocked": (State.BLOCKED, blocked),
    "muted": (State.MUTED, muted),
    "muted_offline": (State.MUTED, muted_offline),
}


def variants(t: float, generation: int) -> list[ev.Event]:
    """Every kind of event, with the parameters that make a difference."""
    chats = ("c1", "c2", "")
    events: list[ev.Event] = [
        ev.LinkConnecting(t),
        ev.LinkReady(t),
        ev.LinkDown(t, ""),
        ev.LinkBlocked(t, t + 30.0, "quota"),
        ev.LinkBlocked(t, float("inf"), "account"),
        ev.ServerSpeechStarted(t),
        ev.ServerSpeechStopped(t),
        ev.Transcript(t, "hello", True),
        ev.Transcript(t, "", True),
        ev.Transcript(t, "", False),
        ev.CommitAcknowledged(t),
        *(ev.TurnCanceled(t, code) for code in (0, 1, 2, 3)),
        *(ev.RequestRefused(t, code, "no", "log") for code in (0, 4000, 4016)),
        ev.Onset(t),
        ev.SpeechStart(t, t - 0.2),
        ev.SpeechEnd(t, t - 0.5, "silence"),
        ev.SpeechEnd(t, t, "max"),
        ev.FalseAlarm(t),
        *(ev.PlaybackStarted(t, number) for number in (0, generation, generation + 1)),
        *(ev.PlaybackDrained(t, number) for number in (0, generation, generation + 1)),
        *(ev.Listen(t, by) for by in ("button", "command")),
        ev.Release(t),
        ev.Stop(t),
        ev.Mute(t),
        ev.Unmute(t),
        ev.Ask(t, "what"),
        ev.Say(t, "this"),
        ev.Tick(t),
        ev.Tick(t + 400.0),
    ]
    for chat in chats:
        events += [
            ev.ReplyText(t, chat, "text", False),
            ev.TurnCreated(t, chat),
            ev.ReplyAudio(t, chat, PACKET, 60.0),
            ev.ReplyAudioEnded(t, chat),
            ev.TurnEnded(t, chat),
            ev.TurnFailed(t, chat, 0, ""),
            ev.TurnFailed(t, chat, 5000, "broken"),
            ev.ToolsRequested(t, chat, (call("t3"),)),
            ev.ToolsRequested(t, chat, ()),
            ev.ToolFinished(t, chat, ev.ToolOutput("t1", "1")),
        ]
    return events


def test_every_event_has_a_handler_and_a_place_in_the_enumeration() -> None:
    every = set(get_args(ev.Event))
    assert set(HANDLERS) == every
    assert {type(event) for event in variants(0.0, 1)} == every


def test_every_state_has_a_situation() -> None:
    assert {state for state, _ in SITUATIONS.values()} == set(State)


@pytest.mark.parametrize("turn", MODES)
@pytest.mark.parametrize("barge_in", POLICIES)
def test_every_state_meets_every_event(turn: str, barge_in: str) -> None:
    """No exception, only legal transitions, a deadline in every active state, and a way to rest."""
    for name, (state, build) in SITUATIONS.items():
        if name == "dormant" and turn in ("server_vad", "semantic_vad"):
            continue
        probe = Talk(turn=turn, barge_in=barge_in)
        build(probe)
        assert probe.state is state, name
        for index in range(len(variants(0.0, 0))):
            talk = Talk(turn=turn, barge_in=barge_in)
            build(talk)
            event = variants(talk.now + 0.05, talk.engine.generation)[index]
            talk.now = event.t
            talk.give(event)
            talk.run_down()


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[float, int, int]]:
    """Steps of (pause, which kind of event, which variant); the pauses straddle the deadlines."""
    pause = st.sampled_from((0.0, 0.01, 0.06, 0.2, 0.3, 1.0, 3.5, 9.0, 16.0))
    return draw(st.lists(st.tuples(pause, st.integers(0, 999), st.integers(0, 999)), max_size=60))


BY_KIND: dict[type[Any], list[int]] = {}
for _index, _event in enumerate(variants(0.0, 0)):
    BY_KIND.setdefault(type(_event), []).append(_index)
KINDS = list(BY_KIND)


@given(
    story=stories(),
    turn=st.sampled_from(MODES),
    barge_in=st.sampled_from(POLICIES),
    prologue=st.booleans(),
    ticking=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_any_sequence_of_events_keeps_the_invariants(
    story: list[tuple[float, int, int]], turn: str, barge_in: str, prologue: bool, ticking: bool
) -> None:
    talk = Talk(turn=turn, barge_in=barge_in, prologue=prologue)
    talk.online()
    for pause, kind, variant in story:
        if ticking:
            talk.wait(pause)
        else:
            talk.now += pause
        indices = BY_KIND[KINDS[kind % len(KINDS)]]
        event = variants(talk.now, talk.engine.generation)[indices[variant % len(indices)]]
        talk.now = event.t
        talk.give(event)
    talk.run_down()
    assert talk.state not in ACTIVE
    assert len([a for a in talk.seen if isinstance(a, act.TurnOver)]) == talk.engine.turns


def test_time_alone_ends_up_with_nothing_due() -> None:
    talk = Talk().online()
    talk.wait(1000.0)
    assert talk.engine.deadline() is None
    assert talk.state is State.IDLE
