"""Who may use the page: browsers that show it, not browsers that show something else.

A page of any site can make its visitor's browser call this machine. So what is asked for must be
asked of an address that no stranger's name leads to (else a name that changes its address would
pass for ours), and what changes something must come from the page itself.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web

HEADER = "X-Talkbox-Page"
"""A header no other site can send without being asked for leave first, which is never given."""

# Names that nobody can register for themselves.
_LOCAL = (".localhost", ".local", ".lan", ".internal", ".home.arpa", ".test")


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(request: web.Request) -> None:
    """Raises ``HTTPForbidden`` unless the address is a number or a local name."""
    try:
        name = urlsplit(f"//{request.host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        name = "" if "/" in request.host else request.host.rpartition(":")[0] or request.host
        if not name or ("." in name and not name.lower().endswith(_LOCAL)):
            raise web.HTTPForbidden(
                reason="the page is to be called by its IP address or a local name"
            ) from None


def check_origin(request: web.Request) -> None:
    """Raises ``HTTPForbidden`` unless the page itself asks for a change."""
    check_host(request)
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    if (
        site != "same-origin"
        or (origin is not None and origin != f"{request.scheme}://{request.host}")
        or request.headers.get(HEADER) != "1"
        or request.content_type != "application/json"
    ):
        raise web.HTTPForbidden(reason="only the page itself may do this")
