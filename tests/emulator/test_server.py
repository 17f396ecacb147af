"""Starting, telling where, and stopping."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from agent.emulator.page import HEALTH
from agent.emulator.server import Emulator, ReadyFile, ThreadedEmulator
from agent.errors import ConfigError, UsageError
from tests.emulator.doubles import DoubleBrain, client, drive, fast_script, running

RUN = """
import sys
from pathlib import Path
from agent.emulator.server import run
sys.exit(run(ready_file=Path(sys.argv[1]), brain="simple"))
"""


def threaded() -> ThreadedEmulator:
    return ThreadedEmulator(Emulator(script=fast_script(), brain=DoubleBrain()))


def test_a_synchronous_test_can_use_it() -> None:
    with threaded() as emulator:
        headers = {"Authorization": "Bearer t"}
        with connect(f"{emulator.ws_base}/v1/chat", additional_headers=headers) as talk:
            assert json.loads(talk.recv(5))["event_type"] == "chat.created"
            # Left open: stopping says goodbye.
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{emulator.api_base}/health")


def test_stopping_says_goodbye_to_everybody() -> None:
    async def body() -> None:
        async with running() as emulator, client(emulator) as talk:
            started = time.monotonic()
            await emulator.stop()
            with pytest.raises(ConnectionClosed) as caught:
                await talk.next()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
            assert time.monotonic() - started < 2

    drive(body)


def test_pages_for_programs_and_for_people() -> None:
    with threaded() as emulator:
        with urllib.request.urlopen(emulator.api_base + HEALTH) as response:
            health = json.load(response)
            assert response.headers["X-Tt-Logid"]
        assert health == {"status": "ok", "connections": 0, "conversations": 0}
        request = urllib.request.Request(emulator.api_base, headers={"Host": "<b>:1"})
        with urllib.request.urlopen(request) as response:
            page = response.read().decode()
        assert "ws_base" in page
        assert "<b>" not in page


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        async def body() -> None:
            with pytest.raises(UsageError, match=f"port {port} is already in use"):
                await Emulator(port=port, brain=DoubleBrain()).start()

        drive(body)


def test_an_address_that_is_not_ours() -> None:
    async def body() -> None:
        with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
            await Emulator(host="192.0.2.1", brain=DoubleBrain()).start()

    drive(body)


def test_a_wrong_script_is_told_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("[timing]\nspede = 1\n")
    with pytest.raises(ConfigError, match=r"wrong\.toml.*spede.*Did you mean speed"):
        Emulator(script=path, brain=DoubleBrain())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_tells_when_it_is_ready_and_stops_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(ready)], stderr=subprocess.PIPE, text=True
    )
    try:
        limit = time.monotonic() + 20
        while not ready.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        assert told["pid"] == process.pid
        assert told["api_base"] == f"http://127.0.0.1:{told['port']}"
        assert told["ws_base"] == f"ws://127.0.0.1:{told['port']}"
        headers = {"Authorization": "Bearer t"}
        with connect(f"{told['ws_base']}/v1/chat", additional_headers=headers) as talk:
            talk.recv(5)
            started = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert time.monotonic() - started < 3
        assert told["ws_base"] in errors
        assert len(errors.strip().splitlines()) == 1
        assert not ready.exists()
    finally:
        process.kill()
        process.wait()


def test_a_ready_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "ready.json"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(nowhere)], stderr=subprocess.PIPE, text=True, timeout=20
    )
    assert "cannot write the ready file" in done.stderr
    assert done.returncode != 0


def test_another_process_keeps_its_ready_file(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"

    async def body() -> None:
        async with running() as emulator:
            with ReadyFile(path) as ready:
                ready.write(emulator)
                assert json.loads(path.read_text())["pid"] == os.getpid()
                path.write_text('{"pid": 1}')
            assert path.exists()
            with ReadyFile(path) as ready:
                ready.write(emulator)
            assert not path.exists()
            assert list(tmp_path.iterdir()) == []

    asyncio.run(body())
