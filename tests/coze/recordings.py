"""The recorded sessions of a real server: where they are and how to read them."""

from __future__ import annotations

import os
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("TALKBOX_RECORDINGS")
    or Path(__file__).resolve().parents[3] / "shared" / "recordings"
)

CHAT = "websocket_chat_success"
GENERATE = "websocket_chat_generate_audio_success"
SPEECH = "websocket_speech_success"
TRANSCRIPTIONS = "websocket_transcriptions_success"
ALL = (CHAT, GENERATE, SPEECH, TRANSCRIPTIONS)


@dataclass(frozen=True)
class Recording:
    """One session: the frames sent and the frames received, in order."""

    sent: tuple[str, ...]
    received: tuple[str, ...]


def load(name: str) -> Recording:
    """The recording ``name``; skips the test where the folder is absent."""
    path = FOLDER / f"{name}.txt"
    if not path.is_file():
        pytest.skip(f"no recordings in {FOLDER} (set TALKBOX_RECORDINGS)")
    lines = [line for line in path.read_text("utf-8").split("\n") if line.strip()]
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    return Recording(
        tuple(frame for way, frame in pairs if way == "send"),
        tuple(frame for way, frame in pairs if way == "receive"),
    )


def wav_samples(name: str) -> bytes:
    """The samples of the WAV beside a recording, as int16 little endian bytes."""
    with wave.open(str(FOLDER / f"{name}.wav"), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        return file.readframes(file.getnframes())
