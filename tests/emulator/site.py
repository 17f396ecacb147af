"""An emulator's REST side without a port: requests on this loop, and a clock to be set."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from agent.emulator.script import Script
from agent.emulator.server import Emulator
from agent.emulator.service import Service
from tests.emulator.doubles import DoubleBrain, fast_script

TOKEN = "/api/permission/oauth2/token"
DEVICE_CODE = "/api/permission/oauth2/device/code"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
START = 1_800_000_000.0


class Site:
    """``now`` is the platform's Unix time in s. Answers are (status, body)."""

    def __init__(self, emulator: Emulator, client: Any) -> None:
        self.service: Service = emulator.service
        self.client = client
        self.now = START
        self.service.now = lambda: self.now

    @property
    def host(self) -> str:
        return f"{self.client.host}:{self.client.port}"

    async def get(self, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
        return await self._answer("GET", path, token, options)

    async def post(self, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
        return await self._answer("POST", path, token, options)

    async def delete(self, path: str, token: str = "", **options: Any) -> tuple[int, Any]:
        return await self._answer("DELETE", path, token, options)

    async def page(self, method: str, path: str, **options: Any) -> tuple[ClientResponse, str]:
        options.setdefault("allow_redirects", False)
        async with self.client.request(method, path, **options) as response:
            return response, await response.text()

    async def me(self, token: str) -> int:
        """The HTTP status of the cheapest call with that token."""
        status, _ = await self.get("/v1/users/me", token)
        return status

    async def device(self, client_id: str = "demo-device") -> dict[str, Any]:
        _, codes = await self.post(DEVICE_CODE, json={"client_id": client_id})
        assert isinstance(codes, dict)
        return codes

    async def poll(self, codes: dict[str, Any], client_id: str = "demo-device") -> Any:
        """The reply of a poll, or the word of its error."""
        body = {
            "client_id": client_id,
            "grant_type": DEVICE_GRANT,
            "device_code": codes["device_code"],
        }
        status, reply = await self.post(TOKEN, json=body)
        return reply if status == 200 else reply["error"]

    async def refresh(self, token: str, client_id: str = "demo-device") -> Any:
        body = {"client_id": client_id, "grant_type": "refresh_token", "refresh_token": token}
        status, reply = await self.post(TOKEN, json=body)
        return reply if status == 200 else reply["error"]

    async def decide(self, codes: dict[str, Any], decision: str, **fields: str) -> int:
        form = {"user_code": codes["user_code"], "decision": decision, **fields}
        response, _ = await self.page("POST", "/device", data=form)
        return response.status

    async def _answer(
        self, method: str, path: str, token: str, options: dict[str, Any]
    ) -> tuple[int, Any]:
        headers = dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.client.request(method, path, headers=headers, **options) as response:
            return response.status, await response.json(content_type=None)


@asynccontextmanager
async def site(script: Script | None = None, state: Path | None = None) -> AsyncIterator[Site]:
    emulator = Emulator(script=script or fast_script(), brain=DoubleBrain(), state=state)
    client: Any = TestClient(TestServer(emulator.application()))
    await client.start_server()
    try:
        yield Site(emulator, client)
    finally:
        await client.close()
        await emulator.stop()


_KEYS: list[rsa.RSAPrivateKey] = []


def key() -> rsa.RSAPrivateKey:
    """One key for all tests, as making one takes long."""
    if not _KEYS:
        _KEYS.append(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return _KEYS[0]


def write_public_key(path: Path) -> None:
    path.write_bytes(
        key()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def signed(head: dict[str, Any], claims: dict[str, Any], by: rsa.RSAPrivateKey) -> str:
    """A JWT, signed by RS256 whatever its head says."""
    parts = [_encode(json.dumps(part).encode()) for part in (head, claims)]
    signature = by.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, _encode(signature)])


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
