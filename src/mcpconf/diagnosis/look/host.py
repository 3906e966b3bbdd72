"""Looking at the host: the gateway, what the last sync wrote, and what secrets come to.

Everything here touches the world and none of it judges.  Each function is for a thread of its own
and has its own limit of time; a world that cannot be read becomes a value that says so.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mcpconf import write
from mcpconf.compiler import Compilation, with_token
from mcpconf.contract import ContractError, Route, load_bridge, load_routes
from mcpconf.credentials import Credentials, Logins, Missing
from mcpconf.credentials.address import address
from mcpconf.credentials.login import last_attempt
from mcpconf.credentials.login_state import LoginState
from mcpconf.credentials.store import Store
from mcpconf.diagnosis.evidence import Gateway, Secrets, Written
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.model import Json
from mcpconf.origin import Source
from mcpconf.readers.around import Target
from mcpconf.readers.places import Places
from mcpconf.readers.token import read_token
from mcpconf.readers.world import read
from mcpconf.service import listen, logs, only
from mcpconf.service.control import NoAnswer, ask

PATIENCE = 2.5  # seconds for a gateway on this machine to say how it is
_SOON = 0.3  # seconds for a connection on this machine
_LINES = 400  # of its log, in which the reason for a project left out may stand


def look_at_gateway(places: Places, project: str) -> Gateway:
    """Ask the gateway how it is.  Takes ``PATIENCE`` at most; raises nothing."""
    began = time.monotonic()
    pid = only.running(places.gateway)
    if pid is None:
        wanted = listen.not_listened_on(places, ())
        occupied = tuple(filter(_is_occupied, wanted))
        return Gateway(trouble=_unusable(places.gateway), occupied=occupied)
    try:
        document = ask(places.gateway, "GET", "/status", timeout=PATIENCE)
        about, rows = document["gateway"], document["servers"]
        heard = tuple(map(str, about["listen"]))
        known = {str(r["server"]): r for r in rows if r["project"] == project}
        version = str(about["version"])
    except (NoAnswer, Failure) as why:
        gone = not (places.gateway / only.CONTROL).exists()
        said = "its control socket is gone" if gone else str(why)
        return Gateway(pid, said, ms=_since(began))
    except (KeyError, TypeError):
        return Gateway(pid, "what it answers is not understood", ms=_since(began))
    unheard = listen.not_listened_on(places, heard)
    left_out = "" if known else _left_out(places.gateway, project)
    return Gateway(
        pid, "", version, heard, unheard, rows=known, left_out=left_out, ms=_since(began)
    )


def _is_occupied(address: str) -> bool:
    """Whether something listens at an address of this machine."""
    host, _, port = address.rpartition(":")
    with suppress(OSError, ValueError):
        socket.create_connection((host.strip("[]"), int(port)), _SOON).close()
        return True
    return False


def _since(began: float) -> float:
    return (time.monotonic() - began) * 1000


def _unusable(gateway: Path) -> str:
    """Why nobody can know whether a gateway runs; "" where plainly none does."""
    try:
        (gateway / only.LOCK).open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"{gateway} cannot be used: {(error.strerror or str(error)).lower()}"
    return ""


def _left_out(gateway: Path, project: str) -> str:
    """Why the gateway leaves a project out, as it said last; a reason may be an old one."""
    found = ""
    for line in logs.tail(gateway, _LINES, logs.mark(gateway)):
        with suppress(ValueError, AttributeError):
            row = json.loads(line)
            text = " ".join(str(v) for v in row.values() if isinstance(v, str))
            if f"`{project}` is left out" in text:
                found = text.partition("is left out: ")[2]
    return found


def look_at_written(compiled: Compilation, target: Target) -> Written:
    """Compare the plan with what the last sync wrote.  Raises nothing."""
    try:
        token = read_token(target.host)
        fresh = with_token(compiled, target, token) if token else compiled
        place = write.Target(target.container, target.host, target.root)
        blocked = _blocked(fresh, place)
    except Failure as broken:
        note = Finding("MC007", broken.message, None, (), tuple(filter(None, (broken.help,))))
        return _standing(target)._replace(trouble=broken.message, blocked=(note,))
    return _standing(target)._replace(blocked=blocked)


def _blocked(compiled: Compilation, place: write.Target) -> tuple[Finding, ...]:
    found = (c.finding for c in write.changes(compiled.artifacts, place))
    return (
        *(f for f in found if f),
        *(f for f in compiled.findings if f.rule.blocks),
    )


def _standing(target: Target) -> Written:
    """What stands there now."""
    path = target.container / "bridge.json"
    return Written(
        servers=_servers(read(target.container / "mcp.json")),
        routes=_routes(read(target.host / "routes.json")),
        bridge=_bridge(path),
        bridge_path=str(path),
    )


def _servers(file: object) -> Mapping[str, Json] | None:
    if not isinstance(file, Source):
        return None
    with suppress(ValueError, RecursionError):
        document = json.loads(file.text)
        servers = document.get("mcpServers") if isinstance(document, dict) else None
        return servers if isinstance(servers, dict) else None
    return None


def _routes(file: object) -> Mapping[str, Route] | None:
    try:
        found = load_routes(file.text) if isinstance(file, Source) else None
    except ContractError:
        return None
    return None if found is None else {r.server: r for r in found.routes}


def _bridge(path: Path) -> str:
    try:
        load_bridge(path.read_text("utf-8"))
    except FileNotFoundError:
        return "it is not there"
    except (OSError, UnicodeDecodeError) as error:
        return f"it cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
    except ContractError as error:
        return str(error)
    return ""


async def look_at_secrets(
    route: Route, project: str, state: Path, environ: Mapping[str, str]
) -> Secrets:
    """Put a route's secrets in, as a gateway with this environment would.  Raises nothing.

    A headersHelper is started, as the gateway does; a login's token is taken if it is still good,
    and is not renewed.
    """
    credentials = Credentials(state, environ)
    logins = Logins(credentials, environ)
    login = LoginState("none")
    try:
        with suppress(Missing):
            login = logins.state(route, project)
        resolved = await credentials.complete(route, project)
        if resolved.authorizes or login.state != "valid":
            where = address(resolved.url)
            failed = last_attempt(Store(state), where) if where else ""
            return Secrets(resolved, None, login, attempt=failed)
        headers = dict(await logins.headers(route, project))
        return Secrets(resolved.with_headers(headers), None, login, bearer=bool(headers))
    except Missing as missing:
        return Secrets(None, missing, login)
