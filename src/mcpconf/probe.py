"""``mcpconf probe``: ask the HTTP servers, from the host and without credentials, what they are.

No secret is ever sent: no configured header, no user information, and a server whose URL carries
anything that could be a key is not asked at all.  All are asked at once, each within its own time
limit, through the proxy that the client would take (fact 55).
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from threading import Thread
from urllib.parse import quote_from_bytes

import httpx

from mcpconf.classify import endpoint
from mcpconf.conversation import HEADERS, MOST_BYTES, Conversation, TooLongError, Verdict
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.hosts import parse_destination
from mcpconf.locality import local_reason
from mcpconf.model import Remote, Server, Stdio
from mcpconf.names import Problem, quote
from mcpconf.readers.facts import FACTS_VERSION, Probe, probe_key
from mcpconf.secret import url_has_secret
from mcpconf.urls import parse_url
from mcpconf.wire.proxies import chosen_proxy

MOST_PROBES = 500
_NO_PROXY_FOR_US = "its proxy is not an HTTP proxy"
_REFUSED, _UNKNOWN_HOST = "connection refused", "no such host"
_BAD_CERTIFICATE = "TLS certificate not valid"
_CAUSES: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, _BAD_CERTIFICATE),
    (ssl.SSLError, "no TLS handshake"),
    (socket.gaierror, _UNKNOWN_HOST),
    (ConnectionRefusedError, _REFUSED),
    (httpx.ProxyError, "its proxy does not let it through"),
    (httpx.TooManyRedirects, "too many redirects"),
    (httpx.InvalidURL, "a redirect to nowhere"),
    (httpx.TimeoutException, "timed out"),
    (httpx.RemoteProtocolError, "no valid HTTP answer"),
    (httpx.NetworkError, "the connection broke off"),
    (ValueError, "a redirect to nowhere"),
)


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
        gate, tls = asyncio.Semaphore(limit), cache(partial(_tls, environ))

        async def one(key: str, url: httpx.URL) -> Probe:
            async with gate:
                proxy = _proxy(url, environ)
                talk = _open(url, proxy, tls, sse=remotes[key].type == "sse")
                verdict = await _timed(talk, timeout, proxied=bool(proxy)) if talk else None
            return Probe(*(verdict or ("none", _NO_PROXY_FOR_US)), at=now())

        async with asyncio.TaskGroup() as group:
            tasks = {key: group.create_task(one(key, url)) for key, url in urls.items()}
        return {key: task.result() for key, task in tasks.items()}

    with asyncio.Runner(loop_factory=_loop) as runner:
        return runner.run(everyone())


def findings(servers: Sequence[Server], found: Mapping[str, Probe]) -> tuple[Finding, ...]:
    """Report the servers that gave no MCP answer."""
    asked = ((server, remote) for server in servers if (remote := endpoint(server)))
    pairs = ((server, remote, found.get(probe_key(remote))) for server, remote in asked)
    return tuple(
        _unanswered(server, remote, seen.detail)
        for server, remote, seen in pairs
        if seen and seen.answer == "none"
    )


def _unanswered(server: Server, remote: Remote, detail: str) -> Finding:
    sends = remote.headers or remote.headers_helper
    notes = ("its headers were not sent: `mcpconf probe` sends no secret",) if sends else ()
    help_ = next((way for what, way in _WAYS.items() if detail.startswith(what)), _WAYS[""])
    place = server.origin.at("args" if isinstance(server.transport, Stdio) else "url")
    message = f"{quote(server.name)} did not answer the probe: {detail}"
    return Finding("MC101", message, place, notes, (help_,))


_WAYS = {
    _REFUSED: "start the server, or correct the port in its URL",
    _UNKNOWN_HOST: "correct the host in its URL",
    _BAD_CERTIFICATE: "export NODE_EXTRA_CA_CERTS=FILE, with its issuer's certificate",
    "timed out": "if it is only slow, give it longer: `mcpconf probe --timeout 30`",
    "its proxy": "correct HTTPS_PROXY, or name the host in NO_PROXY",
    "404": "correct the path in its URL",
    "405": 'correct the path in its URL, or its type: "http" and "sse" are asked differently',
    "": "compare its URL with what the server's own documentation says",
}


# --- whom to ask ------------------------------------------------------------------------------


def _askable(remote: Remote, *, local: bool) -> httpx.URL | None:
    """Return the URL to ask, put together from what the client makes of it; None: leave it."""
    if remote.type not in {"http", "sse"} or remote.url.missing or url_has_secret(remote.url):
        return None
    text = remote.url.reveal()
    url = parse_url(text)
    if isinstance(url, Problem) or url.scheme not in {"http", "https"} or url.has_userinfo:
        return None
    if not (local if local_reason(url.host) else _is_out_in_the_world(url.host)):
        return None
    query = _encoded(text.strip().partition("#")[0].partition("?")[2])
    with suppress(httpx.InvalidURL, ValueError):
        place = httpx.URL(scheme=url.scheme, host=url.host, port=url.port)
        return place.copy_with(path=url.path, query=query or None)
    return None


def _is_out_in_the_world(host: str) -> bool:
    """Tell whether it could be opened: what answers at a reserved address is near, in disguise."""
    return not isinstance(parse_destination(host), Problem)


def _encoded(query: str) -> bytes:
    """Percent-encode a query as the client does (WHATWG URL §4.4)."""
    plain = query.translate(dict.fromkeys(map(ord, "\t\r\n")))
    return quote_from_bytes(plain.encode("utf-8", "replace"), "!$%&()*+,/:;=?@[\\]^`{|}").encode()


async def _timed(talk: Conversation, seconds: float, *, proxied: bool) -> Verdict:
    """Let a conversation come to its verdict, and end its session, within the time limit."""
    deadline = asyncio.get_running_loop().time() + seconds
    async with talk.client:
        try:
            async with asyncio.timeout_at(deadline):
                verdict = await talk.verdict()
        except TimeoutError:
            return "none", f"timed out after {seconds:g} s"
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TooLongError) as error:
            why = _cause(error)
            nobody = why in {_REFUSED, _UNKNOWN_HOST}
            verdict = "none", f"its proxy: {why}" if proxied and nobody else why
        with suppress(TimeoutError, httpx.HTTPError, httpx.InvalidURL, ValueError):
            async with asyncio.timeout_at(deadline):
                await talk.end()
    return verdict


def _cause(error: Exception) -> str:
    """Say why there was no answer at all."""
    if isinstance(error, TooLongError):
        return f"more than {MOST_BYTES // 1024} KiB without an MCP answer"
    for fault in _causes(error):
        if isinstance(fault, socket.gaierror) and fault.errno == socket.EAI_AGAIN:
            return "the DNS did not answer"
        for kind, text in _CAUSES:
            if isinstance(fault, kind) and type(fault) is not httpx.ConnectError:
                return text
    return "no connection"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it; of several at once, the first."""
    fault: BaseException | None = error
    while fault is not None:
        yield fault
        inner = fault.exceptions[0] if isinstance(fault, BaseExceptionGroup) else None
        fault = inner or fault.__cause__ or fault.__context__


# --- how to reach them ------------------------------------------------------------------------


def _open(
    url: httpx.URL, proxy: str, tls: Callable[[], ssl.SSLContext], *, sse: bool
) -> Conversation | None:
    """Make a client that keeps no cookie and knows nothing of this process's environment."""
    encrypted = url.scheme == "https" or proxy.startswith("https:")
    context = tls() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
    try:
        client = httpx.AsyncClient(
            headers=HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            verify=context,
            proxy=proxy or None,
            timeout=None,  # noqa: S113  the whole conversation has its time limit
            trust_env=False,
        )
    except (ValueError, ImportError, httpx.InvalidURL):  # of the proxy: SOCKS, or no URL
        return None
    return Conversation(client, url, sse=sse)


def _proxy(url: httpx.URL, environ: Mapping[str, str]) -> str:
    port = url.port or (443 if url.scheme == "https" else 80)
    host = url.raw_host.decode("ascii")  # `url.host` decodes A-labels, and not all can be
    return chosen_proxy(host, port, environ)


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Trust what certifi and the system trust, and the certificates that the user adds."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    extra = environ.get("NODE_EXTRA_CA_CERTS")
    if extra:
        with suppress(OSError):  # as the client, which goes on without it
            context.load_verify_locations(extra)
    return context


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_Unawaited())
    return loop


class _Unawaited(ThreadPoolExecutor):
    """Looks up names, each in a thread that nobody waits for: a lookup cannot be cancelled."""

    def submit(  # type: ignore[override]  # all that asyncio asks of it
        self, fn: Callable[..., object], /, *args: object
    ) -> Future[object]:
        future: Future[object] = Future()

        def settle() -> None:
            try:
                future.set_result(fn(*args))
            except BaseException as error:  # noqa: BLE001  whoever waits gets it
                future.set_exception(error)

        future.set_running_or_notify_cancel()
        Thread(target=settle, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """Leave the lookups alone."""


# --- what was learned -------------------------------------------------------------------------


def save(cache: Path, known: Mapping[str, Probe], fresh: Mapping[str, Probe]) -> None:
    """Write what is known now; of many answers the newest are kept."""
    finite = ((k, p) for k, p in {**known, **fresh}.items() if math.isfinite(p.at))
    newest = sorted(finite, key=lambda pair: (-pair[1].at, pair[0]))[:MOST_PROBES]
    document = {"version": FACTS_VERSION, "probes": {k: p._asdict() for k, p in newest}}
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    try:
        cache.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _replace(cache, text)
    except OSError as error:
        raise Failure(
            f"{cache} could not be written: {error.strerror or error}",
            note="the answers were not kept",
            help=f"see who may write there: `ls -ld {cache.parent}`",
        ) from error


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
