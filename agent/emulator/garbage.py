"""Frames that are wrong, each in one way. Pure: the same arguments make the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from agent.coze.events import AudioDelta, Downlink, SpeechAudioUpdate, dump
from agent.emulator.fault import GARBAGE

Frame = str | bytes

_DEPTH = 100_000
_DIGITS = 5_000
_AUDIO = "conversation.audio.delta"
_TEXT = "conversation.message.delta"


def garbage(name: str, near: str, size: int = 0) -> list[Frame]:
    """The frames of one kind of garbage; ``near`` is a right frame that some are made from.

    ``size`` is that of an oversized frame in bytes. Raises ``KeyError`` for an unknown kind.
    """
    middle = len(near) // 2
    match name:
        case "broken_json":
            return [near[:middle] + "}{,:" + near[middle:]]
        case "truncated_json":
            return [near[:middle]]
        case "deep_json":
            head = f'{{"event_type":"{_TEXT}","data":'
            return [head + '{"a":' * _DEPTH + "1" + "}" * _DEPTH + "}", "[" * _DEPTH]
        case "nan":
            return [
                f'{{"event_type":"error","data":{{"code":{number},"msg":"x"}}}}'
                for number in ("NaN", "-Infinity", "1e999")
            ]
        case "huge_int":
            digits = "9" * _DIGITS
            return [
                f'{{"event_type":"error","data":{{"code":{digits},"msg":"x"}}}}',
                f'{{"event_type":"conversation.chat.created","data":{{"id":{digits}}}}}',
            ]
        case "lone_surrogate":
            data = '{"id":"\\ud800","role":"assistant","type":"answer","content":"a\\udfffb"}'
            return [f'{{"event_type":"{_TEXT}","id":"\\udc00","data":{data}}}']
        case "binary":
            return [b"\x00\xff\xfe" + bytes(range(256)), near.encode()]
        case "unknown_event":
            return [
                '{"event_type":"conversation.weather.changed","id":"1","data":{"sky":"blue"}}',
                '{"event_type":"","data":{}}',
            ]
        case "missing_data":
            return [f'{{"event_type":"{type}","id":"1"}}' for type in _WITH_DATA]
        case "wrong_types":
            return [_json(frame) for frame in _WRONG_TYPES]
        case "not_an_object":
            return ["null", "17", '"text"', "[]", "", "true"]
        case "oversized":
            head = f'{{"event_type":"{_TEXT}","data":{{"id":"1","content":"'
            return [head + "x" * max(0, size - len(head) - 3) + '"}}']
        case "garbage":
            return [frame for kind in GARBAGE for frame in garbage(kind, near)]
    raise KeyError(name)


_WITH_DATA = (
    _AUDIO,
    _TEXT,
    "conversation.message.completed",
    "conversation.audio.completed",
    "conversation.audio.sentence_start",
    "conversation.audio_transcript.completed",
    "conversation.chat.created",
    "conversation.chat.completed",
    "conversation.chat.failed",
    "conversation.chat.requires_action",
)

_WRONG_TYPES: tuple[object, ...] = (
    {"event_type": 17},
    {"id": "1"},
    {"event_type": _AUDIO, "data": "text"},
    {"event_type": _AUDIO, "data": [1, 2]},
    {"event_type": _AUDIO, "data": {"id": "1", "content": 17}},
    {"event_type": _AUDIO, "data": {"id": 1.5, "content": ""}},
    {"event_type": _TEXT, "data": {"id": "1", "chat_id": {}, "content": "x"}},
    {"event_type": _TEXT, "data": {"id": "1", "content": None}, "detail": []},
    {"event_type": "conversation.chat.created", "data": {"id": ["1"]}},
    {"event_type": "conversation.chat.failed", "data": {"id": "1", "last_error": "bad"}},
    {"event_type": "conversation.chat.requires_action", "data": {"required_action": [1]}},
    {"event_type": "chat.updated", "data": [], "detail": {"logid": 5}},
    {"event_type": "error", "data": {"code": True, "msg": {}}},
)


def spoiled(event: AudioDelta | SpeechAudioUpdate, name: str, random: Random) -> str:
    """An audio event whose payload is wrong. Raises ``KeyError`` for an unknown kind."""
    audio = event.audio
    match name:
        case "bad_base64":
            content = json.loads(dump(event))
            key = "content" if isinstance(event, AudioDelta) else "delta"
            content["data"][key] = "*" + content["data"][key][:-1] + "\\"
            return _json(content)
        case "bad_opus":
            audio = random.randbytes(max(1, len(audio)))
        case "ogg":
            audio = b"OggS\x00\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01" + audio
        case "riff":
            audio = b"RIFF\x24\xf0\xff\x7fWAVEfmt \x10\x00\x00\x00" + audio
        case "no_audio":
            audio = b""
        case _:
            raise KeyError(name)
    return dump(replace(event, audio=audio))


def sample(event: Downlink | None) -> str:
    """A right frame: that of the event, or one that fits nothing in particular."""
    if event is not None:
        return dump(event)
    return '{"event_type":"conversation.message.delta","id":"1","data":{"id":"1","content":"x"}}'


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
