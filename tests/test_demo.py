"""The demo as a newcomer runs it, with what is installed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.wav import read_wav
from tests.e2e.harness import environment, talkbox

pytestmark = pytest.mark.realtime


def test_a_conversation_is_held_shown_and_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = talkbox(
        *("demo", "--samples", "--brain", "simple", "--out", str(out)),
        *("--question", "What is six times twelve?"),
        env=environment(XDG_RUNTIME_DIR=str(tmp_path)),
        timeout=90,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 answers; first sound after" in result.stdout
    assert "[listening]" in result.stdout
    assert (out / "conversation.png").stat().st_size > 10_000
    question, _ = read_wav(out / "question.wav")
    answer, _ = read_wav(out / "answer.wav")
    assert np.abs(question).max() > 3000
    assert np.abs(answer).max() > 1000


def test_an_emulator_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = talkbox("demo", "--samples", "--brain", "nonsense", "--out", str(out), timeout=60)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    assert "nonsense" in result.stderr.strip().splitlines()[-1]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = talkbox("demo", "--out", str(tmp_path / "file" / "out"))
    assert result.returncode == 2
    assert "cannot make the folder" in result.stderr
