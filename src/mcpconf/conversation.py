"""What is said to one server to learn what it is, and how its answer is understood.

The same requests as the client's (facts 47 to 50), without anything that was configured.  What
comes back is hostile text: it is read up to a limit and none of it is kept.  A verdict's detail is
worded here, so that it may be printed and stored as it is.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from mcpconf import __version__

Verdict = tuple[str, str]
"""The answer and the detail of a :class:`~mcpconf.readers.facts.Probe`."""

MOST_BYTES = 64 * 1024
_HOPS = 5
_OK, _BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN = 200, 400, 401, 403
_KEEPING = frozenset({307, 308})  # redirects that keep the method and the body
_LONGEST_SESSION = 1024
_ERAS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_MODERN = "2026-07-28"
_CLIENT = {"name": "mcpconf", "version": __version__}
_JSON, _EVENTS = "application/json", "text/event-stream"
HEADERS = {
    "accept": f"{_JSON}, {_EVENTS}",
    "accept-encoding": "identity",
    "user-agent": f"mcpconf/{__version__}",
}

_OPEN = "200 and an MCP answer"
_LOCKED = ("refused", "401 without OAuth metadata")
_RESOURCE = "oauth-protected-resource"
_METADATA = {  # in the client's order (fact 50): RFC 9728, RFC 8414, OpenID Connect Discovery
    _RESOURCE: ("resource", "authorization_servers"),
    "oauth-authorization-server": ("issuer", "authorization_endpoint"),
    "openid-configuration": ("issuer", "authorization_endpoint"),
}
_NAMED_MEDIA = frozenset({"text/html", "text/plain", "text/xml", "application/xml"})


class TooLongError(Exception):
    """A body is longer than any answer."""


@dataclass
class Conversation:
    """A conversation.  ``session`` are the headers that end the session it opened, if it did."""

    client: httpx.AsyncClient
    url: httpx.URL
    sse: bool
    session: dict[str, str] | None = None

    async def verdict(self) -> Verdict:
        known = await (self._listen() if self.sse else self._initialize())
        return await self._login() if known == _LOCKED else known

    async def _initialize(self) -> Verdict:
        wish = {"protocolVersion": _ERAS[0], "capabilities": {}, "clientInfo": _CLIENT}
        async with self._send("POST", self.url, json=_request("initialize", wish)) as response:
            self._note_session(response)
            known = _refusal(response)
            answer = {} if known else await _answer(response)
        result = answer.get("result")
        if known:
            return known
        if response.status_code == _OK and isinstance(result, dict):
            if self.session and result.get("protocolVersion") in _ERAS:
                self.session["mcp-protocol-version"] = result["protocolVersion"]
            return "open", _OPEN
        modern = response.status_code == _BAD_REQUEST or "error" in answer
        if modern and await self._discovers():
            return "open", _OPEN
        return "none", _no_answer(response, error="error" in answer)

    async def _discovers(self) -> bool:
        """Ask as the client asks a server that knows no ``initialize`` any more (fact 47)."""
        prefix = "io.modelcontextprotocol/"
        meta = {"protocolVersion": _MODERN, "clientInfo": _CLIENT, "clientCapabilities": {}}
        wish = {"_meta": {prefix + key: value for key, value in meta.items()}}
        headers = {"mcp-method": "server/discover", "mcp-protocol-version": _MODERN}
        body = _request("server/discover", wish)
        async with self._send("POST", self.url, json=body, headers=headers) as response:
            answer = await _answer(response)
        return response.status_code == _OK and isinstance(answer.get("result"), dict)

    async def _listen(self) -> Verdict:
        """Open the event stream of the old transport; its first event names the way back."""
        headers = {"accept": _EVENTS}
        async with self._send("GET", self.url, headers=headers) as response:
            known = _refusal(response)
            if response.status_code == _OK and _media(response) == _EVENTS:
                async for kind, _ in _events(response):
                    if kind == "endpoint":
                        return "open", _OPEN
                    break
        return known or ("none", _no_answer(response))

    async def _login(self) -> Verdict:
        """Look where the client looks for OAuth metadata, on the server's own origin."""
        own = self.url.path.rstrip("/")
        for name, keys in _METADATA.items():
            whole = f"/.well-known/{name}"
            paths = (whole + own, whole) if own and name == _RESOURCE else (whole,)
            for path in paths:
                url = self.url.copy_with(path=path, query=None)
                if await self._holds(url, keys):
                    kind = "resource" if name == _RESOURCE else "authorization server"
                    return "oauth", f"401 with {kind} metadata"
        return _LOCKED

    async def _holds(self, url: httpx.URL, keys: tuple[str, str]) -> bool:
        with suppress(httpx.HTTPError, httpx.InvalidURL, ValueError, TooLongError):
            async with self._send("GET", url, headers={"accept": _JSON}) as response:
                if response.status_code == _OK and _media(response) == _JSON:
                    found = _object(await _body(response))
                    return all(found.get(key) for key in keys)
        return False

    def _note_session(self, response: httpx.Response) -> None:
        name = response.headers.get("mcp-session-id", "")
        if 0 < len(name) <= _LONGEST_SESSION and name.isascii() and name.isprintable():
            self.url = response.request.url
            self.session = {"mcp-session-id": name, "mcp-protocol-version": _ERAS[0]}

    async def end(self) -> None:
        if self.session:
            async with self._send("DELETE", self.url, headers=self.session):
                pass

    @asynccontextmanager
    async def _send(
        self,
        method: str,
        url: httpx.URL,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request, and again where a redirect within the origin leads."""
        for _ in range(_HOPS):
            request = self.client.build_request(method, url, json=json, headers=headers)
            response = await self.client.send(request, stream=True)
            try:
                onward = _onward(response)
                if onward is None:
                    yield response
                    return
                url = onward
            finally:
                await response.aclose()
        raise httpx.TooManyRedirects(f"more than {_HOPS}")


def _request(method: str, params: Mapping[str, object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": "mcpconf-1", "method": method, "params": params}


def _onward(response: httpx.Response) -> httpx.URL | None:
    """Where a redirect leads that the client's request survives, if it stays within the origin."""
    keeps = response.status_code in _KEEPING or response.request.method == "GET"
    if not response.has_redirect_location or not keeps:
        return None
    here = response.request.url
    there = here.join(response.headers["location"]).copy_with(userinfo=b"", fragment=None)
    return there if _origin(there) == _origin(here) else None


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port  # `host` decodes A-labels, and not all can be


def _refusal(response: httpx.Response) -> Verdict | None:
    if response.status_code == _FORBIDDEN:
        return "refused", "403"
    if response.status_code != _UNAUTHORIZED:
        return None
    asks = ", ".join(response.headers.get_list("www-authenticate")).lower()
    return ("oauth", "401 with resource metadata") if "resource_metadata=" in asks else _LOCKED


async def _answer(response: httpx.Response) -> dict[str, Any]:
    """Return the first JSON-RPC answer of a body; {} when there is none."""
    if _media(response) == _JSON:
        return _rpc(await _body(response))
    if _media(response) == _EVENTS:
        async for _, text in _events(response):
            if found := _rpc(text):
                return found
    return {}


def _rpc(text: bytes) -> dict[str, Any]:
    found = _object(text)
    return found if found.get("jsonrpc") == "2.0" and {"result", "error"} & found.keys() else {}


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


async def _body(response: httpx.Response) -> bytes:
    return b"".join([piece async for piece in _pieces(response)])


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    left = MOST_BYTES
    async for piece in response.aiter_raw():
        left -= len(piece)
        if left < 0:
            raise TooLongError
        yield piece


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, bytes]]:
    """Yield kind and data of each event that has data (HTML §9.2)."""
    kind, data, rest = "", bytearray(), bytearray()
    async for piece in _pieces(response):
        rest += piece
        if b"\n" not in piece:
            continue
        *lines, rest = rest.split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data":
                data += value + b"\n"
            elif name == b"event":
                kind = value.strip().decode("utf-8", "replace")
            elif not name and not value:
                if data.strip():
                    yield kind, bytes(data)
                kind, data = "", bytearray()


def _media(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip().lower()


# --- words ------------------------------------------------------------------------------------


def _no_answer(response: httpx.Response, *, error: bool = False) -> str:
    """Say what came instead of an MCP answer."""
    status, media = response.status_code, _media(response)
    if response.has_redirect_location:
        survives = status in _KEEPING or response.request.method == "GET"
        return f"{status} {'to another origin' if survives else 'turns the request into a GET'}"
    if error:
        return f"{status} with a JSON-RPC error"
    if not response.is_success:
        return str(status)
    if media in {_JSON, _EVENTS}:
        return f"{status} with {'JSON' if media == _JSON else 'events'}, but no MCP answer"
    if not media:
        return f"{status} without content"
    return f"{status} with {media if media in _NAMED_MEDIA else 'another content type'}"
