"""A headless Chromium, driven over its debugging socket; for tests that look at a page."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--hide-scrollbars",
)


class Browser:
    """One tab. ``complaints`` collects errors and warnings of the console."""

    def __init__(self, width: int = 1200, height: int = 900) -> None:
        assert BINARY is not None
        self._home = tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [BINARY, *_FLAGS, f"--user-data-dir={self._home.name}", "about:blank"],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._width, self._height = width, height
        self._stack = contextlib.ExitStack()
        self._last = 0
        self.complaints: list[str] = []

    def __enter__(self) -> Self:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"listening on (ws://\S+)", line)
            if found:
                break
        else:
            raise RuntimeError("the browser did not start")
        self._socket = self._stack.enter_context(connect(found[1], max_size=None))
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session: str | None = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(self._width, self._height)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._process.terminate()
        self._process.communicate(timeout=10)
        self._home.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """A command to the tab."""
        return self._call(method, session=self._session, **params)

    def size(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Another window, or a phone."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if mobile else 1,
            mobile=mobile,
        )

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark``."""
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": name}],
        )

    def open(self, address: str) -> None:
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str, timeout: float = 10.0) -> Any:
        """Wait until the expression is true."""
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(
            f"never: {script}; the page says: {self.run('document.body.innerText')}"
        )

    def key(self, name: str, code: int) -> None:
        """Press a key, for example Enter, 13."""
        text = {"Enter": "\r", " ": " "}.get(name, "")
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._last += 1
        command: dict[str, Any] = {"id": self._last, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        self._socket.send(json.dumps(command))
        while True:
            message = json.loads(self._socket.recv(20))
            if message.get("id") == self._last:
                assert "error" not in message, (method, message["error"])
                found: dict[str, Any] = message["result"]
                return found
            self._listen(message)

    def _listen(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                self.complaints.append(json.dumps(params["args"])[:500])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"]["text"][:500])
