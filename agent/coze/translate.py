"""Frames of a running session, said in the words of the dialog engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agent.coze import events as wire
from agent.coze.settings import SessionSettings
from agent.dialog import events as dialog
from audio.errors import CodecError
from audio.opus import packet_ms

_BYTES_PER_SAMPLE = 2


def chat_id_of(wire_id: str) -> str:
    """The id of a turn; empty for speech without a turn, which the server numbers 0."""
    return "" if wire_id == "0" else wire_id


class Translator:
    """Translates one event at a time; keeps nothing between them."""

    def __init__(self, settings: SessionSettings) -> None:
        self._opus = settings.output_codec == "opus"
        self._packet_ms = float(settings.output_frame_ms)
        self._bytes_per_ms = settings.output_rate * _BYTES_PER_SAMPLE / 1000
        self._rules: dict[type[wire.Downlink], Callable[[Any, float], list[dialog.Event]]] = {
            wire.SpeechStarted: lambda e, t: [dialog.ServerSpeechStarted(t)],
            wire.SpeechStopped: lambda e, t: [dialog.ServerSpeechStopped(t)],
            wire.BufferCompleted: lambda e, t: [dialog.CommitAcknowledged(t)],
            wire.TranscriptUpdate: lambda e, t: [dialog.Transcript(t, e.content, False)],
            wire.TranscriptCompleted: lambda e, t: [dialog.Transcript(t, e.content, True)],
            wire.TurnCreated: lambda e, t: [dialog.TurnCreated(t, chat_id_of(e.chat.id))],
            wire.TurnCompleted: lambda e, t: [dialog.TurnEnded(t, chat_id_of(e.chat.id))],
            wire.Canceled: lambda e, t: [dialog.TurnCanceled(t, e.code)],
            wire.AudioDelta: self._audio,
            wire.AudioCompleted: lambda e, t: [
                dialog.ReplyAudioEnded(t, chat_id_of(e.message.chat_id))
            ],
            wire.MessageDelta: lambda e, t: _reply_text(e.message, t, final=False),
            wire.MessageCompleted: lambda e, t: _reply_text(e.message, t, final=True),
            wire.RequiresAction: _tools,
            # Known, but nothing the engine acts upon.
            wire.TurnInProgress: _nothing,
            wire.SentenceStart: _nothing,
            wire.BufferCleared: _nothing,
            wire.Cleared: _nothing,
            wire.DumpAudio: _nothing,
        }

    def translate(self, event: wire.Downlink, t: float) -> list[dialog.Event] | None:
        """What the engine is told; ``None`` for an event that does not belong on this socket."""
        rule = self._rules.get(type(event))
        return None if rule is None else rule(event, t)

    def _audio(self, event: wire.AudioDelta, t: float) -> list[dialog.Event]:
        payload = event.audio
        if not payload:
            return []
        chat_id = chat_id_of(event.message.chat_id)
        return [dialog.ReplyAudio(t, chat_id, payload, self.duration_ms(payload))]

    def duration_ms(self, payload: bytes) -> float:
        """Milliseconds of sound in one packet; what was asked for where its header is broken."""
        if not self._opus:
            return len(payload) / self._bytes_per_ms
        try:
            return packet_ms(payload)
        except CodecError:
            return self._packet_ms


def _nothing(event: wire.Downlink, t: float) -> list[dialog.Event]:
    return []


def _reply_text(message: wire.Message, t: float, *, final: bool) -> list[dialog.Event]:
    """Only spoken answers: not the user's question, tool traffic, follow-ups, cards."""
    if message.role == "user" or message.type != "answer" or message.content_type != "text":
        return []
    if not final and not message.content:
        return []  # an empty increment precedes the whole text
    return [dialog.ReplyText(t, chat_id_of(message.chat_id), message.content, final)]


def _tools(event: wire.RequiresAction, t: float) -> list[dialog.Event]:
    calls = tuple(
        dialog.ToolCall(call.id, call.name, call.arguments, call.type)
        for call in event.chat.tool_calls
    )
    return [dialog.ToolsRequested(t, chat_id_of(event.chat.id), calls)] if calls else []
