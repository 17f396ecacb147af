"""Uplink events: encode then parse is the identity; the append template is the same frame."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze import uplink
from agent.coze.frame import WireError
from tests.coze.test_frame import JSON_VALUES

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CONFIG = st.dictionaries(TEXT, JSON_VALUES, max_size=3)
RESULTS = st.lists(st.builds(uplink.ToolResult, TEXT, TEXT), max_size=3).map(tuple)

EVENTS = st.one_of(
    st.builds(uplink.ChatUpdate, CONFIG, id=TEXT),
    st.builds(uplink.SpeechUpdate, CONFIG, id=TEXT),
    st.builds(uplink.TranscriptionsUpdate, CONFIG, id=TEXT),
    st.builds(uplink.AudioAppend, st.binary(max_size=80), id=TEXT),
    st.builds(uplink.AudioComplete, id=TEXT),
    st.builds(uplink.AudioClear, id=TEXT),
    st.builds(uplink.MessageCreate, TEXT, TEXT, TEXT, id=TEXT),
    st.builds(uplink.ConversationClear, id=TEXT),
    st.builds(uplink.ChatCancel, id=TEXT),
    st.builds(uplink.SubmitToolOutputs, TEXT, RESULTS, id=TEXT),
    st.builds(uplink.GenerateAudio, TEXT, TEXT, id=TEXT),
    st.builds(uplink.TextAppend, TEXT, id=TEXT),
    st.builds(uplink.TextComplete, id=TEXT),
)


@given(EVENTS)
@settings(max_examples=200, deadline=None)
def test_encode_then_parse_is_the_identity(event: uplink.Uplink) -> None:
    assert uplink.parse_uplink(uplink.encode(event)) == event


@given(st.binary(max_size=400), st.uuids().map(str) | st.just(""))
@settings(max_examples=60, deadline=None)
def test_the_append_template_is_the_encoded_event(payload: bytes, id: str) -> None:
    assert uplink.encode_append(payload, id) == uplink.encode(uplink.AudioAppend(payload, id=id))


@given(
    st.fixed_dictionaries(
        {"event_type": st.sampled_from(sorted(uplink.UPLINK_TYPES)) | JSON_VALUES},
        optional={
            "id": JSON_VALUES,
            "data": JSON_VALUES
            | st.dictionaries(
                st.sampled_from(["delta", "tool_outputs", "role", "text"]), JSON_VALUES
            ),
        },
    ).map(json.dumps)
    | st.binary(max_size=60)
)
@settings(max_examples=200, deadline=None)
def test_fuzz_only_wire_error_escapes(frame: str | bytes) -> None:
    try:
        uplink.parse_uplink(frame)
    except WireError:
        return


@pytest.mark.parametrize(
    ("event", "frame"),
    [
        (uplink.AudioAppend(b"\x48\x0b\xe4\x37\x34\x50", id="3"), {"delta": "SAvkNzRQ"}),
        (uplink.AudioComplete(id="3"), None),
        (uplink.AudioClear(id="3"), None),
        (
            uplink.MessageCreate("user", "text", "现在几点了？", id="3"),
            {"role": "user", "content_type": "text", "content": "现在几点了？"},
        ),
        (
            uplink.SubmitToolOutputs("200", (uplink.ToolResult("call_a1", "{}"),), id="3"),
            {"chat_id": "200", "tool_outputs": [{"tool_call_id": "call_a1", "output": "{}"}]},
        ),
        (uplink.ChatCancel(id="3"), None),
        (uplink.ConversationClear(id="3"), None),
        (uplink.GenerateAudio("text", "还在吗？", id="3"), {"mode": "text", "text": "还在吗？"}),
    ],
)
def test_frames_of_the_protocol(event: uplink.Uplink, frame: object) -> None:
    expected: dict[str, object] = {"id": "3", "event_type": event.event_type}
    if frame is not None:
        expected["data"] = frame
    assert json.loads(uplink.encode(event)) == expected


def test_unknown_types_and_empty_data() -> None:
    assert uplink.parse_uplink('{"event_type":"session.update","id":5}') == uplink.UnknownUplink(
        "session.update", "5"
    )
    assert (
        uplink.parse_uplink('{"event_type":"input_audio_buffer.clear","data":{}}')
        == uplink.AudioClear()
    )


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        '{"event_type":"input_audio_buffer.append"}',
        '{"event_type":"input_audio_buffer.append","data":{"delta":"A"}}',
        '{"event_type":"chat.update","data":[]}',
        '{"event_type":"conversation.chat.submit_tool_outputs","data":{"tool_outputs":{}}}',
    ],
)
def test_wrong_frames_are_refused(frame: str) -> None:
    with pytest.raises(WireError):
        uplink.parse_uplink(frame)
