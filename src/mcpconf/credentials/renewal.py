"""A new token for an old one (RFC 6749 §6), by the SDK.  In the worker."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl, ValidationError

from mcpconf.credentials import sdk
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.store import Login

_ANSWERS = (200, 400, 401, 403)
_PASSING = ("temporarily_unavailable", "server_error", "slow_down")
_STRANGERS = ("(invalid_client)", "(unauthorized_client)")


def renew(login: Login) -> Login:
    """Return the login with a new token.

    Raises:
        Missing: ``login-expired``: the refresh token is refused; with ``retry``: the network or
            the authorization server is in trouble, and the login stays as it is.

    """
    sdk.quiet()
    secrets = dict(login.secrets or {})
    try:
        storage = sdk.memory(secrets)
        provider = provider_of(login.server, storage)
        sdk.restore(provider, secrets)
    except ValidationError:
        raise Missing("login-expired", "what is stored of the login cannot be read") from None
    if storage.tokens is None or not storage.tokens.refresh_token or storage.client is None:
        raise Missing("login-expired", "it cannot be renewed")
    asyncio.run(_refresh(provider, login.server))
    assert storage.tokens is not None
    return with_tokens(login, storage.tokens, secrets)


def provider_of(server: str, storage: sdk.Memory) -> OAuthClientProvider:
    """The SDK's provider for a renewal; it never gets as far as a browser."""
    here: list[AnyUrl] = [AnyUrl("http://127.0.0.1/")]
    return OAuthClientProvider(server, OAuthClientMetadata(redirect_uris=here), storage)


async def _refresh(provider: OAuthClientProvider, server: str) -> None:
    """Drive the SDK's flow up to the request that would carry the new token, and stop there."""
    provider.context.token_expiry_time = 1.0  # so that it renews
    last = httpx2.Request("POST", server)
    flow = provider.async_auth_flow(last)
    try:
        async with sdk.open_client(server) as client:
            request = await anext(flow)
            while request is not last:
                response = await sdk.send(client, request, server)
                if not response.is_redirect:
                    _judge(response)
                request = await flow.asend(response)
    finally:
        await flow.aclose()
    if not provider.context.is_token_valid() or provider.context.token_expiry_time == 1.0:
        raise Missing("unreachable", "its authorization server sends no token", retry=True)


def _judge(response: httpx2.Response) -> None:
    """Tell a refusal, which is final, from trouble, which is not.

    GitHub refuses with 200 and an error in the body.
    """
    code = sdk.oauth_error(response)
    host = response.request.url.host
    if response.status_code in _ANSWERS and code and code not in _PASSING:
        raise Missing("login-expired", f"`{host}` refuses to renew it ({code})")
    if response.status_code != httpx2.codes.OK:
        text = f"`{host}` does not renew its login (HTTP {response.status_code})"
        raise Missing("unreachable", text, retry=True)


def with_tokens(login: Login, tokens: OAuthToken, secrets: dict[str, Any]) -> Login:
    """Put new tokens into a login."""
    now = time.time()
    lifetime = tokens.expires_in
    return login._replace(
        issued_at=now,
        expires_at=None if lifetime is None else now + max(0, lifetime),
        refreshable=bool(tokens.refresh_token),
        scope=tokens.scope or "",
        expired="",
        secrets={**secrets, "tokens": tokens.model_dump(mode="json", exclude_none=True)},
    )


def spent(login: Login, why: str) -> Login:
    """Return a login whose tokens are of no use.

    Who we are to the server is kept, unless it says that it does not know us any more.
    """
    dropped = {"tokens", "client"} if why.endswith(_STRANGERS) else {"tokens"}
    secrets = {name: v for name, v in (login.secrets or {}).items() if name not in dropped}
    return login._replace(refreshable=False, expired=why, secrets=secrets)
