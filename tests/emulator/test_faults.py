"""Which faults await whom, that a seed repeats them, and the examples as their users run them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from agent.coze.events import Downlink
from agent.emulator.fault import Fault
from agent.emulator.faults import BUTTONS, Faults, Strike
from agent.emulator.ids import Ids
from agent.emulator.jitter import Network
from agent.emulator.saboteur import Saboteur
from agent.emulator.script import Script, Timing, load_script
from agent.errors import ConfigError
from tests.emulator.doubles import client, drive, fast_script, running
from tests.emulator.test_saboteur import (
    AUDIO,
    AUDIO_END,
    CANCELED,
    COMPLETED,
    CREATED,
    FAILED,
    SENTENCE,
    asked,
    ended,
    names,
    quiet,
    spoiled,
    talking,
    until,
)

EXAMPLES = Path(__file__).parents[2] / "examples" / "scripts"
DROP = {"at": "open", "do": "drop"}


def faults(*script: Fault, seed: int = 0) -> Faults:
    return Faults(script, Network(), seed, Ids(0))


def chosen(service: Faults, *arrivals: tuple[str, str]) -> list[int]:
    """How many faults await each arrival (socket, device)."""
    return [
        len(service.arrive(socket, device, str(at))._plans)
        for at, (socket, device) in enumerate(arrivals)
    ]


def test_connections_are_counted_for_each_socket() -> None:
    service = faults(Fault("open", "drop", connection=2))
    arrivals = ("chat", "1"), ("speech", "1"), ("chat", "2"), ("chat", "1")
    assert chosen(service, *arrivals) == [0, 0, 1, 0]


def test_connections_of_a_device_are_counted_for_it() -> None:
    service = faults(Fault("open", "drop", connection=2, device="7"))
    arrivals = ("chat", "1"), ("chat", "7"), ("chat", "1"), ("chat", "7"), ("chat", "7")
    assert chosen(service, *arrivals) == [0, 0, 0, 1, 0]


def test_a_fault_is_for_the_chat_socket_unless_it_says_otherwise() -> None:
    arrivals = ("chat", ""), ("speech", ""), ("transcriptions", "")
    assert chosen(faults(Fault("open", "drop")), *arrivals) == [1, 0, 0]
    assert chosen(faults(Fault("open", "drop", socket="any")), *arrivals) == [1, 1, 1]
    assert chosen(faults(Fault("open", "drop", socket="speech")), *arrivals) == [0, 1, 0]


def test_a_fault_may_be_used_up() -> None:
    async def body() -> None:
        async with spoiled({**DROP, "times": 2}) as emulator:
            for _ in range(2):
                async with client(emulator, opened=False) as talk:
                    assert (await ended(talk))[0] is None
            async with client(emulator):
                pass
            assert emulator.service.faults.struck[-1] == Strike("chat", 2, 0, "open", "drop")

    drive(body)


def test_the_other_sockets_can_be_spoiled_too() -> None:
    async def body() -> None:
        fault = {"at": "update", "do": "close", "code": 1012, "socket": "speech"}
        async with (
            spoiled(fault) as emulator,
            client(emulator, path="/v1/audio/speech") as talk,
        ):
            await talk.send("speech.update")
            assert (await ended(talk))[0] == 1012

    drive(body)


# --- one seed ---------------------------------------------------------------------------------


async def _run(seed: int) -> tuple[list[Strike], list[list[str]]]:
    """What struck in three connections of three turns, and what the client saw of them."""
    script = fast_script(
        fault=[
            {"at": "audio:4", "do": "lose", "probability": 0.5},
            {"at": "sentence:2", "do": "duplicate", "probability": 0.5},
            {"at": "text:2", "do": "unknown_event", "probability": 0.5},
            {"at": "audio:5", "do": "bad_opus", "probability": 0.5, "frames": 2},
        ]
    )
    seen: list[list[str]] = []
    async with running(script, seed=seed) as emulator:
        for _ in range(3):
            async with talking(emulator) as talk:
                for _ in range(3):
                    frames = await asked(talk)
                    for kind in (AUDIO, SENTENCE, "conversation.message.delta"):
                        of_kind = [f["data"] for f in frames if f["event_type"] == kind]
                        seen.append([d.get("text") or d["content"] for d in of_kind])
        return list(emulator.service.faults.struck), seen


def test_one_seed_repeats_a_run() -> None:
    first, again, other = (asyncio.run(_run(seed)) for seed in (5, 5, 6))
    assert first == again
    assert first[0] != other[0]
    assert len({strike.do for strike in first[0]}) == 4


# --- a person's hand --------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BUTTONS))
def test_buttons(name: str) -> None:
    async def body() -> None:
        tables = {"answer": [{"text": "A long answer. " * 40, "audio": "tone"}]}
        tables["timing"] = {"speed": 5.0}  # type: ignore[assignment]
        async with running(fast_script(**tables)) as emulator, talking(emulator) as talk:
            await talk.ask()
            logid = (await until(talk, AUDIO))[-1]["detail"]["logid"]
            assert emulator.service.faults.now(logid, name)
            if name in ("drop", "reset"):
                assert (await ended(talk))[0] is None
            elif name == "close_1011":
                assert (await ended(talk))[0] == 1011
            elif name == "token":
                code, frames = await ended(talk)
                assert (code, frames[-1]["data"]["code"]) == (1008, 4100)
            elif name == "quota":
                assert (await until(talk, "error"))[-1]["data"]["code"] == 4011
                assert await quiet(talk, 0.3) == []
            elif name == "garbage":
                assert "?" in names(await quiet(talk, 0.3))
            else:
                await quiet(talk, 0.2)
                assert await quiet(talk, 0.4) == [], "nothing comes any more"
                talk.socket.transport.abort()

    drive(body)


def test_buttons_of_nobody() -> None:
    service = faults()
    assert not service.now("nobody", "drop")
    with pytest.raises(KeyError):
        service.now("nobody", "explode")


def test_who_has_gone_cannot_be_hurt() -> None:
    async def body() -> None:
        async with running() as emulator:
            async with talking(emulator) as talk:
                logid = (await asked(talk))[-1]["detail"]["logid"]
            await asyncio.sleep(0.2)
            assert not emulator.service.faults.now(logid, "drop")

    drive(body)


# --- the examples -----------------------------------------------------------------------------


def example(name: str) -> Script:
    script = load_script(EXAMPLES / name)
    assert script.fault or not script.network.ideal
    return replace(script, timing=Timing(speed=20))


def drive_example(name: str, body: Callable[..., Any]) -> None:
    async def run() -> None:
        async with running(example(name)) as emulator:
            await body(emulator)

    drive(run)


def test_example_bad_handshakes() -> None:
    async def body(emulator: Any) -> None:
        for _ in range(4):
            with pytest.raises((OSError, WebSocketException)):
                async with client(emulator):
                    pass
        async with client(emulator, opened=False) as talk:
            assert await quiet(talk, 0.3) == []
        async with client(emulator) as talk:
            await talk.send("chat.update")
            assert await quiet(talk, 0.3) == []
        async with talking(emulator) as talk:
            await talk.send("conversation.chat.cancel")
            await until(talk, CANCELED)

    drive_example("bad-handshakes.toml", body)


def test_example_lost_connections() -> None:
    async def body(emulator: Any) -> None:
        with pytest.raises(InvalidHandshake):
            async with client(emulator):
                pass
        found = {}
        for word in ("goodbye", "crash", "cut", "reset"):
            async with talking(emulator) as talk:
                await talk.ask(word)
                found[word] = (await ended(talk))[0]
        assert found == {"goodbye": 1001, "crash": 1011, "cut": None, "reset": None}
        async with talking(emulator) as talk:
            await asked(talk, "stutter")
            await talk.ask("hole")
            await quiet(talk, 0.4)
            pong = await talk.socket.ping()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(pong, 0.3)
            talk.socket.transport.abort()

    drive_example("lost-connections.toml", body)


def test_example_refusals() -> None:
    async def body(emulator: Any) -> None:
        async with talking(emulator) as talk:
            for word, code in {"busy": 4009, "model": 4013, "running": 4016, "quota": 4011}.items():
                assert (await asked(talk, word, "error"))[-1]["data"]["code"] == code
            for word, code in {"internal": 5000, "failed": 4011}.items():
                failed = (await asked(talk, word, FAILED))[-1]["data"]
                assert failed["last_error"]["code"] == code
            assert COMPLETED in names(await asked(talk, "running"))
            await talk.ask("token")
            assert (await ended(talk))[0] == 1008

    drive_example("refusals.toml", body)


def test_example_bad_frames() -> None:
    async def body(emulator: Any) -> None:
        async with talking(emulator) as talk:
            for word in ("truncated", "deep", "huge", "flood"):
                await talk.ask(word)
                frames = await quiet(talk, 0.6)
                assert "?" in names(frames)
                assert names(frames)[-1] == COMPLETED
            assert len([name for name in names(frames) if name == AUDIO]) > 10_000

    drive_example("bad-frames.toml", body)


def test_example_bad_audio() -> None:
    async def body(emulator: Any) -> None:
        async with talking(emulator) as talk:
            for word in ("base64", "opus", "ogg", "riff", "empty"):
                assert names(await asked(talk, word)).count(AUDIO) > 15
        assert [strike.do for strike in emulator.service.faults.struck] == [
            *("bad_base64", "bad_opus", "ogg", "riff", "no_audio")
        ]

    drive_example("bad-audio.toml", body)


def test_example_bad_order() -> None:
    async def body(emulator: Any) -> None:
        async with talking(emulator) as talk:
            late = names(await asked(talk, "late sentence"), SENTENCE, AUDIO)
            assert late[0] == AUDIO
            early = await asked(talk, "early end") + await quiet(talk, 0.5)
            assert names(early, AUDIO, COMPLETED)[2] == COMPLETED
            assert len(names(await asked(talk, "twice"), AUDIO)) == len(late) + 2 - 2
            await asked(talk, "end twice")
            assert names(await quiet(talk, 0.3)) == [COMPLETED]
            assert CREATED not in names(await asked(talk, "no beginning"))
            assert AUDIO_END not in names(await asked(talk, "no audio end"))
            await talk.ask("no end")
            await until(talk, AUDIO)
            await talk.send("conversation.chat.cancel")
            await until(talk, CANCELED)
            assert names(await quiet(talk, 0.3)) == [AUDIO] * 5

    drive_example("bad-order.toml", body)


@pytest.mark.parametrize("name", ["slow-network.toml", "recorded-network.toml"])
def test_example_networks(name: str) -> None:
    async def body(emulator: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            async with talking(emulator) as talk:
                loop = asyncio.get_running_loop()
                times = []
                for _ in range(3):
                    started = loop.time()
                    await (await talk.socket.ping())
                    times.append(loop.time() - started)
                assert min(times) > 0.05
                assert COMPLETED in names(await asked(talk, "hello"))
                return
        raise AssertionError("the connection was lost")

    drive_example(name, body)


def test_a_trace_file_that_is_missing_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "script.toml"
    path.write_text('[network]\ntrace = "missing.csv"\n', encoding="utf-8")

    async def body() -> None:
        with pytest.raises(ConfigError, match="cannot read the trace"):
            async with running(load_script(path)):
                pass

    drive(body)


def test_without_faults_frames_are_not_looked_at() -> None:
    service = faults()
    saboteur: Saboteur = service.arrive("chat", "", "1")
    sent: list[str] = []

    class Socket:
        async def send_str(self, data: str) -> None:
            sent.append(data)

    class Opaque(Downlink):
        """Raises at whoever looks at it."""

        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(name)

    async def body() -> None:
        saboteur.attach(Socket(), None)  # type: ignore[arg-type]
        await saboteur.downlink(Opaque(), "frame")
        await saboteur.downlink(Opaque(), "")
        await saboteur.detach()

    drive(body)
    assert sent == ["frame"]
