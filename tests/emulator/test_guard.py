import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from agent.emulator.guard import HEADER, check_host, check_origin, is_loopback

GOOD = {
    "Host": "127.0.0.1:8080",
    "Origin": "http://127.0.0.1:8080",
    "Sec-Fetch-Site": "same-origin",
    "Content-Type": "application/json",
    HEADER: "1",
}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:80", "[::1]:8080", "localhost:9", "pi", "pi.local:80", "box.lan"],
)
def test_addresses_and_local_names_lead_here(host: str) -> None:
    check_host(make_mocked_request("GET", "/", headers={"Host": host}))


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1.nip.io:80", "a.b", "x@y.com", "/"])
def test_names_of_strangers_do_not(host: str) -> None:
    with pytest.raises(web.HTTPForbidden):
        check_host(make_mocked_request("GET", "/", headers={"Host": host}))


def test_the_page_itself_may_change_something() -> None:
    check_origin(make_mocked_request("POST", "/", headers=GOOD))
    # Old browsers and programs send neither of these.
    few = {k: v for k, v in GOOD.items() if k not in ("Origin", "Sec-Fetch-Site")}
    check_origin(make_mocked_request("POST", "/", headers=few))


@pytest.mark.parametrize(
    "wrong",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9"},
        {"Origin": "https://127.0.0.1:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {HEADER: ""},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
def test_other_pages_may_not(wrong: dict[str, str]) -> None:
    with pytest.raises(web.HTTPForbidden):
        check_origin(make_mocked_request("POST", "/", headers={**GOOD, **wrong}))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("pi", False)],
)
def test_what_only_this_machine_can_reach(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
