from agent.coze import events as wire
from agent.coze.objects import Message
from agent.emulator.moments import Moment, Progress, parse_moment


def walk(*events: wire.Downlink, progress: Progress | None = None) -> list[str]:
    """Every event's moment in the words of a script; empty where it has none."""
    progress = progress or Progress()
    found = []
    for event in events:
        moment = progress.sending(event)
        progress.sent(event)
        number = f":{moment.n}" if moment and moment.n else ""
        found.append(f"{moment.kind}{number}" if moment else "")
    return found


CHAT = wire.Chat("7")
ANSWER = Message("1", content="Hello", chat_id="7")
EMPTY = Message("1", chat_id="7")
TURN = (
    wire.MessageCompleted(Message("0", type="question", role="user", content="Why?")),
    wire.TurnCreated(CHAT),
    wire.TurnInProgress(CHAT),
    wire.MessageDelta(ANSWER),
    wire.MessageDelta(ANSWER),
    wire.SentenceStart("Hello"),
    wire.AudioDelta(EMPTY, b"a"),
    wire.MessageDelta(EMPTY),
    wire.AudioDelta(EMPTY, b"b"),
    wire.AudioCompleted(EMPTY),
    wire.TurnCompleted(CHAT),
)
OF_TURN = [
    *("", "turn_start", "", "text:1", "text:2", "sentence:1", "audio:1", "", "audio:2"),
    *("audio_end", "turn_end"),
]


def test_the_moments_of_a_turn_are_counted_anew_in_each() -> None:
    progress = Progress()
    for turn in (1, 2):
        assert walk(*TURN, progress=progress) == OF_TURN
        assert (progress.turns, progress.question) == (turn, "Why?")
        assert not progress.in_turn


def test_speech_without_a_chat_is_counted_too() -> None:
    speech = (wire.SentenceStart("Hi"), wire.AudioDelta(EMPTY, b"a"), wire.AudioCompleted(EMPTY))
    assert walk(*speech, *speech) == ["sentence:1", "audio:1", "audio_end"] * 2


def test_the_moments_of_a_connection() -> None:
    assert walk(
        wire.ChatCreated(),
        wire.ChatUpdated({}),
        wire.SpeechStarted(),
        wire.SpeechStopped(),
        wire.BufferCompleted(),
        wire.RequiresAction(CHAT),
        wire.Canceled(1, ""),
    ) == ["open", "update", "", "complete", "complete", "tools", "cancel"]


def test_the_other_sockets_have_moments_of_the_same_names() -> None:
    assert walk(
        wire.SpeechCreated(),
        wire.SpeechUpdated({}),
        wire.SentenceStart("Hi"),
        wire.SpeechAudioUpdate(b"a"),
        wire.SpeechAudioCompleted(),
        wire.SpeechAudioUpdate(b"a"),
    ) == ["open", "update", "sentence:1", "audio:1", "audio_end", "audio:1"]
    assert walk(
        wire.TranscriptionsCreated(),
        wire.TranscriptionsUpdated({}),
        wire.BufferCompleted(),
        wire.TranscriptionsMessageUpdate("a"),
        wire.TranscriptionsMessageUpdate("ab"),
        wire.TranscriptionsMessageCompleted(),
        wire.TranscriptionsMessageUpdate("c"),
    ) == ["open", "update", "complete", "text:1", "text:2", "turn_end", "text:1"]


def test_pieces_of_audio_are_counted_in_each_utterance() -> None:
    progress = Progress()
    assert [progress.append().n for _ in range(3)] == [1, 2, 3]
    progress.sending(wire.BufferCompleted())
    assert progress.append() == Moment("append", 1)


def test_moments_are_read_as_they_are_written() -> None:
    assert parse_moment("sentence:2", "x") == Moment("sentence", 2)
    assert parse_moment("after_s:3.5", "x") == Moment("after_s", s=3.5)
    assert parse_moment("turn_end", "x") == Moment("turn_end")
