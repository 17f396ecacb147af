"""One thread that waits for everything: device ticks, sockets, timers, signals, other threads.

The loop sleeps in one ``select`` and is woken through an eventfd by the sound callback once per
device tick. Readiness callbacks are for the rare (control socket, button, a blocked write); what
happens fifty times a second is done in the tick, so that a tick costs one wake-up.

All times are seconds of the monotonic clock. An exception in any callback leaves ``run``: a bug
has to be seen, and a supervisor restarts a dead daemon faster than anybody finds a deaf one.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

Callback = Callable[[], object]

# Calls from other threads are results of short-lived helpers (a dialled socket, a refreshed
# token); hundreds of them waiting means that the loop hangs.
MAX_PENDING_CALLS = 256
# Below this many cancelled timers, sweeping the heap costs more than it frees.
_SWEEP_AT = 64


class Handle:
    """A timer that can be cancelled."""

    __slots__ = ("_fn", "_loop", "when")

    def __init__(self, loop: Loop, when: float, fn: Callback) -> None:
        self._loop = loop
        self.when = when
        self._fn: Callback | None = fn

    @property
    def cancelled(self) -> bool:
        """True once cancelled or called."""
        return self._fn is None

    def cancel(self) -> None:
        """Never call it; harmless when it was already called."""
        if self._fn is not None:
            self._fn = None
            self._loop._timer_cancelled()

    def _take(self) -> Callback | None:
        fn, self._fn = self._fn, None
        return fn


class Loop:
    """See the module. Made, run and closed by one thread; only ``wake`` and
    ``call_soon_threadsafe`` may be called from others.
    """

    def __init__(
        self,
        deadline: Callable[[], float | None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``deadline`` tells when the tick function has to be called even if nobody wakes the
        loop (``None``: not at all); it is asked before each sleep. A deadline in the past means at
        once, so whoever states it must move it when called.
        """
        self._deadline = deadline
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        self._callbacks: dict[int, tuple[Callback | None, Callback | None]] = {}
        self._calls: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._cancelled = 0
        self._order = itertools.count()
        self._tick: Callable[[float], None] | None = None
        self._signals: dict[int, Callback] = {}
        self._saved_handlers: dict[int, Any] = {}
        self._signal_reader: socket.socket | None = None
        self._running = False
        self._stopping = False
        self._result: object = None

    # --- from any thread ----------------------------------------------------------------------

    def wake(self) -> None:
        """Make the loop call the tick function soon. Never blocks, never raises; wake-ups that
        come before the loop gets there are one. Fit for an audio callback.
        """
        # A full counter means that a wake-up is pending anyway; a closed loop needs none.
        with contextlib.suppress(OSError, ValueError):
            os.eventfd_write(self._wake_fd, 1)

    def call_soon_threadsafe(self, fn: Callback) -> bool:
        """Call ``fn`` in the loop's thread. False, and ``fn`` is not kept, when
        ``MAX_PENDING_CALLS`` wait already.
        """
        if len(self._calls) >= MAX_PENDING_CALLS:
            return False
        self._calls.append(fn)
        self.wake()
        return True

    # --- from the loop's thread ---------------------------------------------------------------

    def on_tick(self, fn: Callable[[float], None]) -> None:
        """``fn(now)`` is called whenever the loop was woken, or the deadline has come."""
        self._tick = fn

    def add_reader(self, fd: int, callback: Callback) -> None:
        """Call ``callback`` whenever ``fd`` is readable (or at its end), until removed."""
        self._set(fd, (callback, self._callbacks.get(fd, (None, None))[1]))

    def add_writer(self, fd: int, callback: Callback) -> None:
        """Call ``callback`` whenever ``fd`` is writable, until removed."""
        self._set(fd, (self._callbacks.get(fd, (None, None))[0], callback))

    def remove_writer(self, fd: int) -> None:
        """Stop watching for room to write; a reader of the same ``fd`` stays."""
        self._set(fd, (self._callbacks.get(fd, (None, None))[0], None))

    def remove(self, fd: int) -> None:
        """Stop watching ``fd``; do it before closing it. Harmless when it is not watched."""
        self._set(fd, (None, None))

    def call_at(self, t: float, fn: Callback) -> Handle:
        """Call ``fn`` once at monotonic time ``t`` or soon after."""
        handle = Handle(self, t, fn)
        heapq.heappush(self._timers, (t, next(self._order), handle))
        return handle

    def call_later(self, delay: float, fn: Callback) -> Handle:
        """Call ``fn`` once, ``delay`` seconds from now."""
        return self.call_at(self._clock() + delay, fn)

    def on_signal(self, signum: int, fn: Callback) -> None:
        """Call ``fn`` in the loop, not in a signal handler, when ``signum`` comes while it runs.

        Outside of ``run`` the process reacts to the signal as before. Needs the main thread.
        """
        self._signals[signum] = fn
        if self._running:
            self._catch(signum)

    def stop(self, result: object = None) -> None:
        """Let ``run`` return ``result`` once the callback at hand is done."""
        self._stopping = True
        self._result = result

    def run(self) -> object:
        """Work until ``stop``; returns what was given to it.

        Raises whatever a callback raises. Signal handlers are restored in every case.
        """
        self._running = True
        try:
            self._catch_signals()
            while not self._stopping:
                self._once()
        finally:
            self._running = False
            self._stopping = False
            self._restore_signals()
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Give the descriptors back. Whoever wakes the loop has to be stopped before."""
        fd, self._wake_fd = self._wake_fd, -1
        if fd >= 0:
            self._selector.close()
            os.close(fd)

    # --- inside -------------------------------------------------------------------------------

    def _once(self) -> None:
        woken = False
        for key, events in self._selector.select(self._timeout()):
            if key.fd == self._wake_fd:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._wake_fd)
                woken = True
            elif self._signal_reader is not None and key.fd == self._signal_reader.fileno():
                self._dispatch_signals(self._signal_reader)
            else:
                self._dispatch(key.fd, events)
            if self._stopping:
                return
        # No more than are there now: a call that queues another must not keep the tick waiting.
        for _ in range(len(self._calls)):
            self._calls.popleft()()
            if self._stopping:
                return
        self._run_timers()
        if self._stopping or self._tick is None:
            return
        now = self._clock()
        due = None if woken or self._deadline is None else self._deadline()
        if woken or (due is not None and due <= now):
            self._tick(now)

    def _timeout(self) -> float | None:
        if self._calls:
            return 0.0
        due = self._deadline() if self._deadline is not None else None
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
            self._cancelled -= 1
        if self._timers and (due is None or self._timers[0][0] < due):
            due = self._timers[0][0]
        return None if due is None else max(0.0, due - self._clock())

    def _run_timers(self) -> None:
        if not self._timers:
            return
        now = self._clock()
        # Timers made from here on wait for the next round, so that one which renews itself at
        # once cannot keep the tick waiting.
        newest = next(self._order)
        while self._timers and not self._stopping:
            due, order, _ = self._timers[0]
            if due > now or order > newest:
                break
            fn = heapq.heappop(self._timers)[2]._take()
            if fn is None:
                self._cancelled -= 1
            else:
                fn()

    def _timer_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _SWEEP_AT and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _set(self, fd: int, callbacks: tuple[Callback | None, Callback | None]) -> None:
        known = fd in self._callbacks
        reader, writer = callbacks
        if reader is None and writer is None:
            if known:
                del self._callbacks[fd]
                self._selector.unregister(fd)
            return
        mask = (selectors.EVENT_READ if reader else 0) | (selectors.EVENT_WRITE if writer else 0)
        if known:
            self._selector.modify(fd, mask)
        else:
            self._selector.register(fd, mask)
        self._callbacks[fd] = callbacks

    def _dispatch(self, fd: int, events: int) -> None:
        # Looked up twice: the reader may remove the descriptor, and so may an earlier callback.
        reader = self._callbacks.get(fd, (None, None))[0]
        if reader is not None and events & selectors.EVENT_READ:
            reader()
        writer = self._callbacks.get(fd, (None, None))[1]
        if writer is not None and events & selectors.EVENT_WRITE and not self._stopping:
            writer()

    # --- signals ------------------------------------------------------------------------------

    def _catch_signals(self) -> None:
        if not self._signals:
            return
        for signum in self._signals:
            self._catch(signum)

    def _catch(self, signum: int) -> None:
        if self._signal_reader is None:
            reader, writer = socket.socketpair()
            reader.setblocking(False)
            writer.setblocking(False)
            self._signal_reader, self._signal_writer = reader, writer
            self._saved_wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            self._selector.register(reader.fileno(), selectors.EVENT_READ)
        if signum not in self._saved_handlers:
            self._saved_handlers[signum] = signal.signal(signum, _noted)

    def _restore_signals(self) -> None:
        for signum, handler in self._saved_handlers.items():
            signal.signal(signum, handler)
        self._saved_handlers.clear()
        if self._signal_reader is not None:
            signal.set_wakeup_fd(self._saved_wakeup)
            self._selector.unregister(self._signal_reader.fileno())
            self._signal_reader.close()
            self._signal_writer.close()
            self._signal_reader = None

    def _dispatch_signals(self, reader: socket.socket) -> None:
        for signum in reader.recv(4096):
            fn = self._signals.get(signum)
            if fn is not None:
                fn()


def _noted(signum: int, frame: FrameType | None) -> None:
    """The interpreter has written the number to the wake-up descriptor; nothing is done here."""
