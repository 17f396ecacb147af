"""Putting the emulator together: one port for the sockets and the pages, start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import ssl
import sys
import threading
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from aiohttp import web

from agent.emulator import chat, interpretation, speechsocket, transcriptions
from agent.emulator.brain import open_brain
from agent.emulator.connection import Room
from agent.emulator.envelope import envelope
from agent.emulator.guard import is_loopback
from agent.emulator.limits import limited
from agent.emulator.live import Live, noted
from agent.emulator.page import Pages
from agent.emulator.rest import ROOMS
from agent.emulator.script import Script, load_script
from agent.emulator.service import Brain, Service
from agent.errors import UsageError

log = logging.getLogger(__name__)

_SOCKETS: dict[str, type[Room]] = {
    chat.PATH: chat.ChatRoom,
    transcriptions.PATH: transcriptions.TranscriptionsRoom,
    speechsocket.PATH: speechsocket.SpeechRoom,
    interpretation.PATH: interpretation.InterpretationRoom,
}
_STOP_S = 10.0
# The platform's generic limit of a request's body.
_LARGEST_BODY = 15 * 1024 * 1024


class Emulator:
    """A local platform on one port. ``start`` and ``stop`` run on the caller's event loop."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        script: Script | Path | None = None,
        brain: Brain | str = "auto",
        seed: int = 0,
        tls: ssl.SSLContext | None = None,
        state: Path | None = None,
    ) -> None:
        """``port`` 0 takes a free one. ``brain`` is a kind (see ``open_brain``) or a brain.

        What is to outlive this emulator is kept in the file ``state``, else in memory.
        Raises ``ConfigError`` for a wrong script, brain or state file.
        """
        self.host = host
        self.port = port
        self._tls = tls
        if isinstance(script, Path):
            script = load_script(script)
        script = script or Script()
        if isinstance(brain, str):
            brain = open_brain(brain, script.bot.language, random=Random(seed))
        self.service = Service(brain, script, seed, state)
        self._runner: web.AppRunner | None = None
        self._warming: asyncio.Task[None] | None = None

    @property
    def api_base(self) -> str:
        """Where REST is, for example ``http://127.0.0.1:8080``."""
        return f"{'https' if self._tls else 'http'}://{self._authority}"

    @property
    def ws_base(self) -> str:
        """Where the sockets are, for example ``ws://127.0.0.1:8080``."""
        return f"{'wss' if self._tls else 'ws'}://{self._authority}"

    @property
    def _authority(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def application(self) -> web.Application:
        """The rooms of this emulator as one application."""
        app = web.Application(
            middlewares=[
                noted(self.service.feed),
                envelope(self.service.ids),
                limited(self.service.limiter, self.service.access),
            ],
            client_max_size=_LARGEST_BODY,
        )
        pages, live = Pages(self.service, self.host), Live(self.service)
        rooms = {path: room(self.service) for path, room in _SOCKETS.items()}
        for path, room in rooms.items():
            app.router.add_get(path, room.serve)
        app.router.add_routes([*pages.routes(), *live.routes()])
        for room_routes in ROOMS:
            app.router.add_routes(room_routes(self.service))

        async def goodbye(app: web.Application) -> None:
            goodbyes = [room.shut() for room in rooms.values()]
            await asyncio.gather(
                live.close(), *goodbyes, *(close() for close in self.service.closers)
            )

        async def hello(app: web.Application) -> None:
            await self.service.callbacks.start()

        app.on_startup.append(hello)
        app.on_shutdown.append(goodbye)
        return app

    async def start(self) -> None:
        """Listen. Raises ``UsageError`` if the port cannot be had."""
        # Requests are not logged: tokens may stand in the query.
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise self._unlistenable(error) from error
        self._runner = runner
        self.port = runner.addresses[0][1]
        self._warming = asyncio.create_task(self._warm_up())

    async def stop(self) -> None:
        """Close every connection (1001) and the port."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.service.worker.close()
        self.service.store.close()

    async def _warm_up(self) -> None:
        try:
            await self.service.worker.run(self.service.brain.warm_up)
        except Exception:
            log.exception("the brain could not be warmed up")

    def _unlistenable(self, error: OSError) -> UsageError:
        if error.errno == errno.EADDRINUSE:
            return UsageError(
                f"port {self.port} is already in use on {self.host}",
                remedy="Choose another one with --port, or 0 for any free one.",
            )
        reason = os.strerror(error.errno) if error.errno else str(error)
        return UsageError(f"cannot listen on {self.host} port {self.port}: {reason}")


class ThreadedEmulator:
    """An emulator in a thread of its own, for synchronous tests.

    ``with ThreadedEmulator(Emulator(...)) as emulator:`` listens while the block runs.
    """

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="emulator", daemon=True)

    def __enter__(self) -> Emulator:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.emulator.start(), self._loop).result(_STOP_S)
        except BaseException:
            self._end()
            raise
        return self.emulator

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self.emulator.stop(), self._loop).result(_STOP_S)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)
        self._loop.close()


class ReadyFile:
    """Tells other programs where the emulator listens; there only while it does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def write(self, emulator: Emulator) -> None:
        """Write it at once or not at all. Raises ``UsageError`` where that is impossible."""
        content = {
            "pid": os.getpid(),
            "host": emulator.host,
            "port": emulator.port,
            "api_base": emulator.api_base,
            "ws_base": emulator.ws_base,
        }
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            draft.write_text(json.dumps(content) + "\n", encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise UsageError(
                f"cannot write the ready file {self._path}: {error.strerror}"
            ) from error

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self._path.read_text(encoding="utf-8"))["pid"] == os.getpid():
                self._path.unlink()


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    script: Path | None = None,
    ready_file: Path | None = None,
    brain: str = "auto",
    seed: int = 0,
    tls: ssl.SSLContext | None = None,
    state: Path | None = None,
) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Raises ``UsageError`` and ``ConfigError``."""
    emulator = Emulator(
        host=host, port=port, script=script, brain=brain, seed=seed, tls=tls, state=state
    )
    return asyncio.run(_serve(emulator, ready_file))


async def _serve(emulator: Emulator, ready_file: Path | None) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await emulator.start()
    try:
        with contextlib.ExitStack() as stack:
            if ready_file is not None:
                stack.enter_context(ReadyFile(ready_file)).write(emulator)
            print(
                f"talkbox emulator: sockets {emulator.ws_base}, pages {emulator.api_base}/",
                file=sys.stderr,
                flush=True,
            )
            if not is_loopback(emulator.host):
                print(
                    "talkbox emulator: other machines can reach it; whoever does sees every"
                    " transcript on its page and gets in with nearly every token",
                    file=sys.stderr,
                    flush=True,
                )
            await stopping.wait()
    finally:
        await emulator.stop()
    return 0
