"""What a client sends: one frozen class per event of the chat, speech and transcription socket.

``encode`` renders an event, ``parse_uplink`` reads one (the emulator's side). ``encode_append``
is the fast path for the one event that is sent many times a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from agent.coze.frame import (
    MAX_UPLINK_BYTES,
    JsonObject,
    WireError,
    clean,
    decode_audio,
    decode_object,
    encode_audio,
    encode_object,
    id_of,
    list_of,
    optional_object,
    text_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """``id`` is made by the client; servers accept frames without one."""

    event_type: ClassVar[str] = ""

    id: str = ""

    def data(self) -> JsonObject | None:
        """The ``data`` object of the frame, ``None`` where the event has none."""
        return None


@dataclass(frozen=True, slots=True)
class _ConfigUplink(Uplink):
    config: JsonObject = field(default_factory=dict)

    def data(self) -> JsonObject | None:
        return self.config


@dataclass(frozen=True, slots=True)
class ChatUpdate(_ConfigUplink):
    """Configure the chat session; ``config`` may be partial."""

    event_type = "chat.update"


@dataclass(frozen=True, slots=True)
class SpeechUpdate(_ConfigUplink):
    """Configure the speech socket."""

    event_type = "speech.update"


@dataclass(frozen=True, slots=True)
class TranscriptionsUpdate(_ConfigUplink):
    """Configure the transcription socket."""

    event_type = "transcriptions.update"


@dataclass(frozen=True, slots=True)
class AudioAppend(Uplink):
    """One piece of audio: a PCM piece of even length, or exactly one Opus packet."""

    audio: bytes

    event_type = "input_audio_buffer.append"

    def data(self) -> JsonObject | None:
        return {"delta": encode_audio(self.audio)}


@dataclass(frozen=True, slots=True)
class AudioComplete(Uplink):
    """The utterance is over (``client_interrupt``)."""

    event_type = "input_audio_buffer.complete"


@dataclass(frozen=True, slots=True)
class AudioClear(Uplink):
    """Forget the audio since the last complete (``client_interrupt``)."""

    event_type = "input_audio_buffer.clear"


@dataclass(frozen=True, slots=True)
class MessageCreate(Uplink):
    """A typed message; role ``user`` starts a turn, ``assistant`` only adds context."""

    role: str
    content_type: str
    content: str

    event_type = "conversation.message.create"

    def data(self) -> JsonObject | None:
        return {"role": self.role, "content_type": self.content_type, "content": self.content}


@dataclass(frozen=True, slots=True)
class ConversationClear(Uplink):
    """Begin a new section of context."""

    event_type = "conversation.clear"


@dataclass(frozen=True, slots=True)
class ChatCancel(Uplink):
    """Stop the running turn, text and audio."""

    event_type = "conversation.chat.cancel"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one tool call; ``output`` is any text."""

    tool_call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class SubmitToolOutputs(Uplink):
    """All results a turn waits for, in one message."""

    chat_id: str
    outputs: tuple[ToolResult, ...]

    event_type = "conversation.chat.submit_tool_outputs"

    def data(self) -> JsonObject | None:
        return {
            "chat_id": self.chat_id,
            "tool_outputs": [
                {"tool_call_id": result.tool_call_id, "output": result.output}
                for result in self.outputs
            ],
        }


@dataclass(frozen=True, slots=True)
class GenerateAudio(Uplink):
    """Speak this text (below 1024 bytes of UTF-8) with the session's voice, without a turn."""

    mode: str
    text: str

    event_type = "input_text.generate_audio"

    def data(self) -> JsonObject | None:
        return {"mode": self.mode, "text": self.text}


@dataclass(frozen=True, slots=True)
class TextAppend(Uplink):
    """A piece of text for the speech socket."""

    text: str

    event_type = "input_text_buffer.append"

    def data(self) -> JsonObject | None:
        return {"delta": self.text}


@dataclass(frozen=True, slots=True)
class TextComplete(Uplink):
    """The text for the speech socket is complete."""

    event_type = "input_text_buffer.complete"


@dataclass(frozen=True, slots=True)
class UnknownUplink:
    """An event of a type no server knows."""

    type: str
    id: str = ""

    @property
    def event_type(self) -> str:
        """The ``event_type`` of the frame, at most 100 characters of it."""
        return self.type


def encode(event: Uplink) -> str:
    """The frame of an event; an empty ``id`` is left out."""
    frame: JsonObject = {"id": event.id} if event.id else {}
    frame["event_type"] = event.event_type
    data = event.data()
    if data is not None:
        frame["data"] = data
    return encode_object(frame)


def encode_append(payload: bytes, id: str = "") -> str:
    """The frame of an ``AudioAppend``, by template; ``id`` needs no escaping (hex and dashes)."""
    head = f'{{"id":"{id}","event_type"' if id else '{"event_type"'
    return f'{head}:"input_audio_buffer.append","data":{{"delta":"{encode_audio(payload)}"}}}}'


def _submit(data: JsonObject, id: str) -> SubmitToolOutputs:
    outputs = tuple(
        ToolResult(id_of(item, "tool_call_id"), text_of(item, "output"))
        for item in list_of(data, "tool_outputs")
    )
    return SubmitToolOutputs(id_of(data, "chat_id"), outputs, id=id)


_READERS: dict[str, Callable[[JsonObject, str], Uplink]] = {
    "chat.update": lambda data, id: ChatUpdate(data, id=id),
    "speech.update": lambda data, id: SpeechUpdate(data, id=id),
    "transcriptions.update": lambda data, id: TranscriptionsUpdate(data, id=id),
    "input_audio_buffer.append": lambda data, id: AudioAppend(decode_audio(data, "delta"), id=id),
    "input_audio_buffer.complete": lambda data, id: AudioComplete(id=id),
    "input_audio_buffer.clear": lambda data, id: AudioClear(id=id),
    "conversation.message.create": lambda data, id: MessageCreate(
        text_of(data, "role"), text_of(data, "content_type"), text_of(data, "content"), id=id
    ),
    "conversation.clear": lambda data, id: ConversationClear(id=id),
    "conversation.chat.cancel": lambda data, id: ChatCancel(id=id),
    "conversation.chat.submit_tool_outputs": _submit,
    "input_text.generate_audio": lambda data, id: GenerateAudio(
        text_of(data, "mode"), text_of(data, "text"), id=id
    ),
    "input_text_buffer.append": lambda data, id: TextAppend(text_of(data, "delta"), id=id),
    "input_text_buffer.complete": lambda data, id: TextComplete(id=id),
}

UPLINK_TYPES = frozenset(_READERS)
"""Every ``event_type`` a client may send on one of the three sockets."""


def parse_uplink(frame: str | bytes) -> Uplink | UnknownUplink:
    """The event in a client's frame, text or binary.

    Raises ``WireError`` for broken or hostile JSON, a missing ``event_type``, fields of a wrong
    type and audio that is not strict base64. Values (modes, roles, ranges) are not judged.
    """
    obj = decode_object(frame, MAX_UPLINK_BYTES)
    event_type = obj.get("event_type")
    if not isinstance(event_type, str) or not event_type:
        raise WireError("event_type is missing")
    id = id_of(obj, "id")
    reader = _READERS.get(event_type)
    if reader is None:
        return UnknownUplink(clean(event_type[:100]), id)
    return reader(optional_object(obj, "data") or {}, id)
