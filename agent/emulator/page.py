"""Two pages: one for programs that ask whether the emulator lives, one for people."""

from __future__ import annotations

import html

from aiohttp import web

from agent.emulator.service import Service

HEALTH = "/health"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>talkbox emulator</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; }}
code, pre {{ background: #eee; color: #111; padding: .1rem .3rem; border-radius: .2rem; }}
pre {{ padding: .6rem; overflow-x: auto; }}
td {{ padding-right: 1.5rem; }}
</style>
<h1>talkbox emulator</h1>
<p>A local stand-in for the voice-chat platform. It is meant for tests on trusted networks:
nearly every token is accepted.</p>
<table>
<tr><td>Chat socket</td><td><code>{ws}/v1/chat?bot_id={bot}</code></td></tr>
<tr><td>Open connections</td><td>{connections}</td></tr>
<tr><td>Conversations</td><td>{conversations}</td></tr>
<tr><td>Scripted answers</td><td>{answers}</td></tr>
</table>
<p>To point a device here, put this into its <code>talkbox.toml</code>, and any token into
<code>TALKBOX_TOKEN</code>:</p>
<pre>[coze]
api_base = "{api}"
ws_base = "{ws}"
bot_id = "{bot}"</pre>
</html>
"""


class Pages:
    """Serves both pages."""

    def __init__(self, service: Service) -> None:
        self._service = service

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
        """What this is and how to point a device at it."""
        service = self._service
        host = html.escape(request.host)
        api = f"{request.scheme}://{host}"
        page = _PAGE.format(
            api=api,
            ws=api.replace("http", "ws", 1),
            bot=html.escape(service.script.bot.id),
            connections=service.connections,
            conversations=len(service.conversations),
            answers=len(service.script.answer),
        )
        return web.Response(text=page, content_type="text/html")
