"""The control socket: found by its configuration, private, bounded, one daemon each."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.control import MAX_CLIENTS, ControlServer, request, socket_name
from agent.errors import NotPermitted, ServiceUnreachable, UsageError
from agent.loop import Loop


def handler(message: dict[str, Any]) -> dict[str, Any]:
    if message["command"] == "no":
        raise NotPermitted("not now")
    return {"echo": message.get("value")}


class Served:
    """A control server with its loop on a thread of its own."""

    def __init__(self, config: Path | None, env: dict[str, str]) -> None:
        self.loop = Loop()
        self.server = ControlServer(config, env, handler)
        self.server.attach(self.loop)
        self.thread = threading.Thread(target=self.loop.run)
        self.thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(lambda: self.loop.stop())
        self.thread.join(5)
        self.server.close()
        self.loop.close()


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    runtime = tmp_path / "run"
    runtime.mkdir()
    return {"RUNTIME_DIRECTORY": str(runtime)}


@pytest.fixture
def served(tmp_path: Path, env: dict[str, str]) -> Iterator[Served]:
    server = Served(tmp_path / "talkbox.toml", env)
    yield server
    server.stop()


def test_a_request_finds_the_daemon_of_its_configuration(
    served: Served, tmp_path: Path, env: dict[str, str]
) -> None:
    answer = request(tmp_path / "talkbox.toml", env, {"command": "x", "value": "你好"})
    assert answer == {"ok": True, "echo": "你好"}
    with pytest.raises(ServiceUnreachable, match=r"no talkbox is running with .*other"):
        request(tmp_path / "other.toml", env, {"command": "x"})


def test_a_refusal_carries_its_sentence_and_exit_code(
    served: Served, tmp_path: Path, env: dict[str, str]
) -> None:
    answer = request(tmp_path / "talkbox.toml", env, {"command": "no"})
    assert answer == {"ok": False, "error": "not now", "exit": 77}


def test_the_socket_is_for_owner_and_group_only(served: Served) -> None:
    assert served.server.path.stat().st_mode & 0o777 == 0o660


def test_a_second_daemon_with_the_same_configuration_is_refused(
    served: Served, tmp_path: Path, env: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="already runs with this configuration"):
        ControlServer(tmp_path / "talkbox.toml", env, handler)
    other = ControlServer(tmp_path / "other.toml", env, handler)
    os.close(other._lock)
    other._socket.close()


def test_a_socket_left_by_a_crash_is_replaced(tmp_path: Path, env: dict[str, str]) -> None:
    path = Path(env["RUNTIME_DIRECTORY"]) / socket_name(None)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    with pytest.raises(ServiceUnreachable):
        request(None, env, {"command": "x"})
    server = Served(None, env)
    try:
        assert request(None, env, {"command": "x", "value": 1})["echo"] == 1
    finally:
        server.stop()
    assert not path.exists()


@pytest.mark.parametrize("line", [b"{", b"[]", b"1", b"\xff", b"[" * 5000])
def test_garbage_gets_an_answer_and_hurts_nobody(
    served: Served, tmp_path: Path, env: dict[str, str], line: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(served.server.path))
        client.sendall(line + b"\n")
        assert json.loads(client.recv(4096))["ok"] is False
    assert request(tmp_path / "talkbox.toml", env, {"command": "x"})["ok"]


def test_an_endless_line_is_cut_off(served: Served) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(served.server.path))
        with pytest.raises(OSError):
            while True:
                client.sendall(b"x" * 4096)


def test_too_many_clients_are_turned_away(
    served: Served, tmp_path: Path, env: dict[str, str]
) -> None:
    clients = [socket.socket(socket.AF_UNIX) for _ in range(MAX_CLIENTS)]
    for client in clients:
        client.connect(str(served.server.path))
    assert request_refused(tmp_path, env)
    for client in clients:
        client.close()


def request_refused(tmp_path: Path, env: dict[str, str]) -> bool:
    try:
        request(tmp_path / "talkbox.toml", env, {"command": "x"})
    except ServiceUnreachable:
        return True
    return False


def test_a_message_no_daemon_would_take_is_refused_before_it_is_sent(
    served: Served, tmp_path: Path, env: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="too long"):
        request(tmp_path / "talkbox.toml", env, {"command": "ask", "value": "x" * 70_000})


def test_a_directory_too_long_for_a_socket_is_passed_over(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    server = Served(tmp_path / "talkbox.toml", {"RUNTIME_DIRECTORY": str(deep)})
    try:
        assert server.server.path.parent != deep
        answer = request(tmp_path / "talkbox.toml", {}, {"command": "x", "value": 1})
        assert answer["echo"] == 1
    finally:
        server.stop()
