"""The throw-away authority of the emulator: trusted by its file, by nobody else."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from agent.emulator.certificate import make_context
from agent.errors import UsageError

pytest.importorskip("trustme")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    left, right = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(left, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            left.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(right, server_hostname=name) as tls:
            tls.send(b"x")
            return tls.version() or ""
    finally:
        thread.join(5)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "api.localhost", "box.test"])
def test_whoever_trusts_the_file_can_talk(tmp_path: Path, name: str) -> None:
    ca = tmp_path / "ca.pem"
    server = make_context(ca, "box.test")
    assert handshake(server, ssl.create_default_context(cafile=str(ca)), name).startswith("TLS")


def test_nobody_else_can(tmp_path: Path) -> None:
    server = make_context(tmp_path / "ca.pem", "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, ssl.create_default_context(), "localhost")
    assert "PRIVATE" not in (tmp_path / "ca.pem").read_text()


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        make_context(tmp_path / "nowhere" / "ca.pem", "127.0.0.1")
