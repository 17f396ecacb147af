"""Who stands between one connection and its client, and lets go through what the script wants.

Every frame in and out passes here. Where no fault and no network is set, that costs one test and
changes nothing. Elsewhere frames go through an ``Outbox``, so that what is done to them, and what
is done between two of them, happens exactly where the script has put it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from aiohttp import WSMessage, WSMsgType, web

from agent.coze import events as wire
from agent.emulator.cable import Cable
from agent.emulator.fault import AUDIO_GARBAGE, Fault, Plan
from agent.emulator.forger import Forger, words
from agent.emulator.garbage import garbage, sample, spoiled
from agent.emulator.jitter import Route
from agent.emulator.moments import OF_A_TURN, Moment, Progress
from agent.emulator.outbox import Item, Outbox

Breaker = Callable[[], Awaitable[None]]

_ERRORS = ("error", "busy", "quota", "token")
_ENDS = ("drop", "reset", "close", "half_open")
_ALTERING = ("lose", "duplicate", "late", *AUDIO_GARBAGE)
_RUNNING = ("lose", *AUDIO_GARBAGE)
_APPEND = "input_audio_buffer.append"
# Enough of a frame to see what it is, at whichever end the type stands.
_HEAD = 256
_FLUSH_S = 2.0
# No close frame at all.
_ABNORMAL = 1006
_LONGEST_REASON = 120
_FLOOD_STEP_S = 0.02


@dataclass(slots=True)
class _Out:
    """What goes out at one moment: ``frame`` is that of the moment, None where it is lost."""

    moment: Moment
    event: wire.Downlink | None
    frame: Item | None
    before: list[Item]
    after: list[Item]


@dataclass(slots=True)
class _Held:
    """A late frame, and how many others it lets pass."""

    item: Item
    left: int
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Run:
    """A fault that goes on with the next frames of its kind."""

    fault: Fault
    kind: str
    left: int


class Saboteur:
    """The faults of one connection. ``Faults.arrive`` makes it; it is used by one connection once.

    ``upgrade``, then ``attach``, then ``downlink`` and ``receive``, at last ``detach``.
    ``breaker``, where there are turns, ends the running one without another event.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        routes: tuple[Route | None, Route | None],
        *,
        forger: Forger,
        random: Random,
        note: Callable[[str, str, int], None],
    ) -> None:
        """``routes`` delay what goes down and up. ``note`` is told what was done, when and in
        which turn."""
        self._plans = list(plans)
        self._down, self._up = routes
        self._forger = forger
        self._random = random
        self._note = note
        self._armed = bool(plans) or self._down is not None
        self._appends = any(plan.moment.kind == "append" for plan in plans)
        self._progress = Progress()
        self._cable: Cable | None = None
        self._outbox: Outbox | None = None
        self.breaker: Breaker | None = None
        self._socket: web.WebSocketResponse | None = None
        self._runs: list[_Run] = []
        self._held: list[_Held] = []
        self._timers: list[asyncio.TimerHandle] = []
        self._tasks: set[asyncio.Task[None]] = set()
        # A chat of which nothing more is told; one whose end was told already.
        self._mute = ""
        self._ended = ""

    @property
    def autoping(self) -> bool:
        """Whether pings may be answered past the network."""
        return self._down is None

    # --- the connection -----------------------------------------------------------------------

    async def upgrade(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to a request for an upgrade, None to go on with it."""
        for plan in self._plans:
            fault = plan.fault
            if not plan.strikes(Moment("upgrade"), self._progress):
                continue
            self._note(fault.do, "upgrade", 0)
            if fault.do == "refuse":
                return self._forger.refusal(fault)
            cable = Cable(request.transport)
            if fault.do in ("stall", "hang", "half_open"):
                await cable.wait_for_end(fault.get("s"))
            if fault.do != "stall":
                cable.cut(reset=fault.do == "reset")
            if cable.is_cut:
                return web.Response(status=503)
        return None

    def attach(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
    ) -> None:
        """The connection is up."""
        self._socket = socket
        self._cable = Cable(transport, socket, self._up)
        if not self._armed:
            return
        self._arm()
        loop = asyncio.get_running_loop()
        for plan in self._plans:
            if plan.moment.kind == "after_s":
                self._timers.append(loop.call_later(plan.moment.s, self._timed, plan))

    async def detach(self) -> None:
        """The connection is over."""
        for timer in self._timers:
            timer.cancel()
        for held in self._held:
            if held.timer is not None:
                held.timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._outbox is not None:
            self._outbox.close()
        if self._cable is not None:
            await self._cable.release()

    async def close(self, code: int, message: bytes) -> None:
        """Send what is under way, then close."""
        assert self._cable is not None
        if self._outbox is not None:
            await self._outbox.flush(_FLUSH_S)
        await self._cable.close(code, message)

    def _arm(self) -> Outbox:
        self._armed = True
        if self._outbox is None:
            assert self._socket is not None
            self._outbox = Outbox(self._socket, self._down)
        return self._outbox

    # --- up -----------------------------------------------------------------------------------

    async def receive(self, timeout: float | None) -> WSMessage:
        """The next message of the client, as of aiohttp. Raises ``TimeoutError``."""
        assert self._cable is not None
        while True:
            message = await self._cable.receive(timeout)
            if message.type is WSMsgType.PING and self._outbox is not None:
                self._outbox.add(partial(self._pong, message.data))
            elif message.type is WSMsgType.PONG:
                continue
            elif not (self._appends and _is_append(message)) or self._append():
                return message

    async def _pong(self, payload: bytes) -> None:
        assert self._socket is not None
        await self._socket.pong(payload)

    def _append(self) -> bool:
        """A piece of audio arrived; whether the platform gets it."""
        moment = self._progress.append()
        out = _Out(moment, None, "", [], [])
        self._strike(out)
        self._arm().add(*out.before, *out.after)
        return out.frame is not None

    # --- down ---------------------------------------------------------------------------------

    async def downlink(self, event: wire.Downlink, text: str) -> None:
        """Send the frame ``text`` of an event, or what becomes of it. An event that nobody has
        subscribed to is shown too, with an empty text."""
        assert self._socket is not None
        if not self._armed:
            if text:
                await self._socket.send_str(text)
            return
        outbox = self._arm()
        moment = self._progress.sending(event)
        out = _Out(moment or Moment(""), event, text or None, [], [])
        if self._is_muted(event):
            out.frame = None
        elif moment is not None:
            self._strike(out)
        self._progress.sent(event)
        if out.frame is not None:
            out.after += self._pass()
        outbox.add(*out.before, *([] if out.frame is None else [out.frame]), *out.after)
        await outbox.room()

    def _is_muted(self, event: wire.Downlink) -> bool:
        chat_id = _chat_of(event)
        if isinstance(event, wire.SentenceStart) and self._progress.in_turn:
            chat_id = self._progress.chat.id
        if isinstance(event, wire.AudioCompleted | wire.TurnCompleted) and chat_id == self._ended:
            return bool(chat_id)
        return bool(chat_id) and chat_id == self._mute

    def _pass(self) -> list[Item]:
        """One more frame has gone out: what was held back for it."""
        due = []
        for held in list(self._held):
            held.left -= 1
            if held.left <= 0:
                due.append(held.item)
                self._held.remove(held)
                if held.timer is not None:
                    held.timer.cancel()
        return due

    # --- faults -------------------------------------------------------------------------------

    def do(self, fault: Fault, at: str) -> None:
        """Do it now, wherever the connection stands."""
        self._note(fault.do, at, self._progress.turns if self._progress.in_turn else 0)
        if fault.do in _ENDS:
            # Not behind what is queued: that may be stalled.
            self._arm()
            self._start(self._end(fault))
            return
        out = _Out(Moment(""), None, "", [], [])
        self._apply(fault, out)
        self._arm().add(*out.before, *out.after)

    def _timed(self, plan: Plan) -> None:
        if plan.strikes(plan.moment, self._progress):
            self.do(plan.fault, plan.fault.at)

    def _strike(self, out: _Out) -> None:
        for run in list(self._runs):
            if run.kind == out.moment.kind:
                run.left -= 1
                if run.left <= 0:
                    self._runs.remove(run)
                self._alter(run.fault, out)
        for plan in self._plans:
            fault = plan.fault
            if plan.strikes(out.moment, self._progress):
                self._note(fault.do, fault.at, self._progress.turns)
                if fault.do in _RUNNING and fault.get("frames") > 1:
                    self._runs.append(_Run(fault, out.moment.kind, fault.get("frames") - 1))
                self._apply(fault, out)

    def _apply(self, fault: Fault, out: _Out) -> None:
        match fault.do:
            case "stall":
                out.before.append(lambda: asyncio.sleep(fault.get("s")))
            case _ if fault.do in _ENDS:
                out.before.append(lambda: self._end(fault))
            case _ if fault.do in _ERRORS:
                self._refuse(fault, out)
            case "chat_failed":
                if self._progress.in_turn:
                    out.after.append(self._forger.failed(fault, self._progress))
                    self._break()
            case _ if fault.do in _ALTERING:
                self._alter(fault, out)
            case "early_end":
                self._ended = self._progress.chat.id
                out.before += self._forger.end(self._progress)
            case "late_audio" | "flood":
                self._more_audio(fault, out)
            case _:
                frames = garbage(fault.do, sample(out.event), fault.get("bytes") or 0)
                out.before += frames * fault.get("frames")
                if fault.get("instead"):
                    out.frame = None

    def _alter(self, fault: Fault, out: _Out) -> None:
        """Do something to the frame of the moment."""
        frame, event = out.frame, out.event
        if fault.do == "lose":
            out.frame = None
        if frame is None:
            return
        if fault.do == "duplicate":
            out.after += [frame] * fault.get("frames")
        elif fault.do == "late":
            out.frame = None
            self._hold(frame, fault)
        elif isinstance(event, wire.AudioDelta | wire.SpeechAudioUpdate) and fault.do != "lose":
            out.frame = spoiled(event, fault.do, self._random)

    def _hold(self, item: Item, fault: Fault) -> None:
        held = _Held(item, fault.get("frames"))
        self._held.append(held)

        def release() -> None:
            if held in self._held:
                self._held.remove(held)
                self._arm().add(held.item)

        held.timer = asyncio.get_running_loop().call_later(fault.get("s"), release)

    def _refuse(self, fault: Fault, out: _Out) -> None:
        out.before.append(self._forger.error(fault))
        if fault.get("close"):
            end = Fault(do="close", code=fault.get("close"), msg=words(fault))
            out.before.append(lambda: self._end(end))
        elif fault.get("instead"):
            out.frame = None
            by_hand = not out.moment.kind
            if by_hand or (out.moment.kind in OF_A_TURN and self._progress.in_turn):
                self._break()

    def _break(self) -> None:
        """The running turn is over: for the client at once, for the platform very soon."""
        self._mute = self._progress.chat.id
        if self.breaker is not None:
            self._start(self.breaker())

    def _more_audio(self, fault: Fault, out: _Out) -> None:
        audio, frames = self._progress.audio, fault.get("frames")
        if audio is None:
            return
        if fault.do == "late_audio":
            out.after += [self._forger.frame(audio) for _ in range(frames)]
        else:
            out.before.append(lambda: self._flood(audio, frames, fault.get("s")))

    async def _flood(
        self, audio: wire.AudioDelta | wire.SpeechAudioUpdate, frames: int, s: float
    ) -> None:
        """Send a packet again and again, in bursts spread over ``s`` seconds."""
        assert self._socket is not None
        steps = max(1, min(frames, round(s / _FLOOD_STEP_S)))
        frame = self._forger.frame(audio)
        begun = asyncio.get_running_loop().time()
        for step in range(steps):
            due = begun + step * s / steps
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            for _ in range(frames * step // steps, frames * (step + 1) // steps):
                await self._socket.send_str(frame)

    async def _end(self, fault: Fault) -> None:
        assert self._cable is not None and self._outbox is not None
        if fault.do == "half_open":
            self._cable.freeze(fault.get("s"))
        elif fault.do == "close" and fault.get("code") != _ABNORMAL:
            self._cable.finish(fault.get("code"), fault.get("msg").encode()[:_LONGEST_REASON])
        else:
            self._cable.cut(reset=fault.do == "reset")
        self._outbox.close()

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            with contextlib.suppress(ConnectionError):
                await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _chat_of(event: wire.Downlink) -> str:
    if (chat := getattr(event, "chat", None)) is not None:
        return str(chat.id)
    message = getattr(event, "message", None)
    return "" if message is None else str(message.chat_id)


def _is_append(message: WSMessage) -> bool:
    data = message.data
    if message.type is not WSMsgType.TEXT:
        return False
    return _APPEND in data[:_HEAD] or _APPEND in data[-_HEAD:]
