"""The ``oauth`` object of an entry (fact 30): what the user knows about the login already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.credentials.challenge import words
from mcpconf.model import Json

_LAST_PORT = 65535


class OAuthEntry(NamedTuple):
    """Static settings of a login; "" and 0 where the entry says nothing."""

    client_id: str = ""
    callback_port: int = 0
    metadata_url: str = ""
    scopes: str = ""


def read_oauth(entry: Mapping[str, Json]) -> OAuthEntry:
    """Read the ``oauth`` of an entry that the schema has let through."""
    oauth = entry.get("oauth")
    if not isinstance(oauth, dict):
        return OAuthEntry()
    port = oauth.get("callbackPort")
    usable = isinstance(port, int | float) and 0 < port <= _LAST_PORT and port == int(port)
    return OAuthEntry(
        client_id=_text(oauth, "clientId"),
        callback_port=int(port) if usable and isinstance(port, int | float) else 0,
        metadata_url=_text(oauth, "authServerMetadataUrl"),
        scopes=words(_text(oauth, "scopes")),
    )


def _text(oauth: Mapping[str, Json], key: str) -> str:
    value = oauth.get(key)
    return value if isinstance(value, str) else ""
