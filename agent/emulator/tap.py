"""What one connection tells the feed: every frame counted, sound and deltas folded, speech noted.

The path of an audio frame is the one that matters: it comes 50 times a second from every device.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from agent.coze.envelope import Downlink
from agent.coze.events import (
    AudioDelta,
    Canceled,
    ChatUpdated,
    Cleared,
    MessageCompleted,
    MessageDelta,
    TranscriptCompleted,
    TranscriptUpdate,
    TurnFailed,
)
from agent.coze.objects import Message
from agent.coze.speechevents import (
    SpeechAudioUpdate,
    SpeechUpdated,
    TranscriptionsMessageCompleted,
    TranscriptionsMessageUpdate,
    TranscriptionsUpdated,
)
from agent.coze.uplink import AudioAppend, TextAppend, TextComplete, UnknownUplink, Uplink
from agent.emulator.watched import Device, Entry, Status
from audio import opus
from audio.errors import CodecError

if TYPE_CHECKING:
    from agent.emulator.feed import Feed

# A refused frame may be megabytes; the head is enough to recognise it.
LONGEST_FRAME = 8192
# An open microphone never pauses; its line is closed now and then to keep the log in order.
_LONGEST_FOLD_S = 10.0

_STATES = {
    "chat.updated": "ready",
    "input_audio_buffer.speech_started": "hearing",
    "input_audio_buffer.speech_stopped": "thinking",
    "input_audio_buffer.completed": "thinking",
    "input_audio_buffer.cleared": "ready",
    "conversation.chat.in_progress": "thinking",
    "conversation.audio.sentence_start": "speaking",
    "conversation.chat.requires_action": "waiting for tools",
    "conversation.audio.completed": "ready",
    "conversation.chat.completed": "ready",
    "conversation.chat.failed": "ready",
    "conversation.chat.canceled": "ready",
    "speech.updated": "ready",
    "speech.audio.completed": "ready",
    "transcriptions.updated": "ready",
    "transcriptions.message.completed": "ready",
}
_LONGEST_PIECES = 160


class Tap:
    """Sees the frames of one connection on their way; changes nothing."""

    def __init__(self, feed: Feed, id: str, device: Device, bot: str, path: str) -> None:
        self._feed = feed
        self.id = id
        self.device = device
        self.status = Status(id, bot, path, feed.now())
        self._up: dict[str, Entry] = {}
        self._down: dict[str, Entry] = {}
        # Bytes in a millisecond of sound; 0: each Opus packet tells, None: unknown.
        self._up_rate: float | None = 48.0
        self._down_rate: float | None = 48.0
        self._asked = ""

    def up(self, event: Uplink | UnknownUplink, frame: str | bytes) -> None:
        """A frame of the client that could be read."""
        status = self.status
        status.up_frames += 1
        status.up_bytes += len(frame)
        if type(event) is AudioAppend:
            if self._sound(self._up, "up", event.event_type, event.audio, self._up_rate):
                self._hear()
            return
        self._up.clear()
        self._log("up", event.event_type, frame)
        if isinstance(event, TextAppend):
            self.device.talk.say(self._feed, f"{self.id} text", "assistant", event.text, more=True)
        elif isinstance(event, TextComplete):
            self.device.talk.end(self._feed)
        self._feed.touch(self.device)

    def garbage(self, frame: str | bytes) -> None:
        """A frame of the client that could not be read."""
        self.status.up_frames += 1
        self.status.up_bytes += len(frame)
        self._up.clear()
        self._log("up", "(unreadable)", frame)
        self._feed.touch(self.device)

    def down(self, event: Downlink, text: str) -> None:
        """An event of the server; ``text`` is empty where the client did not subscribe to it."""
        status = self.status
        if text:
            status.down_frames += 1
            status.down_bytes += len(text)
        if type(event) is AudioDelta or type(event) is SpeechAudioUpdate:
            if text and self._sound(
                self._down, "down", event.event_type, event.audio, self._down_rate
            ):
                status.state = "speaking"
            return
        piece = _piece(event)
        if piece is not None:
            if text:
                entry, _ = self._fold(self._down, "down", "text", event.event_type, 0)
                before = entry.summary if type(event) is MessageDelta else ""
                entry.summary = (before + piece)[:_LONGEST_PIECES]
        else:
            if text:
                self._down.clear()
                self._log("down", event.event_type, text)
            status.state = _STATES.get(event.event_type, status.state)
        self._listen(event)
        self._feed.touch(self.device)

    # --- the log --------------------------------------------------------------------------------

    def _log(self, direction: str, event_type: str, frame: str | bytes) -> None:
        entry = Entry(self._feed.now(), self.device.key, self.id, "frame", direction, event_type)
        entry.frame, entry.length = frame[:LONGEST_FRAME], len(frame)
        self._feed.add(entry)

    def _sound(
        self,
        folds: dict[str, Entry],
        direction: str,
        event_type: str,
        audio: bytes,
        rate: float | None,
    ) -> bool:
        """Add audio to its line; whether that is a new one."""
        entry, new = self._fold(folds, direction, "audio", event_type, len(audio))
        if rate:
            entry.ms += len(audio) / rate
        elif rate is not None:
            # Who hears a packet says what is wrong with it.
            with contextlib.suppress(CodecError):
                entry.ms += opus.packet_ms(audio)
        return new

    def _fold(
        self, folds: dict[str, Entry], direction: str, kind: str, event_type: str, size: int
    ) -> tuple[Entry, bool]:
        feed = self._feed
        now = feed.now()
        entry = folds.get(event_type)
        if entry is None or now - entry.at > _LONGEST_FOLD_S:
            entry = Entry(now, self.device.key, self.id, kind, direction, event_type, size=size)
            folds[event_type] = feed.add(entry)
            feed.touch(self.device)
            return entry, True
        entry.count += 1
        entry.size += size
        # As feed.touch does; this is the path of every frame of audio.
        feed.stamp += 1
        entry.stamp = self.device.stamp = feed.stamp
        if feed.sleepers:
            feed.wake()
        return entry, False

    # --- what it means --------------------------------------------------------------------------

    def _hear(self) -> None:
        """Sound begins. Where the client says when an utterance ends, that is speech."""
        status = self.status
        if status.path.endswith("/transcriptions") or (
            status.mode == "client_interrupt" and status.state == "ready"
        ):
            status.state = "hearing"

    def _listen(self, event: Downlink) -> None:
        feed, talk = self._feed, self.device.talk
        match event:
            case TranscriptUpdate() | TranscriptionsMessageUpdate():
                talk.say(feed, f"{self.id} user", "user", event.content, done=False)
            case TranscriptCompleted():
                self._asked = event.content
                text = event.content or "(nothing recognised)"
                talk.say(feed, f"{self.id} user", "user", text).mark = "spoken"
            case TranscriptionsMessageCompleted():
                talk.end(feed)
            case MessageDelta():
                talk.say(
                    feed,
                    event.message.id,
                    "assistant",
                    event.message.content,
                    more=True,
                    done=False,
                )
            case MessageCompleted():
                self._message(event.message)
            case Canceled():
                talk.end(feed)
                talk.mark(feed, "assistant", "interrupted" if event.code == 1 else "stopped")
            case TurnFailed():
                talk.end(feed)
                error = event.chat.last_error
                text = f"failed: {error.code} {error.msg}" if error else "failed"
                talk.say(feed, f"{self.id} note", "note", text)
            case Cleared():
                talk.say(feed, f"{self.id} note", "note", "the conversation was cleared")
            case ChatUpdated() | SpeechUpdated() | TranscriptionsUpdated():
                self._configure(event.config)
            case _:
                pass

    def _message(self, message: Message) -> None:
        feed, talk = self._feed, self.device.talk
        if message.type == "answer":
            talk.say(feed, message.id, "assistant", message.content)
        elif message.type == "question":
            # What was spoken stands there already, as the transcript.
            if message.content != self._asked:
                talk.say(feed, message.id, "user", message.content).mark = "typed"
            self._asked = ""
        elif message.type in ("function_call", "tool_output", "tool_response"):
            content = message.content
            if message.type == "function_call":
                content = _call(content)
            talk.say(feed, message.id, "tool", content).mark = message.type

    def _configure(self, config: dict[str, Any]) -> None:
        if "input_audio" in config:
            self._up_rate = _input_rate(config["input_audio"])
        if "output_audio" in config:
            self._down_rate = _output_rate(config["output_audio"] or {})
        self.status.mode = config.get("turn_detection", {}).get("type", "")


def _piece(event: Downlink) -> str | None:
    """The text of an event that is one of many; None for all others."""
    if type(event) is MessageDelta:
        return event.message.content
    if type(event) is TranscriptUpdate or type(event) is TranscriptionsMessageUpdate:
        return event.content
    return None


def _call(content: str) -> str:
    """A tool call as people write it."""
    try:
        call = json.loads(content)
        arguments = call["arguments"]
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        return f"{call['name']} {arguments}"
    except (ValueError, KeyError, TypeError):
        return content


def _input_rate(config: dict[str, Any]) -> float | None:
    codec, form = config.get("codec", "pcm"), config.get("format", "pcm")
    if codec == "opus":
        # Pages of a container are no packets.
        return None if form == "ogg" else 0.0
    samples = config.get("sample_rate", 24000) * config.get("channel", 1) / 1000
    return float(samples * (config.get("bit_depth", 16) / 8 if codec == "pcm" else 1))


def _output_rate(config: dict[str, Any]) -> float | None:
    codec = config.get("codec", "pcm")
    if codec == "opus":
        return 0.0
    if codec == "mp3":
        return None
    if codec == "pcm":
        return float((config.get("pcm_config") or {}).get("sample_rate", 24000)) * 2 / 1000
    return 8.0
