from __future__ import annotations

import os

import pytest

from agent.emulator.brain.environment import THREADS, is_installed, load


def test_runtimes_are_told_not_to_phone_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert load("json").dumps([]) == "[]"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_absence_is_found_without_importing() -> None:
    assert is_installed("json", "wave")
    assert not is_installed("json", "no_such_module_anywhere")


def test_threads_are_few() -> None:
    assert 1 <= THREADS <= 2
