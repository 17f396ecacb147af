"""What the page for people shows, as it happens, and what its buttons do."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from agent.emulator import digest
from agent.emulator.accounts import DEFAULT
from agent.emulator.envelope import ApiError
from agent.emulator.faults import BUTTONS
from agent.emulator.feed import Cursor, Feed
from agent.emulator.guard import check_host, check_origin
from agent.emulator.page import HEADERS
from agent.emulator.rest.reply import body, flag, ok, text
from agent.emulator.service import Service
from agent.emulator.spending import Spending
from agent.emulator.watched import Device, Entry, Status

# People see no more than this anyway.
_PACE_S = 0.2
# Also how long it takes to notice a page that was closed while nothing happened.
_ALIVE_S = 10.0
_MOST_WATCHERS = 20
_CODE = re.compile(rb'\{"code": ?(-?\d+), ?"msg": ?"((?:[^"\\]|\\.){0,120})')


def noted(feed: Feed) -> Any:
    """Middleware: puts every call of the platform's REST side into the log. Never its query."""

    @web.middleware
    async def note(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        response = await handler(request)
        path = request.path
        if response.status != 101 and path.startswith(("/v", "/api", "/open_api")):
            what = f"{request.method} {digest.scrub(path[:200])}"
            feed.note("http", "", "up", what, _outcome(response))
        return response

    return note


class Live:
    """The page's data and its few changes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        # Tells one run from the next: numbers of entries begin anew.
        self._boot = secrets.token_hex(4)
        self._spending = Spending(service.store, service.meter)
        self._watchers = 0
        self._closing = False

    def routes(self) -> list[web.RouteDef]:
        """All addresses of this room."""
        return [
            web.get("/emulator/state", self.state),
            web.get("/emulator/events", self.events),
            web.get("/emulator/entries/{seq:\\d{1,15}}", self.entry),
            web.post("/emulator/faults", self.fault),
            web.post("/emulator/codes", self.code),
        ]

    async def close(self) -> None:
        """End all streams."""
        self._closing = True
        # Also for those that do not wait yet.
        self._service.feed.touch()

    async def state(self, request: web.Request) -> web.Response:
        """All there is to see, as JSON."""
        check_host(request)
        return _json(self._update(Cursor(), {})[1])

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The same as a stream: first all (or what is new since ``Last-Event-ID``), then changes.

        Updates come 5 times a second at most and every 10 s at least.
        """
        check_host(request)
        if self._watchers >= _MOST_WATCHERS or self._closing:
            raise web.HTTPServiceUnavailable(reason="too many pages are open")
        cursor = self._cursor(request.headers.get("Last-Event-ID", ""))
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        response.headers["Cache-Control"] = "no-store"
        self._watchers += 1
        told: dict[str, str] = {}
        try:
            await response.prepare(request)
            await response.write(b"retry: 1000\n\n")
            while not self._closing:
                cursor, update = self._update(cursor, told)
                line = json.dumps(update, ensure_ascii=False, separators=(",", ":"))
                id = f"{self._boot}.{cursor.stamp}.{cursor.seq}"
                await response.write(f"id: {id}\ndata: {line}\n\n".encode("utf-8", "replace"))
                await asyncio.sleep(_PACE_S)
                try:
                    async with asyncio.timeout(_ALIVE_S):
                        await self._service.feed.changed(cursor)
                except TimeoutError:
                    continue
        except ConnectionError:
            # The page was closed.
            return response
        finally:
            self._watchers -= 1
        return response

    async def entry(self, request: web.Request) -> web.Response:
        """One frame of the log as text, secrets hidden."""
        check_host(request)
        entry = self._service.feed.entry(int(request.match_info["seq"]))
        if entry is None or not entry.frame:
            raise ApiError(4200, "this entry is not kept (any more)", 404)
        return web.Response(text=digest.detail(entry), headers=HEADERS)

    async def fault(self, request: web.Request) -> web.Response:
        """Do something bad to a connection: ``connection`` (log id), ``fault`` (name)."""
        check_origin(request)
        asked = await body(request)
        connection, name = text(asked, "connection", None), text(asked, "fault", None)
        try:
            there = self._service.faults.now(connection, name)
        except KeyError:
            known = ", ".join(BUTTONS)
            raise ApiError(4000, f"invalid parameter: fault must be one of {known}", 400) from None
        if not there:
            raise ApiError(4200, "this connection is over", 404)
        return ok()

    async def code(self, request: web.Request) -> web.Response:
        """Decide about a device that waits: ``user_code``, ``allow``, ``account``."""
        check_origin(request)
        asked = await body(request)
        user_code, allow = text(asked, "user_code", None), flag(asked, "allow")
        account = text(asked, "account", DEFAULT, 100)
        codes = self._service.desk.device_codes
        if not codes.decide(user_code, allow=allow, account=account):
            raise ApiError(4200, "nothing is to be decided about this code (any more)", 404)
        word = "allowed" if allow else "denied"
        self._service.feed.note("link", "", "", "device code", f"{user_code} {word}")
        return ok()

    # --- one update -----------------------------------------------------------------------------

    def _update(self, cursor: Cursor, told: dict[str, str]) -> tuple[Cursor, dict[str, Any]]:
        """What is new since ``cursor``. ``told`` remembers the parts that are sent as a whole."""
        service = self._service
        changes = service.feed.since(cursor)
        update: dict[str, Any] = {
            "boot": self._boot,
            "now": service.feed.now(),
            "whole": not cursor.stamp,
            "lost": changes.lost,
            "entries": [_entry(entry) for entry in changes.entries],
            "devices": [_device(device, cursor.stamp) for device in changes.devices],
        }
        parts = {
            "faults": list(BUTTONS),
            "known": service.feed.devices,
            "conversations": len(service.conversations),
            "codes": self._codes(),
            "accounts": service.accounts.names(),
            "usage": self._spending.rows(),
        }
        for name, part in parts.items():
            line = json.dumps(part)
            if told.get(name) != line:
                told[name] = line
                update[name] = part
        return changes.cursor, update

    def _cursor(self, last_event_id: str) -> Cursor:
        """Where a page that comes back left off; the beginning for all others."""
        boot, _, rest = last_event_id.partition(".")
        stamp, _, seq = rest.partition(".")
        if boot == self._boot and stamp.isdecimal() and seq.isdecimal() and len(rest) < 40:
            return Cursor(int(stamp), int(seq))
        return Cursor()

    def _codes(self) -> list[dict[str, Any]]:
        desk = self._service.desk
        found = []
        for code in desk.device_codes.pending():
            app = desk.apps.get(code.client_id)
            found.append(
                {
                    "user_code": code.user_code,
                    "app": app.name if app else code.client_id,
                    "expires_at": code.expires_at,
                }
            )
        return found


def _json(data: Any) -> web.Response:
    return web.json_response(data, headers={**HEADERS, "Cache-Control": "no-store"})


def _outcome(response: web.StreamResponse) -> str:
    """HTTP status, and what the envelope says where it is no success."""
    content = response.body if isinstance(response, web.Response) else None
    found = _CODE.match(content) if isinstance(content, bytes) else None
    if found is None or found[1] == b"0":
        return str(response.status)
    return digest.scrub(f"{response.status}, {found[1].decode()} {found[2].decode()}")


def _entry(entry: Entry) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "seq": entry.seq,
        "at": round(entry.at, 3),
        "device": entry.device,
        "connection": entry.connection[-6:],
        "kind": entry.kind,
        "direction": entry.direction,
        "type": digest.scrub(entry.event_type),
        "summary": digest.scrub(digest.summary(entry)),
    }
    if entry.kind in ("audio", "text"):
        shown |= {"count": entry.count, "size": entry.size, "ms": round(entry.ms)}
    if entry.frame:
        shown["frame"] = entry.length
    return shown


def _device(device: Device, stamp: int) -> dict[str, Any]:
    return {
        "key": device.key,
        "id": device.device_id,
        "account": device.account,
        "seen": device.seen,
        "connections": [_connection(status) for status in device.connections.values()],
        "talk": [
            {
                "id": line.id,
                "at": round(line.at, 3),
                "role": line.role,
                "text": digest.scrub(line.text),
                "done": line.done,
                "mark": line.mark,
            }
            for line in device.talk.lines
            if line.stamp > stamp
        ],
    }


def _connection(status: Status) -> dict[str, Any]:
    return {
        "id": status.id,
        "bot": status.bot,
        "path": status.path,
        "since": status.since,
        "state": status.state,
        "up": [status.up_frames, status.up_bytes],
        "down": [status.down_frames, status.down_bytes],
    }
