"""Messages that the kernel has not taken: old audio may still be dropped, nothing else is."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Message:
    data: bytes
    droppable: bool
    t: float


class SendQueue:
    """First in, first out; pure. Sizes in bytes, times in monotonic seconds."""

    def __init__(self, max_age: float, max_count: int, max_bytes: int) -> None:
        """The limits are those of the droppable messages together."""
        self._max_age = max_age
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._messages: deque[_Message] = deque()
        self.size = 0
        """Bytes of all messages."""
        self.dropped = 0
        """Messages that were dropped so far."""

    def __len__(self) -> int:
        return len(self._messages)

    def push(self, data: bytes, droppable: bool, t: float) -> None:
        """Append; ``trim`` decides afterwards what is too much."""
        self._messages.append(_Message(data, droppable, t))
        self.size += len(data)

    def pop(self) -> bytes:
        """Take the next message. Raises ``IndexError`` when there is none."""
        message = self._messages.popleft()
        self.size -= len(message.data)
        return message.data

    def trim(self, t: float) -> None:
        """Drop the oldest droppable messages until the rest is young, few and small enough."""
        if not self._messages:
            return
        audio = [message for message in self._messages if message.droppable]
        size = sum(len(message.data) for message in audio)
        for count, message in zip(range(len(audio), 0, -1), audio, strict=True):
            young = t - message.t < self._max_age
            if young and count <= self._max_count and size <= self._max_bytes:
                return
            size -= len(message.data)
            self._drop(message)

    def drop_audio(self) -> None:
        """Drop every droppable message."""
        for message in [message for message in self._messages if message.droppable]:
            self._drop(message)

    def clear(self) -> None:
        """Forget everything; not counted as dropped."""
        self._messages.clear()
        self.size = 0

    def _drop(self, message: _Message) -> None:
        self._messages.remove(message)
        self.size -= len(message.data)
        self.dropped += 1
