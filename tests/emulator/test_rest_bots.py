"""Bots over REST, and that only published ones can be talked to."""

from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from agent.emulator.server import Emulator
from tests.emulator.rest import Rest, serving

DEFAULT = "7400000000000000001"


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Rest, Emulator]]:
    with serving(tokens={"accounts": {"other": "other"}}) as pair:
        yield pair


@pytest.fixture
def rest(both: tuple[Rest, Emulator]) -> Rest:
    return both[0]


def created(rest: Rest, **values: Any) -> str:
    body = {"space_id": "5", "name": "Parrot", **values}
    id: str = rest.post("/v1/bot/create", body).data["bot_id"]
    return id


def test_the_one_of_the_script_is_there(rest: Rest) -> None:
    bot = rest.get(f"/v1/bots/{DEFAULT}").data
    assert bot["bot_id"] == DEFAULT
    assert bot["onboarding_info"]["prologue"] == "Hello, how can I help you?"
    assert bot["voice_info_list"][0]["language_code"] == "en"
    older = rest.get("/v1/bot/get_online_info", bot_id=DEFAULT).data
    assert "voice_info_list" not in older
    assert older["name"] == bot["name"]


def test_the_life_of_a_bot(both: tuple[Rest, Emulator]) -> None:
    rest, emulator = both
    id = created(rest, onboarding_info={"prologue": "Hi.", "suggested_questions": None})
    address = f"{emulator.ws_base}/v1/chat?bot_id={id}"
    headers = {"Authorization": "Bearer t"}
    assert rest.get(f"/v1/bots/{id}").code == 4015
    draft = rest.get(f"/v1/bots/{id}", is_published="false").data
    assert (draft["name"], draft["onboarding_info"]["prologue"]) == ("Parrot", "Hi.")
    asked = {"role": "user", "content": "hello"}
    chat = {"bot_id": id, "user_id": "u", "additional_messages": [asked]}
    assert rest.post("/v3/chat", chat).code == 4015
    with pytest.raises(InvalidStatus), connect(address, additional_headers=headers):
        pass

    published = rest.post("/v1/bot/publish", {"bot_id": id, "connector_ids": ["1024"]}).data
    assert published == {"bot_id": id, "version": "1"}
    assert rest.post("/v3/chat", chat).data["bot_id"] == id
    with connect(address, additional_headers=headers) as talk:
        talk.recv(5)

    assert rest.post("/v1/bot/update", {"bot_id": id, "name": "Crow"}).body["code"] == 0
    assert rest.get(f"/v1/bots/{id}").data["name"] == "Parrot"
    assert rest.get(f"/v1/bots/{id}", is_published="false").data["name"] == "Crow"
    rest.post("/v1/bot/publish", {"bot_id": id, "connector_ids": ["1024"]})
    assert rest.get(f"/v1/bots/{id}").data["name"] == "Crow"

    rest.post(f"/v1/bots/{id}/unpublish", {"bot_id": id, "connector_id": "1024"})
    assert rest.post("/v3/chat", chat).code == 4015


def test_lists_in_the_words_of_both_sdks(rest: Rest) -> None:
    other = Rest(rest.base, "other")
    ids = [created(other, name=f"bot {n}") for n in range(3)]
    other.post("/v1/bot/publish", {"bot_id": ids[1], "connector_ids": ["1024"]})
    online = other.get("/v1/bots", workspace_id="5").data
    assert [bot["id"] for bot in online["items"]] == [ids[1], DEFAULT]
    assert online["total"] == 2
    everything = other.get("/v1/bots", workspace_id="5", publish_status="all", page_size=2).data
    assert (len(everything["items"]), everything["total"]) == (2, 4)
    for name in ("page_num", "page_index"):
        page = other.get("/v1/bots", publish_status="all", page_size=3, **{name: 2}).data
        assert [bot["id"] for bot in page["items"]] == [DEFAULT]
    drafts = other.get("/v1/bots", publish_status="unpublished_draft").data["items"]
    assert {bot["id"] for bot in drafts} == {ids[0], ids[2]}
    older = other.get("/v1/space/published_bots_list", space_id="5").data
    assert [bot["bot_id"] for bot in older["space_bots"]] == [ids[1], DEFAULT]
    assert isinstance(older["space_bots"][0]["publish_time"], str)
    assert rest.get("/v1/bots", publish_status="wrong").code == 4000


def test_other_peoples_bots_are_not_there(rest: Rest) -> None:
    id = created(rest)
    other = Rest(rest.base, "other")
    assert other.get(f"/v1/bots/{id}").code == 4006
    assert other.post("/v1/bot/update", {"bot_id": id, "name": "Mine"}).code == 4006
    assert rest.post("/v1/bot/update", {"bot_id": DEFAULT, "name": "Mine"}).code == 4101
    assert rest.get("/v1/bots/unknown7").code == 4006


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 21},
        {"description": "x" * 501},
        {"space_id": ""},
        {"prompt_info": "be nice"},
    ],
)
def test_what_is_wrong_with_a_bot_is_told(rest: Rest, change: dict[str, Any]) -> None:
    reply = rest.post("/v1/bot/create", {"space_id": "5", "name": "Parrot", **change})
    assert reply.code == 4000
    assert next(iter(change)) in reply.body["msg"]


def test_publishing_needs_connectors(rest: Rest) -> None:
    id = created(rest)
    for wrong in (None, [], "1024", [1024]):
        reply = rest.post("/v1/bot/publish", {"bot_id": id, "connector_ids": wrong})
        assert reply.code == 4000
