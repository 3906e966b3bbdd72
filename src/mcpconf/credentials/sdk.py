"""The official SDK's OAuth client, driven request by request.

``OAuthClientProvider`` is an ``httpx2.Auth``: a generator that yields requests and is given their
answers.  We send them ourselves, so that each is looked at before it leaves (never a secret in the
clear, nothing to this machine on behalf of a server elsewhere), no answer is longer than a megabyte
or compressed, and a refusal can be told without a word of what was sent.  Importing this costs a
second: the worker and ``mcpconf gateway login`` do, the gateway never does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import (
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthMetadata,
    OAuthToken,
    ProtectedResourceMetadata,
)

from mcpconf.credentials.address import is_near, is_safe
from mcpconf.credentials.challenge import words
from mcpconf.credentials.missing import Missing
from mcpconf.model import Json

TIMEOUT = 15.0  # seconds without a sign of life
LONGEST = 25.0  # seconds for one request; a renewal has child.LIMIT
_LARGEST = 1024 * 1024
_SERVER_ERROR = 500
_TOO_MANY = 429

Send = Callable[[httpx2.Request], Awaitable[httpx2.Response]]


class Memory:
    """The SDK's token storage: what the flow ends with is kept by us, when it has ended well."""

    def __init__(
        self, tokens: OAuthToken | None = None, client: OAuthClientInformationFull | None = None
    ) -> None:
        self.tokens = tokens
        self.client = client

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def restore(provider: OAuthClientProvider, secrets: dict[str, Any]) -> None:
    """Give a provider what an earlier one found out about the server."""
    found, protected = secrets.get("authorization_server"), secrets.get("resource")
    if isinstance(found, dict):
        provider.context.oauth_metadata = OAuthMetadata.model_validate(found)
    if isinstance(protected, dict):
        about = ProtectedResourceMetadata.model_validate(protected)
        provider.context.protected_resource_metadata = about
        provider.context.auth_server_url = str(about.authorization_servers[0])


def memory(secrets: dict[str, Any]) -> Memory:
    """The storage that an earlier flow ended with."""
    tokens, client = secrets.get("tokens"), secrets.get("client")
    return Memory(
        OAuthToken.model_validate(tokens) if isinstance(tokens, dict) else None,
        OAuthClientInformationFull.model_validate(client) if isinstance(client, dict) else None,
    )


def secrets_of(provider: OAuthClientProvider, storage: Memory) -> dict[str, Json]:
    """What the next flow needs to know; see ``restore`` and ``memory``."""
    context = provider.context
    return {
        "tokens": _plain(storage.tokens),
        "client": _plain(storage.client),
        "authorization_server": _plain(context.oauth_metadata),
        "resource": _plain(context.protected_resource_metadata),
    }


def _plain(
    model: OAuthToken
    | OAuthClientInformationFull
    | OAuthMetadata
    | OAuthClientMetadata
    | ProtectedResourceMetadata
    | None,
) -> Json:
    return None if model is None else model.model_dump(mode="json", exclude_none=True)


def open_client(server: str) -> httpx2.AsyncClient:
    """An HTTP client that asks for plain answers and follows nothing.

    It goes through the user's proxy, but not to a server of this machine.
    """
    far = not is_near(urlsplit(server).hostname or "")
    headers = {"Accept-Encoding": "identity"}
    return httpx2.AsyncClient(timeout=TIMEOUT, headers=headers, trust_env=far)


async def send(client: httpx2.AsyncClient, request: httpx2.Request, server: str) -> httpx2.Response:
    """Send one request of a login at ``server`` and read its answer.

    Raises:
        Missing: with ``retry``: ``dns``, ``tls``, ``timeout``, ``unreachable``; without:
            ``refused-login`` for an address that nothing is sent to.

    """
    check_target(str(request.url), server)
    request.headers["Accept-Encoding"] = "identity"
    host = request.url.host
    try:
        async with asyncio.timeout(LONGEST):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                content = await _content(response, host)
            finally:
                await response.aclose()
    except (httpx2.TimeoutException, TimeoutError):
        raise Missing("timeout", f"`{host}` does not answer in time", retry=True) from None
    except httpx2.TransportError as error:
        raise _trouble(host, error) from None
    answer = httpx2.Response(
        response.status_code, headers=response.headers, content=content, request=request
    )
    answer.next_request = response.next_request
    return answer


def check_target(url: str, server: str) -> None:
    """Refuse to send anything in the clear, or to this machine for a server elsewhere.

    Raises:
        Missing: ``refused-login``.

    """
    host = urlsplit(url).hostname or ""
    if not is_safe(url):
        raise Missing("refused-login", f"its login leads to `{_shown(host)}` without https")
    if is_near(host) and not is_near(urlsplit(server).hostname or ""):
        raise Missing("refused-login", "its login leads to this machine, which it has no part of")


async def _content(response: httpx2.Response, host: str) -> bytes:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return b""
    if response.headers.get("content-encoding", "identity") not in ("", "identity"):
        raise Missing("compressed", f"`{host}` sends a compressed answer that nobody asked for")
    pieces: list[bytes] = []
    room = _LARGEST
    async for piece in response.aiter_raw():
        pieces.append(piece)
        room -= len(piece)
        if room < 0:
            raise Missing("too-big", f"`{host}` sends more than {_LARGEST} bytes")
    return b"".join(pieces)


def _trouble(host: str, error: Exception) -> Missing:
    causes = [error, error.__cause__, error.__context__]
    text = " ".join(str(cause) for cause in causes if cause)
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "SSL" in text:
        return Missing("tls", f"the certificate or TLS of `{host}` is not accepted", retry=True)
    names = ("Name or service", "nodename nor", "getaddrinfo", "Temporary failure in name")
    if any(name in text for name in names):
        return Missing(
            "dns",
            f"no name server knows `{host}`: look at its URL and at this machine's network",
            retry=True,
        )
    return Missing(
        "unreachable",
        f"`{host}` cannot be reached: look at its URL and at this machine's network",
        retry=True,
    )


def oauth_error(response: httpx2.Response) -> str:
    """The error code of a token or registration endpoint (RFC 6749 §5.2); "" without one."""
    try:
        value = json.loads(response.content)
        code = value.get("error") if isinstance(value, dict) else ""
    except (ValueError, RecursionError):
        return ""
    return words(code) if isinstance(code, str) and " " not in code else ""


def is_passing(response: httpx2.Response) -> bool:
    """Tell whether a refusal may be over soon: the server's own trouble."""
    return response.status_code >= _SERVER_ERROR or response.status_code == _TOO_MANY


def _shown(host: str) -> str:
    return "".join(c for c in host if c.isascii() and (c.isalnum() or c in ".-:"))[:100]


def quiet() -> None:
    """Keep the SDK and its HTTP client from logging: their messages may hold tokens."""
    for name in ("mcp", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
