"""Running the official SDKs, which live in environments of their own, and reading their reports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import ROOT, emulator

HERE = Path(__file__).parent
PYTHON = ROOT / ".venv-judge" / "bin" / "python"
NODE = shutil.which("node") or ""
SCRIPT = """
[timing]
speed = 20

[[answer]]
when = "story"
text = "Once upon a time there was a box. It could talk. It talked all day, and it never stopped."
audio = "tone"

[[answer]]
when = "volume"
tools = [{ name = "set_volume", arguments = { percent = 40 } }]
then = "The volume is forty percent now."
audio = "tone"

[[answer]]
when = "broken"
fail = { code = 4011, msg = "balance not enough" }

[[answer]]
when = ".*"
text = "The answer is 5."
audio = "tone"
"""

needs_python_sdk = pytest.mark.skipif(
    not PYTHON.exists(), reason="the official Python SDK is not installed here: scripts/setup test"
)
needs_node_sdk = pytest.mark.skipif(
    not NODE or not (HERE / "node" / "node_modules" / "@coze" / "api").exists(),
    reason="Node or its official SDK is not installed here: scripts/setup test",
)

Report = dict[str, Any]
Frames = list[dict[str, Any]]


@dataclass(frozen=True)
class Court:
    """An emulator that speaks TLS, as the SDKs insist on, and the authority they are to trust."""

    base: str
    authority: Path

    def python(self, client: str, *arguments: str, base: str = "") -> Report:
        """The report of ``python/CLIENT.py``."""
        command = [str(PYTHON), "-W", "ignore", str(HERE / "python" / f"{client}.py")]
        return self._run([*command, base or self.base, *arguments])

    def node(self, client: str, *arguments: str) -> Report:
        """The report of ``node/CLIENT.mjs``."""
        return self._run([NODE, str(HERE / "node" / f"{client}.mjs"), self.base, *arguments])

    def _run(self, command: list[str]) -> Report:
        trust = str(self.authority)
        result = subprocess.run(
            command,
            env={
                "PATH": os.environ.get("PATH", ""),
                "SSL_CERT_FILE": trust,
                "NODE_EXTRA_CA_CERTS": trust,
            },
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        report: Report = json.loads(result.stdout)
        return report


@contextmanager
def court(directory: Path, script: str = SCRIPT) -> Iterator[Court]:
    """An emulator for the tests of one module."""
    authority = directory / "ca.pem"
    with emulator(directory, script, flags=("--tls", str(authority))) as bases:
        yield Court(bases["api_base"], authority)


def gave(report: Report, name: str) -> Any:
    """What a step of the client got from the SDK; fails with what it raised instead."""
    assert "gave" in report[name], f"{name}: {report[name]}"
    return report[name]["gave"]


def raised(report: Report, name: str) -> dict[str, Any]:
    """What a step of the client raised."""
    assert "raised" in report[name], f"{name}: {report[name]}"
    error: dict[str, Any] = report[name]["raised"]
    return error


def of(frames: Frames, kind: str) -> list[Any]:
    """The data of all frames of that type."""
    return [frame.get("data") for frame in frames if frame["type"] == kind]


def order(frames: Frames) -> list[str]:
    """The types without repetitions next to each other, text and sound left out."""
    names = [frame["type"] for frame in frames]
    quiet = [name for name in names if not name.endswith(("delta", "sentence_start"))]
    return [name for at, name in enumerate(quiet) if at == 0 or name != quiet[at - 1]]
