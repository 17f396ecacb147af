import re
from pathlib import Path

import aiohttp
import pytest

from agent.emulator import page
from agent.emulator.server import Emulator
from tests.emulator.doubles import DoubleBrain, drive, fast_script, running

STATIC = Path(page.__file__).with_name("static")


def test_the_page_brings_all_it_needs_and_nothing_from_elsewhere() -> None:
    async def body() -> None:
        async with running() as emulator, aiohttp.ClientSession(emulator.api_base) as http:
            index = await http.get("/")
            text = await index.text()
            assert f'ws_base = "{emulator.ws_base}"' in text
            assert "{{" not in text
            policy = index.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert index.headers["X-Frame-Options"] == "DENY"
            for path, kind in re.findall(r'(?:href|src)="(/[^"]+\.(css|js))"', text):
                found = await http.get(path)
                assert found.status == 200
                assert found.content_type == {"css": "text/css", "js": "text/javascript"}[kind]
                assert found.headers["X-Content-Type-Options"] == "nosniff"
            assert (await http.get("/emulator/page.py")).status == 404

    drive(body)


def test_nothing_in_the_page_is_inline_or_remote() -> None:
    text = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|<script>|\son\w+=|style=", text)
    for name in ("index.html", "page.css", "page.js"):
        content = (STATIC / name).read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", content), name
    script = (STATIC / "page.js").read_text(encoding="utf-8")
    assert "innerHTML" not in script
    assert "eval(" not in script


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_it_warns_where_others_can_reach_it(host: str, warned: bool) -> None:
    emulator = Emulator(host=host, script=fast_script(), brain=DoubleBrain())

    async def body() -> None:
        async with aiohttp.ClientSession() as http:
            await emulator.start()
            try:
                text = await (await http.get(emulator.api_base)).text()
            finally:
                await emulator.stop()
        assert ('<p class="exposed" >' in text) is warned
        assert ('<p class="exposed" hidden>' in text) is not warned

    drive(body)


def test_what_a_browser_sends_stays_text() -> None:
    async def body() -> None:
        async with running() as emulator, aiohttp.ClientSession(emulator.api_base) as http:
            found = await http.get("/", headers={"Host": "<script>:1"})
            assert "<script>:" not in await found.text()

    drive(body)
