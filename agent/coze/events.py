"""What the platform sends: one frozen class per event of the chat, speech and transcription socket.

``parse`` turns a frame into an event, ``dump`` turns an event into the frame a real server would
have sent, field for field. Unknown fields are ignored, an unknown type becomes ``Unknown``, and
whatever is malformed raises ``WireError``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from agent.coze.envelope import DOWNLINK_EVENTS as DOWNLINK_EVENTS
from agent.coze.envelope import (
    ChatShape,
    CodeShape,
    ConfigShape,
    ContentShape,
    MessageShape,
    known,
    required,
)
from agent.coze.envelope import Downlink as Downlink
from agent.coze.envelope import Unknown as Unknown
from agent.coze.frame import (
    MAX_DOWNLINK_BYTES,
    JsonObject,
    clean,
    decode_audio,
    decode_object,
    encode_audio,
    encode_object,
    id_of,
    optional_object,
    text_of,
)
from agent.coze.frame import WireError as WireError
from agent.coze.objects import Chat as Chat
from agent.coze.objects import LastError as LastError
from agent.coze.objects import Message as Message
from agent.coze.objects import ToolCall as ToolCall
from agent.coze.objects import Usage as Usage
from agent.coze.objects import read_message, write_message
from agent.coze.speechevents import InputTextCompleted as InputTextCompleted
from agent.coze.speechevents import SpeechAudioCompleted as SpeechAudioCompleted
from agent.coze.speechevents import SpeechAudioUpdate as SpeechAudioUpdate
from agent.coze.speechevents import SpeechCreated as SpeechCreated
from agent.coze.speechevents import SpeechUpdated as SpeechUpdated
from agent.coze.speechevents import TranscriptionsCreated as TranscriptionsCreated
from agent.coze.speechevents import TranscriptionsMessageCompleted as TranscriptionsMessageCompleted
from agent.coze.speechevents import TranscriptionsMessageUpdate as TranscriptionsMessageUpdate
from agent.coze.speechevents import TranscriptionsUpdated as TranscriptionsUpdated

# --- the chat socket --------------------------------------------------------------------------


@known
@dataclass(frozen=True, slots=True)
class ChatCreated(Downlink):
    """First frame after the upgrade: the connection is there."""

    event_type = "chat.created"


@known
@dataclass(frozen=True, slots=True)
class ChatUpdated(ConfigShape):
    """A ``chat.update`` was accepted; ``config`` is the whole resulting configuration."""

    event_type = "chat.updated"


@known
@dataclass(frozen=True, slots=True)
class SpeechStarted(Downlink):
    """The server's VAD heard speech."""

    event_type = "input_audio_buffer.speech_started"


@known
@dataclass(frozen=True, slots=True)
class SpeechStopped(Downlink):
    """The server's VAD decided the end of speech."""

    event_type = "input_audio_buffer.speech_stopped"


@known
@dataclass(frozen=True, slots=True)
class BufferCompleted(Downlink):
    """Answer to ``input_audio_buffer.complete``."""

    event_type = "input_audio_buffer.completed"


@known
@dataclass(frozen=True, slots=True)
class BufferCleared(Downlink):
    """Answer to ``input_audio_buffer.clear``."""

    event_type = "input_audio_buffer.cleared"


@known
@dataclass(frozen=True, slots=True)
class TranscriptUpdate(ContentShape):
    """What the user said so far."""

    event_type = "conversation.audio_transcript.update"


@known
@dataclass(frozen=True, slots=True)
class TranscriptCompleted(ContentShape):
    """What the user said, finally; empty where no speech was recognised."""

    event_type = "conversation.audio_transcript.completed"


@known
@dataclass(frozen=True, slots=True)
class TurnCreated(ChatShape):
    """A turn begins."""

    event_type = "conversation.chat.created"


@known
@dataclass(frozen=True, slots=True)
class TurnInProgress(ChatShape):
    """The turn is being worked on; may repeat after tool outputs."""

    event_type = "conversation.chat.in_progress"


@known
@dataclass(frozen=True, slots=True)
class MessageDelta(MessageShape):
    """A text increment of the answer."""

    event_type = "conversation.message.delta"


@known
@dataclass(frozen=True, slots=True)
class MessageCompleted(MessageShape):
    """A whole message: question, answer, function_call, tool_output, verbose, follow_up."""

    event_type = "conversation.message.completed"


@known
@dataclass(frozen=True, slots=True)
class SentenceStart(Downlink):
    """The audio deltas that follow belong to this sentence."""

    text: str = ""

    event_type = "conversation.audio.sentence_start"

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(text_of(required(data), "text"), **envelope)

    def data(self) -> JsonObject | None:
        return {"text": self.text}


@known
@dataclass(frozen=True, slots=True)
class AudioDelta(Downlink):
    """One audio packet; ``message.content`` is empty, its ``content_type`` is ``audio``."""

    message: Message
    audio: bytes

    event_type = "conversation.audio.delta"

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        data = required(data)
        return cls(read_message(data, audio=True), decode_audio(data, "content"), **envelope)

    def data(self) -> JsonObject | None:
        return write_message(self.message, encode_audio(self.audio))


@known
@dataclass(frozen=True, slots=True)
class AudioCompleted(MessageShape):
    """No more audio of this answer; ``content`` is empty, ``content_type`` is ``audio``."""

    event_type = "conversation.audio.completed"


@known
@dataclass(frozen=True, slots=True)
class TurnCompleted(ChatShape):
    """Last event of a normal turn, with its usage."""

    event_type = "conversation.chat.completed"


@known
@dataclass(frozen=True, slots=True)
class TurnFailed(ChatShape):
    """The turn failed (``chat.last_error``); the session stays usable."""

    event_type = "conversation.chat.failed"


@known
@dataclass(frozen=True, slots=True)
class RequiresAction(ChatShape):
    """The platform wants local tools run (``chat.tool_calls``)."""

    event_type = "conversation.chat.requires_action"


@known
@dataclass(frozen=True, slots=True)
class Canceled(CodeShape):
    """The turn was stopped: 1 by user speech, 2 by the client, 3 by a newer message."""

    event_type = "conversation.chat.canceled"


@known
@dataclass(frozen=True, slots=True)
class Cleared(Downlink):
    """Answer to ``conversation.clear``: a new section began."""

    event_type = "conversation.cleared"


@known
@dataclass(frozen=True, slots=True)
class ErrorEvent(CodeShape):
    """A request was refused, or the server is at fault; the connection may stay open.

    ``origin_message`` is the offending uplink frame as text, empty where the server gave none.
    """

    origin_message: str = ""

    event_type = "error"


@known
@dataclass(frozen=True, slots=True)
class DumpAudio(Downlink):
    """Link to a debug recording."""

    url: str = ""

    event_type = "dump.audio"

    @classmethod
    def read(cls, data: JsonObject | None, envelope: dict[str, Any]) -> Self:
        return cls(text_of(required(data), "url"), **envelope)

    def data(self) -> JsonObject | None:
        return {"url": self.url}


# --- frames -----------------------------------------------------------------------------------


def parse(frame: str | bytes) -> Downlink | Unknown:
    """The event in a frame, text or (as some servers send it) binary.

    Raises ``WireError`` for broken or hostile JSON, a missing ``event_type``, fields of a wrong
    type, and audio that is not strict base64. An audio delta's bytes are decoded but not judged.
    """
    obj = decode_object(frame, MAX_DOWNLINK_BYTES)
    event_type = obj.get("event_type")
    if not isinstance(event_type, str) or not event_type:
        raise WireError("event_type is missing")
    detail = optional_object(obj, "detail") or {}
    envelope: dict[str, Any] = {
        "id": id_of(obj, "id"),
        "logid": id_of(detail, "logid"),
        "respond_at": id_of(detail, "respond_at"),
    }
    cls = DOWNLINK_EVENTS.get(event_type)
    if cls is None:
        return Unknown(clean(event_type[:100]), **envelope)
    if cls is ErrorEvent:
        origin = detail.get("origin_message")
        envelope["origin_message"] = clean(origin) if isinstance(origin, str) else ""
    return cls.read(optional_object(obj, "data"), envelope)


def dump(event: Downlink) -> str:
    """The frame of an event, fields in the order of real frames, none that real frames lack."""
    frame: JsonObject = {"event_type": event.event_type, "id": event.id}
    data = event.data()
    if data is not None:
        frame["data"] = data
    detail = {"logid": event.logid, "respond_at": event.respond_at}
    if isinstance(event, ErrorEvent) and event.origin_message:
        detail["origin_message"] = event.origin_message
    detail = {key: value for key, value in detail.items() if value}
    if detail:
        frame["detail"] = detail
    return encode_object(frame)
