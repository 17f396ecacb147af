import json
from random import Random

import pytest

from agent.coze.events import AudioDelta, SpeechAudioUpdate, WireError, dump, parse
from agent.coze.objects import Message
from agent.emulator.fault import AUDIO_GARBAGE, GARBAGE
from agent.emulator.garbage import garbage, sample, spoiled

NEAR = dump(AudioDelta(Message("1", chat_id="2"), b"audio"))
# Nothing is wrong with these but that nobody expects them.
READABLE = {"unknown_event", "lone_surrogate", "binary"}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_wrong_in_the_way_it_says(kind: str) -> None:
    frames = garbage(kind, NEAR)
    assert frames
    for frame in frames:
        try:
            parse(frame)
        except WireError:
            continue
        assert kind in READABLE or kind == "wrong_types"


def test_some_frames_cannot_even_be_read_by_a_json_parser_without_bounds() -> None:
    with pytest.raises((RecursionError, ValueError)):
        json.loads(garbage("deep_json", NEAR)[0])
    with pytest.raises(ValueError, match="digits"):
        json.loads(garbage("huge_int", NEAR)[0])
    assert any("NaN" in str(frame) for frame in garbage("nan", NEAR))


def test_an_oversized_frame_has_the_size_asked_for() -> None:
    [frame] = garbage("oversized", NEAR, 2 << 20)
    assert len(frame) == 2 << 20
    json.loads(frame)


def test_one_of_each_is_garbage_too() -> None:
    assert len(garbage("garbage", NEAR)) == sum(len(garbage(kind, NEAR)) for kind in GARBAGE)


def test_what_is_unknown_is_an_error() -> None:
    with pytest.raises(KeyError):
        garbage("xyzzy", NEAR)
    with pytest.raises(KeyError):
        spoiled(SpeechAudioUpdate(b"a"), "xyzzy", Random(0))


@pytest.mark.parametrize("kind", AUDIO_GARBAGE)
@pytest.mark.parametrize("event", [AudioDelta(Message("1"), b"12345678"), SpeechAudioUpdate(b"12")])
def test_spoiled_audio(kind: str, event: AudioDelta | SpeechAudioUpdate) -> None:
    frame = spoiled(event, kind, Random(0))
    assert frame == spoiled(event, kind, Random(0))
    if kind == "bad_base64":
        with pytest.raises(WireError, match="base64"):
            parse(frame)
        return
    audio = parse(frame)
    assert isinstance(audio, AudioDelta | SpeechAudioUpdate)
    assert audio.audio != event.audio
    heads = {"ogg": b"OggS", "riff": b"RIFF", "no_audio": b""}
    assert audio.audio.startswith(heads.get(kind, b""))


def test_a_sample_is_a_right_frame() -> None:
    parse(sample(None))
    assert sample(SpeechAudioUpdate(b"a")) == dump(SpeechAudioUpdate(b"a"))
