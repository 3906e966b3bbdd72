"""Who we are to an authorization server: the client id that the user has, or the one of last time.

A registration is good for the address that the browser comes back to.  So the port of last time is
taken again; where it is not free, we register anew.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull
from pydantic import ValidationError

_BASIC, _POST, _NONE = "client_secret_basic", "client_secret_post", "none"


def static_client(client_id: str, secret: str, redirect_uri: str) -> OAuthClientInformationFull:
    """A client that was registered by hand; how it proves itself is chosen after discovery."""
    return OAuthClientInformationFull.model_validate(
        {
            "client_id": client_id,
            "client_secret": secret or None,
            "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": _POST if secret else _NONE,
        }
    )


def choose_method(provider: OAuthClientProvider) -> None:
    """Prove who we are as the authorization server wants it (RFC 8414 §2: Basic by default)."""
    client, found = provider.context.client_info, provider.context.oauth_metadata
    if client is None or not client.client_secret or found is None:
        return
    offered = found.token_endpoint_auth_methods_supported or [_BASIC]
    if client.token_endpoint_auth_method not in offered and _BASIC in offered:
        client.token_endpoint_auth_method = _BASIC


def earlier_client(secrets: dict[str, Any]) -> OAuthClientInformationFull | None:
    """The registration of last time, if it is still good."""
    try:
        client = OAuthClientInformationFull.model_validate(secrets.get("client"))
    except ValidationError:
        return None
    ends = client.client_secret_expires_at
    return None if ends and ends < time.time() else client


def port_of(client: OAuthClientInformationFull | None) -> int:
    """The port that a registration comes back to; 0 if it says none."""
    if client is None or not client.redirect_uris:
        return 0
    try:
        return urlsplit(str(client.redirect_uris[0])).port or 0
    except ValueError:
        return 0
