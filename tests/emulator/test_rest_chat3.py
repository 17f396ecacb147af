"""Chat by text: streamed, polled, cancelled, with tools, and refused."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from agent.emulator import chats
from agent.emulator.server import Emulator
from tests.emulator.doubles import TEXT, tone
from tests.emulator.rest import Rest, serving, wav

CHAT = "conversation.chat."
MESSAGE = "conversation.message."
ANSWERS = [
    {"when": "quiet", "silent": True},
    {"when": "fail", "fail": {"code": 4011, "msg": "balance not enough"}},
    {
        "when": "volume",
        "tools": [{"name": "set_volume", "arguments": {"percent": 40}}],
        "then": "Set.",
    },
]


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Rest, Emulator]]:
    with serving(
        answer=ANSWERS,
        token=[{"value": "pat_few", "scopes": ["getMetadata"]}],
        tokens={"accounts": {"other": "other"}},
    ) as pair:
        yield pair


@pytest.fixture
def rest(both: tuple[Rest, Emulator]) -> Rest:
    return both[0]


def asking(text: str = "hello", **more: Any) -> dict[str, Any]:
    message = {"role": "user", "type": "question", "content": text, "content_type": "text"}
    return {"bot_id": "1", "user_id": "u", "additional_messages": [message], **more}


def ended(rest: Rest, chat: dict[str, Any]) -> dict[str, Any]:
    """The chat once it does not run any more."""
    named = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    for _ in range(200):
        state: dict[str, Any] = rest.post("/v3/chat/retrieve", **named).data
        if state["status"] not in ("created", "in_progress"):
            return state
        time.sleep(0.02)
    raise TimeoutError(state["status"])


def waiting(rest: Rest, **more: Any) -> dict[str, Any]:
    """A chat that waits for the result of its tool."""
    events = list(rest.stream("/v3/chat", asking("volume", stream=True, **more)))
    assert [event for event, _ in events[-2:]] == [CHAT + "requires_action", "done"]
    chat: dict[str, Any] = events[-2][1]
    return chat


def outputs(chat: dict[str, Any]) -> list[dict[str, str]]:
    calls = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [{"tool_call_id": call["id"], "output": "ok"} for call in calls]


def test_a_stream_tells_the_turn_without_its_sound(rest: Rest) -> None:
    events = list(rest.stream("/v3/chat", asking(stream=True)))
    names = [event for event, _ in events]
    assert names[:2] == [CHAT + "created", CHAT + "in_progress"]
    assert set(names[2:-4]) == {MESSAGE + "delta"}
    assert names[-4:] == [MESSAGE + "completed"] * 2 + [CHAT + "completed", "done"]
    assert events[-1][1] == "[DONE]"
    deltas = "".join(data["content"] for event, data in events if event == MESSAGE + "delta")
    assert deltas == events[-4][1]["content"] == TEXT
    created, completed = events[0][1], events[-2][1]
    assert created["status"] == "created"
    assert completed["usage"]["token_count"] > 0
    [inserted] = completed["inserted_additional_messages"]
    found = rest.get(
        "/v1/conversation/message/retrieve",
        conversation_id=created["conversation_id"],
        message_id=inserted["id"],
    )
    assert found.data["content"] == "hello"


def test_polling(rest: Rest) -> None:
    chat = rest.post("/v3/chat", asking()).data
    assert chat["status"] == "in_progress"
    done = ended(rest, chat)
    assert (done["status"], done["id"]) == ("completed", chat["id"])
    named = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    said = rest.get("/v3/chat/message/list", **named).data
    assert [(one["type"], one["role"]) for one in said] == [
        ("answer", "assistant"),
        ("verbose", "assistant"),
    ]
    assert said[0]["content"] == TEXT
    assert rest.get("/v3/chat/retrieve", **named).data["status"] == "completed"


def test_context_is_added_in_front_of_the_question(rest: Rest) -> None:
    body = asking(stream=True)
    body["additional_messages"].insert(0, {"role": "assistant", "content": "Before."})
    events = list(rest.stream("/v3/chat", body))
    chat = events[-2][1]
    assert len(chat["inserted_additional_messages"]) == 2
    listed = rest.post(
        "/v1/conversation/message/list", {"order": "asc"}, conversation_id=chat["conversation_id"]
    ).body["data"]
    assert [one["content"] for one in listed] == ["Before.", "hello", TEXT]


def test_a_question_that_is_there_already_is_answered(rest: Rest) -> None:
    id = rest.post("/v1/conversation/create", {}).data["id"]
    assert rest.post("/v3/chat", asking(additional_messages=[]), conversation_id=id).code == 4004
    entered = {"role": "user", "content": "hello", "content_type": "text"}
    rest.post("/v1/conversation/message/create", entered, conversation_id=id)
    body = asking(additional_messages=[], stream=True)
    assert list(rest.stream("/v3/chat", body, conversation_id=id))[-2][0] == CHAT + "completed"
    listed = rest.post("/v1/conversation/message/list", {}, conversation_id=id).body["data"]
    assert [one["content"] for one in listed] == [TEXT, "hello"]


def test_nothing_is_kept_where_no_history_is_wanted(rest: Rest) -> None:
    events = list(rest.stream("/v3/chat", asking(stream=True, auto_save_history=False)))
    chat = events[-2][1]
    named = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    assert rest.post("/v3/chat/retrieve", **named).code == 4001
    listed = rest.post("/v1/conversation/message/list", {}, conversation_id=chat["conversation_id"])
    assert listed.body["data"] == []


def test_a_failure_is_told_in_both_ways(rest: Rest) -> None:
    events = list(rest.stream("/v3/chat", asking("fail", stream=True)))
    assert [event for event, _ in events[-2:]] == [CHAT + "failed", "done"]
    assert events[-2][1]["last_error"] == {"code": 4011, "msg": "balance not enough"}
    failed = ended(rest, rest.post("/v3/chat", asking("fail")).data)
    assert (failed["status"], failed["last_error"]["code"]) == ("failed", 4011)


def test_a_bug_fails_the_chat_and_nothing_else(rest: Rest) -> None:
    failed = ended(rest, rest.post("/v3/chat", asking("break")).data)
    assert (failed["status"], failed["last_error"]["code"]) == ("failed", 5000)


def test_tools_stream_by_stream(rest: Rest) -> None:
    chat = waiting(rest)
    call = chat["required_action"]["submit_tool_outputs"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"percent": 40}
    named = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    body = {"tool_outputs": outputs(chat), "stream": True}
    events = list(rest.stream("/v3/chat/submit_tool_outputs", body, **named))
    assert (events[0][1]["type"], events[0][1]["content"]) == ("tool_output", "ok")
    assert [event for event, _ in events[-2:]] == [CHAT + "completed", "done"]
    types = [one["type"] for one in rest.get("/v3/chat/message/list", **named).data]
    assert types == ["function_call", "tool_output", "answer", "verbose"]
    assert rest.post("/v3/chat/submit_tool_outputs", body, **named).code == 4001


def test_tools_while_polling(rest: Rest) -> None:
    chat = ended(rest, rest.post("/v3/chat", asking("volume")).data)
    assert chat["status"] == "requires_action"
    named = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    wrong = {"tool_outputs": [{"tool_call_id": "call_x", "output": "ok"}]}
    assert rest.post("/v3/chat/submit_tool_outputs", wrong, **named).code == 4000
    assert rest.post("/v3/chat/submit_tool_outputs", {"tool_outputs": []}, **named).code == 4000
    cancel = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    assert rest.post("/v3/chat/cancel", cancel).code == 4104
    busy = rest.post("/v3/chat", asking(), conversation_id=chat["conversation_id"])
    assert busy.code == 4016
    gone_on = rest.post(
        "/v3/chat/submit_tool_outputs", {"tool_outputs": outputs(chat), "stream": False}, **named
    )
    assert gone_on.data["status"] == "in_progress"
    assert ended(rest, chat)["status"] == "completed"


def test_a_chat_whose_tools_never_answer_is_given_up(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "_PATIENCE_S", 0.05)
    chat = waiting(rest)
    time.sleep(0.1)
    assert ended(rest, chat)["status"] == "canceled"


def test_cancelling_ends_the_stream(rest: Rest) -> None:
    id = rest.post("/v1/conversation/create", {}).data["id"]
    events: list[tuple[str, Any]] = []
    begun = threading.Event()

    def follow() -> None:
        for event in rest.stream("/v3/chat", asking("quiet", stream=True), conversation_id=id):
            events.append(event)
            if len(events) == 2:
                begun.set()

    follower = threading.Thread(target=follow)
    follower.start()
    assert begun.wait(5)
    body = {"conversation_id": id, "chat_id": events[0][1]["id"]}
    assert rest.post("/v3/chat/cancel", body).data["status"] == "canceled"
    follower.join(5)
    assert [event for event, _ in events[2:]] == [CHAT + "canceled", "done"]
    assert rest.post("/v3/chat/cancel", body).code == 4104
    # The conversation is free again.
    assert ended(rest, rest.post("/v3/chat", asking(), conversation_id=id).data)


def test_the_chat_goes_on_when_its_follower_leaves(rest: Rest) -> None:
    stream = rest.stream("/v3/chat", asking("volume", stream=True))
    _, chat = next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert ended(rest, chat)["status"] == "requires_action"


def test_a_socket_and_a_request_share_a_conversation(both: tuple[Rest, Emulator]) -> None:
    rest, emulator = both
    id = rest.post("/v1/conversation/create", {}).data["id"]
    with connect(
        f"{emulator.ws_base}/v1/chat?bot_id=1", additional_headers={"Authorization": "Bearer t"}
    ) as talk:

        def send(event_type: str, **data: Any) -> None:
            talk.send(json.dumps({"event_type": event_type, "data": data}))

        def until(event_type: str) -> dict[str, Any]:
            while True:
                frame: dict[str, Any] = json.loads(talk.recv(5))
                if frame["event_type"] == event_type:
                    return frame

        send("chat.update", chat_config={"conversation_id": id})
        until("chat.updated")
        question = {"role": "user", "content_type": "text", "content": "quiet"}
        send("conversation.message.create", **question)
        chat = until(CHAT + "in_progress")["data"]
        assert rest.post("/v3/chat", asking(), conversation_id=id).code == 4016
        # It runs on the socket, so it is stopped there.
        stop = {"conversation_id": id, "chat_id": chat["id"]}
        assert rest.post("/v3/chat/cancel", stop).code == 4104
        send("conversation.chat.cancel")
        until(CHAT + "canceled")
        assert rest.post("/v3/chat/retrieve", **stop).data["status"] == "canceled"
        quiet = rest.post("/v3/chat", asking("quiet"), conversation_id=id).data
        send("conversation.message.create", **question)
        assert until("error")["data"]["code"] == 4016
        rest.post("/v3/chat/cancel", {"conversation_id": id, "chat_id": quiet["id"]})


def test_a_spoken_question_is_heard_and_answered_aloud(rest: Rest) -> None:
    file = rest.form("POST", "/v1/files/upload", wav(tone(1000))).data
    items = [{"type": "audio", "file_id": file["id"]}]
    message = {"role": "user", "content": json.dumps(items), "content_type": "object_string"}
    events = list(rest.stream("/v3/chat", asking(stream=True, additional_messages=[message])))
    audio = [data for event, data in events if event == "conversation.audio.delta"]
    assert {data["content_type"] for data in audio} == {"audio"}
    assert events[-2][0] == CHAT + "completed"
    silent = rest.post("/v3/chat", asking(additional_messages=[{**message, "content": "[]"}]))
    assert silent.code == 4005
    items[0]["file_id"] = "1"
    message["content"] = json.dumps(items)
    assert rest.post("/v3/chat", asking(additional_messages=[message])).code == 4200


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"bot_id": ""}, 4000),
        ({"user_id": ""}, 4000),
        ({"bot_id": "unknown"}, 4006),
        ({"bot_id": "unpublished"}, 4015),
        ({"auto_save_history": False}, 4007),
        ({"stream": "maybe"}, 4000),
        ({"additional_messages": []}, 4004),
        ({"additional_messages": "hello"}, 4004),
        ({"additional_messages": [{"role": "user", "content": "x"}] * 101}, 4004),
        ({"additional_messages": [{"role": "assistant", "content": "x"}]}, 4004),
        ({"additional_messages": [{"role": "user"}]}, 4005),
        ({"meta_data": {"k": "v" * 513}}, 4003),
        ({"custom_variables": {"k": 1}}, 4000),
    ],
)
def test_what_is_wrong_with_a_request_is_told(
    rest: Rest, change: dict[str, Any], code: int
) -> None:
    reply = rest.post("/v3/chat", asking(**change))
    assert reply.code == code, reply.body
    assert reply.body["detail"]["logid"]


def test_whoever_may_not_is_refused(rest: Rest) -> None:
    few = Rest(rest.base, "pat_few")
    reply = few.post("/v3/chat", asking())
    assert (reply.status, reply.code) == (403, 4101)
    assert "chat" in reply.body["msg"]
    id = rest.post("/v1/conversation/create", {}).data["id"]
    other = Rest(rest.base, "other")
    assert other.post("/v3/chat", asking(), conversation_id=id).code == 4002
    chat = rest.post("/v3/chat", asking(), conversation_id=id).data
    named = {"conversation_id": id, "chat_id": chat["id"]}
    assert other.post("/v3/chat/retrieve", **named).code == 4002
    assert rest.post("/v3/chat/retrieve", conversation_id=id, chat_id="7").code == 4001


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"[" * 100_000, b"\xff\xfe", b"null"])
def test_garbage_is_refused_politely(rest: Rest, raw: bytes) -> None:
    reply = rest.call("POST", "/v3/chat", raw=raw)
    assert (reply.status, reply.code) == (400, 4000)


def test_stopping_ends_what_runs() -> None:
    with serving(answer=ANSWERS) as (rest, emulator):
        stream = rest.stream("/v3/chat", asking("quiet", stream=True))
        next(stream)
        waiting(rest)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    assert [event for event, _ in stream][-2:] == [CHAT + "canceled", "done"]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(emulator.api_base)
