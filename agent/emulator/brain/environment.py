"""How recognisers and voices are found and imported: quietly, offline, on few threads."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

THREADS = 2
"""Threads for a recogniser or a voice; a small computer has other things to do at the same time."""


def load(module: str) -> Any:
    """Import a runtime with its reporting home switched off.

    onnxruntime reports usage from the moment it is imported unless told otherwise; model hubs are
    switched off for whatever a runtime may pull in.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    return importlib.import_module(module)


def is_installed(*modules: str) -> bool:
    """Whether all of these top-level modules could be imported; imports none of them."""
    return all(importlib.util.find_spec(module) is not None for module in modules)
