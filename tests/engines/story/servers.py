"""The servers of the story, made with the official SDK.

``python -m tests.engines.story.servers outside|ray FOLDER`` runs until its stdin ends: ``outside``
the Messages API, ``context7`` and ``atlassian`` (behind a login), on addresses and with the
certificate of their own; ``ray`` on this machine's localhost, for whoever has its token.  Every
call of a tool is a line of ``FOLDER/calls.jsonl``.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from tests.engines.story.messages import messages
from tests.engines.story.names import API, ATLASSIAN, CONTEXT7, RAY_PORT, planted
from tests.netns.lab.helpers import end_with_stdin

LIFETIME = 20  # seconds of an access token: the gateway has to renew it all the time
_ISSUER = "https://mcp.atlassian.com"


class Logins:
    """An authorization server whose user agrees to everything; its secrets carry the mark."""

    def __init__(self) -> None:
        self._clients: dict[str, OAuthClientInformationFull] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        self._access: dict[str, AccessToken] = {}
        self._refresh: dict[str, RefreshToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self._clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        self._clients[client_info.client_id] = client_info

    async def authorize(
        self, client: OAuthClientInformationFull, params: AuthorizationParams
    ) -> str:
        code = _new("code")
        self._codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            **params.model_dump(exclude={"state", "scopes"}),
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, _: object, code: str) -> AuthorizationCode | None:
        return self._codes.get(code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, code: AuthorizationCode
    ) -> OAuthToken:
        del self._codes[code.code]
        return self._issue(client.client_id, code.scopes, code.resource)

    async def load_refresh_token(self, _: object, token: str) -> RefreshToken | None:
        return self._refresh.get(token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        del self._refresh[token.token]
        return self._issue(client.client_id, scopes, token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self._access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self._access.pop(token.token, None)
        self._refresh.pop(token.token, None)

    def _issue(self, client: str, scopes: list[str], resource: str | None) -> OAuthToken:
        more: dict[str, Any] = {"client_id": client, "scopes": scopes, "resource": resource}
        access, refresh = _new("access"), _new("refresh")
        end = int(time.time()) + LIFETIME
        self._access[access] = AccessToken(token=access, expires_at=end, **more)
        self._refresh[refresh] = RefreshToken(token=refresh, **more)
        return OAuthToken(
            access_token=access,
            token_type="Bearer",
            expires_in=LIFETIME,
            refresh_token=refresh,
            scope=" ".join(scopes),
        )


def _new(what: str) -> str:
    return planted(f"{what}-{secrets.token_hex(16)}")


def _server(name: str, log: Path, **more: Any) -> MCPServer[Any]:
    made: MCPServer[Any] = MCPServer(name, log_level="WARNING", **more)

    @made.tool()
    def echo(said: str) -> str:
        """Say it again."""
        with log.open("a") as file:
            file.write(json.dumps({"server": name, "said": said}) + "\n")
        return f"{name} heard {said}"

    return made


def _outside(folder: Path) -> list[uvicorn.Config]:
    log = folder / "calls.jsonl"
    login = AuthSettings(
        issuer_url=_ISSUER,
        resource_server_url=f"{_ISSUER}/v1/sse",
        client_registration_options=ClientRegistrationOptions(enabled=True),
        revocation_options=RevocationOptions(enabled=True),
        validate_token_resource=True,
    )
    atlassian = _server("atlassian", log, auth=login, auth_server_provider=Logins())
    paths = {"sse_path": "/v1/sse", "message_path": "/v1/messages/"}
    context7 = _server("context7", log).streamable_http_app(host="mcp.context7.com")
    pem = str(folder / "server.pem")
    apps = {
        API: messages,
        CONTEXT7: context7,
        ATLASSIAN: atlassian.sse_app(host="mcp.atlassian.com", **paths),
    }
    return [
        uvicorn.Config(app, host=host, port=443, ssl_certfile=pem, log_level="warning")
        for host, app in apps.items()
    ]


def _ray(folder: Path) -> list[uvicorn.Config]:
    app = _server("ray", folder / "calls.jsonl").streamable_http_app()
    wanted = f"Bearer {planted('ray')}".encode()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != wanted:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await app(scope, receive, send)

    return [uvicorn.Config(guarded, host="127.0.0.1", port=RAY_PORT, log_level="warning")]


async def _serve(role: str, folder: Path) -> None:
    configs = {"outside": _outside, "ray": _ray}[role](folder)
    servers = [uvicorn.Server(config) for config in configs]
    running = [asyncio.create_task(server.serve()) for server in servers]
    while not all(server.started for server in servers):
        for task in running:
            if task.done():
                task.result()
        await asyncio.sleep(0.01)
    (folder / f"{role}.ready").touch()
    await asyncio.gather(*running)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    end_with_stdin()
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
