"""The agent against everything the emulator can do to it: it lives, tells, and goes on talking."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import control
from agent.emulator.script import parse_script
from agent.emulator.server import Emulator, ThreadedEmulator
from tests.e2e.harness import Agent, agent, environment, wait_for, write_config, write_speech

pytestmark = pytest.mark.realtime

# More at a time would slow each other down.
_AT_A_TIME = 5
# Four packets of sound, nothing to wait for.
QUICK = {
    "timing": {"speed": 50.0},
    "switches": {"tail_ms": 0},
    "answer": [{"text": "Yes.", "audio": "tone"}],
}


def fault(word: str, at: str, do: str, **more: Any) -> dict[str, Any]:
    """A fault that strikes when the question has that word."""
    return {"when": rf"\b{word}\b", "at": at, "do": do, **more}


@contextmanager
def box(
    folder: Path, *faults: dict[str, Any], arguments: tuple[str, ...] = (), **tables: Any
) -> Iterator[tuple[Agent, Emulator]]:
    """An agent of its own, and an emulator of its own that does these faults."""
    script = parse_script({**QUICK, **tables, "fault": list(faults)}, "test")
    with ThreadedEmulator(Emulator(script=script, brain="simple")) as emulator:
        bases = {"api_base": emulator.api_base, "ws_base": emulator.ws_base}
        config = write_config(folder, bases)
        command = arguments or ("--input", "null", "--output", "null")
        with agent(folder, config, *command, env=environment(XDG_RUNTIME_DIR=str(folder))) as it:
            it.wait("ready", 40)
            yield it, emulator


def ask(it: Agent, text: str) -> dict[str, Any]:
    """A question over the control socket; the daemon's answer."""
    return control.request(it.config, it.env, {"command": "ask", "value": text})


def status(it: Agent) -> dict[str, Any]:
    return control.request(it.config, it.env, {"command": "status"})


def settle(it: Agent, timeout: float = 20.0) -> float:
    """Wait until the device can be asked something; how long that took, in seconds."""
    started = time.monotonic()
    wait_for(lambda: status(it)["state"] == "idle", timeout)
    found = status(it)["state"]
    assert found == "idle", f"stuck in {found}: {it.events[-12:]}\n{it.log.read_text()}"
    return time.monotonic() - started


def answers(it: Agent, text: str, timeout: float = 20.0) -> bool:
    """Ask, wait until it is over, and tell whether there was an answer."""
    settle(it, timeout)
    before = status(it)["turns"]
    reply = ask(it, text)
    assert reply["ok"], reply
    settle(it, timeout)
    return bool(status(it)["turns"] == before + 1)


def survives(it: Agent, word: str, timeout: float = 20.0) -> bool:
    """Whether a question that meets a fault is answered. The next question must be."""
    answered = answers(it, word, timeout)
    assert answers(it, "fine", timeout), f"no answer after {word}: {it.events[-20:]}"
    return answered


# --- one session, one fault after the other ---------------------------------------------------

_ANSWERED, _LOST, _EITHER = True, False, None

FRAMES: dict[str, tuple[dict[str, Any], bool | None]] = {
    "garbage": (fault("garbage", "text:1", "garbage"), _ANSWERED),
    "garbagesound": (fault("garbagesound", "audio:2", "garbage"), _ANSWERED),
    "instead": (fault("instead", "audio:2", "broken_json", instead=True), _ANSWERED),
    "truncated": (fault("truncated", "turn_start", "truncated_json", instead=True), _ANSWERED),
    "deep": (fault("deep", "audio:1", "deep_json", frames=10), _ANSWERED),
    "big": (fault("big", "audio:1", "oversized", bytes=2 << 20), _ANSWERED),
    "base64": (fault("base64", "audio:2", "bad_base64", frames=2), _ANSWERED),
    "opus": (fault("opus", "audio:2", "bad_opus", frames=3), _ANSWERED),
    "allopus": (fault("allopus", "audio:1", "bad_opus", frames=99), _EITHER),
    "ogg": (fault("ogg", "audio:1", "ogg", frames=99), _EITHER),
    "riff": (fault("riff", "audio:2", "riff"), _ANSWERED),
    "empty": (fault("empty", "audio:2", "no_audio"), _ANSWERED),
    "latesentence": (fault("latesentence", "sentence:1", "late"), _ANSWERED),
    "overtaken": (fault("overtaken", "audio:1", "late", frames=2), _ANSWERED),
    "early": (fault("early", "audio:2", "early_end"), _ANSWERED),
    "twice": (fault("twice", "audio:2", "duplicate", frames=3), _ANSWERED),
    "twobegin": (fault("twobegin", "turn_start", "duplicate"), _ANSWERED),
    "twoends": (fault("twoends", "turn_end", "duplicate", frames=3), _ANSWERED),
    "latepackets": (fault("latepackets", "turn_end", "late_audio", frames=20), _ANSWERED),
    "nobegin": (fault("nobegin", "turn_start", "lose"), _ANSWERED),
    "noaudioend": (fault("noaudioend", "audio_end", "lose"), _ANSWERED),
    "noend": (fault("noend", "turn_end", "lose"), _ANSWERED),
    "nosound": (fault("nosound", "audio:1", "lose", frames=99), _EITHER),
}
"""Wrong frames: the session goes on."""

REFUSALS: dict[str, tuple[dict[str, Any], bool | None]] = {
    **{
        f"code{code}": (fault(f"code{code}", "turn_start", "error", code=code, times=1), _LOST)
        for code in (4000, 4009, 4010, 4013, 4014, 5000, 4999999)
    },
    # The agent cancels and asks again by itself.
    "code4016": (fault("code4016", "turn_start", "error", code=4016, times=1), _EITHER),
    "midway": (fault("midway", "audio:2", "error", code=5000), _EITHER),
    "failed": (fault("failed", "turn_start", "chat_failed", code=5000), _LOST),
    "failedlate": (fault("failedlate", "audio:3", "chat_failed", code=4013), _EITHER),
    "idle": (fault("idle", "turn_end", "error", code=4029, close=1000), _EITHER),
}
"""Refusals of a request: the device says so and goes on."""

ENDS: dict[str, tuple[dict[str, Any], bool | None]] = {
    "normal": (fault("normal", "audio:2", "close", code=1000), _EITHER),
    "away": (fault("away", "turn_start", "close", code=1001), _LOST),
    "crash": (fault("crash", "text:1", "close", code=1011), _LOST),
    "again": (fault("again", "audio:3", "close", code=1013), _EITHER),
    "drop": (fault("drop", "audio:2", "drop"), _EITHER),
    "reset": (fault("reset", "turn_start", "reset"), _LOST),
    "huge": (fault("huge", "turn_start", "oversized", bytes=5 << 20), _LOST),
    "afterwards": (fault("afterwards", "turn_end", "drop"), _EITHER),
}
"""Ends of a connection: the device connects again."""


def one_after_the_other(
    folder: Path, cases: dict[str, tuple[dict[str, Any], bool | None]], reconnects: int
) -> None:
    with box(folder, *(case for case, _ in cases.values())) as (it, emulator):
        for word, (_, expected) in cases.items():
            answered = survives(it, word)
            assert expected in (None, answered), f"{word}: answered is {answered}"
        struck = [(strike.at, strike.do) for strike in emulator.service.faults.struck]
        assert struck == [(case["at"], case["do"]) for case, _ in cases.values()]
        assert status(it)["counters"]["reconnects"] == reconnects
        assert it.stop() == 0


def wrong_frames(folder: Path) -> None:
    one_after_the_other(folder, FRAMES, 0)


def refused_requests(folder: Path) -> None:
    one_after_the_other(folder, REFUSALS, 1)


def ended_connections(folder: Path) -> None:
    one_after_the_other(folder, ENDS, len(ENDS))


# --- faults that are only noticed after a while -----------------------------------------------


def silence_after_the_question(folder: Path) -> None:
    """No event of the answer for 16 s; the question after it comes through."""
    with box(folder, fault("silence", "turn_start", "stall", s=15.5)) as (it, _):
        assert not answers(it, "silence", 18)
        assert it.named("error")[-1]["code"] == "no_answer"
        assert answers(it, "fine")


def silence_in_the_answer(folder: Path) -> None:
    with box(folder, fault("gap", "audio:3", "stall", s=9)) as (it, _):
        answers(it, "gap", 12)
        assert 7 < it.named("state")[-1]["t"] - it.named("reply_audio_start")[-1]["t"] < 10
        assert answers(it, "fine")
        assert status(it)["counters"]["reconnects"] == 0


def an_answer_without_an_end(folder: Path) -> None:
    faults = [fault("endless", at, "lose") for at in ("audio_end", "turn_end")]
    with box(folder, *faults) as (it, _):
        answers(it, "endless", 12)
        assert answers(it, "fine")


def a_hole_in_the_network(folder: Path) -> None:
    """The connection stays, but nobody is there: noticed within 6 s, in conversation."""
    with box(folder, fault("hole", "audio:2", "half_open")) as (it, _):
        settle(it)
        started = time.monotonic()
        ask(it, "hole")
        it.wait("reconnect", 30)
        assert time.monotonic() - started < 6.5
        assert answers(it, "fine")
        assert status(it)["counters"]["reconnects"] == 1


def a_flood(folder: Path) -> None:
    """Ten minutes of audio in a second: the device stays in control, and its memory small."""
    with box(folder, fault("flood", "audio:2", "flood")) as (it, _):
        settle(it)
        before = resident(it)
        ask(it, "flood")
        it.wait("reply_audio_start")
        time.sleep(1.5)
        assert status(it)["state"] == "speaking"
        assert control.request(it.config, it.env, {"command": "stop"})["ok"]
        settle(it, 2)
        assert resident(it) - before < 40 << 20
        assert answers(it, "fine")
        assert status(it)["counters"]["reconnects"] == 0


def resident(it: Agent) -> int:
    """Bytes of memory in use."""
    pages = Path(f"/proc/{it.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


# --- connecting -------------------------------------------------------------------------------


def refused_handshakes(folder: Path) -> None:
    faults = [
        {"at": "upgrade", "connection": 1, "do": "refuse", "status": 503},
        {"at": "upgrade", "connection": 2, "do": "reset"},
        {"at": "upgrade", "connection": 3, "do": "refuse", "status": 302},
        {"at": "open", "connection": 4, "do": "garbage"},
        {"at": "update", "connection": 4, "do": "garbage"},
    ]
    with box(folder, *faults) as (it, emulator):
        assert answers(it, "fine")
        assert len(emulator.service.faults.struck) == len(faults)


def a_refusal_with_a_wish(folder: Path) -> None:
    faults = [
        {"at": "upgrade", "connection": n, "do": "refuse", "status": s, "retry_after": 2}
        for n, s in ((1, 429), (2, 503))
    ]
    with box(folder, *faults) as (it, _):
        assert answers(it, "fine")
        delays = [record["delay"] for record in it.named("reconnect")]
        assert len(delays) == 2 and min(delays) >= 2


def handshakes_that_hang(folder: Path) -> None:
    faults = [
        {"at": "upgrade", "connection": 1, "do": "hang"},
        {"at": "open", "connection": 2, "do": "lose"},
        {"at": "update", "connection": 3, "do": "lose"},
    ]
    with box(folder, *faults) as (it, _):
        assert answers(it, "fine", 30)
        assert len(it.named("reconnect")) == 3


def a_word_lost_on_the_way(folder: Path) -> None:
    """The connection breaks while somebody speaks: the utterance is sent again, and answered."""
    question = write_speech(folder / "question.wav")
    faults: list[dict[str, Any]] = [
        {"at": "append:8", "do": "reset", "connection": 1},
        {"at": "complete", "do": "lose"},
    ]
    arguments = ("--input", str(question), "--output", "null", "--once")
    with box(folder, *faults, arguments=arguments) as (it, emulator):
        assert it.process.wait(30) == 0, it.log.read_text()
        assert it.named("reply_audio_end")
        assert [strike.do for strike in emulator.service.faults.struck] == ["reset", "lose"]


# --- what ends the use of the device, but not its life ----------------------------------------


def blocked(folder: Path, do: str, at: str, code: int) -> None:
    with box(folder, fault("last", at, do, code=code)) as (it, emulator):
        settle(it)
        ask(it, "last")
        wait_for(lambda: status(it)["state"] in ("blocked", "offline"), 10)
        assert status(it)["state"] in ("blocked", "offline")
        assert str(code) in [record["code"] for record in it.named("error")]
        time.sleep(2)
        assert len(emulator.service.faults.struck) == 1, "it does not knock again at once"
        assert not ask(it, "fine")["ok"]
        assert it.stop() == 0


def a_quota_used_up(folder: Path) -> None:
    blocked(folder, "quota", "turn_start", 4011)


def a_quota_used_up_in_a_failed_chat(folder: Path) -> None:
    blocked(folder, "chat_failed", "audio:2", 4008)


def a_token_that_dies(folder: Path) -> None:
    blocked(folder, "token", "text:1", 700012006)


def a_network_that_is_bad(folder: Path) -> None:
    network = {"trace": "4g_bad", "uplink": True, "rate_kbps": 200.0}
    with box(folder, network=network) as (it, _):
        for _ in range(6):
            assert answers(it, "fine")
        assert status(it)["counters"]["reconnects"] == 0


STORIES = [
    wrong_frames,
    refused_requests,
    ended_connections,
    handshakes_that_hang,
    silence_after_the_question,
    silence_in_the_answer,
    an_answer_without_an_end,
    a_hole_in_the_network,
    a_flood,
    refused_handshakes,
    a_refusal_with_a_wish,
    a_word_lost_on_the_way,
    a_quota_used_up,
    a_quota_used_up_in_a_failed_chat,
    a_token_that_dies,
    a_network_that_is_bad,
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """All stories, told at the same time: most of them are waiting."""
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        yield {
            story.__name__: pool.submit(story, _made(folder / story.__name__)) for story in STORIES
        }


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("story", [story.__name__ for story in STORIES])
def test_the_agent_survives(told: dict[str, Future[None]], story: str) -> None:
    told[story].result(90)
