"""One sign-in, from the server's challenge to a token, by the SDK.

The SDK discovers (RFC 9728, 8414), registers (RFC 7591, or a client metadata document), and does
PKCE, resource indicators and the checks of state and issuer.  Here its requests are sent, and what
it is told is shaped: the scopes that the user pinned or a server asked for before, the metadata
that the user pinned, and a challenge where the server gives none to a mere ``initialize``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx2
from mcp.client.auth import (
    OAuthClientProvider,
    OAuthFlowError,
    OAuthRegistrationError,
    OAuthTokenError,
)
from mcp.client.auth.utils import union_scopes
from mcp.shared.auth import OAuthMetadata
from pydantic import ValidationError

from mcpconf import __version__
from mcpconf.credentials import sdk
from mcpconf.credentials.challenge import Challenge, read_challenge
from mcpconf.credentials.missing import Missing

_UNAUTHORIZED, _FORBIDDEN = 401, 403
_METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "mcpconf", "version": __version__},
    },
}


class Wishes(NamedTuple):
    """What the sign-in starts from.

    ``scopes`` are the user's, ``granted`` what the last login allowed, and ``wanted`` the
    challenge with which the server asked for more since.
    """

    server: str
    transport: str = "http"
    headers: tuple[tuple[str, str], ...] = ()
    scopes: str = ""
    granted: str = ""
    wanted: Challenge = Challenge()
    metadata_url: str = ""

    def __repr__(self) -> str:
        return "Wishes(***)"


class NotNeeded(Exception):  # noqa: N818  it is good news
    """The server answers without a login and offers none."""


class SignIn:
    """One run of the SDK's flow."""

    def __init__(
        self, wishes: Wishes, provider: OAuthClientProvider, client: httpx2.AsyncClient
    ) -> None:
        self._wishes = wishes
        self._provider = provider
        self._client = client
        self._first = first_request(wishes)
        self._pinned: bytes = b""
        self._forced = False
        self._visits = 0
        self._refusal = ""

    async def run(self) -> httpx2.Response:
        """Sign in and return the server's answer to the request with the new token.

        Raises:
            Missing: why it did not work.
            NotNeeded: there is nothing to sign in to.

        """
        if self._wishes.metadata_url:
            await self._pin(self._wishes.metadata_url)
        flow = self._provider.async_auth_flow(self._first)
        try:
            return await self._drive(flow.asend, await anext(flow))
        except (OAuthFlowError, OAuthRegistrationError, OAuthTokenError) as error:
            raise Missing("refused-login", self._told(error)) from None
        except (ValueError, RecursionError):  # what the SDK cannot read
            told = self._refusal or "its authorization server sends what is no OAuth answer"
            raise Missing("refused-login", told) from None
        finally:
            await flow.aclose()

    def may_go_on(self) -> None:
        """Stop before the user is sent anywhere, if nothing says that there is a login.

        Raises:
            NotNeeded: the server did not ask for one, and none was found.

        """
        if self._forced and self._provider.context.oauth_metadata is None:
            raise NotNeeded

    async def _drive(
        self,
        step: Callable[[httpx2.Response], Awaitable[httpx2.Request]],
        request: httpx2.Request,
    ) -> httpx2.Response:
        while True:
            response = await self._answer(request)
            try:
                request = await step(response)
            except StopAsyncIteration:
                return response

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        if request is self._first:
            response = await self._send(request)
            self._visits += 1
            return response if self._visits > 1 else self._challenge(response)
        if request.method == "POST":
            return await self._post(request)
        if self._pinned and any(path in request.url.path for path in _METADATA):
            return httpx2.Response(200, content=self._pinned, request=request)
        response = await self._send(request)
        return self._redirected(response) if self._pinned and response.is_success else response

    async def _post(self, request: httpx2.Request) -> httpx2.Response:
        """Register, or get a token; what is refused is kept for the message."""
        self.may_go_on()
        registers = request.headers.get("content-type") == "application/json"
        found = self._provider.context.oauth_metadata
        if registers and found is not None and found.registration_endpoint is None:
            text = "its authorization server takes no new clients; ask its vendor for a client id "
            raise Missing("refused-login", f"{text}and write it into the entry: oauth.clientId")
        response = await self._send(request)
        if not response.is_success:
            what = "registration" if registers else "token"
            self._refusal = _refusal(what, response)
            if sdk.is_passing(response):
                raise Missing("http-status", self._refusal, retry=True)
        return response

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        return await sdk.send(self._client, request, self._wishes.server)

    def _challenge(self, response: httpx2.Response) -> httpx2.Response:
        """Return a 401 with the scopes that are to be asked for."""
        host = response.request.url.host
        if response.is_redirect:
            text = f"`{host}` sends us to another address; write that one into the entry"
            raise Missing("redirected", text)
        if sdk.is_passing(response):
            text = f"`{host}` answers HTTP {response.status_code}"
            raise Missing("http-status", text, retry=True)
        wishes = self._wishes
        said = read_challenge(response.headers.get("www-authenticate", ""))
        short = response.status_code == _FORBIDDEN and said.error == "insufficient_scope"
        self._forced = response.status_code != _UNAUTHORIZED and not short
        first = wishes.scopes or said.scope
        more = union_scopes(wishes.granted, wishes.wanted.scope) if wishes.wanted.scope else ""
        challenge = Challenge(
            scope=union_scopes(first, more) or "",
            resource_metadata=said.resource_metadata or wishes.wanted.resource_metadata,
        )
        headers = {"WWW-Authenticate": challenge.header()}
        return httpx2.Response(_UNAUTHORIZED, headers=headers, request=self._first)

    async def _pin(self, url: str) -> None:
        """Take the authorization server's metadata from where the user says they are."""
        response = await self._send(httpx2.Request("GET", url))
        if not response.is_success:
            text = f"oauth.authServerMetadataUrl answers HTTP {response.status_code}"
            raise Missing("refused-login", text)
        try:
            issuer = OAuthMetadata.model_validate_json(response.content).issuer
        except ValidationError:
            text = "oauth.authServerMetadataUrl leads to something that is no OAuth metadata"
            raise Missing("refused-login", text) from None
        self._pinned = response.content
        self._provider.context.auth_server_url = str(issuer)

    def _redirected(self, response: httpx2.Response) -> httpx2.Response:
        """Put the pinned authorization server into what the server says about itself."""
        try:
            value = json.loads(response.content)
        except (ValueError, RecursionError):
            return response
        if isinstance(value, dict):
            value["authorization_servers"] = [self._provider.context.auth_server_url]
        return httpx2.Response(200, content=json.dumps(value), request=response.request)

    def _told(self, error: Exception) -> str:
        """Say what went wrong in our own words: the SDK's hold what was sent and answered."""
        if self._refusal:
            return self._refusal
        text = str(error)
        for beginning, told in _TOLD.items():
            if text.startswith(beginning):
                return told
        return f"the login failed: {error.__class__.__name__}"


_TOLD = {
    "Protected resource metadata request failed": "it does not say where to log in (HTTP 5xx)",
    "Protected resource": "it says that its login is for another server",
    "Authorization server metadata issuer": "its authorization server calls itself by another name",
    "Authorization response iss": "the answer is from another authorization server",
    "Authorization response missing iss": "the answer does not say which server it is from; paste "
    "the whole address",
    "State parameter": "the answer belongs to another login",
    "Authorization server registered": "its authorization server registers us in a way that we "
    "cannot use",
}


def first_request(wishes: Wishes) -> httpx2.Request:
    """The request that provokes the challenge, and at last carries the token."""
    headers = dict(wishes.headers)
    if wishes.transport == "sse":
        headers["Accept"] = "text/event-stream"
        return httpx2.Request("GET", wishes.server, headers=headers)
    headers["Accept"] = "application/json, text/event-stream"
    return httpx2.Request("POST", wishes.server, headers=headers, json=_INITIALIZE)


def _refusal(what: str, response: httpx2.Response) -> str:
    code = sdk.oauth_error(response)
    host = response.request.url.host
    redirected = " and sends us elsewhere" if response.is_redirect else ""
    why = f"HTTP {response.status_code}{f' `{code}`' if code else ''}{redirected}"
    return f"`{host}` refuses the {what} request: {why}"
