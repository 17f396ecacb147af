"""Downlink events: dump then parse is the identity, and only ``WireError`` escapes."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze import events as wire
from agent.coze.envelope import DOWNLINK_EVENTS
from tests.coze.test_frame import JSON_VALUES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
IDS = st.integers(0, 2**63 - 1).map(str)
SECONDS = st.none() | st.integers(0, 2**33)
OBJECTS = st.dictionaries(TEXT, TEXT, max_size=3)
ENVELOPE = {"id": TEXT, "logid": TEXT, "respond_at": IDS}

CHATS = st.builds(
    wire.Chat,
    id=IDS,
    conversation_id=IDS,
    bot_id=IDS,
    section_id=st.just("") | IDS,
    status=st.sampled_from(["created", "in_progress", "completed", "failed", "requires_action"]),
    created_at=SECONDS,
    completed_at=SECONDS,
    failed_at=SECONDS,
    meta_data=st.none() | OBJECTS,
    last_error=st.none() | st.builds(wire.LastError, st.integers(0, 10**9), TEXT),
    tool_calls=st.lists(st.builds(wire.ToolCall, TEXT, TEXT, TEXT, TEXT), max_size=3).map(tuple),
    usage=st.none() | st.builds(wire.Usage, st.integers(), st.integers(), st.integers()),
)


def messages(content: st.SearchStrategy[str]) -> st.SearchStrategy[wire.Message]:
    return st.builds(
        wire.Message,
        id=IDS,
        conversation_id=IDS,
        bot_id=IDS,
        role=st.sampled_from(["user", "assistant"]),
        type=st.sampled_from(["question", "answer", "verbose", "function_call"]),
        content=content,
        content_type=st.sampled_from(["text", "audio", "card"]),
        chat_id=st.just("") | IDS,
        section_id=st.just("") | IDS,
        meta_data=st.none() | OBJECTS,
        reasoning_content=st.none() | TEXT,
        created_at=SECONDS,
        updated_at=SECONDS,
    )


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "config": st.dictionaries(TEXT, JSON_VALUES, max_size=3),
    "content": TEXT,
    "text": TEXT,
    "url": TEXT,
    "msg": TEXT,
    "origin_message": TEXT,
    "code": st.integers(0, 10**10),
    "chat": CHATS,
    "message": messages(TEXT),
    "audio": st.binary(max_size=60),
}


def events_of(cls: type[wire.Downlink]) -> st.SearchStrategy[wire.Downlink]:
    fields = {field.name: {**FIELDS, **ENVELOPE}[field.name] for field in dataclasses.fields(cls)}
    if cls is wire.AudioDelta:
        fields["message"] = messages(st.just(""))
    return st.builds(cls, **fields)


EVENTS = st.sampled_from(list(DOWNLINK_EVENTS.values())).flatmap(events_of)


@given(EVENTS)
@settings(max_examples=200, deadline=None)
def test_dump_then_parse_is_the_identity(event: wire.Downlink) -> None:
    frame = wire.dump(event)
    assert wire.parse(frame) == event
    assert wire.parse(frame.encode()) == event


@pytest.mark.parametrize("event_type", sorted(DOWNLINK_EVENTS))
def test_hostile_data_of_every_type(event_type: str) -> None:
    """Each documented field replaced by each JSON type: an event or a ``WireError``."""
    keys = ["id", "chat_id", "content", "delta", "text", "url", "code", "msg", "usage"]
    keys += ["last_error", "required_action", "meta_data", "created_at", "status", "section_id"]
    values: list[object] = [None, True, 7, 1.5, "x", "7", [], [1], {}, {"a": [{}]}]
    for value in values:
        attempt({"event_type": event_type, "data": value})
        attempt({"event_type": event_type, "detail": value})
        attempt({"event_type": event_type, "id": value})
        for key in keys:
            attempt({"event_type": event_type, "data": {key: value}})


def attempt(frame: object) -> None:
    try:
        wire.parse(json.dumps(frame))
    except wire.WireError as error:
        assert str(error)


FRAMES = st.fixed_dictionaries(
    {"event_type": st.sampled_from(sorted(DOWNLINK_EVENTS)) | st.text() | JSON_VALUES},
    optional={
        "id": JSON_VALUES,
        "data": JSON_VALUES
        | st.dictionaries(
            st.sampled_from(["id", "content", "code", "required_action", "usage", "text"]),
            JSON_VALUES,
        ),
        "detail": JSON_VALUES | st.dictionaries(st.sampled_from(["logid"]), JSON_VALUES),
    },
)


@given(FRAMES.map(json.dumps) | st.text(max_size=80) | st.binary(max_size=80))
@settings(max_examples=300, deadline=None)
def test_fuzz_only_wire_error_escapes(frame: str | bytes) -> None:
    try:
        event = wire.parse(frame)
    except wire.WireError:
        return
    if isinstance(event, wire.Downlink):
        assert wire.parse(wire.dump(event)) == event


@given(EVENTS, st.data())
@settings(max_examples=100, deadline=None)
def test_fuzz_damaged_frames(event: wire.Downlink, data: st.DataObject) -> None:
    frame = bytearray(wire.dump(event).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        wire.parse(bytes(frame))
    except wire.WireError:
        return


def test_unknown_types_and_fields() -> None:
    event = wire.parse(
        '{"event_type":"conversation.new","id":"x","data":[1],"detail":{"logid":"L"}}'
    )
    assert event == wire.Unknown("conversation.new", "x", "L", "")
    assert event.event_type == "conversation.new"
    known = wire.parse('{"event_type":"chat.created","extra":{"deep":[]},"detail":{"more":1}}')
    assert known == wire.ChatCreated()


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '{"event_type":""}',
        '{"event_type":7}',
        '{"event_type":null}',
        '{"event_type":"chat.created","data":[]}',
        '{"event_type":"chat.created","id":1.5}',
        '{"event_type":"chat.created","id":true}',
        '{"event_type":"chat.created","detail":"L"}',
        '{"event_type":"conversation.chat.created"}',
        '{"event_type":"conversation.chat.created","data":{"id":1.5}}',
        '{"event_type":"conversation.audio.delta","data":{"id":"1"}}',
        '{"event_type":"conversation.audio.delta","data":{"content":"@@@@"}}',
        '{"event_type":"conversation.chat.requires_action","data":{"required_action":{'
        '"submit_tool_outputs":{"tool_calls":[1]}}}}',
        '{"event_type":"error","data":{"code":true}}',
    ],
)
def test_wrong_types_are_refused(frame: str) -> None:
    with pytest.raises(wire.WireError):
        wire.parse(frame)


def test_integer_ids_keep_every_digit() -> None:
    event = wire.parse(
        '{"event_type":"conversation.chat.created","data":{"id":7526821559890198568}}'
    )
    assert isinstance(event, wire.TurnCreated)
    assert event.chat.id == "7526821559890198568"


def test_null_is_absent() -> None:
    event = wire.parse('{"event_type":"chat.updated","data":null,"detail":null,"id":null}')
    assert event == wire.ChatUpdated({})


def test_lone_surrogates_can_be_printed() -> None:
    frame = r'{"event_type":"conversation.audio.sentence_start","data":{"text":"a\ud83d"}}'
    event = wire.parse(frame)
    assert isinstance(event, wire.SentenceStart)
    assert event.text.encode() == "a\ufffd".encode()
    assert wire.parse(r'{"event_type":"\ud800"}') == wire.Unknown("\ufffd")


def test_error_tolerates_text_codes_and_odd_origins() -> None:
    event = wire.parse(
        '{"event_type":"error","data":{"code":"4011","msg":"m"},"detail":{"origin_message":{}}}'
    )
    assert event == wire.ErrorEvent(4011, "m")
    assert wire.parse('{"event_type":"error"}') == wire.ErrorEvent()


def test_error_carries_the_offending_frame() -> None:
    event = wire.ErrorEvent(4000, "bad", '{"event_type":"x"}', id="i", logid="L", respond_at="1")
    assert json.loads(wire.dump(event)) == {
        "event_type": "error",
        "id": "i",
        "data": {"code": 4000, "msg": "bad"},
        "detail": {"logid": "L", "respond_at": "1", "origin_message": '{"event_type":"x"}'},
    }


@pytest.mark.parametrize(
    "cls",
    [
        wire.ChatCreated,
        wire.SpeechStarted,
        wire.SpeechStopped,
        wire.BufferCompleted,
        wire.BufferCleared,
        wire.Cleared,
        wire.SpeechCreated,
        wire.InputTextCompleted,
        wire.SpeechAudioCompleted,
        wire.TranscriptionsCreated,
        wire.TranscriptionsMessageCompleted,
    ],
)
def test_events_without_data_have_none(cls: type[wire.Downlink]) -> None:
    frame = json.loads(wire.dump(cls(id="i", logid="L", respond_at="1")))
    assert frame == {
        "event_type": cls.event_type,
        "id": "i",
        "detail": {"logid": "L", "respond_at": "1"},
    }


def test_the_catalogue_is_that_of_the_protocol() -> None:
    assert len(DOWNLINK_EVENTS) == 22 + 5 + 4
