"""The daemon's ear for the command line: a Unix socket (0660) that belongs to one configuration.

One JSON object per line in, one per line out: ``{"command": "volume", "value": 40}`` answers
``{"ok": true, ...}`` or ``{"ok": false, "error": "..."}``. Nothing here listens on the network.
The path is derived from the configuration file, so ``talkbox stop --config FILE`` finds the daemon
that was started with that file; a lock beside it keeps a second daemon from starting.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from agent.errors import ServiceUnreachable, TalkboxError, UsageError

Handler = Callable[[dict[str, Any]], dict[str, Any]]

MAX_LINE = 65536
MAX_CLIENTS = 8

# sockaddr_un holds 108 bytes with the final zero (unix(7)); our name takes a slash and 21 of them.
LONGEST = 107 - 22


class Readers(Protocol):
    """What is needed of the loop."""

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None: ...

    def remove(self, fd: int) -> None: ...


def directories(env: dict[str, str]) -> list[Path]:
    """Where sockets may live, best first: the service's, the session's, the user's.

    A directory whose path is too long for a socket's address is left out.
    """
    places = [Path(p) for p in env.get("RUNTIME_DIRECTORY", "").split(":") if p]
    places.append(Path("/run/talkbox"))
    if env.get("XDG_RUNTIME_DIR"):
        places.append(Path(env["XDG_RUNTIME_DIR"]) / "talkbox")
    places.append(Path(f"/tmp/talkbox-{os.getuid()}"))
    return [place for place in dict.fromkeys(places) if len(os.fsencode(place)) <= LONGEST]


def socket_name(config_path: Path | None) -> str:
    """File name of the socket for a configuration file (``None``: built-in defaults)."""
    identity = str(config_path.resolve()) if config_path else "defaults"
    return f"{hashlib.sha256(identity.encode()).hexdigest()[:16]}.sock"


def _usable(directory: Path) -> bool:
    """Whether we may put a socket there; our own place under /tmp is made, and must be ours."""
    if directory.parent != Path("/tmp") and not directory.parent.is_dir():
        return False
    if directory != Path("/run/talkbox"):
        with contextlib.suppress(OSError):
            directory.mkdir(mode=0o750)
    try:
        info = directory.lstat()
    except OSError:
        return False
    ours = info.st_uid == os.getuid() or directory.parent != Path("/tmp")
    return directory.is_dir() and ours and os.access(directory, os.W_OK | os.X_OK)


class ControlServer:
    """Listens and answers on the daemon's loop; never blocks it."""

    def __init__(self, config_path: Path | None, env: dict[str, str], handler: Handler) -> None:
        """Binds the socket. Raises ``UsageError`` if a daemon with this configuration runs."""
        self._handler = handler
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        directory = next((d for d in directories(env) if _usable(d)), None)
        if directory is None:
            raise UsageError(
                "there is no directory for the control socket", remedy="Set XDG_RUNTIME_DIR."
            )
        self.path = directory / socket_name(config_path)
        self._lock = os.open(
            self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise UsageError(
                "talkbox already runs with this configuration",
                remedy="Type 'talkbox status' to see it, or stop it first.",
            ) from error
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o117)
        try:
            self._socket.bind(str(self.path))
        finally:
            os.umask(before)
        self._socket.listen(MAX_CLIENTS)

    def attach(self, loop: Readers) -> None:
        """Serve on this loop from now on."""
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self._accept)

    def close(self) -> None:
        """Hang up and remove the socket."""
        for fd in list(self._clients):
            self._drop(fd)
        if hasattr(self, "_loop"):
            self._loop.remove(self._socket.fileno())
        self._socket.close()
        self.path.unlink(missing_ok=True)
        os.close(self._lock)

    def _accept(self) -> None:
        try:
            client, _ = self._socket.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            client.close()
            return
        client.setblocking(False)
        fd = client.fileno()
        self._clients[fd] = (client, bytearray())
        self._loop.add_reader(fd, lambda: self._read(fd))

    def _read(self, fd: int) -> None:
        client, buffer = self._clients[fd]
        try:
            data = client.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer += data
        if not data or len(buffer) > MAX_LINE:
            self._drop(fd)
            return
        while (end := buffer.find(b"\n")) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            answer = json.dumps(self._answer(line), ensure_ascii=False).encode() + b"\n"
            try:
                client.send(answer)
            except OSError:
                self._drop(fd)
                return

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return {"ok": False, "error": "that is no JSON object"}
        if not isinstance(request, dict):
            return {"ok": False, "error": "that is no JSON object"}
        try:
            return {"ok": True, **self._handler(request)}
        except TalkboxError as error:
            return {"ok": False, "error": str(error), "exit": error.exit_code}

    def _drop(self, fd: int) -> None:
        client, _ = self._clients.pop(fd)
        self._loop.remove(fd)
        client.close()


def request(
    config_path: Path | None, env: dict[str, str], message: dict[str, Any], timeout: float = 3.0
) -> dict[str, Any]:
    """Ask the running daemon. Raises ``ServiceUnreachable`` if there is none, or it is silent, and
    ``UsageError`` for a message that no daemon would take.
    """
    line = json.dumps(message).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise UsageError("that is too long for the daemon", remedy="Say it in less.")
    name = socket_name(config_path)
    found = [path for path in _paths(env, name) if path.exists()]
    for path in found:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(timeout)
            try:
                client.connect(str(path))
                client.sendall(line)
                answer = _line(client)
            except PermissionError as error:
                raise UsageError(
                    f"you may not talk to the daemon ({path})",
                    remedy="Join its group (usually 'talkbox'), or use sudo.",
                ) from error
            except TimeoutError as error:
                raise ServiceUnreachable(
                    "the daemon does not answer", remedy="Restart it."
                ) from error
            except OSError:
                continue
        if answer:
            reply: dict[str, Any] = json.loads(answer)
            return reply
    which = f" with {config_path}" if config_path else ""
    raise ServiceUnreachable(f"no talkbox is running{which}", remedy="Start it: talkbox run")


def _paths(env: dict[str, str], name: str) -> Iterable[Path]:
    return (directory / name for directory in directories(env))


def _line(client: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        piece = client.recv(65536)
        if not piece:
            return b""
        data += piece
    return data
