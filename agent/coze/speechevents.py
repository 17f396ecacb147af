"""Downlink events of the two one-way sockets: streaming speech and streaming transcription."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from agent.coze.envelope import ConfigShape, ContentShape, Downlink, known, required
from agent.coze.frame import JsonObject, decode_audio, encode_audio, text_of

# --- the speech socket ------------------------------------------------------------------------


@known
@dataclass(frozen=True, slots=True)
class SpeechCreated(Downlink):
    """The speech socket is there."""

    event_type = "speech.created"


@known
@dataclass(frozen=True, slots=True)
class SpeechUpdated(ConfigShape):
    """A ``speech.update`` was accepted."""

    event_type = "speech.updated"


@known
@dataclass(frozen=True, slots=True)
class InputTextCompleted(Downlink):
    """Answer to ``input_text_buffer.complete``."""

    event_type = "input_text_buffer.completed"


@known
@dataclass(frozen=True, slots=True)
class SpeechAudioUpdate(Downlink):
    """One audio packet of the speech socket."""

    audio: bytes

    event_type = "speech.audio.update"

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(decode_audio(required(data), "delta"), **envelope)

    def data(self) -> JsonObject | None:
        return {"delta": encode_audio(self.audio)}


@known
@dataclass(frozen=True, slots=True)
class SpeechAudioCompleted(Downlink):
    """No more audio of the speech socket."""

    event_type = "speech.audio.completed"


# --- the transcription socket -----------------------------------------------------------------


@known
@dataclass(frozen=True, slots=True)
class TranscriptionsCreated(Downlink):
    """The transcription socket is there."""

    event_type = "transcriptions.created"


@known
@dataclass(frozen=True, slots=True)
class TranscriptionsUpdated(ConfigShape):
    """A ``transcriptions.update`` was accepted."""

    event_type = "transcriptions.updated"


@known
@dataclass(frozen=True, slots=True)
class TranscriptionsMessageUpdate(ContentShape):
    """What was heard so far."""

    event_type = "transcriptions.message.update"


@known
@dataclass(frozen=True, slots=True)
class TranscriptionsMessageCompleted(Downlink):
    """The last update stands as the result; ``content`` repeats it where a server does so."""

    content: str = ""

    event_type = "transcriptions.message.completed"

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(text_of(data or {}, "content"), **envelope)

    def data(self) -> JsonObject | None:
        return {"content": self.content} if self.content else None
