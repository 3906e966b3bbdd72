"""The MCP host of the official conformance suite's client scenarios: `conformance_host.py URL`.

It lists and calls tools over plain HTTP.  Everything that has to do with a login is the product's:
what the gateway asks (`Logins`), and what `mcpconf gateway login` does (`login`), with a browser
that follows redirects.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from mcpconf.contract import Ref, Route
from mcpconf.credentials import Credentials, Logins, Missing
from mcpconf.credentials.login import Attempt, Home, Options, Person, login
from mcpconf.model import Opaque, ServerId

CIMD = "https://conformance-test.local/client-metadata.json"
MOST_LOGINS = 3
NAME = ServerId("server")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def browse(url: str) -> bool:
    """A browser in the hands of somebody who agrees to everything."""

    def follow() -> None:
        try:
            urllib.request.urlopen(url, timeout=60).read()
        except urllib.error.URLError as error:
            say(f"browser: {error}")

    threading.Thread(target=follow, daemon=True).start()
    return True


class Host:
    def __init__(self, url: str, folder: Path, context: dict[str, Any]) -> None:
        entry: dict[str, Any] = {"type": "http", "url": url}
        if "client_id" in context:
            entry["oauth"] = {"clientId": context["client_id"]}
        file = folder / ".claude.json"
        file.write_text(json.dumps({"mcpServers": {NAME: entry}}))
        self.route = Route(
            server=NAME,
            name=str(NAME),
            kind="http",
            transport="http",
            digest=Opaque(entry).digest(),
            entry=Ref(str(file), f"/mcpServers/{NAME}"),
            url=url,
        )
        environ = {**os.environ, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        if "client_secret" in context:
            environ["MCP_CLIENT_SECRET"] = context["client_secret"]
        self.url = url
        self.home = Home(folder / "state", environ)
        self.version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
        self.session: dict[str, str] = {}
        self.count = 0
        self.logged_in = 0

    @property
    def modern(self) -> bool:
        return self.version >= "2026"

    def message(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not method.startswith("notifications/"):
            self.count += 1
            message["id"] = self.count
        if self.modern:
            about = "io.modelcontextprotocol"
            params["_meta"] = {
                f"{about}/protocolVersion": self.version,
                f"{about}/clientInfo": {"name": "mcpconf", "version": "0"},
                f"{about}/clientCapabilities": {},
            }
        return message

    def request(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Send one message; whatever a server refuses, the gateway and the user answer for."""
        message = self.message(method, params or {})
        for _ in range(2 * MOST_LOGINS + 2):
            added = asyncio.run(self._token())
            status, headers, body = self._post(message, added)
            if status not in (401, 403):
                return self._result(status, headers, body)
            token = added.get("Authorization", "").removeprefix("Bearer ")
            try:
                asyncio.run(self._refused(status, headers.get("WWW-Authenticate", ""), token))
            except Missing as missing:
                say(f"gateway: {missing.code}: {missing.text}")
                if missing.code not in ("login-needed", "login-expired", "step-up"):
                    raise
                self._log_in()
        raise SystemExit("the server is never content")

    async def _token(self) -> dict[str, str]:
        logins = Logins(Credentials(self.home.state, self.home.environ), self.home.environ)
        return dict(await logins.headers(self.route))

    async def _refused(self, status: int, challenge: str, token: str) -> None:
        logins = Logins(Credentials(self.home.state, self.home.environ), self.home.environ)
        await logins.refused(self.route, status, challenge, token=token)

    def _log_in(self) -> None:
        self.logged_in += 1
        if self.logged_in > MOST_LOGINS:
            raise SystemExit("logged in often enough")
        person = Person(say, lambda: None, browse)
        options = Options(metadata_url=CIMD, patience=15.0)
        outcome = login(Attempt(self.route, "", self.home, person, options))
        say(f"login: {outcome}")
        if outcome.code != "done":
            raise SystemExit(outcome.text)

    def _post(self, message: dict[str, Any], added: dict[str, str]) -> tuple[int, Any, bytes]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **self.session,
            **added,
        }
        if self.modern:
            headers |= {"MCP-Protocol-Version": self.version, "Mcp-Method": message["method"]}
            if "name" in message["params"]:
                headers["Mcp-Name"] = message["params"]["name"]
        data = json.dumps(message).encode()
        request = urllib.request.Request(self.url, data, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def _result(self, status: int, headers: Any, body: bytes) -> Any:
        if "Mcp-Session-Id" in headers:
            self.session["Mcp-Session-Id"] = headers["Mcp-Session-Id"]
        text = body.decode()
        if headers.get("Content-Type", "").startswith("text/event-stream"):
            lines = [x[5:] for x in text.splitlines() if x.startswith("data:") and x[5:].strip()]
            text = lines[-1] if lines else ""
        if status >= 300:
            raise SystemExit(f"HTTP {status}: {text[:200]}")
        return json.loads(text).get("result") if text.strip() else None

    def play(self) -> None:
        if not self.modern:
            about = {"name": "mcpconf", "version": "0"}
            hello = {"protocolVersion": self.version, "capabilities": {}, "clientInfo": about}
            answer = self.request("initialize", hello)
            self.session["MCP-Protocol-Version"] = answer["protocolVersion"]
            self.request("notifications/initialized")
        tools = self.request("tools/list")["tools"]
        for tool in tools[:6]:
            self.request("tools/call", {"name": tool["name"], "arguments": {}})


def main() -> None:
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    with tempfile.TemporaryDirectory() as folder:
        Host(sys.argv[1], Path(folder), context).play()


if __name__ == "__main__":
    main()
