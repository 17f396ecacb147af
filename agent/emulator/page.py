"""Two pages: one for programs that ask whether the emulator lives, one for people."""

from __future__ import annotations

import html
from pathlib import Path

from aiohttp import web

from agent.emulator.guard import is_loopback
from agent.emulator.service import Service

HEALTH = "/health"

_STATIC = Path(__file__).with_name("static")
_FILES = {"page.css": "text/css", "page.js": "text/javascript"}

# Nothing from elsewhere, nothing inline: what strangers say stays text.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class Pages:
    """Serves both pages. ``host`` is the address that is listened on."""

    def __init__(self, service: Service, host: str) -> None:
        self._service = service
        self._exposed = not is_loopback(host)
        self._index = (_STATIC / "index.html").read_text(encoding="utf-8")
        self._files = {name: (_STATIC / name).read_text(encoding="utf-8") for name in _FILES}

    def routes(self) -> list[web.RouteDef]:
        """All addresses of this room."""
        return [
            web.get("/", self.index),
            web.get(HEALTH, self.health),
            web.get("/emulator/{file:page\\.(?:css|js)}", self.file),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """JSON: ``status`` is ``ok`` whenever it is answered at all."""
        service = self._service
        return web.json_response(
            {
                "status": "ok",
                "connections": service.connections,
                "conversations": len(service.conversations),
            }
        )

    async def index(self, request: web.Request) -> web.Response:
        """What this is and how to point a device at it; the rest comes by ``/emulator/events``."""
        api = f"{request.scheme}://{request.host}"
        page = self._index
        for name, value in (
            ("api", api),
            ("ws", api.replace("http", "ws", 1)),
            ("bot", self._service.script.bot.id),
            ("exposed", "" if self._exposed else "hidden"),
        ):
            page = page.replace("{{" + name + "}}", html.escape(value))
        return web.Response(text=page, content_type="text/html", headers=HEADERS)

    async def file(self, request: web.Request) -> web.Response:
        """Script and style of the page."""
        name = request.match_info["file"]
        return web.Response(text=self._files[name], content_type=_FILES[name], headers=HEADERS)
