"""The official JavaScript SDK and the emulator: sockets, OAuth, REST."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import write_speech
from tests.judges.judge import Court, Report, court, gave, needs_node_sdk, of, order, raised

pytestmark = needs_node_sdk

TURN = [
    "conversation.message.completed",
    "conversation.chat.created",
    "conversation.chat.in_progress",
    "conversation.message.completed",
    "conversation.audio.completed",
    "conversation.chat.completed",
]
HEARD = [
    "input_audio_buffer.completed",
    "conversation.audio_transcript.update",
    "conversation.audio_transcript.completed",
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("js")


@pytest.fixture(scope="module")
def there(directory: Path) -> Iterator[Court]:
    with court(directory) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def wav(directory: Path) -> str:
    return str(write_speech(directory / "question.wav"))


@pytest.fixture(scope="module")
def sockets(there: Court, wav: str) -> Report:
    return there.node("sockets", wav)


@pytest.fixture(scope="module")
def oauth(there: Court) -> Report:
    return there.node("oauth")


@pytest.fixture(scope="module")
def rest(there: Court, wav: str) -> Report:
    return there.node("rest", wav)


def test_a_typed_question(sockets: Report) -> None:
    frames = gave(sockets, "text")
    assert order(frames) == ["chat.created", *TURN]
    deltas = of(frames, "conversation.message.delta")
    assert "".join(delta["content"] for delta in deltas) == "The answer is 5."
    assert sum(sound["content"] for sound in of(frames, "conversation.audio.delta")) > 24_000
    assert len({frame["logid"] for frame in frames}) == 1


def test_a_spoken_question_after_a_cancel_for_nothing(sockets: Report) -> None:
    """The SDK's chat client cancels whenever its button is pressed."""
    assert order(gave(sockets, "spoken")) == [
        "chat.created",
        "chat.updated",
        "conversation.chat.canceled",
        *HEARD,
        *TURN,
    ]


def test_a_question_in_the_packets_of_the_sdks_encoder(sockets: Report) -> None:
    found = gave(sockets, "spoken_opus")
    # 1.8 s in packets of 20 ms.
    assert 85 < found["packets"] < 95
    assert order(found["frames"]) == ["chat.created", "chat.updated", *HEARD, *TURN]
    heard = of(found["frames"], "conversation.audio_transcript.completed")[0]["content"]
    assert heard


def test_an_answer_in_packets_for_the_sdks_decoder(sockets: Report) -> None:
    found = gave(sockets, "opus")
    # 60 ms at 24 kHz, from every single delta.
    assert len(found["samples"]) > 5
    assert set(found["samples"]) == {1440}


def test_free_talk(sockets: Report) -> None:
    names = order(gave(sockets, "free_talk"))
    assert names[2:4] == ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]
    assert names[-len(TURN) :] == TURN


def test_cancelling(sockets: Report) -> None:
    frames = gave(sockets, "cancel")
    assert of(frames, "conversation.chat.canceled")[0]["code"] == 2
    assert "conversation.chat.completed" not in order(frames)


def test_speech_without_a_chat(sockets: Report) -> None:
    assert order(gave(sockets, "say")) == ["chat.created", "conversation.audio.completed"]


def test_tools_there_and_back(sockets: Report) -> None:
    frames = gave(sockets, "tools")
    asked = of(frames, "conversation.chat.requires_action")[0]
    assert of(frames, "conversation.chat.completed")[0]["id"] == asked["id"]
    messages = of(frames, "conversation.message.completed")
    assert messages[3]["content"] == "The volume is forty percent now."


def test_a_refused_update(sockets: Report) -> None:
    error = gave(sockets, "refused")[-1]
    assert error["data"]["code"] == 4000
    assert "opus2" in error["origin"]


def test_a_stranger_is_told_so_by_the_sdk(sockets: Report) -> None:
    """It finds the log id only in a header that is spelt X-Tt-Logid."""
    error = gave(sockets, "stranger")[0]
    assert error["local"]
    assert error["data"] == {"code": 401, "msg": "Unauthorized"}
    assert error["logid"]


def test_the_speech_socket(sockets: Report) -> None:
    frames = gave(sockets, "speech")
    assert order([f for f in frames if f["type"] != "speech.audio.update"]) == [
        "speech.created",
        "speech.updated",
        "input_text_buffer.completed",
        "speech.audio.completed",
    ]
    # 60 ms at 16 kHz.
    assert {sound["delta"] for sound in of(frames, "speech.audio.update")} == {1920}
    applied = of(frames, "speech.updated")[0]["output_audio"]
    assert {"codec", "speech_rate", "voice_id"} <= applied.keys()


def test_the_transcription_socket(sockets: Report) -> None:
    frames = gave(sockets, "transcription")
    assert order(frames) == [
        "transcriptions.created",
        "transcriptions.updated",
        "input_audio_buffer.completed",
        "transcriptions.message.update",
        "transcriptions.message.completed",
    ]
    assert of(frames, "transcriptions.message.update")[-1]["content"]


@pytest.mark.parametrize("flow", ["polling", "answers", "fleet", "logins"])
def test_every_flow_came_to_its_end(oauth: Report, flow: str) -> None:
    assert gave(oauth, f"flow {flow}") is None


def test_a_device_polls_until_a_person_allowed_it(oauth: Report) -> None:
    token = gave(oauth, "device.polled")
    assert token["access_token"].startswith("czu_")
    # A time, not a duration.
    assert 600 < token["expires_in"] - time.time() <= 900
    assert gave(oauth, "device.me")["user_id"]
    assert gave(oauth, "refresh")["refresh_token"] != token["refresh_token"]


@pytest.mark.parametrize(
    ("step", "word"),
    [
        ("poll.pending", "authorization_pending"),
        ("poll.fast", "slow_down"),
        ("poll.denied", "access_denied"),
        ("client.unknown", "invalid_client"),
        ("refresh.again", "invalid_grant"),
        ("pkce.again", "invalid_grant"),
        ("jwt.forged", "invalid_client"),
        ("jwt.elsewhere", "invalid_request"),
    ],
)
def test_oauth_errors_are_where_the_sdk_looks(oauth: Report, step: str, word: str) -> None:
    error = raised(oauth, step)
    assert error["raw"]["error"] == word
    # Anything below 400 would be a token to the SDK.
    assert error["status"] in (400, 401)
    assert error["logid"]


def test_a_back_end_signs_for_tokens(oauth: Report) -> None:
    assert gave(oauth, "jwt")["access_token"].startswith("czs_")
    assert gave(oauth, "jwt.me")["user_id"]
    assert gave(oauth, "jwt.account")["access_token"]
    assert gave(oauth, "jwt.scoped.chat")["chat"]["status"] == "completed"
    other = raised(oauth, "jwt.scoped.other")
    assert (other["type"], other["code"]) == ("PermissionDeniedError", 4101)


def test_browser_logins(oauth: Report) -> None:
    assert gave(oauth, "pkce.back")["state"] == "a state"
    assert gave(oauth, "pkce.me")["user_id"]
    assert gave(oauth, "web.refresh")["access_token"].startswith("czu_")


@pytest.mark.parametrize(
    "room",
    [
        "people",
        "bots",
        "conversations",
        "chats",
        "files",
        "variables",
        "audio",
        "voiceprints",
        "commerce",
    ],
)
def test_every_room_was_walked_through(rest: Report, room: str) -> None:
    assert gave(rest, f"room {room}") is None


def test_nothing_else_was_refused(rest: Report) -> None:
    refused = {step for step in rest if "raised" in rest[step]}
    assert refused == {"stranger", "stranger.stream", "limitations.wrong"}


def test_errors_become_the_sdks_own(rest: Report) -> None:
    error = raised(rest, "stranger")
    assert (error["type"], error["code"]) == ("AuthenticationError", 4100)
    assert raised(rest, "stranger.stream")["type"] == "AuthenticationError"
    assert raised(rest, "limitations.wrong")["type"] == "BadRequestError"


def test_bots(rest: Report) -> None:
    made = gave(rest, "bots.create")["bot_id"]
    assert gave(rest, "bots.retrieve")["name"] == "Judge 2"
    assert made in {bot["bot_id"] for bot in gave(rest, "bots.list")["space_bots"]}
    assert made in {bot["id"] for bot in gave(rest, "bots.listNew")["items"]}
    assert gave(rest, "bots.retrieveNew")["voice_info_list"]


def test_conversations_and_messages(rest: Report) -> None:
    talk = gave(rest, "conversations.create")
    assert gave(rest, "conversations.retrieve") == talk
    assert talk["id"] in {one["id"] for one in gave(rest, "conversations.list")["conversations"]}
    listed = gave(rest, "messages.list")
    assert [message["content"] for message in listed["data"]] == ["One", "Hello"]
    assert listed["has_more"] is False
    # Beside `data`, not in it.
    assert gave(rest, "messages.update")["content"] == "Two"
    assert gave(rest, "conversations.clear")["conversation_id"] == talk["id"]


def test_a_chat_that_is_polled(rest: Report) -> None:
    found = gave(rest, "chat.poll")
    assert found["chat"]["status"] == "completed"
    assert [message["type"] for message in found["messages"]] == ["answer", "verbose"]
    assert gave(rest, "chat.failed")["chat"]["last_error"]["code"] == 4011
    assert gave(rest, "files.chat")["chat"]["status"] == "completed"


def test_a_chat_that_streams(rest: Report) -> None:
    events = gave(rest, "chat.stream")
    quiet = [name for name, _ in events if not name.endswith("delta")]
    assert quiet == [
        "conversation.chat.created",
        "conversation.chat.in_progress",
        "conversation.message.completed",
        "conversation.message.completed",
        "conversation.chat.completed",
        "done",
    ]
    deltas = [data["content"] for name, data in events if name.endswith("delta")]
    assert "".join(deltas) == "The answer is 5."


def test_a_chat_that_is_cancelled(rest: Report) -> None:
    assert gave(rest, "chat.cancel")["status"] == "canceled"
    assert gave(rest, "chat.retrieve")["status"] == "canceled"


def test_tools_in_a_stream(rest: Report) -> None:
    assert gave(rest, "tools.stream")[-2][0] == "conversation.chat.requires_action"
    assert gave(rest, "tools.done")[-2][0] == "conversation.chat.completed"


def test_files_variables_and_sound(rest: Report) -> None:
    assert gave(rest, "files.retrieve") == gave(rest, "files.upload")
    assert gave(rest, "variables.retrieve")["items"][0]["value"] == "lobby"
    assert gave(rest, "speech")["begins"] == "RIFF"
    assert gave(rest, "transcriptions")["text"]
    voice = gave(rest, "voices.list")["voice_list"][0]
    assert voice["support_emotions"][0]["emotion_scale_interval"].keys() == {
        "min",
        "max",
        "default",
    }
    assert gave(rest, "voices.clone")["voice_id"]


def test_voiceprints(rest: Report) -> None:
    feature = gave(rest, "features.list")["items"][0]
    best = gave(rest, "voiceprints.identify")["feature_score_list"][0]
    assert best["feature_id"] == feature["id"]
    assert feature["name"] == "I"


def test_limitations_benefits_and_bills(rest: Report) -> None:
    made = gave(rest, "limitations.create")["data"]["benefit_info"]
    assert (made["entity_id"], made["limit"], made["status"]) == ("KSK-1", 1800, "valid")
    listed = gave(rest, "limitations.list")["data"]
    assert [(one["benefit_id"], one["limit"]) for one in listed["benefit_infos"]] == [
        (made["benefit_id"], 900)
    ]
    assert "data" not in gave(rest, "limitations.update")
    plan = gave(rest, "benefits.get")["data"]
    assert plan["basic_info"]["user_level"]
    assert [one["benefit_type"] for one in plan["benefit_info"]] == [
        "api_run_qps",
        "call_tool_limit",
    ]
    task = gave(rest, "bill_tasks.create")["data"]
    assert gave(rest, "bill_tasks.list")["data"]["task_infos"][0]["task_id"] == task["task_id"]
    assert gave(rest, "connectors.install")["code"] == 0
    assert gave(rest, "connectors.bind")["code"] == 0
