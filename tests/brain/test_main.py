from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.emulator.brain import __main__ as tool
from audio.wav import WavWriter, read_wav


def run(*arguments: str) -> int:
    return tool.main(["--brain", "simple", *arguments])


def test_say_writes_a_wav(tmp_path: Path) -> None:
    wav = tmp_path / "out.wav"
    assert run("say", "Hello there. This is me.", str(wav)) == 0
    samples, rate = read_wav(wav)
    assert len(samples) > rate // 2


def test_the_person_has_another_voice(tmp_path: Path) -> None:
    for who in ("agent", "person"):
        assert run("say", "Hello there.", str(tmp_path / f"{who}.wav"), "--who", who) == 0
    one, other = (read_wav(tmp_path / f"{who}.wav")[0] for who in ("agent", "person"))
    assert not np.array_equal(one, other)


def test_hear_prints_the_transcript(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = tmp_path / "in.wav"
    with WavWriter(wav, 16_000) as writer:
        writer.write(np.random.default_rng(1).integers(-3000, 3000, 16_000).astype(np.int16))
    assert run("hear", str(wav)) == 0
    assert capsys.readouterr().out == "[1.0 s of speech]\n"


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("What is seven times eight?", "7 times 8 is 56."),
        ("七乘八", "7乘8等于56。"),
        ("Louder!", "calls set_volume {'delta': 10}"),
    ],
)
def test_ask_prints_the_answer(text: str, reply: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ask", text) == 0
    assert capsys.readouterr().out == reply + "\n"


def test_errors_are_one_line_without_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    for arguments in (
        ("hear", str(tmp_path / "absent.wav")),
        ("hear", str(tmp_path / "text.wav")),
        ("say", "Hello.", str(tmp_path / "no" / "such" / "folder.wav")),
        ("say", "  ", str(tmp_path / "empty.wav")),
    ):
        assert run(*arguments) != 0
        lines = capsys.readouterr().err.splitlines()
        assert [line for line in lines if line.startswith("brain: ")] == lines[-1:]


def test_broken_package_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(kind: str) -> None:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(tool, "open_brain", broken)
    assert run("ask", "Hello.") == 78
    assert "libgomp" in capsys.readouterr().err


def test_wrong_arguments_exit_with_2() -> None:
    with pytest.raises(SystemExit) as caught:
        run("sing")
    assert caught.value.code == 2
