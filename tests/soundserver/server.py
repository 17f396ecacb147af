"""Starts a private PulseAudio with a virtual microphone and a virtual speaker.

PortAudio sees them as the devices ``vmic`` and ``vspk``, and ``vloop`` is a cable: what is played
to it is what ``vmic`` hears. PortAudio reads the environment when it is loaded, so whoever uses
them must be a process started with ``SoundServer.env``.

Use the fixture by importing it: ``from tests.soundserver.server import sound_server``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pytest
from numpy.typing import NDArray

START_LIMIT_S = 10.0
RECORD_RATE = 24000
_PROGRAMS = ("pulseaudio", "pactl", "paplay", "parec")
_PULSE_OPTIONS = [
    "--daemonize=no",
    "--exit-idle-time=-1",
    "--disable-shm=yes",
    "--use-pid-file=no",
    "--log-level=notice",
    "--log-target=stderr",
]
_RECORD_OPTIONS = (
    f"--rate={RECORD_RATE} --channels=1 --format=s16le --latency-msec=20 --file-format=wav"
).split()
_ALSA_CONF = Path("/usr/share/alsa/alsa.conf")

# norewinds: without it an idle null sink renders two seconds ahead, and what is played is lost.
_PULSE_SCRIPT = """\
.fail
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
load-module module-null-sink sink_name=vmic_sink rate=48000 channels=1 norewinds=1
load-module module-remap-source source_name=vmic master=vmic_sink.monitor remix=no
load-module module-null-sink sink_name=vspk rate=48000 channels=1 norewinds=1
set-default-source vmic
set-default-sink vspk
"""
_ALSA_SCRIPT = """\
<{base}>
pcm.vmic {{ type pulse device "vmic" hint.show on }}
pcm.vspk {{ type pulse device "vspk" hint.show on }}
pcm.vloop {{ type pulse device "vmic_sink" hint.show on }}
"""


def missing() -> str:
    """What is not installed, as the reason for a skip; empty where all is there."""
    for program in _PROGRAMS:
        if shutil.which(program) is None:
            return f"{program} is not installed (apt: pulseaudio pulseaudio-utils)"
    if not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA has no PulseAudio plugin (apt: libasound2-plugins)"
    if not any(Path("/usr/lib").glob("*/libportaudio.so.2")):
        return "PortAudio is not installed (apt: libportaudio2)"
    return ""


class SoundServer:
    """The server and everything that plays or records through it, ended together."""

    def __init__(self, directory: Path) -> None:
        """``directory`` is private to the server; a short path, it holds a Unix socket.

        Raises RuntimeError with the server's own words where it does not come up.
        """
        self._directory = directory
        self._children: list[subprocess.Popen[bytes]] = []
        pulse = directory / "pulse"
        state = directory / "state"
        for part in (pulse, state):
            part.mkdir(mode=0o700, parents=True)
        directory.chmod(0o700)
        socket = pulse / "native"
        script = directory / "server.pa"
        script.write_text(_PULSE_SCRIPT.format(socket=socket))
        alsa = directory / "asound.conf"
        alsa.write_text(_ALSA_SCRIPT.format(base=_ALSA_CONF))
        self.env = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS")
        } | {
            "XDG_RUNTIME_DIR": str(directory),
            "PULSE_RUNTIME_PATH": str(pulse),
            "PULSE_STATE_PATH": str(state),
            "PULSE_SERVER": f"unix:{socket}",
            "ALSA_CONFIG_PATH": str(alsa),
        }
        """Environment for every process that shall hear and be heard here."""
        self._log = directory / "server.log"
        with self._log.open("wb") as log:
            self._server = self._spawn(
                ["pulseaudio", "-n", *_PULSE_OPTIONS, "-F", str(script)],
                stderr=log.fileno(),
            )
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise

    def say(self, path: Path) -> subprocess.Popen[bytes]:
        """Let the virtual microphone hear a WAV file; the process ends when it has."""
        return self._spawn(["paplay", "-d", "vmic_sink", "--latency-msec=20", str(path)])

    def record(self, path: Path) -> subprocess.Popen[bytes]:
        """Record the virtual speaker to a WAV file; recording has begun on return.

        End it with ``finish``, which completes the file.
        """
        recorder = self._spawn(["parec", "-d", "vspk.monitor", *_RECORD_OPTIONS, str(path)])
        deadline = time.monotonic() + START_LIMIT_S
        while not path.exists() or path.stat().st_size <= 100:
            if recorder.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"recording does not begin: {self.log()}")
            time.sleep(0.01)
        return recorder

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        """End what ``record`` or ``say`` began, completing its file."""
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        self._kill(process)

    def control(self, *arguments: str) -> str:
        """Run pactl against this server, for example to unplug or suspend a device."""
        return subprocess.run(
            ["pactl", *arguments], env=self.env, capture_output=True, text=True, check=True
        ).stdout

    def log(self) -> str:
        """What the server said so far."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End everything; nothing of it is left when this returns. Twice is harmless."""
        for process in reversed(self._children):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self._children):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
            self._kill(process)

    def __enter__(self) -> SoundServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(
        self, command: list[str], stderr: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        # A test run that is killed itself cannot clean up: then the kernel does.
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        process = subprocess.Popen(
            command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )
        self._children.append(process)
        return process

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        # The whole session, where the process itself is gone and left somebody behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self._server.poll() is not None:
                break
            with contextlib.suppress(subprocess.CalledProcessError):
                self.control("info")
                return
            time.sleep(0.05)
        raise RuntimeError(f"the sound server does not come up: {self.log()}")


@pytest.fixture
def sound_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    """A running server for one test; skips where it is not installed."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    with SoundServer(tmp_path_factory.mktemp("snd")) as server:
        yield server


def similarity(heard: NDArray[np.int16], reference: NDArray[np.int16]) -> tuple[float, int]:
    """Normalised correlation of ``reference`` with the best place in ``heard``, and that place.

    Both int16 mono at one rate; the place is a sample index into ``heard``. 1.0 is the same shape.
    """
    sound = heard.astype(np.float64)
    wanted = reference.astype(np.float64)
    size = 1 << (sound.size + wanted.size - 1).bit_length()
    cross = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)), size)
    last = max(1, sound.size - wanted.size + 1)
    at = int(np.argmax(np.abs(cross[:last])))
    part = sound[at : at + wanted.size]
    wanted = wanted[: part.size]
    scale = float(np.linalg.norm(part) * np.linalg.norm(wanted))
    return (float(np.dot(part, wanted)) / scale if scale else 0.0), at
