"""Conversations and their messages over REST, and together with the socket."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from agent.emulator.server import Emulator
from tests.emulator.doubles import TEXT
from tests.emulator.rest import Rest, serving


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Rest, Emulator]]:
    with serving(tokens={"accounts": {"other": "other"}}) as pair:
        yield pair


@pytest.fixture
def rest(both: tuple[Rest, Emulator]) -> Rest:
    return both[0]


def made(rest: Rest, **values: object) -> str:
    id: str = rest.post("/v1/conversation/create", values).data["id"]
    return id


def test_one_is_made_found_renamed_and_deleted(rest: Rest) -> None:
    entered = {"role": "user", "content": "First?", "content_type": "text"}
    made = rest.post(
        "/v1/conversation/create", {"bot_id": "1", "messages": [entered], "meta_data": {"k": "v"}}
    )
    assert made.headers["X-Tt-Logid"] == made.body["detail"]["logid"]
    talk = made.data
    assert talk["last_section_id"] == talk["id"]
    assert (talk["name"], talk["meta_data"], talk["connector_id"]) == ("First?", {"k": "v"}, "1024")
    found = rest.get("/v1/conversation/retrieve", conversation_id=talk["id"])
    assert found.data == talk
    renamed = rest.call("PUT", f"/v1/conversations/{talk['id']}", {"name": "Other"})
    assert renamed.data["name"] == "Other"
    assert "data" not in rest.call("DELETE", f"/v1/conversations/{talk['id']}").body
    assert rest.get("/v1/conversation/retrieve", conversation_id=talk["id"]).code == 4002


def test_they_are_listed_by_bot_in_pages(rest: Rest) -> None:
    ids = [made(rest, bot_id="555") for _ in range(3)]
    page = rest.get("/v1/conversations", bot_id="555", page_size=2).data
    assert [talk["id"] for talk in page["conversations"]] == ids[:0:-1]
    assert page["has_more"] is True
    page = rest.get("/v1/conversations", bot_id="555", page_size=2, page_num=2).data
    assert ([talk["id"] for talk in page["conversations"]], page["has_more"]) == ([ids[0]], False)
    first = rest.get("/v1/conversations", bot_id="555", sort_order="ASC").data["conversations"][0]
    assert first["id"] == ids[0]
    assert rest.get("/v1/conversations", bot_id="555", page_size=51).code == 4000
    assert rest.get("/v1/conversations").code == 4000


def test_clearing_opens_a_section_and_keeps_what_was_said(rest: Rest) -> None:
    id = made(rest)
    base = "/v1/conversation/message"
    body = {"role": "assistant", "content": "Hello.", "content_type": "text"}
    rest.post(f"{base}/create", body, conversation_id=id)
    cleared = rest.post(f"/v1/conversations/{id}/clear").data
    assert cleared["conversation_id"] == id
    assert cleared["id"] != id
    later = rest.post(f"{base}/create", body, conversation_id=id).data
    assert later["section_id"] == cleared["id"]
    assert len(rest.post(f"{base}/list", {}, conversation_id=id).body["data"]) == 2


def test_messages_are_added_changed_listed_and_deleted(rest: Rest) -> None:
    id = made(rest)
    base = "/v1/conversation/message"
    ids = [
        rest.post(
            f"{base}/create",
            {"role": "user", "content": f"text {n}", "content_type": "text", "meta_data": None},
            conversation_id=id,
        ).data["id"]
        for n in range(3)
    ]
    listed = rest.post(f"{base}/list", {"limit": 2}, conversation_id=id).body
    assert [one["id"] for one in listed["data"]] == [ids[2], ids[1]]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == (ids[2], ids[1], True)
    rest_of = rest.post(f"{base}/list", {"after_id": ids[1]}, conversation_id=id).body
    assert [one["id"] for one in rest_of["data"]] == [ids[0]]
    oldest = rest.post(f"{base}/list", {"order": "asc", "limit": 1}, conversation_id=id).body
    assert oldest["data"][0]["id"] == ids[0]

    named = {"conversation_id": id, "message_id": ids[1]}
    changed = rest.post(f"{base}/modify", {"content": "new", "meta_data": {"a": "b"}}, **named)
    assert changed.body["message"]["content"] == "new"
    found = rest.get(f"{base}/retrieve", **named).data
    assert (found["content"], found["meta_data"], found["type"]) == ("new", {"a": "b"}, "question")
    assert rest.post(f"{base}/delete", **named).data["id"] == ids[1]
    assert rest.get(f"{base}/retrieve", **named).code == 4005


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"role": "system", "content": "x", "content_type": "text"}, 4005),
        ({"role": "user", "content": "", "content_type": "text"}, 4005),
        ({"role": "user", "content": "x", "content_type": "card"}, 4005),
        ({"role": "user", "content": "x", "content_type": "object_string"}, 4005),
        ({"role": "user", "content": "x", "type": "verbose"}, 4005),
        ({"role": "user", "content": "x", "meta_data": {"k": 1}}, 4003),
        ({"role": "user", "content": "x", "meta_data": {str(n): "v" for n in range(17)}}, 4003),
        ({"role": "user", "content": "x" * 32769}, 4010),
        ({"role": "user", "content": "\ud800"}, 4000),
    ],
)
def test_what_is_wrong_with_a_message_is_told(rest: Rest, body: object, code: int) -> None:
    id = made(rest)
    assert rest.post("/v1/conversation/message/create", body, conversation_id=id).code == code


def test_items_may_come_as_a_list(rest: Rest) -> None:
    body = {
        "role": "user",
        "content": [{"type": "text", "text": "hi"}],
        "content_type": "object_string",
    }
    message = rest.post("/v1/conversation/message/create", body, conversation_id=made(rest)).data
    assert json.loads(message["content"]) == [{"type": "text", "text": "hi"}]


def test_other_accounts_see_nothing(rest: Rest) -> None:
    id = made(rest, bot_id="9")
    other = Rest(rest.base, "other")
    assert other.get("/v1/conversation/retrieve", conversation_id=id).code == 4002
    assert other.get("/v1/conversations", bot_id="9").data["conversations"] == []
    assert other.call("DELETE", f"/v1/conversations/{id}").code == 4002
    strange = Rest(rest.base, "bad")
    reply = strange.get("/v1/conversation/retrieve", conversation_id=id)
    assert (reply.status, reply.code) == (401, 4100)


def socket(emulator: Emulator) -> ClientConnection:
    return connect(
        f"{emulator.ws_base}/v1/chat?bot_id=1", additional_headers={"Authorization": "Bearer t"}
    )


def until(talk: ClientConnection, event_type: str) -> dict[str, object]:
    while True:
        frame: dict[str, object] = json.loads(talk.recv(5))
        if frame["event_type"] == event_type:
            return frame


def test_a_voice_turn_in_a_conversation_made_over_rest(both: tuple[Rest, Emulator]) -> None:
    rest, emulator = both
    id = made(rest)
    config = {"chat_config": {"conversation_id": id}}
    question = {"role": "user", "content_type": "text", "content": "hello"}
    with socket(emulator) as talk:
        talk.send(json.dumps({"event_type": "chat.update", "data": config}))
        until(talk, "chat.updated")
        talk.send(json.dumps({"event_type": "conversation.message.create", "data": question}))
        done = until(talk, "conversation.chat.completed")["data"]
    assert isinstance(done, dict)
    assert done["conversation_id"] == id
    listed = rest.post("/v1/conversation/message/list", {}, conversation_id=id).body["data"]
    assert [(one["type"], one["content"]) for one in listed] == [
        ("answer", TEXT),
        ("question", "hello"),
    ]
    assert {one["chat_id"] for one in listed} == {done["id"]}
    chat = rest.post("/v3/chat/retrieve", conversation_id=id, chat_id=done["id"]).data
    assert (chat["status"], chat["usage"]) == ("completed", done["usage"])


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with serving(state=state) as (rest, _):
        body = {
            "bot_id": "1",
            "user_id": "u",
            "additional_messages": [{"role": "user", "content": "hello", "content_type": "text"}],
        }
        told = dict(rest.stream("/v3/chat", {**body, "stream": True}))
        chat = told["conversation.chat.completed"]
    named = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
    with serving(state=state) as (rest, _):
        assert rest.post("/v3/chat/retrieve", **named).data["status"] == "completed"
        said = rest.get("/v3/chat/message/list", **named).data
        assert [one["type"] for one in said] == ["answer", "verbose"]
