"""The page for people in a real browser."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from agent.emulator.server import Emulator, ThreadedEmulator
from tests.emulator.browser import BINARY, Browser
from tests.emulator.doubles import DoubleBrain, fast_script

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.skipif(BINARY is None, reason="Chromium is not installed"),
]

COUNT = "document.querySelectorAll({!r}).length"
LABELLED = "[...document.querySelectorAll('button')].find(b => b.textContent === {!r})"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as found:
        yield found


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with ThreadedEmulator(Emulator(script=fast_script(), brain=DoubleBrain())) as found:
        yield found


@pytest.fixture
def page(browser: Browser, emulator: Emulator) -> Iterator[Browser]:
    browser.complaints.clear()
    browser.size(1200, 900)
    browser.open(emulator.api_base)
    browser.until("document.querySelector('#link').textContent === 'live'")
    yield browser
    browser.run("1")
    assert browser.complaints == []


def device(emulator: Emulator, id: str) -> ClientConnection:
    address = f"{emulator.ws_base}/v1/chat?bot_id=1&device_id={id}"
    return connect(address, additional_headers={"Authorization": "Bearer t"})


def send(talk: ClientConnection, event_type: str, **data: Any) -> None:
    talk.send(json.dumps({"event_type": event_type, "data": data}))


def ask(talk: ClientConnection, text: str = "What time is it?") -> None:
    send(talk, "conversation.message.create", role="user", content_type="text", content=text)
    while json.loads(talk.recv(5))["event_type"] != "conversation.chat.completed":
        pass


def test_a_conversation_is_shown_as_it_happens(page: Browser, emulator: Emulator) -> None:
    assert page.run("document.querySelector('#nobody').checkVisibility()")
    with device(emulator, "4211") as talk:
        page.until("document.querySelector('.name strong')?.textContent === '4211'")
        send(talk, "input_audio_buffer.append", delta="UklGRgAAAAA=")
        ask(talk)
        page.until("document.querySelector('#talk').innerText.includes('What time is it?')")
        page.until("document.querySelector('#talk').innerText.includes('This is the answer.')")
        page.until("/audio frames, [0-9.]+ s/.test(document.querySelector('#log').innerText)")
        page.until("document.querySelector('.state').textContent === 'ready'")
        rows = "[...document.querySelectorAll('#log details')]"
        row = f"{rows}.find(d => /message.create/.test(d.innerText))"
        page.run(f"{row}.open = true")
        page.until(f"{row}.querySelector('pre').textContent.includes('\"role\": \"user\"')")
    page.until("document.querySelector('.away').checkVisibility()")


def test_hostile_words_stay_words(page: Browser, emulator: Emulator) -> None:
    words = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    with device(emulator, "7") as talk:
        ask(talk, words)
        page.until(f"document.querySelector('#talk').innerText.includes({words!r})")
        page.until("document.querySelector('#log').innerText.includes('<img src=x')")
    assert page.run(COUNT.format("img, #talk script")) == 0


def test_buttons_do_harm(page: Browser, emulator: Emulator) -> None:
    with device(emulator, "8") as talk:
        talk.recv(5)
        page.until(f"!!{LABELLED.format('Drop the socket now')}")
        page.run(f"{LABELLED.format('Drop the socket now')}.focus()")
        page.key("Enter", 13)
        with pytest.raises(ConnectionClosed):
            talk.recv(5)
        page.until("document.querySelector('#log').innerText.includes('drop')")
        page.until("document.querySelector('.away').checkVisibility()")


def test_a_device_is_let_in(page: Browser, emulator: Emulator) -> None:
    request = urllib.request.Request(
        f"{emulator.api_base}/api/permission/oauth2/device/code",
        json.dumps({"client_id": "demo-device"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:
        user_code = json.load(response)["user_code"]
    page.until(f"document.querySelector('.code')?.textContent === {user_code!r}")
    page.run(f"{LABELLED.format('Allow')}.click()")
    page.until("!document.querySelector('#codes').checkVisibility()")
    page.until("document.querySelector('#log').innerText.includes('allowed')")


def test_the_log_can_be_paused_and_filtered(page: Browser, emulator: Emulator) -> None:
    with device(emulator, "1") as first, device(emulator, "2") as second:
        page.until(f"{COUNT.format('.socket')} === 2")
        page.run("document.querySelector('#pause').click()")
        before = page.run(COUNT.format("#log > li"))
        ask(first)
        ask(second)
        page.until("/Resume \\(\\d+ new\\)/.test(document.querySelector('#pause').textContent)")
        assert page.run(COUNT.format("#log > li")) == before
        page.run("document.querySelector('#pause').click()")
        page.until(f"{COUNT.format('#log > li')} > {before}")
        page.run("document.querySelectorAll('.name')[0].click()")
        shown = "[...document.querySelectorAll('#log > li')].filter(r => r.checkVisibility())"
        assert page.run(f"{shown}.length") > 0
        assert page.run(f"{shown}.length < document.querySelectorAll('#log > li').length")
        assert page.run("document.querySelector('.name').getAttribute('aria-pressed')") == "true"


def test_it_fits_on_a_phone_and_can_be_used_by_thumb(page: Browser, emulator: Emulator) -> None:
    page.size(390, 844, mobile=True)
    with device(emulator, "1234567890123456789") as talk:
        ask(talk)
        page.until(f"{COUNT.format('.socket')} === 1")
        for tab in ("talk", "events", "devices"):
            page.run(f"document.querySelector('[data-show={tab}]').click()")
            assert page.run(f"document.querySelector('[data-panel={tab}]').checkVisibility()")
            assert page.run("document.documentElement.scrollWidth") == 390
            shown = "[...document.querySelectorAll('button:not([data-copy])')]"
            small = "b.checkVisibility() && b.getBoundingClientRect().height < 38"
            assert page.run(f"{shown}.filter(b => {small}).map(b => b.textContent)") == []


def test_every_control_has_a_name_and_contrast_is_enough(page: Browser, emulator: Emulator) -> None:
    with device(emulator, "1") as talk:
        ask(talk)
        page.until(f"{COUNT.format('.socket')} === 1")
        nameless = (
            "[...document.querySelectorAll('button, select, input')].filter(e =>"
            " !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map(e => e.outerHTML)"
        )
        assert page.run(nameless) == []
        for scheme in ("light", "dark"):
            page.scheme(scheme)
            for text, ground in (
                ("ink", "panel"), ("soft", "panel"), ("soft", "paper"), ("soft", "sunk"),
                ("up", "panel"), ("down", "panel"), ("bad", "panel"), ("warn", "panel"),
                ("warn", "warn-paper"), ("link", "panel"), ("accent-ink", "accent"),
                ("ink", "user"), ("soft", "user"),
            ):  # fmt: skip
                colours = [
                    page.run(
                        f"getComputedStyle(document.documentElement).getPropertyValue('--{c}')"
                    )
                    for c in (text, ground)
                ]
                assert contrast(*colours) >= 4.5, (scheme, text, ground, contrast(*colours))
        page.scheme("light")


def contrast(first: str, second: str) -> float:
    """The contrast ratio of WCAG 2; 4.5 is enough for small text."""
    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour.strip()[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_finds_the_next_emulator_on_the_same_port(browser: Browser) -> None:
    with ThreadedEmulator(Emulator(script=fast_script(), brain=DoubleBrain())) as first:
        port = first.port
        browser.open(first.api_base)
        with device(first, "1"):
            browser.until(f"{COUNT.format('.socket')} === 1")
    browser.until("document.querySelector('#link').textContent === 'reconnecting'")
    with ThreadedEmulator(Emulator(port=port, script=fast_script(), brain=DoubleBrain())) as again:
        browser.until("document.querySelector('#link').textContent === 'live'", 15)
        browser.until(f"{COUNT.format('#devices > li')} === 0")
        with device(again, "2"):
            browser.until("document.querySelector('.name strong')?.textContent === '2'")
