"""Which frames the engine hears of, and in which words."""

from __future__ import annotations

import pytest

from agent.coze import events as wire
from agent.coze.settings import SessionSettings
from agent.coze.translate import Translator
from agent.dialog import events as dialog

OPUS = Translator(SessionSettings("1", output_frame_ms=40))
PCM = Translator(SessionSettings("1", output_codec="pcm", output_rate=16000))
CHAT = wire.Chat("200", "1", "2", "3")


def message(**fields: str) -> wire.Message:
    return wire.Message("9", "1", "2", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (wire.SpeechStarted(), [dialog.ServerSpeechStarted(2.0)]),
        (wire.SpeechStopped(), [dialog.ServerSpeechStopped(2.0)]),
        (wire.BufferCompleted(), [dialog.CommitAcknowledged(2.0)]),
        (wire.BufferCleared(), []),
        (wire.Cleared(), []),
        (wire.SentenceStart("x"), []),
        (wire.DumpAudio("u"), []),
        (wire.TurnInProgress(CHAT), []),
        (wire.TranscriptUpdate("开"), [dialog.Transcript(2.0, "开", False)]),
        (wire.TranscriptCompleted(""), [dialog.Transcript(2.0, "", True)]),
        (wire.TurnCreated(CHAT), [dialog.TurnCreated(2.0, "200")]),
        (wire.TurnCompleted(CHAT), [dialog.TurnEnded(2.0, "200")]),
        (wire.Canceled(3, "m"), [dialog.TurnCanceled(2.0, 3)]),
        (
            wire.MessageDelta(message(content="好", chat_id="200")),
            [dialog.ReplyText(2.0, "200", "好", False)],
        ),
        (wire.MessageDelta(message(content="")), []),
        (
            wire.MessageCompleted(message(content="好的", chat_id="200")),
            [dialog.ReplyText(2.0, "200", "好的", True)],
        ),
        (wire.MessageCompleted(message(role="user", type="question", content="?")), []),
        (wire.MessageCompleted(message(type="verbose", content="{}")), []),
        (wire.MessageCompleted(message(type="function_call", content="{}")), []),
        (wire.MessageCompleted(message(content="{}", content_type="card")), []),
        (
            wire.AudioCompleted(message(chat_id="0", content_type="audio")),
            [dialog.ReplyAudioEnded(2.0, "")],
        ),
        (wire.AudioDelta(message(chat_id="200"), b""), []),
        (wire.RequiresAction(CHAT), []),
        (
            wire.RequiresAction(wire.Chat("200", tool_calls=(wire.ToolCall("c", "f", "{}"),))),
            [dialog.ToolsRequested(2.0, "200", (dialog.ToolCall("c", "f", "{}", "function"),))],
        ),
        (wire.SpeechCreated(), None),
        (wire.TranscriptionsMessageUpdate("x"), None),
    ],
)
def test_translation(event: wire.Downlink, told: list[dialog.Event] | None) -> None:
    assert OPUS.translate(event, 2.0) == told


@pytest.mark.parametrize("chat_id", ["", "0"])
def test_speech_without_a_turn_has_no_chat(chat_id: str) -> None:
    told = PCM.translate(wire.AudioDelta(message(chat_id=chat_id), bytes(640)), 2.0)
    assert told == [dialog.ReplyAudio(2.0, "", bytes(640), 20.0)]


@pytest.mark.parametrize(
    ("payload", "ms"),
    [
        (bytes([0x58, 0]), 60.0),  # SILK wideband, 60 ms
        (bytes([0x48, 0]), 20.0),
        (bytes([0xF8, 0]), 20.0),  # CELT
        (bytes([0x4B, 0x03, 0]), 60.0),  # three frames of 20 ms
        (b"OggS....", 40.0),  # no Opus packet: the length asked for
    ],
)
def test_opus_duration_comes_from_the_packet(payload: bytes, ms: float) -> None:
    assert OPUS.duration_ms(payload) == ms
