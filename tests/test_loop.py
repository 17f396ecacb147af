import itertools
import os
import signal
import socket
import threading
import time

import pytest

from agent import loop as loop_module
from agent.loop import Loop


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.close()


class TestWake:
    def test_a_wake_up_from_another_thread_ticks_with_the_time(self, loop):
        ticks = []

        def tick(now):
            ticks.append(now)
            loop.stop("done")

        loop.on_tick(tick)
        threading.Timer(0.02, loop.wake).start()
        begin = time.monotonic()
        assert loop.run() == "done"
        assert len(ticks) == 1 and begin <= ticks[0] <= time.monotonic()

    def test_wake_ups_before_the_loop_gets_there_are_one(self, loop):
        ticks = []
        loop.on_tick(ticks.append)
        for _ in range(50):
            loop.wake()
        loop.call_later(0.03, loop.stop)
        loop.run()
        assert len(ticks) == 1

    def test_a_full_counter_neither_blocks_nor_raises(self, loop):
        os.eventfd_write(loop._wake_fd, 2**64 - 2)
        begin = time.monotonic()
        loop.wake()
        assert time.monotonic() - begin < 0.5
        loop.on_tick(lambda now: loop.stop())
        loop.run()

    def test_waking_a_closed_loop_is_harmless(self):
        loop = Loop()
        loop.close()
        loop.wake()
        loop.close()

    def test_the_tick_runs_at_the_stated_deadline(self):
        due = [time.monotonic() + 0.03]
        loop = Loop(lambda: due[0])
        ticks = []

        def tick(now):
            ticks.append(now)
            due[0] = now + 0.02
            if len(ticks) == 3:
                loop.stop()

        loop.on_tick(tick)
        first = due[0]
        loop.run()
        loop.close()
        assert ticks[0] >= first and all(b - a >= 0.02 for a, b in itertools.pairwise(ticks))

    def test_no_deadline_and_no_wake_is_no_tick(self):
        loop = Loop(lambda: None)
        loop.on_tick(lambda now: pytest.fail("nobody woke it"))
        loop.call_later(0.02, loop.stop)
        loop.run()
        loop.close()


class TestTimers:
    def test_they_fire_in_order_once_and_not_early(self, loop):
        fired = []
        start = time.monotonic()
        for name, delay in (("b", 0.02), ("a", 0.01), ("c", 0.03)):
            loop.call_later(delay, lambda name=name: fired.append((name, time.monotonic())))
        loop.call_at(start + 0.05, loop.stop)
        loop.run()
        assert [name for name, _ in fired] == ["a", "b", "c"]
        assert all(t >= start + 0.01 * (n + 1) for n, (_, t) in enumerate(fired))

    def test_equal_times_keep_their_order(self, loop):
        fired = []
        t = time.monotonic()
        for n in range(5):
            loop.call_at(t, lambda n=n: fired.append(n))
        loop.call_at(t, loop.stop)
        loop.run()
        assert fired == [0, 1, 2, 3, 4]

    def test_a_cancelled_timer_does_not_fire(self, loop):
        handle = loop.call_later(0.01, lambda: pytest.fail("cancelled"))
        handle.cancel()
        handle.cancel()
        assert handle.cancelled
        done = loop.call_later(0.03, loop.stop)
        loop.run()
        assert done.cancelled
        done.cancel()

    def test_cancelled_timers_do_not_pile_up(self, loop):
        for _ in range(20_000):
            loop.call_later(3600.0, lambda: None).cancel()
        assert len(loop._timers) < 1000

    def test_a_timer_that_renews_itself_at_once_leaves_room_for_the_tick(self, loop):
        def again():
            loop.call_later(0.0, again)

        again()
        loop.on_tick(lambda now: loop.stop())
        loop.wake()
        loop.run()


class TestDescriptors:
    def test_readers_and_writers_of_one_descriptor(self, loop):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        seen = []

        def readable():
            seen.append(ours.recv(100))
            loop.remove(ours.fileno())
            loop.stop()

        def writable():
            seen.append("writable")
            loop.remove_writer(ours.fileno())
            theirs.send(b"hello")

        loop.add_reader(ours.fileno(), readable)
        loop.add_writer(ours.fileno(), writable)
        loop.run()
        assert seen == ["writable", b"hello"]
        loop.remove(ours.fileno())
        ours.close()
        theirs.close()

    def test_a_descriptor_removed_in_the_same_round_is_not_called(self, loop):
        pairs = [socket.socketpair() for _ in range(2)]
        called = []

        def one(index):
            called.append(index)
            for ours, _ in pairs:
                loop.remove(ours.fileno())
            loop.call_later(0.01, loop.stop)

        for index, (ours, theirs) in enumerate(pairs):
            theirs.send(b"x")
            loop.add_reader(ours.fileno(), lambda index=index: one(index))
        loop.run()
        assert len(called) == 1
        for pair in pairs:
            for end in pair:
                end.close()


class TestCalls:
    def test_calls_from_other_threads_run_in_the_loop(self, loop):
        names = []

        def work():
            for n in range(100):
                while not loop.call_soon_threadsafe(
                    lambda n=n: names.append((n, threading.current_thread().name))
                ):
                    time.sleep(0.001)
            loop.call_soon_threadsafe(loop.stop)

        thread = threading.Thread(target=work)
        thread.start()
        loop.run()
        thread.join()
        assert [n for n, _ in names] == list(range(100))
        assert {name for _, name in names} == {threading.current_thread().name}

    def test_the_queue_is_bounded(self, loop):
        accepted = sum(loop.call_soon_threadsafe(lambda: None) for _ in range(1000))
        assert accepted == loop_module.MAX_PENDING_CALLS

    def test_a_call_that_queues_itself_leaves_room_for_the_tick(self, loop):
        ticks = []

        def again():
            loop.call_soon_threadsafe(again)

        def tick(now):
            ticks.append(now)
            if len(ticks) == 3:
                loop.stop()

        again()
        loop.on_tick(tick)
        loop.run()
        assert len(ticks) == 3


class TestSignals:
    def test_they_run_in_the_loop_and_handlers_are_restored(self, loop):
        seen = []
        before = signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM)
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        loop.on_signal(signal.SIGHUP, lambda: seen.append("hup"))
        loop.on_signal(signal.SIGTERM, lambda: loop.stop(15))
        loop.call_later(0.01, lambda: os.kill(os.getpid(), signal.SIGHUP))
        loop.call_later(0.03, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert loop.run() == 15
        assert seen == ["hup"]
        assert (signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGTERM)) == before
        assert signal.set_wakeup_fd(wakeup) == wakeup

    def test_one_registered_while_running(self, loop):
        before = signal.getsignal(signal.SIGUSR1)

        def later():
            loop.on_signal(signal.SIGUSR1, loop.stop)
            os.kill(os.getpid(), signal.SIGUSR1)

        loop.call_later(0.0, later)
        loop.run()
        assert signal.getsignal(signal.SIGUSR1) == before


class TestBugs:
    @pytest.mark.parametrize("where", ["tick", "timer", "call", "reader"])
    def test_an_exception_leaves_run_and_signals_are_restored(self, loop, where):
        def bug(*_):
            raise ZeroDivisionError

        before = signal.getsignal(signal.SIGHUP)
        loop.on_signal(signal.SIGHUP, lambda: None)
        ours, theirs = socket.socketpair()
        if where == "tick":
            loop.on_tick(bug)
            loop.wake()
        elif where == "timer":
            loop.call_later(0.0, bug)
        elif where == "call":
            loop.call_soon_threadsafe(bug)
        else:
            theirs.send(b"x")
            loop.add_reader(ours.fileno(), bug)
        with pytest.raises(ZeroDivisionError):
            loop.run()
        assert signal.getsignal(signal.SIGHUP) == before
        loop.remove(ours.fileno())
        ours.close()
        theirs.close()

    def test_it_can_run_again(self, loop):
        for n in range(3):
            loop.call_later(0.0, lambda n=n: loop.stop(n))
            assert loop.run() == n
