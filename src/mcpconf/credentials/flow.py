"""A login from beginning to end: what is known already, the sign-in, the browser, the store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.utils import is_valid_client_metadata_url
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from pydantic import AnyUrl

from mcpconf.credentials import Credentials, sdk
from mcpconf.credentials.address import Address, address, is_safe
from mcpconf.credentials.attempt import Attempt
from mcpconf.credentials.challenge import Challenge, read_challenge, words
from mcpconf.credentials.client_record import (
    choose_method,
    earlier_client,
    port_of,
    static_client,
)
from mcpconf.credentials.loopback import Answer, Callback, callback_server
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.oauth_entry import OAuthEntry, read_oauth
from mcpconf.credentials.person import Person, browse, pasted
from mcpconf.credentials.renewal import provider_of, with_tokens
from mcpconf.credentials.signin import NotNeeded, SignIn, Wishes
from mcpconf.credentials.store import Login
from mcpconf.credentials.vault import Vault

_UNAUTHORIZED, _FORBIDDEN = 401, 403
_NAME = "mcpconf"
_PORT_DIGITS = 5


class _Known(NamedTuple):
    """What is known before anybody is asked."""

    where: Address
    oauth: OAuthEntry
    wishes: Wishes
    secrets: dict[str, Any]  # of the last login
    vault: Vault


async def sign_in(credentials: Credentials, attempt: Attempt) -> Login | None:
    """Log in and keep the login; None if the server asks for none.

    Raises:
        Missing: why there is no login.

    """
    sdk.quiet()
    known = await _known(credentials, attempt)
    storage = sdk.Memory()
    fixed = known.oauth.callback_port or _port(attempt.home.environ)
    wanted = fixed or port_of(earlier_client(known.secrets))
    try:
        async with (
            callback_server(wanted, or_any=not fixed) as callback,
            sdk.open_client(known.where.url) as client,
            asyncio.timeout(attempt.options.patience),
        ):
            storage.client = _client(known, callback, attempt)
            provider = _provider(known, storage, callback, attempt)
            signing = SignIn(known.wishes, provider, client)
            _connect(provider, signing, callback, attempt)
            response = await signing.run()
            _judge(response, known)
            await _goodbye(client, response, known)
    except NotNeeded:
        return None
    except TimeoutError:
        raise Missing("timeout", "nobody logged in within the time; try again") from None
    return _keep(known, provider, storage, attempt)


async def _known(credentials: Credentials, attempt: Attempt) -> _Known:
    route = attempt.route
    resolved = await credentials.complete(route, attempt.project)
    where = address(resolved.url)
    if where is None:
        raise Missing("refused-login", "its URL is not one that takes a login")
    if resolved.authorizes:
        text = "its entry has an Authorization header, so it takes no login; remove one of the two"
        raise Missing("refused-login", text)
    if not is_safe(resolved.url):
        raise Missing("refused-login", "its URL is not https, so no token is sent there")
    oauth = read_oauth(credentials.entry(route))
    vault = Vault(attempt.home.state, attempt.home.environ)
    last = vault.read(where.id)
    wishes = Wishes(
        server=where.url,
        transport=route.transport,
        headers=resolved.headers,
        scopes=" ".join(filter(None, (oauth.scopes, words(attempt.options.scopes)))),
        granted=last.scope if last else "",
        wanted=_wanted(vault, where),
        metadata_url=oauth.metadata_url,
    )
    return _Known(where, oauth, wishes, dict(last.secrets or {}) if last else {}, vault)


def _port(environ: Mapping[str, str]) -> int:
    """The port that the client's own variable asks for (fact 59); 0 if it does not."""
    text = environ.get("MCP_OAUTH_CALLBACK_PORT", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _PORT_DIGITS else 0


def _wanted(vault: Vault, where: Address) -> Challenge:
    challenge = vault.store.note(where.id).get("challenge")
    return read_challenge(challenge) if isinstance(challenge, str) else Challenge()


def _client(
    known: _Known, callback: Callback, attempt: Attempt
) -> OAuthClientInformationFull | None:
    """Who we are: as the entry says, else as last time; None: to be registered."""
    if known.oauth.client_id:
        secret = attempt.home.environ.get("MCP_CLIENT_SECRET", "")  # fact 59
        return static_client(known.oauth.client_id, secret, callback.redirect_uri)
    earlier = None if attempt.options.fresh else earlier_client(known.secrets)
    return earlier if port_of(earlier) == callback.port else None


def _provider(
    known: _Known, storage: sdk.Memory, callback: Callback, attempt: Attempt
) -> OAuthClientProvider:
    variable = attempt.home.environ.get("MCP_OAUTH_CLIENT_METADATA_URL", "")  # fact 59
    document = attempt.options.metadata_url or variable
    if document and not is_valid_client_metadata_url(document):
        text = "a client id metadata document has an https URL with a path"
        raise Missing("refused-login", text)
    metadata = OAuthClientMetadata(
        redirect_uris=[AnyUrl(callback.redirect_uri)], client_name=_NAME, software_id=_NAME
    )
    return OAuthClientProvider(
        known.where.url, metadata, storage, client_metadata_url=document or None
    )


def _connect(
    provider: OAuthClientProvider, signing: SignIn, callback: Callback, attempt: Attempt
) -> None:
    """Tell the provider how to reach the person, and how the answer comes back."""
    person = attempt.person

    async def redirect(url: str) -> None:
        signing.may_go_on()
        sdk.check_target(url, provider.context.server_url)
        choose_method(provider)
        callback.state = parse_qs(urlsplit(url).query)["state"][0]
        person.show("open this address in a browser to log in:")
        person.show(url)
        if not await browse(person, url):
            person.show("then paste the address that the browser ends at, or the code it shows:")

    async def answer() -> AuthorizationCodeResult:
        return _result(await _first(callback, person))

    provider.context.redirect_handler = redirect
    provider.context.callback_handler = answer


async def _first(callback: Callback, person: Person) -> Answer:
    """Wait for the browser or for what is pasted, whichever comes first."""
    typed = asyncio.ensure_future(pasted(person, callback))
    try:
        done, _ = await asyncio.wait((callback.answer, typed), return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        typed.cancel()


def _result(answer: Answer) -> AuthorizationCodeResult:
    if answer.error:
        code = words(answer.error)[:100] or "error"
        raise Missing("refused-login", f"its authorization server refused the login ({code})")
    return AuthorizationCodeResult(code=answer.code, state=answer.state, iss=answer.issuer)


def _judge(response: httpx2.Response, known: _Known) -> None:
    """See whether the server takes the new token."""
    host = urlsplit(known.where.url).hostname
    if response.status_code == _UNAUTHORIZED:
        text = f"`{host}` refuses the token that its own authorization server has just issued"
        raise Missing("refused-login", text)
    if response.status_code == _FORBIDDEN:
        said = read_challenge(response.headers.get("www-authenticate", ""))
        more = f"; it asks for `{said.scope}`" if said.scope else ""
        raise Missing("refused-login", f"`{host}` does not let this account in{more}")


async def _goodbye(client: httpx2.AsyncClient, response: httpx2.Response, known: _Known) -> None:
    """End the session that the trial may have opened."""
    session = response.headers.get("mcp-session-id")
    if not session:
        return
    sent = response.request.headers
    headers = {**dict(known.wishes.headers), "Mcp-Session-Id": session}
    headers["Authorization"] = sent.get("authorization", "")
    with suppress(Missing):
        request = httpx2.Request("DELETE", known.where.url, headers=headers)
        await sdk.send(client, request, known.where.url)


def _keep(
    known: _Known, provider: OAuthClientProvider, storage: sdk.Memory, attempt: Attempt
) -> Login:
    """Store what the sign-in ended with.

    Raises:
        Missing: it cannot be stored.

    """
    if storage.tokens is None:
        raise Missing("refused-login", "its authorization server sends no token")
    secrets = sdk.secrets_of(provider, storage)
    empty = Login(known.where.url, attempt.route.name, "", 0.0)
    try:
        with known.vault.store.locked(known.where.id):
            login = with_tokens(empty, storage.tokens, secrets)
            kept = known.vault.write(known.where.id, login)
    except OSError as error:
        why = (error.strerror or "no reason given").lower()
        where = known.vault.store.directory
        raise Missing("secret-missing", f"`{where}` cannot be written: {why}") from None
    known.vault.store.remove_note(known.where.id)
    return kept


async def revoke(login: Login) -> bool:
    """Tell the authorization server that the login is over (RFC 7009); False if it did not hear.

    Raises:
        Missing: it cannot be reached.

    """
    sdk.quiet()
    secrets = dict(login.secrets or {})
    storage = sdk.memory(secrets)
    provider = provider_of(login.server, storage)
    sdk.restore(provider, secrets)
    found = provider.context.oauth_metadata
    if found is None or found.revocation_endpoint is None or storage.tokens is None:
        return False
    provider.context.client_info = storage.client
    token = storage.tokens.refresh_token or storage.tokens.access_token
    client_id = storage.client.client_id if storage.client else ""
    data, headers = provider.context.prepare_token_auth(
        {"token": token, "client_id": client_id}, {}
    )
    async with sdk.open_client(login.server) as client:
        request = httpx2.Request("POST", str(found.revocation_endpoint), data=data, headers=headers)
        return (await sdk.send(client, request, login.server)).is_success
