"""The simulated platform: one session that handles messages in order, with its own moods."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.dialog import events as ev

if TYPE_CHECKING:
    from tests.dialog.world import World

PACKET_MS = 60.0


class SimServer:
    """One session of the platform: handles messages in order, with its own moods."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world = world
        self.rng = rng
        self.alive = True
        self.acknowledges = rng.random() < 0.8
        self.cancel_answer = rng.choice(("canceled", "canceled", "canceled", "silent", "error"))
        self.noisy = rng.random() < 0.4
        self.up_last = self.down_last = world.clock.now
        self.chat = ""
        self.serial = -1
        self.run = 0
        self.saying = False
        self.tools_pending: tuple[int, Callable[[], None]] | None = None

    # --- the wires: latencies vary, the order does not ---

    def receive(self, method: Callable[..., None], *args: Any) -> None:
        clock = self.world.clock
        self.up_last = max(self.up_last, clock.now + self.rng.uniform(0.02, 0.12))
        clock.after(self.up_last - clock.now, lambda: method(*args) if self.alive else None)

    def send(self, kind: Any, *args: Any) -> None:
        clock = self.world.clock
        self.down_last = max(self.down_last, clock.now + self.rng.uniform(0.02, 0.12))
        clock.after(
            self.down_last - clock.now,
            lambda: self.world.tell(kind, *args) if self.alive else None,
        )

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        run = self.run
        self.world.clock.after(seconds, lambda: call() if self.alive and run == self.run else None)

    # --- requests ---

    def commit(self, serial: int) -> None:
        if self.acknowledges:
            self.send(ev.CommitAcknowledged)
        self._begin(serial, spoken=True)

    def ask(self, serial: int) -> None:
        if self.chat:
            self._stop(3)
        if self.rng.random() < 0.03:
            self.world.fault("4016", serial)
            self.send(ev.RequestRefused, 4016, "a chat runs already", "log")
            return
        self._begin(serial, spoken=False)

    def say(self, serial: int) -> None:
        self.run += 1
        self.chat = ""
        self.saying = True

        def said() -> None:
            self.saying = False
            self.send(ev.ReplyAudioEnded, "")

        packets = self.rng.randint(5, 40)
        self._later(self.rng.uniform(0.25, 0.6), lambda: self._sound("", serial, packets, said))

    def heard(self, serial: int) -> None:
        """The server's own VAD found an utterance."""
        self.send(ev.ServerSpeechStopped)
        self._begin(serial, spoken=True)

    def speech(self) -> None:
        """The server's own VAD hears somebody."""
        self.send(ev.ServerSpeechStarted)
        if self.chat:
            self._stop(1)
        if not self.saying:
            self.run += 1

    def cancel(self) -> None:
        if self.cancel_answer == "error" and not self.chat:
            self.run += 1
            self.send(ev.RequestRefused, 4000, "nothing to cancel", "log")
            return
        self._stop(2, announce=self.cancel_answer != "silent")

    def submit(self) -> None:
        if self.tools_pending is not None and self.tools_pending[0] == self.run:
            follow, self.tools_pending = self.tools_pending[1], None
            follow()

    def _stop(self, code: int, *, announce: bool = True) -> None:
        chat, serial = self.chat, self.serial
        self.run += 1
        self.chat = ""
        self.saying = False
        self.tools_pending = None
        if announce:
            self.send(ev.TurnCanceled, code)
        if chat and self.noisy:
            for _ in range(self.rng.randint(0, 5)):
                self.send(ev.ReplyAudio, chat, label(serial), PACKET_MS)
            for kind in self.rng.sample((ev.ReplyAudioEnded, ev.TurnEnded), self.rng.randint(0, 2)):
                self.send(kind, chat)

    # --- answers ---

    def _begin(self, serial: int, *, spoken: bool) -> None:
        self.run += 1
        self.saying = False
        self.serial = serial
        chance = self.rng.random()
        if spoken:
            heard = "" if chance < 0.03 else "words"
            self.send(ev.Transcript, heard, True)
            if not heard:
                self.world.fault("nothing recognised", serial)
                return
        if chance > 0.985:
            self.world.fault("silence", serial)
            return
        if chance > 0.97:
            self.world.fault("refused", serial)
            self.send(ev.RequestRefused, 4000, "bad", "log")
            return
        self._later(self.rng.uniform(0.02, 0.6), self._create)

    def _create(self) -> None:
        self.chat = self.world.new_chat(self.serial)
        chat = self.chat
        if self.rng.random() < 0.95:
            self.send(ev.TurnCreated, chat)
        self.send(ev.ReplyText, chat, "well", False)
        chance = self.rng.random()
        if chance < 0.03:
            self.world.fault("failed", self.serial)
            self.chat = ""
            self._later(0.2, lambda: self.send(ev.TurnFailed, chat, 4013, "busy"))
        elif chance < 0.2:
            self._later(self.rng.uniform(0.1, 0.5), self._filler)
        else:
            self._later(self.rng.uniform(0.2, 1.0), self._answer)

    def _filler(self) -> None:
        if self.rng.random() < 0.5:
            self._sound(self.chat, self.serial, self.rng.randint(5, 20), self._need_tools)
        else:
            self._need_tools()

    def _need_tools(self) -> None:
        if self.rng.random() < 0.2:
            self.send(ev.ReplyAudioEnded, self.chat)
        count = self.rng.randint(1, 3)
        calls = tuple(
            ev.ToolCall(f"{self.chat}-{number}", "get_time", "{}") for number in range(count)
        )
        self.tools_pending = (self.run, lambda: self._later(0.4, self._answer))
        self.send(ev.ToolsRequested, self.chat, calls)

    def _answer(self) -> None:
        packets = self.rng.randint(3, 100)
        if self.rng.random() < 0.01:
            self.world.fault("stall", self.serial)
            self._sound(self.chat, self.serial, packets, lambda: None)
        else:
            self._sound(self.chat, self.serial, packets, self._end)

    def _end(self) -> None:
        chat, self.chat = self.chat, ""
        ends: list[Any] = [ev.ReplyAudioEnded, ev.TurnEnded]
        if self.rng.random() < 0.2:
            ends.pop(self.rng.randint(0, 1))
        if self.rng.random() < 0.1:
            ends.reverse()
        for kind in ends:
            self.send(kind, chat)

    def _sound(self, chat: str, serial: int, packets: int, then: Callable[[], None]) -> None:
        """Packets at one to six times real time."""
        pace = PACKET_MS / 1000 / self.rng.uniform(1.0, 6.0)

        def one(left: int) -> None:
            self.send(ev.ReplyAudio, chat, label(serial), PACKET_MS)
            if left > 1:
                self._later(pace, lambda: one(left - 1))
            else:
                self._later(0.0, then)

        one(packets)


def label(serial: int) -> bytes:
    return str(serial).encode()
