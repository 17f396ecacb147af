from typing import Any

import pytest

from agent.coze.envelope import Downlink
from agent.coze.events import (
    AudioDelta,
    Canceled,
    ChatUpdated,
    MessageCompleted,
    MessageDelta,
    SentenceStart,
    SpeechStarted,
    TranscriptCompleted,
    TranscriptUpdate,
    TurnFailed,
    dump,
)
from agent.coze.objects import Chat, LastError, Message
from agent.coze.speechevents import TranscriptionsMessageCompleted, TranscriptionsMessageUpdate
from agent.coze.uplink import AudioAppend, AudioComplete, encode
from agent.emulator.feed import Cursor, Feed
from agent.emulator.tap import LONGEST_FRAME, Tap
from agent.emulator.watched import Entry
from audio.opus import OpusEncoder
from tests.emulator.doubles import silence

PCM = {"format": "pcm", "codec": "pcm", "sample_rate": 16000, "channel": 1, "bit_depth": 16}
OPUS = {"format": "pcm", "codec": "opus", "sample_rate": 16000, "channel": 1, "bit_depth": 16}


class Watch:
    """A tap on a clock that stands still."""

    def __init__(self) -> None:
        self.time = 1_770_000_000.0
        self.feed = Feed(lambda: self.time)
        self.tap: Tap = self.feed.connected("log", "speaker", "default", "7")
        self.start = self.feed.since(Cursor()).cursor

    def up(self, audio: bytes, times: int = 1) -> None:
        event = AudioAppend(audio)
        for _ in range(times):
            self.tap.up(event, encode(event))

    def down(self, *events: Downlink) -> None:
        for event in events:
            self.tap.down(event, dump(event))

    def configure(self, **config: Any) -> None:
        self.down(ChatUpdated(config))
        self.start = self.feed.since(Cursor()).cursor

    @property
    def entries(self) -> list[Entry]:
        return self.feed.since(self.start).entries

    def talk(self) -> list[tuple[str, str, str]]:
        return [(line.role, line.text, line.mark) for line in self.tap.device.talk.lines]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def delta(size: int = 1920) -> AudioDelta:
    return AudioDelta(Message("1"), bytes(size))


def test_audio_is_one_line_until_something_else_happens(watch: Watch) -> None:
    watch.configure(input_audio=PCM)
    watch.up(bytes(640), 42)
    watch.tap.up(AudioComplete(), encode(AudioComplete()))
    watch.up(bytes(640), 2)
    first, complete, second = watch.entries
    assert (first.kind, first.count, first.size, first.ms) == ("audio", 42, 26880, 840)
    assert not first.frame
    assert complete.event_type == "input_audio_buffer.complete"
    assert second.count == 2


def test_the_other_direction_does_not_break_the_line(watch: Watch) -> None:
    watch.up(bytes(640))
    watch.down(SpeechStarted())
    watch.up(bytes(640))
    assert [(found.direction, found.count) for found in watch.entries] == [("up", 2), ("down", 1)]


def test_an_open_microphone_gets_a_new_line_now_and_then(watch: Watch) -> None:
    for _ in range(30):
        watch.up(bytes(640))
        watch.time += 1
    assert [found.count for found in watch.entries] == [11, 11, 8]


@pytest.mark.parametrize(
    ("config", "size", "ms"),
    [
        (PCM, 640, 20),
        ({**PCM, "sample_rate": 48000, "channel": 2, "bit_depth": 24}, 2880, 10),
        ({**PCM, "codec": "g711a", "sample_rate": 8000}, 160, 20),
        ({**OPUS, "format": "ogg"}, 300, 0),
    ],
)
def test_the_duration_follows_the_format(
    watch: Watch, config: dict[str, Any], size: int, ms: int
) -> None:
    watch.configure(input_audio=config)
    watch.up(bytes(size))
    assert watch.entries[0].ms == pytest.approx(ms)


def test_opus_packets_tell_their_duration_and_garbage_does_not_matter(watch: Watch) -> None:
    watch.configure(input_audio=OPUS)
    encoder = OpusEncoder(frame_ms=60)
    watch.up(encoder.encode(silence(60)))
    watch.up(b"")
    watch.up(b"\x03\x00")
    assert (watch.entries[0].count, watch.entries[0].ms) == (3, 60)


@pytest.mark.parametrize(
    ("output", "size", "ms"),
    [
        ({"codec": "pcm", "pcm_config": {"sample_rate": 16000}}, 1920, 60),
        ({"codec": "g711u"}, 160, 20),
        ({"codec": "mp3"}, 500, 0),
    ],
)
def test_what_is_said_has_a_duration_too(
    watch: Watch, output: dict[str, Any], size: int, ms: int
) -> None:
    watch.configure(output_audio=output)
    watch.down(delta(size))
    assert watch.entries[0].ms == pytest.approx(ms)


def test_counts_and_state_of_the_connection(watch: Watch) -> None:
    status = watch.tap.status
    watch.configure(input_audio=PCM, turn_detection={"type": "client_interrupt"})
    assert status.state == "ready"
    watch.up(bytes(640))
    assert status.state == "hearing"
    assert (status.up_frames, status.up_bytes) == (1, len(encode(AudioAppend(bytes(640)))))
    watch.down(SentenceStart("Hello."), delta())
    assert status.state == "speaking"
    watch.down(Canceled(1, "interrupted"))
    assert status.state == "ready"
    assert status.down_frames == 4


def test_events_nobody_subscribed_to_are_heard_but_not_logged(watch: Watch) -> None:
    watch.tap.down(TranscriptCompleted("hello"), "")
    watch.tap.down(delta(), "")
    assert watch.entries == []
    assert watch.talk() == [("user", "hello", "spoken")]
    assert watch.tap.status.down_frames == 0


def test_long_and_unreadable_frames_are_kept_in_part(watch: Watch) -> None:
    watch.tap.garbage(b"\xff" * 100_000)
    [found] = watch.entries
    assert len(found.frame) == LONGEST_FRAME
    assert found.length == 100_000


def test_a_spoken_question_and_its_answer(watch: Watch) -> None:
    watch.down(TranscriptUpdate("what"), TranscriptUpdate("what time"))
    assert watch.talk() == [("user", "what time", "")]
    assert not watch.tap.device.talk.lines[0].done
    watch.down(
        TranscriptCompleted("What time is it?"),
        MessageCompleted(Message("1", type="question", role="user", content="What time is it?")),
        MessageDelta(Message("2", content="It is ")),
        MessageDelta(Message("2", content="noon.")),
    )
    assert watch.talk()[1:] == [("assistant", "It is noon.", "")]
    watch.down(
        MessageCompleted(Message("2", content="It is noon.")),
        MessageCompleted(Message("3", type="verbose", content="{}")),
    )
    assert watch.talk() == [
        ("user", "What time is it?", "spoken"),
        ("assistant", "It is noon.", ""),
    ]
    folded = [(found.event_type, found.count, found.summary) for found in watch.entries]
    assert folded[0] == ("conversation.audio_transcript.update", 2, "what time")
    assert ("conversation.message.delta", 2, "It is noon.") in folded


def test_typed_questions_tools_interruptions_and_failures(watch: Watch) -> None:
    call = '{"name": "set_volume", "arguments": {"percent": 40}}'
    watch.down(
        MessageCompleted(Message("1", type="question", role="user", content="louder")),
        MessageCompleted(Message("2", type="function_call", content=call)),
        MessageCompleted(Message("3", type="function_call", content="no JSON")),
        MessageDelta(Message("4", content="As you")),
        Canceled(1, "interrupted by user speech"),
        TurnFailed(Chat("9", last_error=LastError(4011, "balance not enough"))),
    )
    assert watch.talk() == [
        ("user", "louder", "typed"),
        ("tool", 'set_volume {"percent": 40}', "function_call"),
        ("tool", "no JSON", "function_call"),
        ("assistant", "As you", "interrupted"),
        ("note", "failed: 4011 balance not enough", ""),
    ]
    assert all(line.done for line in watch.tap.device.talk.lines)


def test_the_transcription_socket_is_heard_too(watch: Watch) -> None:
    watch.down(
        TranscriptionsMessageUpdate("one"),
        TranscriptionsMessageUpdate("one two"),
        TranscriptionsMessageCompleted(),
        TranscriptionsMessageUpdate("three"),
    )
    assert [text for _, text, _ in watch.talk()] == ["one two", "three"]


def test_what_is_said_stays_bounded(watch: Watch) -> None:
    for number in range(500):
        watch.down(TranscriptCompleted(f"{number}"))
    watch.down(*[MessageDelta(Message("a", content="x" * 1000)) for _ in range(10)])
    lines = watch.tap.device.talk.lines
    assert len(lines) == 200
    assert len(lines[-1].text) == 4000
