"""mcpconf.toml: what the user wants, and what a project asks for.

Two files: the user's own, and the project's, which came with a clone.  The project's can only
make things tighter: whatever it asks for beyond the user's becomes a finding and is not done.
Unknown keys are errors, because a policy that is half understood is worse than none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.origin import Origin, Source
from mcpconf.readers.whitelist import Layer, Row, read_rows
from mcpconf.readers.world import Read, Unreadable

SECRETS = ("host", "container")
HTTP = ("bridge", "plain")
ROUTES = ("auto", "gateway", "direct", "off")
FIREWALL = ("default", "strict")


class ServerPolicy(NamedTuple):
    """What is wanted for one server; "" means: not said."""

    route: str = ""
    secrets: str = ""


class Trust(NamedTuple):
    """The user lets one server of one project run on the host, as it was written then."""

    name: str
    project: str
    digest: str


class PolicyFile(NamedTuple):
    """One mcpconf.toml as it stands.  None and "" mean: not said."""

    origin: Origin
    secrets: str = ""
    http: str = ""
    firewall: str = ""
    stacks: tuple[str, ...] | None = None
    optional: bool | None = None
    commands: tuple[str, ...] = ()
    gateway: str = ""
    rows: tuple[Row, ...] = ()
    trust: tuple[Trust, ...] = ()
    servers: Mapping[str, ServerPolicy] = {}


class Policy(NamedTuple):
    """Both files together, decided."""

    secrets: str = "host"
    http: str = "bridge"
    firewall: str = "default"
    stacks: tuple[str, ...] | None = None  # the user's list; None: those that the project shows
    kept_stacks: tuple[str, ...] | None = None  # of these, the ones the project file keeps
    optional: bool = False
    commands: frozenset[str] = frozenset()
    gateway: str = ""
    rows: tuple[Row, ...] = ()
    trust: tuple[Trust, ...] = ()
    servers: Mapping[str, ServerPolicy] = {}

    def of(self, name: str) -> ServerPolicy:
        """What holds for one server: its own lines, else the general ones."""
        own = self.servers.get(name, ServerPolicy())
        return ServerPolicy(own.route or "auto", own.secrets or self.secrets)


def read_policy(
    user: Read, project: Read, key: str, user_path: str = "mcpconf.toml"
) -> tuple[Policy, list[Finding]]:
    """Read both files and decide.

    ``key`` is the project's path, for rows that hold only there; ``user_path`` is where the user's
    own file is, or would be.
    """
    findings: list[Finding] = []
    mine = _file(user, Layer.USER, findings, user_path)
    theirs = _file(project, Layer.PROJECT, findings, "mcpconf.toml")
    findings += _loosening(mine, theirs)
    return _decide(mine, theirs, key), findings


def _decide(mine: PolicyFile, theirs: PolicyFile, key: str) -> Policy:
    return Policy(
        secrets=_tighter(mine.secrets, theirs.secrets, SECRETS) or "host",
        http=mine.http or theirs.http or "bridge",
        firewall="strict" if "strict" in (mine.firewall, theirs.firewall) else "default",
        stacks=mine.stacks,
        kept_stacks=theirs.stacks,
        optional=bool(mine.optional) and theirs.optional is not False,
        commands=frozenset((*mine.commands, *theirs.commands)),
        gateway=mine.gateway,
        rows=(*(r for r in mine.rows if not r.condition or key in r.condition), *theirs.rows),
        trust=tuple(t for t in mine.trust if t.project in ("", key)),
        servers={
            name: _server(mine.servers.get(name), theirs.servers.get(name))
            for name in (*mine.servers, *theirs.servers)
        },
    )


def _tighter(mine: str, theirs: str, order: tuple[str, ...]) -> str:
    """The user's choice, or the project's where that is stricter (earlier in ``order``)."""
    if theirs and (not mine or order.index(theirs) < order.index(mine)):
        return theirs if theirs == order[0] else mine
    return mine


def _server(mine: ServerPolicy | None, theirs: ServerPolicy | None) -> ServerPolicy:
    mine, theirs = mine or ServerPolicy(), theirs or ServerPolicy()
    route = mine.route
    if theirs.route == "off" or (not route and theirs.route == "gateway"):
        route = theirs.route
    return ServerPolicy(route, _tighter(mine.secrets, theirs.secrets, SECRETS))


def _loosening(mine: PolicyFile, theirs: PolicyFile) -> Iterator[Finding]:
    """What the project asks for and does not get (rows are judged by ``plan``, host by host)."""

    def refuse(what: str, *steps: str) -> Finding:
        return Finding(
            "MC082",
            f"the project's mcpconf.toml cannot {what}",
            theirs.origin.at(*steps),
            ("it came with the project, so it can only make things tighter",),
            (f"if you want that, write it into your own {mine.origin.source.path}",),
        )

    if theirs.secrets == "container" and mine.secrets != "container":
        yield refuse("let secrets into the container", "secrets")
    if theirs.optional and not mine.optional:
        yield refuse("open the optional hosts of Claude Code", "optional")
    if theirs.gateway:
        yield refuse("choose the gateway's address", "gateway")
    for trust in theirs.trust:
        yield refuse(f"trust {quote(trust.name)} to run on the host", "trust")
    for name, policy in theirs.servers.items():
        own = mine.servers.get(name, ServerPolicy())
        if policy.secrets == "container" and own.secrets != "container":
            yield refuse(f"let secrets of {quote(name)} into the container", "servers", name)
        if policy.route == "direct" and own.route != "direct":
            yield refuse(f"take {quote(name)} off the gateway", "servers", name)


# --- one file ---------------------------------------------------------------------------------


def _file(file: Read, layer: Layer, findings: list[Finding], path: str) -> PolicyFile:
    if file is None:
        return PolicyFile(Origin(Source(path)))
    if isinstance(file, Unreadable):
        at = Origin(Source(file.path))
        findings.append(_broken(f"mcpconf.toml cannot be read: {file.why}", at))
        return PolicyFile(at)
    origin = Origin(Source(file.path, file.text, syntax="toml"))
    try:
        table = tomllib.loads(file.text.removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        findings.append(_broken(f"mcpconf.toml is not TOML: {_first_line(error)}", origin))
        return PolicyFile(origin)
    reader = _Reader(table, origin, layer, findings)
    return reader.file()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["it is nested too deeply"])[0][:200].lower()


def _broken(message: str, at: Origin, *help_: str) -> Finding:
    return Finding(
        "MC080", message, at, ("nothing is written: the container keeps what it has",), help_
    )


class _Reader:
    """Reads the keys of one file, each with its check."""

    def __init__(
        self, table: Mapping[str, object], origin: Origin, layer: Layer, findings: list[Finding]
    ) -> None:
        self._table = table
        self._origin = origin
        self._layer = layer
        self._findings = findings

    def file(self) -> PolicyFile:
        for key in self._table:
            if key not in _KEYS:
                self._unknown(key, _KEYS, self._origin.at(key))
        firewall = self._table.get("firewall", {})
        return PolicyFile(
            origin=self._origin,
            secrets=self._choice(self._table, "secrets", SECRETS),
            http=self._choice(self._table, "http", HTTP),
            firewall=self._choice(firewall, "mode", FIREWALL) if firewall else "",
            stacks=self._names("stacks"),
            optional=self._flag("optional"),
            commands=self._names("commands") or (),
            gateway=self._text("gateway"),
            rows=tuple(
                read_rows(self._table.get("allow", []), self._origin, self._layer, self._findings)
            ),
            trust=tuple(self._trust()),
            servers=dict(self._servers()),
        )

    def _unknown(self, key: str, known: tuple[str, ...], at: Origin) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  only when something is wrong

        near = get_close_matches(key, known, 1)
        help_ = (f"did you mean `{near[0]}`?",) if near else (f"known keys: {', '.join(known)}",)
        self._findings.append(_broken(f"mcpconf.toml has an unknown key {quote(key)}", at, *help_))

    def _wrong(self, key: str, expected: str) -> None:
        self._findings.append(
            _broken(f"`{key}` in mcpconf.toml is not {expected}", self._origin.at(key))
        )

    def _choice(self, table: object, key: str, choices: tuple[str, ...]) -> str:
        if not isinstance(table, dict):
            self._wrong(key, "in a table")
            return ""
        value = table.get(key, "")
        if value in ("", *choices):
            return str(value)
        self._wrong(key, " or ".join(f'"{c}"' for c in choices))
        return ""

    def _names(self, key: str) -> tuple[str, ...] | None:
        value = self._table.get(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        self._wrong(key, "a list of names")
        return None

    def _flag(self, key: str) -> bool | None:
        value = self._table.get(key)
        if value is None or isinstance(value, bool):
            return value
        self._wrong(key, "true or false")
        return None

    def _text(self, key: str) -> str:
        value = self._table.get(key, "")
        if isinstance(value, str):
            return value
        self._wrong(key, "a text")
        return ""

    def _trust(self) -> Iterator[Trust]:
        rows = self._table.get("trust", [])
        if not isinstance(rows, list):
            self._wrong("trust", "a list of tables (`[[trust]]`)")
            return
        for row in rows:
            words = [row.get(k) for k in ("name", "project", "digest")] if _is_table(row) else []
            if all(isinstance(w, str) for w in words) and words:
                yield Trust(*map(str, words))
            else:
                self._wrong("trust", "a table with `name`, `project` and `digest`")

    def _servers(self) -> Iterator[tuple[str, ServerPolicy]]:
        tables = self._table.get("servers", {})
        if not isinstance(tables, dict):
            self._wrong("servers", "a table of tables (`[servers.NAME]`)")
            return
        for name, table in tables.items():
            if not isinstance(table, dict):
                self._wrong("servers", "a table of tables (`[servers.NAME]`)")
                continue
            for key in table:
                if key not in ("route", "secrets"):
                    self._unknown(key, ("route", "secrets"), self._origin.at("servers", name, key))
            yield (
                name,
                ServerPolicy(
                    self._choice(table, "route", ROUTES), self._choice(table, "secrets", SECRETS)
                ),
            )


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


_KEYS = (
    "secrets",
    "http",
    "firewall",
    "stacks",
    "optional",
    "commands",
    "gateway",
    "allow",
    "trust",
    "servers",
)
