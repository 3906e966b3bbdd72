"""A real browser, driven by its own protocol (DevTools) over a WebSocket on the loopback.

It has no network: every request that is not the page itself is written down and refused.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import connect

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGE = "chromium-headless-shell"
_PATIENCE = 30.0


def program() -> str | None:
    """The browser's program, None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Page:
    """One tab."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._number = 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return self._until(lambda said: said.get("id") == number)

    def _until(self, wanted: Any) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while True:
            said = json.loads(self._socket.recv(timeout=deadline - time.monotonic()))
            self._heard(said)
            if wanted(said):
                assert "error" not in said, said
                return said.get("result", said)

    def _heard(self, said: dict[str, Any]) -> None:
        method, about = said.get("method"), said.get("params", {})
        if method == "Fetch.requestPaused":
            url = about["request"]["url"]
            own = url.startswith("file:") and about["resourceType"] == "Document"
            if not own:
                self.requests.append(url)
            verb = "Fetch.continueRequest" if own else "Fetch.failRequest"
            answer = {"requestId": about["requestId"]}
            self._number += 1
            reason = {} if own else {"errorReason": "BlockedByClient"}
            self._socket.send(
                json.dumps({"id": self._number, "method": verb, "params": {**answer, **reason}})
            )
        elif method == "Log.entryAdded":
            self.complaints.append(about["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(json.dumps(about["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(about["exceptionDetails"]))

    def show(self, file: Path, *, width: int, dark: bool, media: str = "screen") -> None:
        """Open a file at a width, in light or dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self._number += 1
        navigate = {"url": file.as_uri()}
        self._socket.send(
            json.dumps({"id": self._number, "method": "Page.navigate", "params": navigate})
        )
        self._until(lambda said: said.get("method") == "Page.loadEventFired")

    def run(self, script: str) -> Any:
        """What an expression gives."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, file: Path) -> None:
        """A screenshot of all of it."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def printed(self) -> bytes:
        """The page as it would be printed, as PDF."""
        return base64.b64decode(self.ask("Page.printToPDF")["data"])


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start it with a profile in ``folder``; it ends with the block."""
    path = program()
    assert path is not None, f"there is no browser: apt-get install {PACKAGE}"
    command = [
        path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--remote-debugging-port=0", f"--user-data-dir={folder / 'profile'}",
        "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "about:blank",
    ]  # fmt: skip
    (folder / "profile").mkdir()
    with (folder / "browser.log").open("wb") as log:
        environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)}
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environ, start_new_session=True
        )
    try:
        port = _port(folder / "profile" / "DevToolsActivePort", process)
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE) as answer:
            tab = next(t for t in json.load(answer) if t["type"] == "page")
        url = tab["webSocketDebuggerUrl"]
        with connect(url, max_size=None, proxy=None, open_timeout=_PATIENCE) as socket:
            yield Page(socket)
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # Debian starts it by a script
        process.wait(_PATIENCE)


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.02)
    raise AssertionError((file.parents[1] / "browser.log").read_text())
