"""Addresses of the platform: the region's, or the ones the configuration names instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from agent.config.schema import Config

# Hosts as documented for the two regions.
_REST = {"cn": "https://api.coze.cn", "com": "https://api.coze.com"}
_SOCKET = {"cn": "wss://ws.coze.cn", "com": "wss://ws.coze.com"}


def rest_base(config: Config) -> str:
    """Base of the REST interface, without a slash at the end."""
    return (config.coze.api_base or _REST[config.coze.region]).rstrip("/")


def ws_base(config: Config) -> str:
    """Base of the sockets, without a slash at the end.

    From ``api_base`` alone it is derived as the platform's SDKs do: ``https://api.X`` becomes
    ``wss://ws.X``; any other host is kept, with ``ws`` for ``http`` and ``wss`` for ``https``.
    """
    if config.coze.ws_base:
        return config.coze.ws_base.rstrip("/")
    if not config.coze.api_base:
        return _SOCKET[config.coze.region]
    parts = urlsplit(config.coze.api_base.rstrip("/"))
    host = parts.netloc
    if parts.scheme == "https" and host.startswith("api."):
        host = f"ws.{host.removeprefix('api.')}"
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, host, parts.path, "", ""))


def ca_file(config: Config, env: Mapping[str, str]) -> Path | None:
    """Certificate authorities to trust: ``coze.ca_file``, ``$TALKBOX_CA_FILE``, else ``None``."""
    named = config.coze.ca_file or env.get("TALKBOX_CA_FILE", "")
    return Path(named).expanduser() if named else None
