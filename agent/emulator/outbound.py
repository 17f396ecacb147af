"""Requests that the emulator makes itself: signed, bounded in time, and never to just anywhere."""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

_LONGEST_ANSWER = 64 * 1024


class Unreachable(Exception):
    """An address that is not called, with a clause that says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the HTTP status, and the first 64 KiB of the body."""

    status: int
    body: bytes


def signature(timestamp: str, nonce: str, verify_token: str, body: bytes) -> str:
    """SHA-1 in hexadecimal over the three texts and the raw body, one after the other."""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in (timestamp.encode(), nonce.encode(), verify_token.encode(), body):
        digest.update(part)
    return digest.hexdigest()


def within(reach: str, address: str) -> bool:
    """Whether an IP address may be called: ``reach`` is loopback, private or any."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if reach == "any":
        return True
    if reach == "private" and ip.is_private and not ip.is_unspecified:
        return True
    return ip.is_loopback


def check_address(url: str, reach: str) -> None:
    """Raises ``Unreachable`` for what is no http address, or one outside of ``reach``.

    Names are judged when they are resolved, each time anew.
    """
    try:
        target = URL(url)
        host, scheme = target.host, target.scheme
    except (ValueError, TypeError):
        raise Unreachable("it is not an address") from None
    if scheme not in ("http", "https") or not host:
        raise Unreachable("it is not an http or https address")
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not within(reach, host):
        raise Unreachable(f"{host} is not a {reach} address")


class _Resolver(AbstractResolver):
    """Resolves names, and leaves out the addresses that must not be called."""

    def __init__(self, reach: str) -> None:
        self._reach = reach
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [result for result in found if within(self._reach, result["host"])]
        if not allowed:
            raise OSError(None, f"{host} is not a {self._reach} address")
        return allowed

    async def close(self) -> None:
        await self._inner.close()


class Caller:
    """Posts JSON to callback addresses. Made inside of a running event loop."""

    def __init__(self, reach: str) -> None:
        self._reach = reach
        # Environment variables that name a proxy are not heeded: it would call out for us.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_Resolver(reach), limit_per_host=8),
            trust_env=False,
        )

    async def post(
        self, url: str, body: bytes, verify_token: str, timestamp: int, timeout_s: float
    ) -> Reply:
        """Send a signed body. Raises ``Unreachable`` where no answer comes in time."""
        check_address(url, self._reach)
        nonce = secrets.token_hex(8)
        headers = {
            "Content-Type": "application/json",
            "X-Coze-Timestamp": str(timestamp),
            "X-Coze-Nonce": nonce,
            "X-Coze-Signature": signature(str(timestamp), nonce, verify_token, body),
        }
        settings: dict[str, Any] = {"allow_redirects": False, "headers": headers}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session.post(url, data=body, timeout=timeout, **settings) as answer:
                return Reply(answer.status, await answer.content.read(_LONGEST_ANSWER))
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(str(error) or type(error).__name__) from None

    async def close(self) -> None:
        """Drop all connections."""
        await self._session.close()
