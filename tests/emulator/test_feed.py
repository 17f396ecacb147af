import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.coze.events import SpeechStarted, dump
from agent.emulator.feed import Cursor, Feed
from agent.emulator.watched import Entry

SLOW = settings(max_examples=40, deadline=None)


class Clock:
    now = 1_770_000_000.0

    def __call__(self) -> float:
        return self.now


def entry(frame: str = "") -> Entry:
    return Entry(0.0, "", "", "frame", "down", "x", frame=frame, length=len(frame))


def test_it_keeps_the_newest_and_says_how_many_were_lost() -> None:
    feed = Feed(most_entries=10)
    start = feed.since(Cursor()).cursor
    first = feed.add(entry())
    cursor = feed.since(start).cursor
    for _ in range(25):
        feed.add(entry())
    changes = feed.since(cursor)
    assert [found.seq for found in changes.entries] == list(range(16, 26))
    assert changes.lost == 15
    assert feed.entry(first.seq) is None
    assert feed.entry(16) is changes.entries[0]
    assert feed.entry(26) is None
    assert feed.since(changes.cursor).entries == []
    assert feed.since(changes.cursor).lost == 0


@SLOW
@given(st.lists(st.integers(0, 60), max_size=60))
def test_frames_it_keeps_are_bounded_together(sizes: list[int]) -> None:
    feed = Feed(most_entries=20, most_characters=100)
    for size in sizes:
        feed.add(entry("x" * size))
    kept = feed.since(Cursor()).entries
    assert len(kept) <= 20
    assert sum(len(found.frame) for found in kept) <= 100


@SLOW
@given(st.lists(st.booleans(), max_size=80))
def test_a_reader_sees_each_entry_once_or_counts_it_as_lost(reads: list[bool]) -> None:
    feed = Feed(most_entries=7)
    feed.note("link", "", "", "first")
    cursor = feed.since(Cursor()).cursor
    seen = lost = 0
    for read in [*reads, True]:
        feed.add(entry())
        if read:
            changes = feed.since(cursor)
            cursor = changes.cursor
            seen += len(changes.entries)
            lost += changes.lost
    assert seen + lost == len(reads) + 1


def test_one_update_is_bounded_too() -> None:
    feed = Feed()
    feed.add(entry())
    cursor = feed.since(Cursor()).cursor
    for _ in range(1000):
        feed.add(entry())
    changes = feed.since(cursor)
    assert len(changes.entries) + changes.lost == 1000
    assert len(changes.entries) == 400


def test_an_entry_that_changed_is_told_again() -> None:
    feed = Feed()
    old = feed.add(entry())
    feed.add(entry())
    cursor = feed.since(Cursor()).cursor
    old.count += 1
    feed.touch(old)
    assert feed.since(cursor).entries == [old]


def test_devices_come_and_go_and_are_forgotten_at_last() -> None:
    clock = Clock()
    feed = Feed(clock)
    for number in range(150):
        clock.now += 1
        feed.connected(f"log{number}", f"device{number}", "default")
        if number != 3:
            feed.gone(f"log{number}", "code 1000")
    assert len(feed.devices) == 100
    assert "default/device3" in feed.devices, "it is still connected"
    assert "default/device149" in feed.devices
    assert feed.connections == ["log3"]
    feed.gone("log3")
    feed.gone("log3")
    feed.gone("unknown")
    assert feed.connections == []


def test_a_device_that_comes_back_is_the_same() -> None:
    feed = Feed()
    feed.connected("a", "speaker", "default", "7", "/v1/chat")
    feed.gone("a", "code 1006")
    feed.connected("b", "speaker", "default", "7", "/v1/chat")
    feed.connected("c", "speaker", "other")
    first, second = feed.since(Cursor()).devices
    assert list(first.connections) == ["b"]
    assert second.account == "other"
    told = [(found.event_type, found.summary) for found in feed.since(Cursor()).entries]
    assert told[:2] == [("connected", "/v1/chat"), ("disconnected", "code 1006")]


def test_who_waits_is_woken_by_the_next_event() -> None:
    async def body() -> None:
        feed = Feed()
        await feed.changed(Cursor(-1))
        tap = feed.connected("a")
        waiting = asyncio.create_task(feed.changed(feed.since(Cursor()).cursor))
        await asyncio.sleep(0)
        assert not waiting.done()
        tap.down(SpeechStarted(), dump(SpeechStarted()))
        await asyncio.wait_for(waiting, 1)
        given_up = asyncio.create_task(feed.changed(feed.since(Cursor()).cursor))
        await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert not feed.sleepers

    asyncio.run(body())
