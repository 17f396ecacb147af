"""A client for REST tests: plain requests against an emulator that runs in a thread."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from agent.emulator.server import Emulator, ThreadedEmulator
from tests.emulator.doubles import DoubleBrain, fast_script

BOUNDARY = "----talkbox-test"


@dataclass(frozen=True)
class Reply:
    """``body`` is decoded where it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def data(self) -> Any:
        """``data`` of a success."""
        assert self.body["code"] == 0, self.body
        return self.body.get("data")

    @property
    def code(self) -> int:
        code: int = self.body["code"]
        return code


class Rest:
    """Calls of one account."""

    def __init__(self, base: str, token: str = "t") -> None:
        self.base = base
        self.token = token

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Reply:
        url = f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return _reply(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return _reply(error.code, dict(error.headers), error.read())

    def get(self, path: str, **query: Any) -> Reply:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any = None, **query: Any) -> Reply:
        return self.call("POST", path, body, **query)

    def form(self, method: str, path: str, *files: bytes, **fields: str) -> Reply:
        """A multipart form; every one of ``files`` is called ``file``."""
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
            for name, value in fields.items()
        ]
        head = b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        parts += [head + file for file in files]
        raw = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY.encode(), part) for part in parts)
        raw += b"--%s--\r\n" % BOUNDARY.encode()
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return self.call(method, path, raw=raw, headers={"Content-Type": kind})

    def stream(self, path: str, body: Any, **query: Any) -> Iterator[tuple[str, Any]]:
        """Server-sent events, as they come."""
        url = f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
        request.add_header("Authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert response.headers["X-Tt-Logid"]
            event = ""
            for line in response:
                name, _, value = line.decode().strip().partition(":")
                if name == "event":
                    event = value
                elif name == "data":
                    yield event, json.loads(value)


def _reply(status: int, headers: dict[str, str], content: bytes) -> Reply:
    kind = headers.get("Content-Type", "")
    return Reply(status, headers, json.loads(content) if "json" in kind else content)


@contextmanager
def serving(**options: Any) -> Iterator[tuple[Rest, Emulator]]:
    """A client and the emulator it calls."""
    tables = {key: options.pop(key) for key in list(options) if key in TABLES}
    options.setdefault("brain", DoubleBrain())
    with ThreadedEmulator(Emulator(script=fast_script(**tables), **options)) as emulator:
        yield Rest(emulator.api_base), emulator


TABLES = ("answer", "timing", "switches", "tokens", "bot", "token")


def wav(samples: NDArray[np.int16], rate: int = 16000) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return buffer.getvalue()
