"""Bad input at the command line: one clear sentence, the right exit code, never a traceback."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import emulator, environment, talkbox, write_config, write_speech


def complains(result: object, code: int, *words: str) -> None:
    """Exit code and sentence are right, and there is no traceback."""
    err: str = result.stderr  # type: ignore[attr-defined]
    assert result.returncode == code, err  # type: ignore[attr-defined]
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("talkbox: "), err
    for word in words:
        assert word in last, last


@pytest.fixture
def bases() -> dict[str, str]:
    return {"api_base": "http://127.0.0.1:9", "ws_base": "ws://127.0.0.1:9"}


def run(config: Path, *arguments: str, **env: str) -> object:
    extra = environment(XDG_RUNTIME_DIR=str(config.parent), **env)
    return talkbox("run", "--config", str(config), "-q", *arguments, env=extra)


# --- configuration ------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    complains(run(tmp_path / "none.toml"), 78, "none.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[coze]\nbot = 'x'\n", ("bot", "did you mean", "bot_id")),
        ("[audio]\nbitrate = 'high'\n", ("bitrate", "high")),
        ("[conversation]\nvolume = 300\n", ("volume", "100")),
        ("[conversation]\nturn = 'magic'\n", ("turn", "local")),
        ("[coze\n", ("talkbox.toml",)),
        ("[device]\nprofile = 'generik'\n", ("generik", "generic")),
        ("[coze]\ntoken = 'pat_x'\n", ("token",)),
        ("[conversation]\nturn = 'wake_word'\n", ("wake_word",)),
        ("[quota]\nlimit = 60\n", ("limit",)),
        ("", ("bot_id",)),
    ],
)
def test_wrong_configuration_is_one_sentence(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "talkbox.toml"
    path.write_text(text)
    complains(run(path), 78, *words)


def test_an_unknown_profile_on_the_command_line(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases)
    complains(run(config, "--profile", "pi-zero2w"), 78, "pi-zero2w")


def test_no_token_says_where_it_goes(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases)
    env = environment(XDG_RUNTIME_DIR=str(tmp_path))
    del env["TALKBOX_TOKEN"]
    result = talkbox("run", "--config", str(config), "--input", "null", "--output", "null", env=env)
    complains(result, 77, "TALKBOX_TOKEN")


# --- sound --------------------------------------------------------------------------------------


def broken_wavs(tmp_path: Path) -> Iterator[tuple[str, bytes, str]]:
    good = write_speech(tmp_path / "good.wav").read_bytes()
    yield "truncated", good[: len(good) // 2], "truncated"
    yield "alaw", good[:20] + struct.pack("<H", 6) + good[22:], "A-law"
    yield "empty", good[:40] + struct.pack("<I", 0), "no"
    yield "text", b"this is no sound at all" * 10, "WAV"


def test_bad_wav_files(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases)
    for name, data, word in broken_wavs(tmp_path):
        path = tmp_path / f"{name}.wav"
        path.write_bytes(data)
        complains(run(config, "--input", str(path), "--output", "null"), 74, path.name, word)
    complains(run(config, "--input", "missing.wav", "--output", "null"), 74, "missing.wav")


def test_an_unknown_device_is_named_or_there_is_none(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases)
    result = run(config, "--input", "null", "--output", "Loudspeaker of Oz")
    complains(result, 74, "speaker")


def test_missing_libraries_say_what_to_install(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for package, library, apt in (
        ("sounddevice", "PortAudio", "libportaudio2"),
        ("opuslib_next", "opus", "libopus0"),
    ):
        (hidden / f"{package}.py").write_text(f"raise OSError('{library} library not found')\n")
        path = f"{hidden}:{environment()['PYTHONPATH']}"
        output = "" if package == "sounddevice" else "null"
        result = run(config, "--input", "null", "--output", output, PYTHONPATH=path)
        complains(result, 74, apt)
        (hidden / f"{package}.py").unlink()


# --- the platform -------------------------------------------------------------------------------


@contextmanager
def server(behave: Callable[[socket.socket], None]) -> Iterator[dict[str, str]]:
    """A TCP server on loopback that treats every client in the same, wrong way."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                try:
                    behave(client)
                except OSError:
                    continue

    threading.Thread(target=serve, daemon=True).start()
    port = listener.getsockname()[1]
    try:
        yield {"api_base": f"http://127.0.0.1:{port}", "ws_base": f"ws://127.0.0.1:{port}"}
    finally:
        listener.close()


def closes(client: socket.socket) -> None:
    client.recv(10)


def speaks_something_else(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(b"220 smtp.example ESMTP ready\r\n")


def shows_a_page(client: socket.socket) -> None:
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")


@pytest.mark.parametrize("behave", [closes, speaks_something_else, shows_a_page])
def test_a_server_that_is_not_the_platform(
    tmp_path: Path, behave: Callable[[socket.socket], None]
) -> None:
    question = write_speech(tmp_path / "question.wav")
    with server(behave) as bases:
        config = write_config(tmp_path, bases)
        result = run(config, "--input", str(question), "--output", "null", "--once")
    complains(result, 69, "127.0.0.1")


def test_nobody_listens(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases)
    complains(run(config, "--input", "null", "--output", "null", "--once"), 69, "127.0.0.1:9")


def test_a_refused_token_and_an_unknown_bot(tmp_path: Path) -> None:
    with emulator(tmp_path) as bases:
        config = write_config(tmp_path, bases)
        sound = ("--input", "null", "--output", "null")
        complains(run(config, *sound, TALKBOX_TOKEN="bad_token"), 77, "token")
        text = config.read_text()
        config.write_text(text.replace("7400000000000000001", "unknown-bot"))
        complains(run(config, *sound), 78, "bot")
        config.write_text(text.replace("7400000000000000001", "unpublished-bot"))
        complains(run(config, *sound), 78, "bot")


def test_the_emulators_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        complains(talkbox("emulator", "--port", str(port)), 2, str(port), "in use")


def test_an_emulator_script_with_a_wrong_key(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text("[timing]\nspeeed = 2\n")
    complains(talkbox("emulator", "--script", str(script)), 78, "speeed", "speed")


# --- flags --------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("dance",), ("run", "--loud"), ("volume", "a", "b")])
def test_wrong_flags_exit_with_two(arguments: tuple[str, ...]) -> None:
    result = talkbox(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_commands_without_a_daemon(tmp_path: Path) -> None:
    env = environment(XDG_RUNTIME_DIR=str(tmp_path))
    for name in ("status", "stop", "mute"):
        complains(talkbox(name, env=env), 69, "no talkbox is running", "talkbox run")


def test_profiles_are_listed_shown_and_checked() -> None:
    names = [line.split()[0] for line in talkbox("profile", "list").stdout.splitlines()]
    assert len(names) >= 6
    assert talkbox("profile", "show", names[0]).returncode == 0
    checked = talkbox("profile", "check")
    assert checked.returncode == 0, checked.stdout
    complains(talkbox("profile", "show", "nothing-like-it"), 78, "nothing-like-it")


def test_devices_are_listed() -> None:
    result = talkbox("devices")
    assert result.returncode in (0, 74)
    assert "Traceback" not in result.stderr


def test_effective_settings_say_where_they_come_from(tmp_path: Path, bases: dict[str, str]) -> None:
    config = write_config(tmp_path, bases, volume=33)
    env = environment(TALKBOX_AUDIO__BITRATE="16000")
    shown = talkbox("config", "--config", str(config), env=env).stdout
    volume = next(line for line in shown.splitlines() if "conversation.volume" in line)
    assert "33" in volume
    assert str(config) in volume
    bitrate = next(line for line in shown.splitlines() if "audio.bitrate" in line)
    assert "TALKBOX_AUDIO__BITRATE" in bitrate
