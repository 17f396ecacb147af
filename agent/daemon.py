"""The daemon: one thread that does everything due at each device tick.

Audio callbacks only move samples and wake this thread; at each wake-up it takes the microphone's
frames, the socket's messages and the speaker's reports, in that order, gives them to the dialog
engine and carries out what it asks for. All composition is in ``agent.compose``.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from agent import commands
from agent.button import Button
from agent.compose import compose
from agent.config import Config
from agent.control import ControlServer
from agent.dialog import events as ev
from agent.dialog.actions import Action, EnterState, State
from agent.dialog.events import Event
from agent.errors import (
    EXIT_AUDIO,
    EXIT_OK,
    AudioUnavailable,
    ConfigError,
    Permanent,
    TalkboxError,
)
from agent.eventlog import EventLog
from agent.loop import Loop
from agent.once import Once
from agent.parts import Parts
from agent.performer import Performer
from agent.reporter import Reporter
from agent.signals import Signals
from audio import endpointer as ep
from audio.errors import AudioError, DeviceError
from audio.level import dbfs
from audio.speaker import Drained, Started

log = logging.getLogger("talkbox")

# How long a polite end may take: the fade, the goodbye, the saved state (contract: 2 s in all).
GOODBYE_S = 0.3

# A tick comes at least this often, so that sound that has stopped ticking is noticed.
SLOWEST_TICK_S = 0.5

TURN_STATES = frozenset({State.LISTENING, State.THINKING, State.SPEAKING, State.TOOL})

Observer = Callable[["Daemon", float], None]


@dataclass(slots=True)
class Options:
    """How this run differs from the service: event stream, ``--once``, and who watches."""

    events: str | None = None
    once: bool = False
    control: bool = True
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    # Called with every event of the stream, and once per tick; the demo shows and records there.
    listener: Callable[[dict[str, object]], None] | None = None
    observer: Observer | None = None


def serve(load: Callable[[], Config], options: Options) -> int:
    """Run until told to stop; SIGHUP reads the configuration again. Returns the exit code."""
    events = EventLog(options.events)
    if options.listener is not None:
        events.subscribe(options.listener)
    code = EXIT_OK
    try:
        with Signals().caught() as signals:
            _serve(load, options, events, signals)
        return EXIT_OK
    except TalkboxError as error:
        code = error.exit_code
        raise
    except AudioError:
        code = EXIT_AUDIO
        raise
    finally:
        events.emit(time.monotonic(), "exit", code=code)
        events.close()


def _serve(
    load: Callable[[], Config], options: Options, events: EventLog, signals: Signals
) -> None:
    config = load()
    while Daemon(config, options, events, signals).run():
        signals.starting = True
        if signals.ending:
            return
        signals.reload = False
        try:
            config = load()
            log.info("configuration read again")
        except ConfigError as error:
            log.error("the old configuration stays: %s", error)


class Daemon:
    """One run with one configuration."""

    def __init__(
        self, config: Config, options: Options, events: EventLog, signals: Signals | None = None
    ) -> None:
        """Opens devices and sockets; raises ``TalkboxError`` or ``AudioError``."""
        self.config = config
        self._options = options
        self.events = events
        self._signals = signals or Signals()
        self.loop = Loop(self._deadline)
        self.reporter = Reporter(events)
        self._queue: deque[Event] = deque()
        self._draining = False
        self.level_dbfs = -96.0
        self.started = self._ticked = time.monotonic()
        self._once: Once | None = None
        self._stopping = False
        self._reload = False
        self._control: ControlServer | None = None
        if options.control:
            self._control = ControlServer(config.path, options.env, self._command)
        try:
            self.parts: Parts = compose(config, self, options.env)
        except BaseException:
            if self._control is not None:
                self._control.close()
            raise
        self._performer = Performer(
            link=self.parts.link,
            uplink=self.parts.uplink,
            sound=self.parts.sound,
            endpointer=self.parts.endpointer,
            tools=self.parts.tools,
            reporter=self.reporter,
            post=self._queue.append,
        )
        if options.once:
            self._once = Once(waits_for_file=self.parts.has_input_file)

    @property
    def state(self) -> State:
        """What the device is doing."""
        return self.parts.engine.state

    # --- life ----------------------------------------------------------------------------------

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def run(self) -> bool:
        """Run until a signal or ``--once`` ends it; True if the configuration shall be read again.

        Raises ``TalkboxError`` when the daemon cannot go on, ``DeviceError`` when sound has died.
        """
        loop, parts = self.loop, self.parts
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.on_signal(signum, self.stop)
        loop.on_signal(signal.SIGHUP, self._hang_up)
        if self._control is not None:
            self._control.attach(loop)
        for button in parts.buttons:
            loop.add_reader(button.fd, partial(self._read_button, button))
        log.info("%s", parts.describes)
        try:
            now = time.monotonic()
            if parts.state.saved.muted:
                self.post(ev.Mute(now))
            else:
                parts.sound.open_capture()
            log.info("%s", parts.sound.describes)
            parts.link.open(now)
            loop.on_tick(self._tick)
            loop.call_soon_threadsafe(self._obey_earlier_signals)
            self._signals.starting = False
            loop.run()
        finally:
            self._close()
        return self._reload

    def _read_button(self, button: Button) -> None:
        if not button.read():
            log.warning("the button is gone")
            self.loop.remove(button.fd)

    def wake(self) -> None:
        """There is something to do; from any thread, never blocks."""
        self.loop.wake()

    def stop(self) -> None:
        """Fade out, say goodbye, and end the loop; an end that is asked for beats a reload."""
        self._reload = False
        self._wind_down()

    def _wind_down(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        now = time.monotonic()
        self.parts.sound.speaker.cut(self.parts.sound.speaker.generation + 1)
        self.parts.link.close(now)
        self.loop.call_at(now + GOODBYE_S, lambda: self.loop.stop())

    def _hang_up(self) -> None:
        if not self._stopping:
            self._reload = True
            self._wind_down()

    def _obey_earlier_signals(self) -> None:
        """Those that came before the loop had its own handlers."""
        if self._signals.ending:
            self.stop()
        elif self._signals.reload:
            self._hang_up()

    def _close(self) -> None:
        parts = self.parts
        for button in parts.buttons:
            button.close()
        clean = parts.sound.close()
        parts.state.close()
        if self._control is not None:
            self._control.close()
        self.loop.close()
        if not clean:
            log.error("a sound device hangs; leaving at once so that the service is restarted")
            logging.shutdown()
            os._exit(EXIT_AUDIO)

    # --- the tick ------------------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Tell the dialog engine something, and do what it asks for."""
        self._queue.append(event)
        if self._draining:
            return
        self._draining = True
        try:
            while self._queue:
                event = self._queue.popleft()
                engine = self.parts.engine
                actions = engine.handle(event)
                leftover = isinstance(event, ev.ReplyText) and not engine.answers(event.chat_id)
                if not leftover:
                    self.reporter.event(event)
                if self._once is not None:
                    self._once.event(event)
                for action in actions:
                    self._do(action, event.t)
        finally:
            self._draining = False

    def _do(self, action: Action, now: float) -> None:
        if isinstance(action, EnterState):
            self.parts.link.talking(action.state in TURN_STATES, now)
        self._performer.perform(action, now)
        self.reporter.action(action)
        if self._once is not None:
            self._once.action(action)

    def _tick(self, now: float) -> None:
        self._ticked = now
        self.events.flush()
        if self._stopping:
            self.parts.link.pump(now)
            return
        self._hear(now)
        parts = self.parts
        for event in parts.link.pump(now):
            self.post(event)
        for report in parts.sound.speaker.pump(now):
            if isinstance(report, Started):
                self.post(ev.PlaybackStarted(report.t, report.generation))
            elif isinstance(report, Drained):
                self.post(ev.PlaybackDrained(report.t, report.generation))
        deadline = parts.engine.deadline()
        if deadline is not None and now >= deadline:
            self.post(ev.Tick(now))
        self._keep_conversation()
        dead = parts.sound.stalled(now)
        if dead:
            raise AudioUnavailable(f"{dead}", remedy="Check that it is plugged in: talkbox devices")
        # A file does not wait for its turn to speak: it must not fall into the opening line.
        if parts.link.ready and not parts.engine.opening(now):
            parts.sound.play_input()
        if self._once is not None:
            code = self._once.result(now, parts.sound.input_finished)
            if code is not None:
                self.stop()
        if self._options.observer is not None:
            self._options.observer(self, now)

    def _hear(self, now: float) -> None:
        parts = self.parts
        microphone = parts.sound.microphone
        if microphone is None:
            return
        for frame in microphone.frames():
            self.level_dbfs = dbfs(frame.samples)
            if parts.recorder is not None:
                parts.recorder(frame.samples, frame.t)
            gate = self._performer.gate_open
            if gate or parts.uplink.is_open:
                for packet in parts.uplink.frame(frame.samples):
                    parts.link.append(packet, now)
            if gate:
                for event in parts.endpointer.feed(frame.samples, frame.t):
                    self.post(_heard(event))
            if parts.sound.microphone is not microphone:
                return

    def _keep_conversation(self) -> None:
        if self.config.coze.conversation == "resume":
            self.parts.remember_conversation()

    def _deadline(self) -> float | None:
        if self._stopping:
            return None
        times = [self.parts.link.deadline(), self.parts.engine.deadline()]
        return min([self._ticked + SLOWEST_TICK_S, *(t for t in times if t is not None)])

    # --- watchers ------------------------------------------------------------------------------

    def link_failed(self, t: float, error: TalkboxError, in_a_row: int, blocked: bool) -> None:
        """The link could not be had, or was lost; ends the daemon where waiting is useless.

        ``blocked``: the platform does not allow use now. That passes, so the device stays up.
        """
        self.reporter.failure(t, error)
        hopeless = isinstance(error, Permanent) and not blocked and not self.reporter.was_ready
        if hopeless or (self._once is not None and isinstance(error, Permanent)):
            raise error
        if self._once is not None:
            final = self._once.failed(error, in_a_row)
            if final is not None:
                raise final

    def link_retries(self, t: float, attempt: int, delay: float, reason: str) -> None:
        """The link will be tried again."""
        self.reporter.reconnect(t, attempt, delay, reason)

    def _command(self, request: dict[str, object]) -> dict[str, object]:
        return commands.execute(self, request)


def _heard(event: ep.Event) -> Event:
    """An endpointer's event in the words of the dialog engine."""
    match event:
        case ep.Onset():
            return ev.Onset(event.t)
        case ep.SpeechStart():
            return ev.SpeechStart(event.t, event.t_onset)
        case ep.SpeechEnd():
            return ev.SpeechEnd(event.t, event.t_last_speech, event.reason)
        case ep.FalseAlarm():
            return ev.FalseAlarm(event.t)


__all__ = ["Daemon", "DeviceError", "Options", "serve"]
