"""The rows that are recorded: an entry, the fault that is injected by it, and the fault's code."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.parity.loopback import closed_port

from .servers import deaf, faulty, other_protocol, over_tls

SOURCE = str(Path(__file__).parents[2] / "src")
GOOD = {"Authorization": "Bearer good"}
BAD = {"Authorization": "Bearer bad"}
STATUSES = {
    "MC268": (404,),
    "MC269": (400, 402, 405, 406, 410, 415),
    "MC270": (429,),
    "MC271": (500, 502, 503, 504),
}
SILENT = "import sys; sys.stdin.read()"
GARBAGE = "import sys; print('hello', flush=True); [print('no', flush=True) for _ in sys.stdin]"
EXITS = "import sys; sys.exit('no licence found')"


@dataclass(frozen=True)
class Row:
    """One fault: the code of its cause, and the entry of the client's that meets it."""

    code: str
    entry: Mapping[str, Any]


@dataclass
class Group:
    """Rows that one world holds, and what else is in it."""

    rows: dict[str, Row]
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    disabled: tuple[str, ...] = ()
    wait: bool = True


def http(url: str, **more: Any) -> dict[str, Any]:
    """A remote entry."""
    return {"type": "http", "url": url, **more}


def python(code: str) -> dict[str, Any]:
    """A local entry that runs Python text."""
    return {"command": sys.executable, "args": ["-c", code]}


def groups(held: contextlib.ExitStack, root: Path) -> dict[str, Group]:
    """Start the servers and return what to ask about."""
    modes = ("none", "oauth", "mode-empty", "mode-html", "mode-500", "refuses", "unregistered")
    away = held.enter_context(faulty("none")).base
    at = {mode: held.enter_context(faulty(mode, away)).base for mode in modes}
    return {
        "quick": quick(at, held, root),
        "slow": slow(at, held),
        "proxy": Group(
            {"proxy": Row("MC248", http(f"{at['none']}/json/proxy"))},
            {"HTTP_PROXY": closed_port(), "http_proxy": "", "NO_PROXY": "", "no_proxy": ""},
        ),
        "starved": Group(
            {f"silent{n}": Row("MC210", python(SILENT)) for n in range(3)}
            | {
                "starved": Row("MC296", {"command": "{PY}", "args": ["{PROBE}", "--tag", "user:x"]})
            },
            wait=False,
        ),
    }


def quick(at: Mapping[str, str], held: contextlib.ExitStack, root: Path) -> Group:
    """The faults that show at once."""
    rows = {
        **network(at, held, root),
        **refusals(at),
        **answers(at),
        **local(root),
        **remembered(at),
    }
    now = {"$now_ms": -1000}
    names = {"cached": {"timestamp": now}}
    tokenless = {"serverName": "tokenless", "serverUrl": f"{at['none']}/json/tokenless"}
    found = {"authorizationServerUrl": at["oauth"], "oauthMetadataFound": True}
    found["tokenlessRejectedAt"] = now  # 2.1.328 wants it, 2.1.197 does not know it
    tokenless |= {"accessToken": "", "discoveryState": found}
    expired = {"serverName": "expired", "serverUrl": f"{at['oauth']}/login/expired"}
    expired |= {"accessToken": "old", "refreshToken": "old", "clientId": "client"}
    expired |= {"expiresAt": {"$now_ms": -9999999}, "scope": ""}
    keys = {
        f"$oauthkey(tokenless,http,{at['none']}/json/tokenless)": tokenless,
        f"$oauthkey(expired,http,{at['oauth']}/login/expired)": expired,
        "orphaned|0123456789abcdef": {
            **expired,
            "accessToken": "good",
            "expiresAt": {"$now_ms": 99999999},
        },
    }
    files = {
        "{HOME}/.claude/mcp-needs-auth-cache.json": names,
        "{HOME}/.claude/.credentials.json": {"mcpOAuth": keys},
        "{PROJ}/.mcp.json": {"mcpServers": {"unapproved": http(f"{at['none']}/json/unapproved")}},
    }
    return Group(rows, {"NODE_EXTRA_CA_CERTS": str(root / "cas.pem")}, files, ("disabled",))


def network(at: Mapping[str, str], held: contextlib.ExitStack, root: Path) -> dict[str, Row]:
    """Down to TLS."""
    tls = {
        fault: held.enter_context(over_tls(root, fault))
        for fault in ("self-signed", "wrong-name", "expired-certificate", "not-yet")
    }
    trusted = [root / f"{fault}.pem" for fault in tls if fault != "self-signed"]
    (root / "cas.pem").write_text("".join(p.read_text() for p in trusted))
    plain = at["none"]
    return {
        "healthy": Row("", http(f"{plain}/json/healthy")),
        "refused": Row("MC245", http(f"{closed_port()}/json/refused")),
        "no-name": Row("MC240", http("http://no-such-host.invalid/mcp")),
        "no-route": Row("MC247", http("http://[2001:db8::1]:8080/mcp")),
        "self-signed": Row("MC250", http(f"{tls['self-signed']}/json/self-signed")),
        "wrong-name": Row("MC251", http(f"{tls['wrong-name']}/json/wrong-name")),
        "old-certificate": Row("MC252", http(f"{tls['expired-certificate']}/json/old")),
        "tls-to-plain": Row("MC253", http(f"{plain.replace('http:', 'https:')}/json/x")),
        "plain-to-tls": Row(
            "MC254", http(f"{tls['self-signed'].replace('https:', 'http:')}/json/x")
        ),
        "not-yet": Row("MC252", http(f"{tls['not-yet']}/json/x")),
        "not-http": Row("MC277", http(f"{held.enter_context(other_protocol())}/mcp")),
        "cut": Row("MC249", http(f"{plain}/cut/cut")),
    }


def refusals(at: Mapping[str, str]) -> dict[str, Row]:
    """401 and 403."""
    plain, oauth = at["none"], at["oauth"]
    key = {"X-Api-Key": "bad"}
    return {
        "401": Row("MC260", http(f"{plain}/login/x")),
        "401-empty": Row("MC260", http(f"{at['mode-empty']}/login/x")),
        "401-html": Row("MC260", http(f"{at['mode-html']}/login/x")),
        "401-500": Row("MC260", http(f"{at['mode-500']}/login/x")),
        "401-bearer": Row("MC262", http(f"{plain}/login/x", headers=BAD)),
        "401-key": Row("MC263", http(f"{plain}/login/x", headers=key)),
        "401-key-oauth": Row("MC263", http(f"{oauth}/login/x", headers=key)),
        "401-variable": Row(
            "MC021", http(f"{plain}/login/x", headers={"Authorization": "Bearer ${NOT_SET}"})
        ),
        "401-nothing": Row("MC297", http(f"{oauth}/login/x", headers={"Authorization": ""})),
        "login": Row("MC223", http(f"{oauth}/login/login")),
        "unregistered": Row("MC266", http(f"{at['unregistered']}/login/x")),
        "refuses": Row("MC267", http(f"{at['refuses']}/login/x")),
        "away": Row("MC274", http(f"{plain}/go307away/away", headers=GOOD)),
        "403": Row("MC264", http(f"{plain}/403/x")),
        "403-bearer": Row("MC264", http(f"{plain}/403/x", headers=BAD)),
        "scope": Row("MC225", http(f"{oauth}/scope/x")),
        "scope-bearer": Row("MC225", http(f"{oauth}/scope/x", headers=GOOD)),
        "helper": Row("MC222", http(f"{oauth}/login/x", headersHelper="exit 1")),
        "403-oauth": Row("MC264", http(f"{oauth}/403/x")),
        "tools-401": Row("MC284", http(f"{plain}/tools401/x")),
        "tools-401-bearer": Row("MC284", http(f"{plain}/tools401/x", headers=BAD)),
        "tools-401-oauth": Row("MC284", http(f"{oauth}/tools401/x")),
        "expired": Row("MC224", http(f"{oauth}/login/expired")),
        "orphaned": Row("MC293", http(f"{oauth}/login/orphaned")),
    }


def answers(at: Mapping[str, str]) -> dict[str, Row]:
    """What comes back is wrong."""
    plain = at["none"]
    found = {
        str(status): Row(code, http(f"{plain}/{status}/x"))
        for code, several in STATUSES.items()
        for status in several
    }
    found |= {word: Row("MC273", http(f"{plain}/{word}/x")) for word in ("go301", "go302", "go303")}
    return found | {
        "page": Row("MC272", http(f"{plain}/html/x")),
        "to-page": Row("MC272", http(f"{plain}/go302page/x")),
        "loop": Row("MC275", http(f"{plain}/go307loop/x")),
        "text": Row("MC277", http(f"{plain}/text/x")),
        "not-rpc": Row("MC277", http(f"{plain}/not-rpc/x")),
        "empty": Row("MC276", http(f"{plain}/empty/x")),
        "204": Row("MC276", http(f"{plain}/204/x")),
        "page-as-old": Row("MC272", {"type": "sse", "url": f"{plain}/html/x"}),
        "new-as-old": Row("MC279", {"type": "sse", "url": f"{plain}/json/x"}),
        "old-as-new": Row("MC280", http(f"{plain}/sse/x")),
        "future": Row("MC281", http(f"{plain}/future/x")),
        "rpc-error": Row("MC282", http(f"{plain}/rpc-error/x")),
        "tools-error": Row("MC283", http(f"{plain}/tools-error/x")),
    }


def local(root: Path) -> dict[str, Row]:
    """Programs, the bridge among them."""
    plain = root / "not-executable"
    plain.write_text("#!/bin/sh\n")
    config = {"version": 1, "url": "http://127.0.0.1:9", "token": "t" * 43}
    (root / "bridge.json").write_text(str(config).replace("'", '"'))
    return {
        "missing": Row("MC207", {"command": "no-such-program-here"}),
        "forbidden": Row("MC208", {"command": str(plain)}),
        "exits": Row("MC209", python(EXITS)),
        "garbage": Row("MC211", python(GARBAGE)),
        "no-gateway": Row("MC215", bridge(root / "bridge.json")),
        "no-config": Row("MC205", bridge(root / "nothing.json")),
    }


def bridge(config: Path) -> dict[str, Any]:
    """The entry of a container: the bridge."""
    args = ["-m", "mcpconf.bridge", "x", "--config", str(config), "--cache", ""]
    return {"command": sys.executable, "args": args, "env": {"PYTHONPATH": SOURCE}}


def remembered(at: Mapping[str, str]) -> dict[str, Row]:
    """What the client believes of servers that are well, and those that it does not start."""
    return {
        "cached": Row("MC290", http(f"{at['none']}/json/cached")),
        "tokenless": Row("MC291", http(f"{at['none']}/json/tokenless")),
        "unapproved": Row("MC031", {}),
        "disabled": Row("MC033", http(f"{at['none']}/json/disabled")),
    }


def slow(at: Mapping[str, str], held: contextlib.ExitStack) -> Group:
    """The faults that take time; the client waits four seconds."""
    rows = {
        "hangs": Row("MC278", http(f"{at['none']}/hang/x")),
        "slow": Row("MC285", http(f"{at['none']}/slow2.5/x")),
        "too-slow": Row("MC286", http(f"{at['none']}/slow8/x")),
        "dropped": Row("MC246", http(f"{held.enter_context(deaf())}/mcp")),
        "silent": Row("MC210", python(SILENT)),
    }
    return Group(rows, {"MCP_TIMEOUT": "4000"}, wait=False)
