"""One mcpconf.toml as it stands: every key checked, nothing decided.

Unknown keys are errors, because a policy that is half understood is worse than none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.origin import Origin, Source
from mcpconf.readers.inputs import Read, Unreadable
from mcpconf.readers.listen import ListenAddress, read_listen
from mcpconf.readers.whitelist import Layer, Row, read_peers, read_rows

SECRETS = ("host", "container")
HTTP = ("bridge", "plain")
ROUTES = ("auto", "gateway", "direct", "off")
FIREWALL = ("default", "strict")
GRACES = range(10, 86_401)  # seconds


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
    grace: int | None = None
    stacks: tuple[str, ...] | None = None
    optional: bool | None = None
    commands: tuple[str, ...] = ()
    gateway: str = ""
    gateway_listen: tuple[ListenAddress, ...] = ()
    rows: tuple[Row, ...] = ()
    trust: tuple[Trust, ...] = ()
    servers: Mapping[str, ServerPolicy] = {}


def read_policy_file(file: Read, layer: Layer, findings: list[Finding], path: str) -> PolicyFile:
    if file is None:
        return PolicyFile(Origin(Source(path)))
    if isinstance(file, Unreadable):
        at = Origin(Source(file.path))
        text = f"mcpconf.toml cannot be read: {file.why}"
        findings.append(_broken(text, at, "put a readable file there, or remove it"))
        return PolicyFile(at)
    origin = Origin(Source(file.path, file.text, syntax="toml"))
    try:
        table = tomllib.loads(file.text.removeprefix("\ufeff"))
    except RecursionError:
        text = "mcpconf.toml is nested too deeply"
        findings.append(_broken(text, origin, "make it flatter: no key of it is nested"))
        return PolicyFile(origin)
    except ValueError as error:
        what, line = _fault(str(error))
        text = f"mcpconf.toml is not TOML: {what}"
        place = Origin(origin.source, line=line)
        findings.append(
            _broken(text, place, "correct the line; docs/configuration.md has examples")
        )
        return PolicyFile(origin)
    return _Reader(table, origin, layer, findings).file()


def _fault(message: str) -> tuple[str, int]:
    """Split tomllib's words: what is wrong, and in which line (the last, if it does not say)."""
    what, _, place = message.partition(" (at line ")
    number = place.partition(",")[0]
    return quote(what).strip("`").lower(), int(number) if number.isdigit() else 1


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
        firewall = self._firewall()
        return PolicyFile(
            origin=self._origin,
            secrets=self._choice(self._table, "secrets", SECRETS),
            http=self._choice(self._table, "http", HTTP),
            firewall=self._choice(firewall, "mode", FIREWALL),
            grace=self._grace(firewall),
            stacks=self._names("stacks"),
            optional=self._flag("optional"),
            commands=self._names("commands") or (),
            gateway=self._gateway(),
            gateway_listen=tuple(self._listen()),
            rows=tuple(
                row
                for read, key in ((read_rows, "allow"), (read_peers, "peer"))
                for row in read(self._table.get(key, []), self._origin, self._layer, self._findings)
            ),
            trust=tuple(self._trust()),
            servers=dict(self._servers()),
        )

    def _unknown(self, key: str, known: tuple[str, ...], at: Origin) -> None:
        from difflib import get_close_matches  # noqa: PLC0415  only when something is wrong

        near = get_close_matches(key, known, 1)
        help_ = (f"did you mean `{near[0]}`?",) if near else (f"known keys: {', '.join(known)}",)
        self._findings.append(_broken(f"mcpconf.toml has an unknown key {quote(key)}", at, *help_))

    def _wrong(self, key: str, expected: str, *steps: str) -> None:
        self._findings.append(
            _broken(
                f"`{key}` in mcpconf.toml is not {expected}",
                self._origin.at(*(steps or (key,))),
                f"correct `{key}`; docs/configuration.md has every key",
            )
        )

    def _choice(self, table: Mapping[str, object], key: str, choices: tuple[str, ...]) -> str:
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

    def _firewall(self) -> Mapping[str, object]:
        table = self._table.get("firewall", {})
        if not isinstance(table, dict):
            self._wrong("firewall", "a table (`[firewall]` with `mode` and `grace`)")
            return {}
        for key in table:
            if key not in ("mode", "grace"):
                self._unknown(key, ("mode", "grace"), self._origin.at("firewall"))
        return table

    def _grace(self, table: Mapping[str, object]) -> int | None:
        value = table.get("grace")
        if value is None or (type(value) is int and value in GRACES):
            return value
        seconds = f"{GRACES.start} to {GRACES.stop - 1}"
        self._wrong("grace", f"a number of seconds from {seconds}", "firewall", "grace")
        return None

    def _gateway(self) -> str:
        value = self._table.get("gateway", "")
        host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0  # noqa: PLR2004
        plain = all(c.isascii() and (c.isalnum() or c in ".-_[]:") for c in host)
        if value == "" or (plain and 0 < number < 65536):  # noqa: PLR2004
            return str(value)
        self._wrong("gateway", 'an address such as "host.docker.internal:8811"')
        return ""

    def _listen(self) -> Iterator[ListenAddress]:
        for text in self._names("gateway_listen") or ():
            found = read_listen(text)
            if found is None:
                self._wrong("gateway_listen", 'a list of addresses such as "172.17.0.1:8811"')
            elif found.everywhere:
                at = self._origin.at("gateway_listen")
                self._findings.append(Finding("MC087", _EVERYWHERE.format(quote(text)), at, *_WAY))
            else:
                yield found

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


_EVERYWHERE = "`gateway_listen` names {}, which is every network this machine is in"
_WAY = (
    ("the gateway does not start with it",),
    ("name the one address that the containers reach, such as that of their bridge",),
)
_KEYS = (
    "secrets",
    "http",
    "firewall",
    "stacks",
    "optional",
    "commands",
    "gateway",
    "gateway_listen",
    "allow",
    "peer",
    "trust",
    "servers",
)
