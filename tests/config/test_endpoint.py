"""Addresses of the platform, by region or by override."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config import Config, CozeConfig, ca_file, rest_base, ws_base


@pytest.mark.parametrize(
    ("coze", "rest", "socket"),
    [
        (CozeConfig(), "https://api.coze.cn", "wss://ws.coze.cn"),
        (CozeConfig(region="com"), "https://api.coze.com", "wss://ws.coze.com"),
        (
            CozeConfig(api_base="https://api.example.org/"),
            "https://api.example.org",
            "wss://ws.example.org",
        ),
        (
            CozeConfig(api_base="https://talk.example.org/base"),
            "https://talk.example.org/base",
            "wss://talk.example.org/base",
        ),
        (
            CozeConfig(api_base="http://127.0.0.1:8080"),
            "http://127.0.0.1:8080",
            "ws://127.0.0.1:8080",
        ),
        (
            CozeConfig(api_base="http://a:1", ws_base="ws://b:2/"),
            "http://a:1",
            "ws://b:2",
        ),
        (CozeConfig(ws_base="ws://b:2"), "https://api.coze.cn", "ws://b:2"),
    ],
)
def test_bases(coze: CozeConfig, rest: str, socket: str) -> None:
    config = Config(coze=coze)
    assert rest_base(config) == rest
    assert ws_base(config) == socket


def test_certificate_authorities() -> None:
    env = {"TALKBOX_CA_FILE": "/env.pem"}
    assert ca_file(Config(), {}) is None
    assert ca_file(Config(), env) == Path("/env.pem")
    assert ca_file(Config(coze=CozeConfig(ca_file="/file.pem")), env) == Path("/file.pem")
