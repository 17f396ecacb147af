"""Voices, speech, transcription, voiceprints and rooms over REST."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from agent.emulator.ogg import OggReader
from agent.emulator.server import Emulator
from audio.opus import OpusDecoder
from tests.emulator.doubles import Samples, silence, tone
from tests.emulator.rest import Rest, serving, wav

SPEECH = "/v1/audio/speech"
GROUPS = "/v1/audio/voiceprint_groups"


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Rest, Emulator]]:
    with serving(
        tokens={"accounts": {"other": "other"}},
        token=[{"value": "pat_few", "scopes": ["getMetadata"]}],
    ) as pair:
        yield pair


@pytest.fixture
def rest(both: tuple[Rest, Emulator]) -> Rest:
    return both[0]


def voice(pitch: float, seed: int = 0, ms: int = 1500) -> Samples:
    """Something like a vowel of that pitch, with pauses and a little noise."""
    time = np.arange(16 * ms) / 16000
    rng = np.random.default_rng(seed)
    wave = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 12) if pitch * n < 7500)
    wave = wave * (np.sin(2 * np.pi * 3 * time) > -0.5) + rng.normal(0, 0.01, len(time))
    samples: Samples = (5000 * wave).astype(np.int16)
    return samples


# --- voices -----------------------------------------------------------------------------------


def test_voices_are_listed_and_can_be_heard(rest: Rest) -> None:
    listed = rest.get("/v1/audio/voices").data
    assert listed["has_more"] is False
    first = listed["voice_list"][0]
    assert first["is_system_voice"] is True
    assert first["support_emotions"][0]["emotion_scale_interval"]["max"] == 5
    preview = Rest("", "").call("GET", first["preview_audio"])
    assert preview.headers["Content-Type"] == "audio/wav"
    assert preview.body[:4] == b"RIFF"
    small = rest.get("/v1/audio/voices", model_type="small", page_size=1).data
    assert [one["model_type"] for one in small["voice_list"]] == ["small"]
    assert small["has_more"] is True
    assert rest.get("/v1/audio/voices", filter_system_voice="true").data["voice_list"] == []
    assert rest.get("/v1/audio/voices", page_size=101).code == 4000
    assert rest.get("/preview/1.wav").status == 404


def cloning(rest: Rest, **fields: str) -> Any:
    fields = {"voice_name": "My own voice", "audio_format": "wav", "language": "en"} | fields
    return rest.form("POST", "/v1/audio/voices/clone", wav(tone(1000)), **fields)


def test_a_voice_is_cloned_over_and_over(rest: Rest) -> None:
    clone = cloning(rest, preview_text="It is me.").data
    assert (clone["is_system_voice"], clone["available_training_times"]) == (False, 9)
    listed = rest.get("/v1/audio/voices", filter_system_voice="true").data["voice_list"]
    assert [one["voice_id"] for one in listed] == [clone["voice_id"]]
    assert Rest(rest.base, "other").get("/v1/audio/voices").data["voice_list"] != listed
    for left in range(8, -1, -1):
        again = cloning(rest, voice_id=clone["voice_id"]).data
        assert again["available_training_times"] == left
    assert cloning(rest, voice_id=clone["voice_id"]).code == 4000
    assert cloning(rest, voice_id="1").code == 4200


def test_what_is_read_aloud_is_compared(rest: Rest) -> None:
    assert cloning(rest, text="Hello over there, my friend!").body["code"] == 0
    assert cloning(rest, text="Something else entirely was to be read").code == 1109


@pytest.mark.parametrize(
    "change", [{"voice_name": "me"}, {"audio_format": "flac"}, {"language": "tlh"}]
)
def test_what_is_wrong_with_a_clone_is_told(rest: Rest, change: dict[str, str]) -> None:
    assert cloning(rest, **change).code == 4000


# --- speech -----------------------------------------------------------------------------------


def spoken(rest: Rest, kind: str, **more: Any) -> Any:
    body = {"input": "Hello.", "voice_id": "1", "response_format": kind, **more}
    return rest.post(SPEECH, body)


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100])
def test_speech_as_pcm_lasts_as_long_as_it_should(rest: Rest, rate: int) -> None:
    reply = spoken(rest, "pcm", sample_rate=rate)
    assert reply.headers["Content-Type"] == "audio/pcm"
    assert reply.headers["X-Tt-Logid"]
    assert len(reply.body) / 2 == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("speed", [0.2, 0.5, 2.0, 3.0])
def test_speech_as_wav_at_any_speed(rest: Rest, speed: float) -> None:
    reply = spoken(rest, "wav", speed=speed)
    assert reply.body[:4] == b"RIFF"
    assert (len(reply.body) - 44) / 2 / 24000 == pytest.approx(1 / speed, rel=0.05)


@pytest.mark.parametrize("kind", ["ogg_opus", "ogg", "opus"])
def test_speech_as_opus_in_ogg(rest: Rest, kind: str) -> None:
    reply = spoken(rest, kind, sample_rate=16000)
    assert reply.headers["Content-Type"] == "audio/ogg"
    packets = OggReader().feed(reply.body)
    decoder = OpusDecoder(16000)
    samples = np.concatenate([decoder.decode(packet) for packet in packets])
    assert len(samples) / 16000 == pytest.approx(1.0, abs=0.04)
    assert np.abs(samples.astype(int)).max() > 4000
    # The last page ends the stream, where the padding begins.
    last = reply.body[reply.body.rindex(b"OggS") :]
    assert last[5] == 4
    assert int.from_bytes(last[6:14], "little") == 312 + 48000


def test_speech_as_mp3(rest: Rest) -> None:
    pytest.importorskip("lameenc")
    reply = rest.post(SPEECH, {"input": "Hello.", "voice_id": "1"})
    assert reply.headers["Content-Type"] == "audio/mpeg"
    assert reply.body[0] == 0xFF
    assert reply.body[1] & 0xE0 == 0xE0


def test_loudness(rest: Rest) -> None:
    def peak(rate: int) -> int:
        body = spoken(rest, "pcm", loudness_rate=rate).body
        return int(np.abs(np.frombuffer(body, "<i2").astype(int)).max())

    assert peak(-50) == pytest.approx(peak(0) / 2, rel=0.01)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"input": ""}, 4000),
        ({"input": "汉" * 342}, 3010),
        ({"voice_id": None}, 4000),
        ({"response_format": "flac"}, 4000),
        ({"sample_rate": 12345}, 4000),
        ({"speed": 3.5}, 4000),
        ({"speed": "fast"}, 4000),
        ({"voice_id": "7426720361733046281", "speed": 0.2}, 4000),
        ({"loudness_rate": 101}, 4000),
        ({"context_texts": "sad"}, 4000),
    ],
)
def test_what_is_wrong_with_a_text_is_told(rest: Rest, change: dict[str, Any], code: int) -> None:
    assert spoken(rest, "pcm", **change).code == code


def test_the_longest_text_is_spoken(rest: Rest) -> None:
    assert spoken(rest, "pcm", input="x" * 1024).status == 200


# --- transcription ----------------------------------------------------------------------------


def test_a_recording_is_heard(rest: Rest) -> None:
    words = "hello over there my friend"
    reply = rest.form("POST", "/v1/audio/transcriptions", wav(tone(1000)))
    assert reply.data == {"text": words}
    at_24_khz = rest.form("POST", "/v1/audio/transcriptions", wav(tone(1000, 24000), 24000))
    assert at_24_khz.data == {"text": words}
    ogg = spoken(rest, "ogg_opus").body
    assert rest.form("POST", "/v1/audio/transcriptions", ogg).data == {"text": words}
    assert rest.form("POST", "/v1/audio/transcriptions", wav(silence(500))).data == {"text": ""}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ((), 4300),
        ((b"",), 4300),
        ((wav(tone(10)), wav(tone(10))), 4301),
        ((b"ID3" + bytes(100),), 4303),
        ((b"who knows",), 4303),
        ((b"RIFF" + bytes(100),), 4304),
        ((b"OggS" + bytes(100),), 4304),
        ((b"RIFF" + bytes(10 * 1024 * 1024),), 4302),
    ],
)
def test_files_that_cannot_be_heard(rest: Rest, files: tuple[bytes, ...], code: int) -> None:
    assert rest.form("POST", "/v1/audio/transcriptions", *files).code == code


def test_what_is_no_form_is_refused(rest: Rest) -> None:
    assert rest.post("/v1/audio/transcriptions", {"file": "x"}).code == 4000
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for raw in (b"", b"--x\r\n", b"--y\r\n\r\n--y--\r\n", b"--x\r\nA: b\r\n\r\nc"):
        reply = rest.call("POST", "/v1/audio/transcriptions", raw=raw, headers=kind)
        assert reply.code in (4000, 4300)
        assert reply.status == 400
    no_boundary = {"Content-Type": "multipart/form-data"}
    reply = rest.call("POST", "/v1/audio/transcriptions", raw=b"x", headers=no_boundary)
    assert reply.code == 4000


# --- voiceprints ------------------------------------------------------------------------------


def test_voices_are_told_apart(rest: Rest) -> None:
    group = rest.post(GROUPS, {"name": "family", "desc": "us"}).data["id"]
    base = f"{GROUPS}/{group}"
    ids = {
        name: rest.form("POST", f"{base}/features", wav(voice(pitch)), name=name).data["id"]
        for name, pitch in (("anna", 220.0), ("bert", 110.0), ("carl", 150.0))
    }
    for name, pitch in (("anna", 223.0), ("bert", 108.0), ("carl", 147.0)):
        reply = rest.form("POST", f"{base}/speaker_identify", wav(voice(pitch, 1)), top_k="2")
        scores = reply.data["feature_score_list"]
        assert len(scores) == 2
        assert (scores[0]["feature_id"], scores[0]["feature_name"]) == (ids[name], name)
        assert 100 >= scores[0]["score"] > scores[1]["score"] >= 0
    raw = voice(220.0, 2).tobytes()
    pcm = rest.form("POST", f"{base}/speaker_identify", raw, sample_rate="16000", channel="1")
    assert pcm.data["feature_score_list"][0]["feature_name"] == "anna"


def test_groups_and_features_are_kept(rest: Rest) -> None:
    group = rest.post(GROUPS, {"name": "office"}).data["id"]
    base = f"{GROUPS}/{group}"
    feature = rest.form("POST", f"{base}/features", wav(voice(200.0)), name="dora").data["id"]
    one = f"{base}/features/{feature}"
    assert "data" not in rest.form("PUT", one, desc="chief").body
    assert rest.form("PUT", one, wav(voice(100.0)), name="emil").body["code"] == 0
    listed = rest.get(f"{base}/features").data
    assert listed["total"] == 1
    item = listed["items"][0]
    assert (item["name"], item["desc"], item["group_id"]) == ("emil", "chief", group)
    assert item["user_info"]["name"] == "default"
    rest.call("PUT", base, {"desc": "all of us"})
    [shown] = rest.get(GROUPS, group_id=group).data["items"]
    assert (shown["name"], shown["desc"], shown["feature_count"]) == ("office", "all of us", 1)
    assert rest.get(GROUPS, name="nobody").data == {"items": [], "total": 0}
    other = Rest(rest.base, "other")
    assert other.get(f"{base}/features").code == 4200
    assert rest.call("DELETE", one).body["code"] == 0
    assert rest.call("DELETE", one).code == 4200
    assert rest.call("DELETE", base).body["code"] == 0
    assert rest.get(f"{base}/features").code == 4200


def test_a_group_has_limits(rest: Rest) -> None:
    assert rest.post(GROUPS, {"name": "x" * 21}).code == 4000
    group = rest.post(GROUPS, {"name": "crowd"}).data["id"]
    path = f"{GROUPS}/{group}/features"
    file = wav(voice(200.0, ms=600))
    for number in range(10):
        assert rest.form("POST", path, file, name=str(number)).body["code"] == 0
    assert rest.form("POST", path, file, name="10").code == 4000
    assert rest.form("POST", path, wav(tone(100)), name="short").code == 4304
    assert rest.form("POST", path, wav(silence(1000)), name="mute").code == 4304
    assert rest.form("POST", path, file, name="").code == 4000


# --- rooms and permissions --------------------------------------------------------------------


def test_there_is_no_real_time_network(rest: Rest) -> None:
    reply = rest.post("/v1/audio/rooms", {"bot_id": "1"})
    assert reply.code == 4101
    assert "/v1/chat" in reply.body["msg"]
    assert rest.post("/v1/audio/rooms", {}).code == 4000
    assert rest.get("/v1/audio/live/7").code == 4200


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        (SPEECH, "createSpeech"),
        ("/v1/audio/transcriptions", "createTranscription"),
        ("/v1/audio/voices/clone", "createVoice"),
        ("/v1/audio/rooms", "createRoom"),
    ],
)
def test_permissions(rest: Rest, path: str, permission: str) -> None:
    reply = Rest(rest.base, "pat_few").post(path, {})
    assert (reply.status, reply.code) == (403, 4101)
    assert permission in reply.body["msg"]
