"""Real frames go through the typed events unchanged, and their audio comes out bit by bit."""

from __future__ import annotations

import json

import pytest

from agent.coze import events as wire
from agent.coze import uplink
from agent.coze.session import Emit, Session
from agent.coze.settings import SessionSettings
from agent.dialog import events as dialog
from tests.coze import recordings


@pytest.mark.parametrize("name", recordings.ALL)
def test_every_received_frame_survives_unchanged(name: str) -> None:
    frames = recordings.load(name).received
    assert frames
    for frame in frames:
        event = wire.parse(frame)
        assert isinstance(event, wire.Downlink), event
        assert json.loads(wire.dump(event)) == json.loads(frame)


@pytest.mark.parametrize("name", recordings.ALL)
def test_every_sent_frame_survives_unchanged(name: str) -> None:
    for frame in recordings.load(name).sent:
        event = uplink.parse_uplink(frame)
        assert isinstance(event, uplink.Uplink), event
        assert json.loads(uplink.encode(event)) == json.loads(frame)


@pytest.mark.parametrize("name", recordings.ALL)
def test_binary_frames_are_read_like_text(name: str) -> None:
    for frame in recordings.load(name).received:
        assert wire.parse(frame.encode()) == wire.parse(frame)


@pytest.mark.parametrize("name", (recordings.CHAT, recordings.GENERATE, recordings.SPEECH))
def test_audio_is_bit_exact(name: str) -> None:
    audio = bytearray()
    for frame in recordings.load(name).received:
        event = wire.parse(frame)
        if isinstance(event, wire.AudioDelta | wire.SpeechAudioUpdate):
            audio += event.audio
    assert bytes(audio) == recordings.wav_samples(name)


def replay(name: str) -> tuple[Session, list[dialog.Event]]:
    """The recording through a session; it has no chat.updated, so one is put in."""
    session = Session(SessionSettings(bot_id="1", output_codec="pcm", output_rate=24000))
    session.opened(0.0)
    emitted: list[dialog.Event] = []
    for number, frame in enumerate(recordings.load(name).received):
        actions = session.received(frame, float(number))
        if isinstance(wire.parse(frame), wire.ChatCreated):
            actions = session.received(wire.dump(wire.ChatUpdated({})), float(number))
        emitted += [action.event for action in actions if isinstance(action, Emit)]
    assert session.malformed == 0
    assert sum(session.unknown.values()) == 0
    return session, emitted


def test_chat_through_the_session() -> None:
    session, emitted = replay(recordings.CHAT)
    audio = [event for event in emitted if isinstance(event, dialog.ReplyAudio)]
    samples = recordings.wav_samples(recordings.CHAT)
    assert b"".join(event.payload for event in audio) == samples
    assert sum(event.ms for event in audio) == pytest.approx(len(samples) / 2 / 24)
    chat_id = "7526821559890198568"
    assert {event.chat_id for event in audio} == {chat_id}
    texts = [event for event in emitted if isinstance(event, dialog.ReplyText)]
    assert [text.final for text in texts].count(True) == 1
    assert "".join(text.text for text in texts if not text.final) == texts[-1].text
    assert emitted[0] == dialog.LinkReady(0.0)
    assert isinstance(emitted[1], dialog.TurnCreated)
    assert [type(event) for event in emitted[-2:]] == [dialog.ReplyAudioEnded, dialog.TurnEnded]
    assert session.conversation_id == "7526821722323025972"
    assert session.logid == "021752474748819fdbddc030017070c0000000000000029f6daa2"


def test_speech_without_a_turn_through_the_session() -> None:
    session, emitted = replay(recordings.GENERATE)
    audio = [event for event in emitted if isinstance(event, dialog.ReplyAudio)]
    samples = recordings.wav_samples(recordings.GENERATE)
    assert b"".join(event.payload for event in audio) == samples
    assert {event.chat_id for event in audio} == {""}
    assert isinstance(emitted[-1], dialog.ReplyAudioEnded)
    assert emitted[-1].chat_id == ""
    assert session.conversation_id == ""  # ids "0" are none
