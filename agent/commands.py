"""What the command line can ask of the running daemon."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

from agent.dialog import events as ev
from agent.dialog.actions import State
from agent.dialog.events import Event
from agent.dialog.states import Link
from agent.errors import NotPermitted, ServiceUnreachable, UsageError
from agent.parts import Parts
from agent.reporter import Reporter

Answer = dict[str, Any]


class Desk(Protocol):
    """What commands need of the daemon."""

    parts: Parts
    reporter: Reporter
    level_dbfs: float
    started: float

    @property
    def state(self) -> State: ...

    def post(self, event: Event) -> None: ...


# generate_audio takes less than 1024 bytes (protocol, section 2.7); questions get the same bound
# many times over, so that nobody fills the socket's queue.
MAX_SAY_BYTES = 1023
MAX_ASK_BYTES = 16384


def execute(daemon: Desk, request: Answer) -> Answer:
    """Carry out one request. Raises ``TalkboxError`` with the sentence to answer."""
    name = request.get("command")
    command = _COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise UsageError(f"unknown command {name!r}", remedy=f"Known: {', '.join(_COMMANDS)}.")
    return command(daemon, request.get("value"))


def _status(daemon: Desk, value: object) -> Answer:
    parts, reporter = daemon.parts, daemon.reporter
    session = parts.link.session
    latency = round(median(reporter.latencies)) if reporter.latencies else None
    facts: Answer = {
        "state": str(daemon.state),
        "uptime_s": round(time.monotonic() - daemon.started),
        "volume": parts.volume,
        "muted": not parts.sound.capturing,
        "level_dbfs": round(daemon.level_dbfs, 1),
        "turns": reporter.turns,
        "median_total_ms": latency,
        "heard": reporter.heard,
        "answered": reporter.answered,
        "last_error": reporter.last_error,
        "sound": parts.sound.describes,
        "conversation_id": session.conversation_id,
        "counters": parts.counters(),
    }
    lines = [
        f"{facts['state']}, up {facts['uptime_s']} s, volume {facts['volume']} %"
        + (", muted" if facts["muted"] else ""),
        f"{facts['sound']}, level {facts['level_dbfs']} dBFS",
        f"{facts['turns']} answers" + (f", first sound after {latency} ms" if latency else ""),
    ]
    if reporter.heard:
        lines.append(f"heard: {reporter.heard}")
    if reporter.last_error:
        lines.append(f"last trouble: {reporter.last_error}")
    return {**facts, "text": "\n".join(lines)}


def _listen(daemon: Desk, value: object) -> Answer:
    _may_talk(daemon)
    if not daemon.parts.sound.capturing:
        raise NotPermitted("the microphone is muted", remedy="Type: talkbox unmute")
    daemon.post(ev.Listen(time.monotonic()))
    return {"state": str(daemon.state), "text": str(daemon.state)}


def _stop(daemon: Desk, value: object) -> Answer:
    daemon.post(ev.Stop(time.monotonic()))
    return {"state": str(daemon.state), "text": str(daemon.state)}


def _mute(daemon: Desk, value: object) -> Answer:
    daemon.parts.state.update(muted=True)
    if daemon.parts.sound.capturing:
        daemon.post(ev.Mute(time.monotonic()))
    return {"muted": True, "text": "muted"}


def _unmute(daemon: Desk, value: object) -> Answer:
    daemon.parts.state.update(muted=False)
    if not daemon.parts.sound.capturing:
        daemon.post(ev.Unmute(time.monotonic()))
    return {"muted": False, "text": "listening again"}


def _volume(daemon: Desk, value: object) -> Answer:
    parts = daemon.parts
    if value is not None:
        text = str(value).strip()
        try:
            number = int(text)
        except ValueError:
            raise UsageError(f"volume is 0 to 100, or +10, -10; not {text!r}") from None
        relative = text[:1] in "+-"
        if not relative and not 0 <= number <= 100:
            raise UsageError(f"volume is 0 to 100, not {number}")
        parts.set_volume(max(0, min(100, parts.volume + number if relative else number)))
    return {"volume": parts.volume, "text": f"{parts.volume} %"}


def _say(daemon: Desk, value: object) -> Answer:
    text = _text(value, MAX_SAY_BYTES)
    _may_talk(daemon)
    daemon.post(ev.Say(time.monotonic(), text))
    return {}


def _ask(daemon: Desk, value: object) -> Answer:
    text = _text(value, MAX_ASK_BYTES)
    _may_talk(daemon)
    daemon.post(ev.Ask(time.monotonic(), text))
    return {}


def _text(value: object, limit: int) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text:
        raise UsageError("there is no text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        # A terminal that does not speak UTF-8 leaves lone surrogates in its arguments.
        raise UsageError("the text is not valid UTF-8") from None
    if size > limit:
        raise UsageError(f"the text is longer than {limit} bytes")
    return text


def _may_talk(daemon: Desk) -> None:
    """Refuse what would never be answered. Mute or an answer played out may hide a lost link."""
    reason = daemon.reporter.last_error
    if daemon.state is State.BLOCKED:
        raise NotPermitted(f"the device is blocked{_because(reason)}")
    if daemon.state is State.CONNECTING:
        raise ServiceUnreachable(f"the device is connecting{_because(reason)}")
    if daemon.state is State.OFFLINE or daemon.parts.engine.link is Link.DOWN:
        raise ServiceUnreachable(f"the device is offline{_because(reason)}")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


_COMMANDS: dict[str, Callable[[Desk, object], Answer]] = {
    "status": _status,
    "listen": _listen,
    "stop": _stop,
    "mute": _mute,
    "unmute": _unmute,
    "volume": _volume,
    "say": _say,
    "ask": _ask,
}
