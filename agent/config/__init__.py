"""Configuration: typed settings from defaults, profile, file, environment and command line."""

from __future__ import annotations

from agent.config.endpoint import ca_file, rest_base, ws_base
from agent.config.loader import find_file, load
from agent.config.render import default_file, render, render_json
from agent.config.rules import check, require_bot, resolve_barge_in
from agent.config.schema import (
    AudioConfig,
    AuthConfig,
    Config,
    ConversationConfig,
    CozeConfig,
    DeviceConfig,
    QuotaConfig,
)

__all__ = [
    "AudioConfig",
    "AuthConfig",
    "Config",
    "ConversationConfig",
    "CozeConfig",
    "DeviceConfig",
    "QuotaConfig",
    "ca_file",
    "check",
    "default_file",
    "find_file",
    "load",
    "render",
    "render_json",
    "require_bot",
    "resolve_barge_in",
    "rest_base",
    "ws_base",
]
