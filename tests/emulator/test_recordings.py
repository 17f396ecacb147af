"""The emulator against frames recorded from the platform: order and fields."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emulator.doubles import (
    DoubleBrain,
    Frame,
    client,
    collapsed,
    drive,
    fast_script,
    running,
    types,
)

BESIDE = Path(__file__).parents[3] / "shared" / "recordings"
RECORDINGS = Path(os.environ.get("TALKBOX_RECORDINGS") or BESIDE)

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(),
    reason=f"no recordings in {RECORDINGS}, name their folder in TALKBOX_RECORDINGS",
)


class Recorded(DoubleBrain):
    """Says what the platform said."""

    def __init__(self, text: str, sentences: list[str]) -> None:
        super().__init__(seconds=3.0)
        self._text = text
        self._sentences = sentences

    def answer(self, text: str, memory: dict[str, Any]) -> Any:
        return type(super().answer(text, memory))(self._text)

    def sentences(self, text: str) -> list[str]:
        return self._sentences


def recorded(name: str) -> tuple[list[Frame], list[Frame]]:
    """The frames that were sent, and all that came."""
    lines = (RECORDINGS / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    lines = [line for line in lines if line.strip()]
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    sent = [json.loads(frame) for way, frame in pairs if way == "send"]
    return sent, [json.loads(frame) for way, frame in pairs if way == "receive"]


def kind(frame: Frame) -> tuple[str, str]:
    return frame["event_type"], str(frame.get("data", {}).get("type", ""))


def shape(value: Any) -> Any:
    """Keys and types."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return type(value)


def brain_for(frames: list[Frame]) -> Recorded:
    text = "".join(
        frame["data"]["content"]
        for frame in frames
        if frame["event_type"] == "conversation.message.delta"
    )
    starts = "conversation.audio.sentence_start"
    brain = Recorded(text, [f["data"]["text"] for f in frames if f["event_type"] == starts])
    heard = [f["data"] for f in frames if f["event_type"] == "transcriptions.message.update"]
    if heard:
        brain.words = heard[-1]["content"]
    return brain


PATHS = {
    "websocket_speech_success": "/v1/audio/speech",
    "websocket_transcriptions_success": "/v1/audio/transcriptions",
}


def played(name: str, speed: float = 1000.0) -> tuple[list[Frame], list[Frame]]:
    """What the platform sent, and what the emulator sends to the same frames."""
    sent, wanted = recorded(name)
    made: list[Frame] = []

    async def body() -> None:
        script = fast_script(timing={"speed": speed})
        path = PATHS.get(name, "/v1/chat")
        async with (
            running(script, brain=brain_for(wanted)) as emulator,
            client(emulator, path=path) as talk,
        ):
            for frame in sent:
                await talk.socket.send(json.dumps(frame, ensure_ascii=False))
            await talk.until(wanted[-1]["event_type"])
            made.extend(talk.frames)

    drive(body)
    return wanted, made


NAMES = ["websocket_chat_success", "websocket_chat_generate_audio_success", *PATHS]


@pytest.mark.parametrize("name", NAMES)
def test_every_event_has_the_same_fields(name: str) -> None:
    wanted, made = played(name)
    shapes = {kind(frame): shape(frame) for frame in wanted}
    assert {kind(frame): shape(frame) for frame in made} == shapes


def test_generated_audio_has_the_same_sequence() -> None:
    wanted, made = played(NAMES[1])
    assert collapsed(made) == collapsed(wanted)
    ids = ("id", "conversation_id", "bot_id", "chat_id", "section_id")
    for frame in made[2:]:
        assert {frame["data"][key] for key in ids} == {"0"}


TEXT = "conversation.message.delta"
SOUND = ("conversation.audio.delta", "conversation.audio.sentence_start")


def test_a_text_turn_has_the_same_sequence() -> None:
    """Text and sound run side by side, so each is compared by itself, and the frame around."""
    wanted, made = played(NAMES[0])
    quiet = [kind(frame) for frame in wanted if frame["event_type"] not in (*SOUND, TEXT)]
    assert [kind(frame) for frame in made if frame["event_type"] not in (*SOUND, TEXT)] == quiet
    for ways in ((TEXT, "conversation.message.completed"), SOUND):
        mine = [frame for frame in made if frame["event_type"] in ways]
        theirs = [frame for frame in wanted if frame["event_type"] in ways]
        assert collapsed(mine) == collapsed(theirs)


def test_a_text_turn_is_consistent_in_its_ids_and_times() -> None:
    _, made = played(NAMES[0])
    assert len({frame["detail"]["logid"] for frame in made}) == 1
    assert len({frame["id"] for frame in made}) == len(made)
    messages = [f["data"] for f in made if f.get("data", {}).get("chat_id")]
    chats = [f["data"] for f in made if f["event_type"].startswith("conversation.chat.")]
    assert {message["chat_id"] for message in messages} == {chat["id"] for chat in chats}
    answers = {message["id"] for message in messages if message["type"] == "answer"}
    assert len(answers) == 1
    assert {chat["section_id"] for chat in chats} == {chat["conversation_id"] for chat in chats}
    assert made[-1]["detail"]["respond_at"] == made[-2]["detail"]["respond_at"]
    assert made[-2]["event_type"] == "conversation.audio.completed"
    assert chats[0]["usage"] == {"token_count": 0, "output_count": 0, "input_count": 0}
    usage = chats[-1]["usage"]
    assert usage["token_count"] == usage["output_count"] + usage["input_count"] > 0


def test_text_comes_in_one_to_four_characters_and_the_empty_one_last() -> None:
    wanted, made = played(NAMES[0])
    deltas = [f["data"]["content"] for f in made if f["event_type"] == TEXT]
    assert deltas[-1] == ""
    assert all(1 <= len(delta) <= 4 for delta in deltas[:-1])
    spoken = [f["data"]["content"] for f in wanted if f["event_type"] == TEXT]
    assert "".join(deltas) == "".join(spoken)


def test_unframed_audio_looks_like_the_recorded() -> None:
    wanted, made = played(NAMES[0])

    def sizes(frames: list[Frame]) -> list[int]:
        found = [f for f in frames if f["event_type"] == SOUND[0]]
        return [len(base64.b64decode(f["data"]["content"])) for f in found]

    for found in (sizes(wanted), sizes(made)):
        assert all(size % 2 == 0 for size in found)
        assert max(found) == 14400
        assert found[0] == 10800
        assert 12000 in found
        assert min(found) <= 300
        assert found[-2:] == [1200, 14400]
        assert np.median(found) > 9000


def test_the_speech_socket_has_the_same_sequence() -> None:
    wanted, made = played("websocket_speech_success")
    audio = "speech.audio.update"

    def frame_types(frames: list[Frame]) -> list[str]:
        found = types(frames)
        return [kind for at, kind in enumerate(found) if kind != audio or found[at - 1] != audio]

    assert frame_types(made) == frame_types(wanted)
    pieces = [f["data"]["delta"] for f in made if f["event_type"] == audio]
    sizes = [len(base64.b64decode(piece)) for piece in pieces]
    assert sizes[0] == 10800
    assert sizes[-2:] == [1200, 14400]


def test_the_transcription_socket_says_exactly_the_same() -> None:
    wanted, made = played("websocket_transcriptions_success")
    told = [(f["event_type"], f.get("data")) for f in wanted]
    assert [(f["event_type"], f.get("data")) for f in made] == told


@pytest.mark.parametrize("name", list(PATHS))
def test_the_one_way_sockets_take_about_as_long(name: str) -> None:
    """From each event to the next: never much earlier, and later only as far as a machine is slow.

    The audio is left out, since its length differs.
    """
    wanted, made = played(name, 1.0)

    def times(frames: list[Frame]) -> list[int]:
        kept = [f for f in frames if "audio" not in f["event_type"] or "start" in f["event_type"]]
        return [int(frame["detail"]["respond_at"]) for frame in kept]

    for mine, theirs in zip(times(made)[1:], times(wanted)[1:], strict=True):
        # The platform's clock also counts the way of the client's frames to it.
        assert theirs - times(wanted)[0] - 320 <= mine - times(made)[0]
        assert mine - times(made)[0] <= theirs - times(wanted)[0] + 1000
