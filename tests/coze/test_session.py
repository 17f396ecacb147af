"""The session through every state, with every kind of refusal, and under hostile frames."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze import events as wire
from agent.coze import uplink
from agent.coze.session import (
    Close,
    Emit,
    Fail,
    Send,
    Session,
    SessionAction,
    SessionState,
)
from agent.coze.settings import SessionSettings
from agent.dialog import events as dialog
from agent.errors import ConfigError, NotPermitted, ServiceUnreachable, TalkboxError
from tests.coze.test_events import EVENTS

UUID = "6f0d6c1e-0001-4e4e-9a55-ffffffffffff"


def make(state: SessionState = SessionState.READY, **fields: Any) -> Session:
    """A session brought to ``state`` at time 0."""
    session = Session(SessionSettings("1", **fields), new_id=lambda: UUID)
    if state is SessionState.NEW:
        return session
    session.opened(0.0)
    if state in (SessionState.CONFIGURING, SessionState.READY, SessionState.CLOSED):
        get(session, wire.ChatCreated(logid="L"), 0.0)
    if state in (SessionState.READY, SessionState.CLOSED):
        get(session, wire.ChatUpdated({}), 0.0)
    if state is SessionState.CLOSED:
        session.closed(0.0, 1000, "")
    assert session.state is state
    return session


def get(session: Session, event: wire.Downlink, t: float = 1.0) -> list[SessionAction]:
    return session.received(wire.dump(event), t)


def sent(actions: list[SessionAction]) -> list[uplink.Uplink | uplink.UnknownUplink]:
    return [uplink.parse_uplink(action.text) for action in actions if isinstance(action, Send)]


def emitted(actions: list[SessionAction]) -> list[dialog.Event]:
    return [action.event for action in actions if isinstance(action, Emit)]


def failure(actions: list[SessionAction]) -> TalkboxError:
    (error,) = [action.error for action in actions if isinstance(action, Fail)]
    assert any(isinstance(action, Close) for action in actions)
    return error


def error(code: int, msg: str = "m", origin: str = "") -> wire.ErrorEvent:
    text = json.dumps({"id": "1", "event_type": origin}) if origin else ""
    return wire.ErrorEvent(code, msg, text, logid="L9")


# --- connecting -------------------------------------------------------------------------------


def test_the_way_to_ready() -> None:
    session = make(SessionState.NEW, user_id="kiosk-7")
    assert session.opened(10.0) == []
    assert session.state is SessionState.OPENED
    assert session.deadline() == 15.0
    (update,) = sent(get(session, wire.ChatCreated(logid="L1"), 10.2))
    assert isinstance(update, uplink.ChatUpdate)
    assert update.config["chat_config"] == {"user_id": "kiosk-7"}
    assert update.id == "6f0d6c1e-0001-4e4e-9a55-000000000001"
    assert session.deadline() == 15.2
    actions = get(session, wire.ChatUpdated({"chat_config": {"conversation_id": "75"}}), 10.4)
    assert actions == [Emit(dialog.LinkReady(10.4))]
    assert session.deadline() is None
    assert (session.conversation_id, session.logid) == ("75", "L1")


@pytest.mark.parametrize(
    ("state", "missing"),
    [(SessionState.OPENED, "chat.created"), (SessionState.CONFIGURING, "chat.updated")],
)
def test_missed_deadlines_end_the_connection(state: SessionState, missing: str) -> None:
    session = make(state)
    assert session.tick(4.99) == []
    actions = session.tick(5.0)
    problem = failure(actions)
    assert isinstance(problem, ServiceUnreachable)
    assert missing in problem.message
    assert problem.logid == session.logid
    assert emitted(actions) == [dialog.LinkDown(5.0, f"no {missing}")]
    assert session.state is SessionState.CLOSED
    assert session.deadline() is None
    assert session.tick(99.0) == []
    assert session.closed(5.1, 1000, "") == []  # told once


def test_ready_has_no_deadline() -> None:
    assert make().tick(1e9) == []


def test_repeated_greetings_are_ignored() -> None:
    session = make()
    assert get(session, wire.ChatCreated()) == []
    assert get(session, wire.ChatUpdated({})) == []
    assert session.state is SessionState.READY


def test_an_update_before_created_is_not_ready() -> None:
    session = make(SessionState.OPENED)
    assert get(session, wire.ChatUpdated({})) == []
    assert session.append(b"x", 1.0) == []


@pytest.mark.parametrize("state", [s for s in SessionState if s is not SessionState.READY])
def test_nothing_is_sent_or_told_before_ready(state: SessionState) -> None:
    session = make(state)
    assert session.append(b"\x48", 1.0) == []
    assert session.append(b"\x48", 1.0) == []
    assert session.dropped_early == 2
    assert session.complete(1.0) == session.clear(1.0) == session.cancel(1.0) == []
    assert session.ask("?", 1.0) == session.say("!", 1.0) == session.submit("1", [], 1.0) == []
    assert get(session, wire.AudioDelta(wire.Message("1"), b"\x48")) == []
    assert get(session, wire.TurnCreated(wire.Chat("1"))) == []


def test_closing_is_told_once() -> None:
    session = make()
    (event,) = emitted(session.closed(3.0, 1006, "gone\naway"))
    assert event == dialog.LinkDown(3.0, "closed with code 1006: gone away")
    assert session.closed(3.1, 1006, "") == []
    assert make(SessionState.NEW).closed(0.0, 1006, "") == []


def test_the_conversation_goes_on_after_a_reconnect() -> None:
    session = make()
    get(session, wire.TurnCreated(wire.Chat("200", "7526821722323025972")))
    session.closed(2.0, 1006, "")
    session.opened(3.0)
    (update,) = sent(get(session, wire.ChatCreated()))
    assert isinstance(update, uplink.ChatUpdate)
    assert update.config["chat_config"] == {"conversation_id": "7526821722323025972"}
    assert session.append(b"x", 3.1) == []
    get(session, wire.ChatUpdated({}), 3.2)
    assert len(session.append(b"x", 3.3)) == 1


@pytest.mark.parametrize("conversation_id", ["", "0"])
def test_placeholder_ids_are_not_learned(conversation_id: str) -> None:
    session = make(conversation_id="5")
    get(session, wire.MessageCompleted(wire.Message("1", conversation_id)))
    get(session, wire.ChatUpdated({"chat_config": {"conversation_id": conversation_id}}))
    get(session, wire.ChatUpdated({"chat_config": [1]}))
    assert session.conversation_id == "5"


# --- commands ---------------------------------------------------------------------------------


def test_audio_is_droppable_and_control_is_not() -> None:
    session = make()
    (append,) = session.append(b"\x48\x01", 1.0)
    assert isinstance(append, Send)
    assert append.droppable
    assert sent([append]) == [uplink.AudioAppend(b"\x48\x01", id=f"{UUID[:24]}000000000002")]
    actions = [
        *session.complete(1.0),
        *session.clear(1.0),
        *session.cancel(1.0),
        *session.ask("几点了？", 1.0),
        *session.say("还在吗？", 1.0),
        *session.submit("200", [dialog.ToolOutput("c", "{}")], 1.0),
    ]
    assert not any(action.droppable for action in actions if isinstance(action, Send))
    events = sent(actions)
    assert [event.event_type for event in events] == [
        "input_audio_buffer.complete",
        "input_audio_buffer.clear",
        "conversation.chat.cancel",
        "conversation.message.create",
        "input_text.generate_audio",
        "conversation.chat.submit_tool_outputs",
    ]
    assert len({event.id for event in events}) == len(events)
    question, speech, tools = events[3:]
    assert isinstance(question, uplink.MessageCreate)
    assert (question.role, question.content_type, question.content) == ("user", "text", "几点了？")
    assert isinstance(speech, uplink.GenerateAudio)
    assert (speech.mode, speech.text) == ("text", "还在吗？")
    assert isinstance(tools, uplink.SubmitToolOutputs)
    assert (tools.chat_id, tools.outputs) == ("200", (uplink.ToolResult("c", "{}"),))


@pytest.mark.parametrize("turn", ["server_vad", "semantic_vad"])
def test_the_server_decides_the_end_of_speech(turn: str) -> None:
    session = make(turn=turn)
    assert len(session.append(b"x", 1.0)) == 1
    assert session.complete(1.0) == []
    assert session.clear(1.0) == []


def test_an_empty_utterance_is_cleared_not_completed() -> None:
    session = make()
    actions = session.complete(1.0)
    assert [event.event_type for event in sent(actions)] == ["input_audio_buffer.clear"]
    (refused,) = emitted(actions)
    assert isinstance(refused, dialog.RequestRefused)
    session.append(b"x", 1.0)
    session.clear(1.0)
    assert len(emitted(session.complete(1.0))) == 1  # cleared: empty again


@pytest.mark.parametrize("text", ["", "a" * 1024, "好" * 342])
def test_speech_the_platform_would_refuse(text: str) -> None:
    actions = make().say(text, 1.0)
    assert sent(actions) == []
    (refused,) = emitted(actions)
    assert isinstance(refused, dialog.RequestRefused)
    assert refused.code == 3010


def test_longest_speech() -> None:
    assert len(sent(make().say("好" * 341, 1.0))) == 1


def test_lone_surrogates_can_be_asked_and_said() -> None:
    session = make()
    for action in [*session.ask("a\ud800", 1.0), *session.say("a\ud800", 1.0)]:
        assert isinstance(action, Send)
        assert action.text.encode("utf-8")


# --- refusals ---------------------------------------------------------------------------------

OPEN_STATES = [SessionState.OPENED, SessionState.CONFIGURING, SessionState.READY]


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (4100, NotPermitted),
        (700012006, NotPermitted),
        (4101, NotPermitted),
        (4006, ConfigError),
        (4015, ConfigError),
    ],
)
def test_fatal_refusals(state: SessionState, code: int, expected: type[TalkboxError]) -> None:
    session = make(state)
    actions = get(session, error(code))
    problem = failure(actions)
    assert type(problem) is expected
    assert (problem.code, problem.logid) == (str(code), "L9")
    assert [type(event) for event in emitted(actions)] == [dialog.LinkDown]
    assert session.state is SessionState.CLOSED


@pytest.mark.parametrize("state", OPEN_STATES)
@pytest.mark.parametrize(
    ("code", "expected", "seconds"),
    [
        (4008, NotPermitted, 3600.0),
        (4011, NotPermitted, 3600.0),
        (4028, NotPermitted, 3600.0),
        (4102, NotPermitted, 3600.0),
        (4020, ServiceUnreachable, 60.0),
    ],
)
def test_not_allowed_now(
    state: SessionState, code: int, expected: type[TalkboxError], seconds: float
) -> None:
    session = make(state)
    actions = get(session, error(code), 100.0)
    assert type(failure(actions)) is expected
    (blocked,) = emitted(actions)
    assert isinstance(blocked, dialog.LinkBlocked)
    assert blocked.until == 100.0 + seconds
    assert session.closed(101.0, 1000, "") == []  # blocked, not merely down


@pytest.mark.parametrize("code", [4009, 4013, 5000, 4000, 4005, 4014, 4999, 0])
def test_a_refusal_that_leaves_the_session_open(code: int) -> None:
    session = make()
    (refused,) = emitted(get(session, error(code, "busy\nnow"), 7.0))
    assert isinstance(refused, dialog.RequestRefused)
    assert (refused.t, refused.code, refused.logid) == (7.0, code, "L9")
    assert refused.message.endswith(": busy now")
    assert session.state is SessionState.READY


@pytest.mark.parametrize("state", [SessionState.OPENED, SessionState.CONFIGURING])
@pytest.mark.parametrize("code", [4009, 5000, 4000, 4999])
def test_a_refusal_before_ready_ends_the_connection(state: SessionState, code: int) -> None:
    problem = failure(get(make(state), error(code)))
    assert isinstance(problem, ServiceUnreachable)
    assert problem.code == str(code)


def test_a_lost_conversation_is_replaced_once() -> None:
    session = make(SessionState.OPENED, conversation_id="5", user_id="u")
    (update,) = sent(get(session, wire.ChatCreated()))
    assert isinstance(update, uplink.ChatUpdate)
    assert update.config["chat_config"]["conversation_id"] == "5"
    (again,) = sent(get(session, error(4002, origin="chat.update"), 3.0))
    assert isinstance(again, uplink.ChatUpdate)
    assert again.config["chat_config"] == {"user_id": "u"}
    assert session.deadline() == 8.0
    assert isinstance(failure(get(session, error(4002))), ServiceUnreachable)
    assert session.conversation_id == ""


def test_a_conversation_lost_later_is_replaced_by_reconnecting() -> None:
    session = make(conversation_id="5")
    assert isinstance(failure(get(session, error(4002))), ServiceUnreachable)
    session.opened(2.0)
    (update,) = sent(get(session, wire.ChatCreated()))
    assert isinstance(update, uplink.ChatUpdate)
    assert "chat_config" not in update.config


def test_a_refusal_of_the_last_connection_is_not_taken_for_this_one() -> None:
    session = make(conversation_id="5")
    session.closed(1.0, 1006, "")
    session.opened(2.0)
    assert sent(get(session, error(4002))) == []  # nothing has been asked for yet
    assert session.state is SessionState.CLOSED
    assert session.conversation_id == "5"


def test_refused_audio_means_a_lost_configuration() -> None:
    session = make()
    problem = failure(get(session, error(4000, "wav", "input_audio_buffer.append")))
    assert isinstance(problem, ServiceUnreachable)


@pytest.mark.parametrize(
    "event",
    [
        error(4104),
        error(4000, origin="conversation.chat.cancel"),
        error(4200, origin="conversation.chat.cancel"),
    ],
)
def test_a_refused_cancel_means_nothing(event: wire.ErrorEvent) -> None:
    session = make()
    assert get(session, event) == []
    assert session.ignored_errors == 1


def test_a_busy_conversation_is_freed() -> None:
    actions = get(make(), error(4016))
    assert [event.event_type for event in sent(actions)] == ["conversation.chat.cancel"]
    assert [type(event) for event in emitted(actions)] == [dialog.RequestRefused]


def test_an_overlong_conversation_is_cleared() -> None:
    actions = get(make(), error(4010))
    assert [event.event_type for event in sent(actions)] == ["conversation.clear"]
    assert [type(event) for event in emitted(actions)] == [dialog.RequestRefused]


def test_closed_for_silence_is_no_failure() -> None:
    actions = get(make(), error(4029))
    assert [type(event) for event in emitted(actions)] == [dialog.LinkDown]
    assert any(isinstance(action, Close) for action in actions)
    assert not any(isinstance(action, Fail) for action in actions)


@pytest.mark.parametrize("start", ["complete", "ask", "server"])
def test_an_unknown_code_at_turn_start_is_not_allowed_now(start: str) -> None:
    session = make(turn="server_vad") if start == "server" else make()
    if start == "complete":
        session.append(b"x", 1.0)
        session.complete(1.0)
    elif start == "ask":
        session.ask("?", 1.0)
    else:
        get(session, wire.SpeechStopped())
    (blocked,) = emitted(get(session, error(4024)))
    assert isinstance(blocked, dialog.LinkBlocked)


def test_an_unknown_code_in_mid_answer_is_a_refusal() -> None:
    session = make()
    session.ask("?", 1.0)
    get(session, wire.TurnCreated(wire.Chat("200")))
    get(session, wire.MessageDelta(wire.Message("1", content="好")))
    (refused,) = emitted(get(session, error(4024)))
    assert isinstance(refused, dialog.RequestRefused)


def failed(code: int) -> wire.TurnFailed:
    return wire.TurnFailed(wire.Chat("200", status="failed", last_error=wire.LastError(code, "m")))


def test_a_failed_turn_leaves_the_session_open() -> None:
    session = make()
    assert emitted(get(session, failed(4014))) == [dialog.TurnFailed(1.0, "200", 4014, "m")]
    bare = wire.TurnFailed(wire.Chat("200"))
    assert emitted(get(session, bare)) == [dialog.TurnFailed(1.0, "200", 0, "")]
    assert session.state is SessionState.READY


def test_a_turn_failed_for_lack_of_balance_blocks() -> None:
    actions = get(make(), failed(4011), 5.0)
    assert [type(event) for event in emitted(actions)] == [dialog.TurnFailed, dialog.LinkBlocked]
    assert isinstance(failure(actions), NotPermitted)


def test_a_turn_failed_at_its_start_with_an_unknown_code_blocks() -> None:
    session = make()
    session.ask("?", 1.0)
    get(session, wire.TurnCreated(wire.Chat("200")))
    events = emitted(get(session, failed(4024)))
    assert [type(event) for event in events] == [dialog.TurnFailed, dialog.LinkBlocked]


# --- hostile frames ---------------------------------------------------------------------------


def test_malformed_and_unknown_frames_are_counted() -> None:
    session = make()
    for frame in ("", "[", b"\xff", '{"event_type":1}', "[" * 10_000):
        assert session.received(frame, 1.0) == []
    assert session.malformed == 5
    for number in range(200):
        assert session.received(f'{{"event_type":"new.{number}"}}', 1.0) == []
    assert get(session, wire.SpeechCreated()) == []  # belongs to another socket
    assert sum(session.unknown.values()) == 201
    assert len(session.unknown) <= 65
    assert session.state is SessionState.READY


COMMANDS = st.sampled_from(
    ["opened", "closed", "tick", "append", "complete", "clear", "cancel", "ask", "say", "submit"]
)
STEPS = st.lists(EVENTS.map(wire.dump) | st.binary(max_size=40) | COMMANDS, max_size=40)


def step(session: Session, what: str | bytes, t: float) -> list[SessionAction]:
    match what:
        case "opened":
            return session.opened(t)
        case "closed":
            return session.closed(t, 1006, "x")
        case "tick":
            return session.tick(t)
        case "append":
            return session.append(b"\x48", t)
        case "complete" | "clear" | "cancel":
            return list(getattr(session, what)(t))
        case "ask" | "say":
            return list(getattr(session, what)("x", t))
        case "submit":
            return session.submit("1", [dialog.ToolOutput("a", "b")], t)
        case _:
            return session.received(what, t)


@given(STEPS, st.sampled_from(["local", "server_vad"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_order_of_anything(steps: list[str | bytes], turn: str, ready: bool) -> None:
    """Nothing raises; audio moves only while ready; each connection ends at most once."""
    session = make(SessionState.READY if ready else SessionState.NEW, turn=turn)
    over = not ready
    for number, what in enumerate(steps):
        before = session.state
        actions = step(session, what, number * 0.7)
        if what == "opened":
            over = False
        for action in actions:
            moves_audio = (
                isinstance(action.event, dialog.ReplyAudio)
                if isinstance(action, Emit)
                else isinstance(action, Send) and action.droppable
            )
            assert not moves_audio or before is SessionState.READY
            if isinstance(action, Emit):
                assert not over
                over = isinstance(action.event, dialog.LinkDown | dialog.LinkBlocked)
            assert isinstance(action, Send | Close | Emit | Fail)
        closing = any(isinstance(action, Close | Fail) for action in actions)
        assert not closing or session.state is SessionState.CLOSED
        assert (session.deadline() is not None) == (
            session.state in (SessionState.OPENED, SessionState.CONFIGURING)
        )
