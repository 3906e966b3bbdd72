"""Judging Claude Code itself: what it remembers, how long it waits, which way it goes.  Pure.

These are the causes that no server and no network can show: the server answers, and the client
still says that it does not (facts 50, 53, 55, 56, 61).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from mcpconf.client_state.stale import FRESH
from mcpconf.clients import Client
from mcpconf.credentials.address import is_near
from mcpconf.diagnosis.evidence import Judged, Login, Remembered
from mcpconf.diagnosis.model import Remedy, Rung, Shows, Verdict
from mcpconf.findings import Finding
from mcpconf.model import Remote, Server, sha256_hex
from mcpconf.names import quote
from mcpconf.origin import Origin
from mcpconf.plan.terms import shell_word

_SHOWS = {
    "MC285": Shows("✔ Connected", "pending"),
    "MC290": Shows("✔ Connected", "needs-auth"),
    "MC291": Shows("✔ Connected", "needs-auth"),
    "MC293": Shows("! Needs authentication", "needs-auth"),
    "MC295": Shows("✘ Failed to connect — ECONNREFUSED: Unable to connect…", "failed"),
}
_SOON = 3.0  # seconds: `claude -p` waits 2 (fact 61); less may be this machine's own haste
_HASH = 16


class Using(NamedTuple):
    """What the judgement depends on, for one server.

    ``remote`` is the server as the client itself connects to it, None where it starts a process;
    ``seconds`` is how long a process took to list its tools, None where it did not or is none.
    ``wants_login``: the server asked for one.
    """

    server: Server
    client: Client
    remote: Remote | None
    seconds: float | None = None
    wants_login: bool = False


def judge_client(asking: Using, memory: Remembered) -> Judged:
    """Every cause on the client's side."""
    causes: list[Verdict] = []
    if asking.remote is not None:
        causes += _needs_auth(asking, memory)
        causes += _tokenless(asking, asking.remote, memory)
        causes += _orphaned(asking, asking.remote, memory)
        causes += _proxy(asking, asking.remote, memory)
    causes += _slow(asking)
    return Judged(tuple(causes))


def endpoint_hash(remote: Remote) -> str:
    """What the client stores a login under, beside the name (fact 56)."""
    value = {
        "type": remote.type,
        "url": remote.url.reveal(),
        "headers": {name: text.reveal() for name, text in remote.headers.items()},
    }
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return sha256_hex(compact)[:_HASH]


# --- caches -----------------------------------------------------------------------------------


def _clean(server: Server) -> Remedy:
    word = shell_word(server.name)
    argv = ("clean", server.name) if word == server.name else ()
    return Remedy(f"mcpconf clean {word}", argv, safe=bool(argv))


def _needs_auth(asking: Using, memory: Remembered) -> Iterator[Verdict]:
    at = memory.needs_auth.get(asking.server.name)
    if at is None:
        return
    age = memory.now - at
    future = age < 0
    if age * 1000 >= FRESH or (future and asking.client.version != "2.1.197"):
        return
    name = quote(asking.server.name)
    text = f"Claude Code remembers that {name} wanted a login, and does not ask it"
    until = "the entry lies in the future, so it does not expire"
    if not future:
        until = f"it is {age / 60:.0f} minutes old, and is believed for {FRESH // 60000}"
    notes = (until, "the entry goes by the name alone, whatever has changed since")
    file = memory.needs_auth_file
    where = file.at(asking.server.name) if file else None
    yield _verdict("MC290", text, where or asking.server.origin, notes, _clean(asking.server))


def _tokenless(asking: Using, remote: Remote, memory: Remembered) -> Iterator[Verdict]:
    if remote.authorization:
        return
    for login in _of(asking, memory):
        stale = login.rejected if asking.client.version != "2.1.197" else True
        if login.hash != endpoint_hash(remote) or login.token or not (login.discovered and stale):
            continue
        name = quote(asking.server.name)
        text = f"Claude Code keeps a login of {name} without a token, and does not ask the server"
        notes = ("a sign-in was begun and not finished; the entry does not expire",)
        where = _login_place(login, memory) or asking.server.origin
        yield _verdict("MC291", text, where, notes, _clean(asking.server))


def _orphaned(asking: Using, remote: Remote, memory: Remembered) -> Iterator[Verdict]:
    """A token that hangs on another URL or other headers than those of today."""
    mine = [login for login in _of(asking, memory) if login.token]
    now = endpoint_hash(remote)
    if not asking.wants_login or remote.authorization or not mine:
        return
    if any(login.hash == now for login in mine):
        return
    name = quote(asking.server.name)
    text = f"Claude Code has a login of {name}, and no longer finds it"
    notes = (
        "it is stored for the URL and headers that the entry had then; one of them has changed",
    )
    where = _login_place(mine[0], memory) or asking.server.origin
    remedy = Remedy(f"mcpconf gateway login {shell_word(asking.server.name)}")
    found = _verdict("MC293", text, where, notes, remedy)
    yield found._replace(rung=Rung.SECRET)


def _of(asking: Using, memory: Remembered) -> list[Login]:
    return [login for login in memory.logins if login.name == asking.server.name]


def _login_place(login: Login, memory: Remembered) -> Origin | None:
    file = memory.logins_file
    return file.at("mcpOAuth", f"{login.name}|{login.hash}") if file else None


# --- its way and its patience -----------------------------------------------------------------


def _proxy(asking: Using, remote: Remote, memory: Remembered) -> Iterator[Verdict]:
    """A proxy for everything, which this client asks for its own machine too (fact 55)."""
    try:
        host = urlsplit(remote.url.reveal()).hostname or ""
    except ValueError:
        return
    useless = memory.dead or memory.far
    if not memory.proxy or not useless or not is_near(host) or host in memory.exempt:
        return
    if "*" in memory.exempt:
        return
    name = quote(asking.server.name)
    text = f"Claude Code asks the proxy of `{memory.proxy}` for {name}, which is on this machine"
    why = f"the proxy does not answer: {memory.dead}" if memory.dead else "it is another machine"
    listed = ",".join((*memory.exempt, host))
    remedy = Remedy(f"export NO_PROXY={listed}") if _plain(listed) else None
    notes = (why, "only the exact host in NO_PROXY, or `*`, keeps it from that")
    yield _verdict("MC295", text, asking.server.origin.at("url"), notes, remedy)


def _plain(text: str) -> bool:
    return all(c.isascii() and (c.isalnum() or c in ".,-_:*/") for c in text)


def _slow(asking: Using) -> Iterator[Verdict]:
    """A process that takes longer than `claude -p` waits; of others the wire knows more."""
    seconds, name = asking.seconds, quote(asking.server.name)
    if seconds is not None and seconds > _SOON:
        text = f"{name} takes {seconds:.1f} s to start and list its tools"
        notes = ("`claude -p` waits about 2 s, then goes on without the tools (pending)",)
        remedy = Remedy("export MCP_CONNECTION_NONBLOCKING=0 MCP_CONNECT_TIMEOUT_MS=30000")
        yield _verdict("MC285", text, asking.server.origin, notes, remedy)


def _verdict(
    code: str, text: str, at: Origin, notes: tuple[str, ...], remedy: Remedy | None
) -> Verdict:
    ways = (remedy.command,) if remedy else ()
    finding = Finding(code, text, at, notes, ways)
    return Verdict(Rung.CLIENT, finding, _SHOWS[code], remedy)
