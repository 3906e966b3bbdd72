"""``mcpconf probe``: ask the HTTP servers, from the host and without credentials, what they are.

No secret is ever sent: no configured header, no user information, and a server whose URL carries
anything that could be a key is not asked at all.  What comes back is hostile text: it is read up
to a limit, within one time limit a server, and none of it is kept: every detail is worded here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import httpx

from mcpconf import __version__
from mcpconf.classify import classify
from mcpconf.locality import local_reason
from mcpconf.model import Remote, Server
from mcpconf.names import Problem
from mcpconf.readers.facts import Facts, Probe, probe_key
from mcpconf.secret import url_has_secret
from mcpconf.urls import parse_url

MOST_BYTES = 64 * 1024
MOST_PROBES = 500
_HOPS = 5
_ERAS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
_MODERN = "2026-07-28"
_CLIENT = {"name": "mcpconf", "version": __version__}
_OPEN = "200 and an MCP answer"
_METADATA = {  # in the client's order (fact 50); RFC 9728, RFC 8414, OpenID Connect Discovery
    "oauth-protected-resource": ("resource", "authorization_servers"),
    "oauth-authorization-server": ("issuer", "authorization_endpoint"),
    "openid-configuration": ("issuer", "authorization_endpoint"),
}
_MEDIA = ("text/html", "text/plain", "text/xml", "application/xml", "application/octet-stream")
_JSON, _EVENTS = "application/json", "text/event-stream"
_Verdict = tuple[str, str]


def probe(  # noqa: PLR0913  each is a choice of the caller's
    servers: Sequence[Server],
    *,
    timeout: float = 5.0,
    limit: int = 16,
    now: Callable[[], float],
    environ: Mapping[str, str] = {},
    include_local: bool = False,
) -> dict[str, Probe]:
    """Ask the servers, ``limit`` at a time; who cannot be asked without a secret is left out."""
    remotes = {probe_key(r): r for server in servers if (r := endpoint(server))}
    urls = {k: url for k, r in remotes.items() if (url := _askable(r, local=include_local))}
    if not urls:
        return {}

    async def everyone() -> dict[str, Probe]:
        gate, context = asyncio.Semaphore(limit), _context(environ)

        async def one(key: str, url: httpx.URL) -> Probe:
            async with gate:
                client = _client(url, context, environ)
                if client is None:
                    return Probe("none", "its proxy is not an HTTP proxy", now())
                talk = _Conversation(client, url, sse=remotes[key].type == "sse")
                return Probe(*await _timed(talk, timeout), now())

        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(one(key, url)) for key, url in urls.items()}
        return {key: task.result() for key, task in tasks.items()}

    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(everyone())


def endpoint(server: Server) -> Remote | None:
    """What a server connects to in the end; its ``probe_key`` is where its answer stands."""
    return classify(server, Facts()).remote


def _askable(remote: Remote, *, local: bool) -> httpx.URL | None:
    """Return the URL to ask, put together anew from what the client would make of it."""
    if remote.type not in {"http", "sse"} or remote.url.missing or url_has_secret(remote.url):
        return None
    text = remote.url.reveal()
    url = parse_url(text)
    if isinstance(url, Problem) or url.scheme not in {"http", "https"} or url.has_userinfo:
        return None
    if not local and local_reason(url.host):
        return None
    query = text.strip().partition("#")[0].partition("?")[2].encode() or None
    try:
        return httpx.URL(
            scheme=url.scheme, host=url.host, port=url.port, path=url.path, query=query
        )
    except httpx.InvalidURL:
        return None


async def _timed(talk: _Conversation, timeout: float) -> _Verdict:  # noqa: ASYNC109  ours says so
    """Let a conversation come to its verdict, and end its session, within the time limit."""
    deadline = asyncio.get_running_loop().time() + timeout
    async with talk.client:
        try:
            async with asyncio.timeout_at(deadline):
                verdict = await talk.verdict()
        except TimeoutError:
            return "none", f"timed out after {timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, _TooLongError) as error:
            verdict = "none", _cause(error)
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout_at(deadline):
                await talk.end()
    return verdict


class _TooLongError(Exception):
    """The body is longer than any answer."""


@dataclass
class _Conversation:
    """What is said to one server.  ``session`` is what ends a session that it opened."""

    client: httpx.AsyncClient
    url: httpx.URL
    sse: bool
    session: dict[str, str] | None = None

    async def verdict(self) -> _Verdict:
        known = await (self._listen() if self.sse else self._initialize())
        return await self._login() if known == _LOCKED else known

    async def _initialize(self) -> _Verdict:
        wish = {"protocolVersion": _ERAS[0], "capabilities": {}, "clientInfo": _CLIENT}
        async with self._send("POST", self.url, json=_request("initialize", wish)) as response:
            self._note_session(response)
            known = _refusal(response)
            answer = {} if known else await _answer(response)
        result = answer.get("result")
        if known:
            return known
        if response.is_success and isinstance(result, dict):
            if self.session and result.get("protocolVersion") in _ERAS:
                self.session["mcp-protocol-version"] = result["protocolVersion"]
            return "open", _OPEN
        modern = response.status_code == httpx.codes.BAD_REQUEST or "error" in answer
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
        return response.is_success and isinstance(answer.get("result"), dict)

    async def _listen(self) -> _Verdict:
        """Open the event stream of the old transport; its first event names the way back."""
        headers = {"accept": _EVENTS}
        async with self._send("GET", self.url, headers=headers) as response:
            known = _refusal(response)
            if not known and response.is_success and _media(response) == _EVENTS:
                async for kind, _ in _events(response):
                    if kind == "endpoint":
                        return "open", _OPEN
                    break
        return known or ("none", _no_answer(response))

    async def _login(self) -> _Verdict:
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
        with suppress(httpx.HTTPError, _TooLongError):
            async with self._send("GET", url, headers={"accept": _JSON}) as response:
                if response.status_code == httpx.codes.OK and _media(response) == _JSON:
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
        self, method: str, url: httpx.URL, **more: Any
    ) -> AsyncIterator[httpx.Response]:
        """Send a request, and again where a redirect within the origin leads."""
        for _ in range(_HOPS):
            request = self.client.build_request(method, url, **more)
            response = await self.client.send(request, stream=True)
            try:
                onward = _onward(response)
                if onward is None:
                    yield response
                    return
                url = onward
            finally:
                await response.aclose()
        raise httpx.TooManyRedirects("it turns in a circle")


def _request(method: str, params: Mapping[str, object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": "mcpconf-1", "method": method, "params": params}


def _onward(response: httpx.Response) -> httpx.URL | None:
    """Where a redirect leads that the client's request survives, if it stays within the origin."""
    keeps = response.status_code in {307, 308} or response.request.method == "GET"
    if not response.has_redirect_location or not keeps:
        return None
    here = response.request.url
    there = here.join(response.headers["location"]).copy_with(userinfo=b"", fragment=None)
    return there if _origin(there) == _origin(here) else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _refusal(response: httpx.Response) -> _Verdict | None:
    if response.status_code == httpx.codes.FORBIDDEN:
        return "refused", "403"
    if response.status_code != httpx.codes.UNAUTHORIZED:
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
            raise _TooLongError
        yield piece


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, bytes]]:
    """Yield kind and data of each event that has data (HTML, "Server-sent events")."""
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
