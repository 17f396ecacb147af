"""Whatever becomes of a valid ``chat.update``: it is told as sent, or it changes nothing."""

import asyncio
import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.emulator.config import default_config, default_output
from agent.emulator.line import Line
from agent.emulator.service import Service
from agent.emulator.session import ChatSession
from agent.emulator.tokens import Grant
from tests.emulator.doubles import DoubleBrain, fast_script

VALID: dict[str, Any] = {
    "chat_config": {
        "user_id": "kiosk-7",
        "meta_data": {"a": "b", "ü": "x" * 512},
        "custom_variables": {"room_": "lobby"},
        "extra_params": {"latitude": "1.5", "longitude": "-3"},
        "auto_save_history": False,
        "parameters": {"any": [1, {"deep": None}]},
    },
    "input_audio": {
        "format": "pcm",
        "codec": "opus",
        "sample_rate": 16000,
        "channel": 1,
        "bit_depth": 16,
    },
    "output_audio": {
        "codec": "opus",
        "pcm_config": {
            "sample_rate": 16000,
            "frame_size_ms": 50,
            "limit_config": {"period": 1, "max_frame_num": 22},
        },
        "opus_config": {
            "sample_rate": 16000,
            "bitrate": 16000,
            "use_cbr": True,
            "frame_size_ms": 60,
            "limit_config": {"period": 1, "max_frame_num": 18},
        },
        "mp3_config": {"sample_rate": 48000, "bit_rate": 64000},
        "speech_rate": -50,
        "loudness_rate": 100,
        "voice_id": "7400000000000000009",
        "context_texts": "softly",
        "emotion_config": {"emotion": "happy", "emotion_scale": 2.5},
    },
    "turn_detection": {
        "type": "server_vad",
        "prefix_padding_ms": 500,
        "silence_duration_ms": 400,
        "semantic_vad_config": {
            "silence_threshold_ms": 200,
            "semantic_unfinished_wait_time_ms": 600,
        },
        "interrupt_config": {"mode": "keyword_prefix", "keywords": ["小助手", "stop it"]},
    },
    "asr_config": {
        "hot_words": ["talkbox"],
        "context": "a kitchen",
        "context_type": "x",
        "user_language": "en",
        "enable_ddc": False,
        "enable_itn": False,
        "enable_punc": False,
        "stream_mode": "output_no_stream",
        "enable_nostream": True,
        "enable_emotion": True,
        "enable_gender": True,
        "sensitive_words_filter": {
            "system_reserved_filter": True,
            "filter_with_empty": ["a"],
            "filter_with_signed": ["b"],
        },
    },
    "event_subscriptions": [],
    "need_play_prologue": False,
    "prologue_content": "Hi.",
    "voice_processing_config": {
        "enable_ans": False,
        "enable_pdns": True,
        "voice_print_feature_id": "1",
    },
    "voice_print_config": {"group_id": "1", "score": 100, "reuse_voice_info": True},
}

# Everything that some field takes, the edges of all ranges, and what no field does.
INTERESTING: list[Any] = [
    *(None, True, False, 0, 1, 2, -1, -50, -51, 100, 101, 2000, 2001, 1 << 31, 1 << 62, -0.0),
    *(0.5, 1.0, 2.5, 5.0, 5.1, 60, 1000, 1000.5, 8000, 12000, 16000, 16000.0, 22050, 44100, 500),
    *("", "pcm", "wav", "ogg", "opus", "g711a", "g711u", "mp3", "webm", "16000", "\ud800"),
    *("client_interrupt", "server_vad", "semantic_vad", "client_vad", "keyword_contains"),
    *("common", "en-US", "sad", "bidirectional_stream", "7500000000000000000", "x" * 513),
    *([], [1], ["停一下"], ["停"], ["stop it"] * 6, ["停一下!"], ["\ud800\ud800"], ["error"]),
    *({}, {"a": 1}, {"a": "b"}, {"": "x"}, {str(n): "x" for n in range(17)}, {"a": ""}),
    *({"period": 1}, {"period": 1, "max_frame_num": 1}, {"k" * 65: "x"}, {"\ud800": "x"}),
]
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)
VALUES = st.one_of(st.sampled_from(INTERESTING), JSON)


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name, item in value.items():
            found += places(item, (*path, name))
    return found


PLACES = places(VALID)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    data = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(PLACES))
        node: Any = data
        for name in path:
            node = node.get(name) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        match draw(st.sampled_from(["set", "set", "set", "remove", "add"])):
            case "set":
                node[last] = copy.deepcopy(draw(VALUES))
            case "remove":
                node.pop(last, None)
            case "add":
                node[draw(st.text(max_size=6))] = copy.deepcopy(draw(VALUES))
    return data


class Talk:
    """A session without a socket."""

    def __init__(self, service: Service) -> None:
        self.frames: list[dict[str, Any]] = []
        line = Line(self._got, service.ids, "log")
        self.session = ChatSession(service, line, Grant("t", "default"), "1")

    async def _got(self, text: str) -> None:
        self.frames.append(json.loads(text))

    async def update(self, data: Any) -> tuple[str, dict[str, Any]]:
        """The one answer: its type and the whole frame; no type if nothing was subscribed to."""
        self.frames.clear()
        self.sent = json.dumps({"event_type": "chat.update", "data": data})
        await self.session.receive(self.sent)
        if not self.frames:
            return "", {}
        frame = self.frames[0]
        return frame["event_type"], frame


def check_told(sent: Any, told: Any, known: Any, path: tuple[str, ...] = ()) -> None:
    """Everything known that was ``sent`` stands in ``told``."""
    for name, value in sent.items():
        if value is None or (isinstance(known, dict) and known and name not in known):
            continue
        here = (*path, name)
        untouched = default_output().get(name) if path == ("output_audio",) else None
        if path == ("turn_detection",) and name == "semantic_vad_config":
            untouched = default_config()["turn_detection"][name]
        if name not in told:
            # Left out is only what is empty, or untouched and of a codec not in use.
            counts = {key: item for key, item in value.items() if item is not None}
            counts = {key: item for key, item in counts.items() if key in known.get(name, ())}
            assert untouched == {**(untouched or {}), **counts} or not counts, here
        elif isinstance(value, dict) and here not in MAPS:
            deeper = known.get(name, {}) if isinstance(known, dict) else {}
            check_told(value, told[name], deeper, here)
        elif here == ("turn_detection", "type") and value == "client_vad":
            assert told[name] == "client_interrupt"
        elif here == ("output_audio", "pcm_config", "sample_rate") and told[name] == 8000:
            pass
        else:
            assert told[name] == value, here
            assert type(told[name]) is type(value), here


MAPS = {
    ("chat_config", name)
    for name in ("meta_data", "custom_variables", "extra_params", "parameters")
}
KNOWN = copy.deepcopy(VALID)
KNOWN["chat_config"]["conversation_id"] = ""


@given(mutated())
@settings(max_examples=400, deadline=None)
def test_any_update_is_told_as_sent_or_changes_nothing(data: dict[str, Any]) -> None:
    async def body() -> None:
        service = Service(DoubleBrain(), fast_script())
        try:
            await play(Talk(service))
        finally:
            service.worker.close()
            service.store.close()

    async def play(talk: Talk) -> None:
        kind, frame = await talk.update({**VALID, "output_audio": {"codec": "pcm"}})
        assert kind == "chat.updated"
        before = frame["data"]
        kind, frame = await talk.update(data)
        if kind == "chat.updated":
            check_told(data, frame["data"], KNOWN)
        elif not kind:
            assert data["event_subscriptions"]
        else:
            assert kind == "error"
            assert frame["data"]["code"] in (4000, 4002)
            assert frame["data"]["msg"]
            assert frame["detail"]["origin_message"] == talk.sent[:16384]
            assert len(talk.frames) == 1
            assert (await talk.update({}))[1]["data"] == before
        await talk.session.close()

    asyncio.run(body())


def test_the_valid_one_is_told_in_full() -> None:
    async def body() -> None:
        service = Service(DoubleBrain(), fast_script())
        talk = Talk(service)
        kind, frame = await talk.update(VALID)
        assert kind == "chat.updated"
        check_told(VALID, frame["data"], KNOWN)
        for section, value in VALID.items():
            if isinstance(value, dict):
                assert frame["data"][section].items() >= value.items(), section
        service.worker.close()
        service.store.close()

    asyncio.run(body())
