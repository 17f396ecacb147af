"""The official Python SDK as an independent client of the emulator.

It lives in an environment of its own (``.venv-judge``, made by ``make test``), because it pins
another version of websockets than this project runs with.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, emulator, write_speech

PYTHON = ROOT / ".venv-judge" / "bin" / "python"
CLIENT = Path(__file__).with_name("chat_client.py")
SCRIPT = '[timing]\nspeed = 5\n[[answer]]\nwhen = ".*"\ntext = "The answer is 5."\naudio = "tone"\n'

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="the official SDK is not installed here: scripts/setup test"
)


def judge(tmp_path: Path, bases: dict[str, Any], *arguments: str) -> dict[str, Any]:
    result = subprocess.run(
        [str(PYTHON), "-W", "ignore", str(CLIENT), arguments[0], bases["api_base"], *arguments[1:]],
        env={"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    transcript: dict[str, Any] = json.loads(result.stdout)
    return transcript


def collapsed(events: list[str]) -> list[str]:
    """Without repetitions next to each other, and without the interleaving of text and audio."""
    quiet = [name for name in events if "delta" not in name and "sentence" not in name]
    return [name for i, name in enumerate(quiet) if i == 0 or name != quiet[i - 1]]


def test_a_typed_question(tmp_path: Path) -> None:
    with emulator(tmp_path, SCRIPT, flags=("--tls", str(tmp_path / "ca.pem"))) as bases:
        seen = judge(tmp_path, bases, "text")
    assert seen["errors"] == []
    assert seen["audio_bytes"] > 24000
    assert ["answer", "The answer is 5."] in [
        [k.split(".")[-1].lower(), v] for k, v in seen["messages"]
    ]
    assert collapsed(seen["events"]) == [
        "chat.created",
        "conversation.message.completed",
        "conversation.chat.created",
        "conversation.chat.in_progress",
        "conversation.message.completed",
        "conversation.audio.completed",
        "conversation.chat.completed",
    ]


def test_a_spoken_question(tmp_path: Path) -> None:
    question = write_speech(tmp_path / "question.wav")
    with emulator(tmp_path, SCRIPT, flags=("--tls", str(tmp_path / "ca.pem"))) as bases:
        seen = judge(tmp_path, bases, "audio", str(question))
    assert seen["errors"] == []
    assert len(seen["heard"]) == 1
    assert seen["audio_bytes"] > 24000
    assert collapsed(seen["events"])[:5] == [
        "chat.created",
        "chat.updated",
        "input_audio_buffer.completed",
        "conversation.audio_transcript.update",
        "conversation.audio_transcript.completed",
    ]
    assert collapsed(seen["events"])[-1] == "conversation.chat.completed"
