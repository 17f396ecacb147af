"""What a socket reports, and the limits it keeps."""

from __future__ import annotations

from dataclasses import dataclass

from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig

from agent.errors import ServiceUnreachable, TalkboxError

# Normal, going away, none given, service restart: the server ends a session, nothing failed.
_POLITE_CODES = frozenset({1000, 1001, 1005, 1012})
_ABNORMAL = 1006


@dataclass(frozen=True, slots=True)
class Opened:
    """The upgrade succeeded; ``logid`` is the server's handle for support, or ""."""

    logid: str
    t: float


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message: ``str`` for text, ``bytes`` for binary and for text that is not UTF-8
    (RFC 6455 would drop the connection for that; one broken event is not worth a session).
    """

    data: str | bytes
    t: float


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event of a socket, also when it never opened.

    ``code`` and ``reason`` are those of the close frame, 1006 without one. ``error`` is ``None``
    when this side asked for it or the server ended the session normally.
    """

    code: int
    reason: str
    error: TalkboxError | None
    t: float


SocketEvent = Opened | Received | Closed


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Times in seconds, sizes in bytes. The defaults suit a connection that idles."""

    open_timeout: float = 10.0
    ping_interval: float = 15.0
    pong_timeout: float = 10.0
    close_timeout: float = 1.0
    max_message_bytes: int = 4 << 20
    # Audio waits for at most max_droppable_s; the other two bound a burst.
    max_droppable_s: float = 0.4
    max_droppable: int = 20
    max_droppable_bytes: int = 64 << 10
    # Everything that waits, audio or not: above it the server has stopped reading. A whole
    # utterance sent again after a reconnect is 1.4 MB (30 s of PCM).
    max_queued_bytes: int = 4 << 20
    unsent_bytes: int = 4096
    read_budget: int = 1 << 20


def verdict(
    protocol: ClientProtocol, place: str, limit: int, *, asked: bool
) -> tuple[int, str, TalkboxError | None]:
    """``code``, ``reason`` and ``error`` of ``Closed`` for a stream that has ended.

    ``place`` is ``host:port``, ``limit`` the bytes of the largest message allowed, ``asked``
    whether this side wanted the end.
    """
    received, sent = protocol.close_rcvd, protocol.close_sent
    if received is not None:
        if asked or received.code in _POLITE_CODES:
            return received.code, received.reason, None
        said = f" ({received.reason})" if received.reason.isprintable() else ""
        message = f"{place} closed the connection with code {int(received.code)}{said}"
        error = ServiceUnreachable(message, code=str(int(received.code)))
        return received.code, received.reason, error
    if sent is not None:
        too_big = isinstance(protocol.parser_exc, PayloadTooBig)
        what = f"a message above {limit} bytes" if too_big else "a frame that is not allowed"
        error = ServiceUnreachable(f"{place} sent {what}", code=str(int(sent.code)))
        return sent.code, sent.reason, error
    message = f"{place} ended the connection without a word"
    return _ABNORMAL, "", ServiceUnreachable(message, code=str(_ABNORMAL))
