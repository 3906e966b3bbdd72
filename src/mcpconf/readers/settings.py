"""settings.json files: what they approve, reject, allow, deny and set (facts 15-27).

A syntax error, or a wrong type in a key that the client knows, drops the whole file in silence;
this module does the same and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.findings import Finding
from mcpconf.json_text import Document
from mcpconf.model import Json
from mcpconf.origin import Origin
from mcpconf.readers.settings_schema import wrong_key

_LISTS = ("enabledMcpjsonServers", "disabledMcpjsonServers")


class Settings(NamedTuple):
    """What one settings file says about MCP servers.

    ``allowed`` is None where there is no allow list: an empty list allows nothing.
    ``approves_all`` is None where it is not said.
    """

    origin: Origin
    approved: tuple[str, ...] = ()
    approves_all: bool | None = None
    rejected: tuple[str, ...] = ()
    allowed: tuple[PolicyEntry, ...] | None = None
    denied: tuple[PolicyEntry, ...] = ()
    managed_only: bool = False
    env: Mapping[str, str] = {}
    plugins: Mapping[str, bool] = {}

    def __repr__(self) -> str:
        return f"Settings({self.origin.source.path!r})"  # `env` holds secrets


class PolicyEntry(NamedTuple):
    """One element of allowedMcpServers or deniedMcpServers: exactly one of the three is given."""

    origin: Origin
    name: str | None = None
    command: tuple[str, ...] | None = None
    url: str | None = None


def parse_settings(
    document: Document, client: Client, *, managed: bool = False
) -> Settings | Finding:
    """Read one settings file; a :class:`Finding` where the client ignores the file.

    In a managed file a wrong type drops only its key, and a policy key of a wrong type is taken
    in the strictest sense (measured).
    """
    origin = Origin(document.source)
    value = document.value
    if not isinstance(value, dict):
        if managed:
            text = "a managed settings file is not a JSON object"
            help_ = ("ask whoever manages this machine to mend it",)
            return Finding("MC037", text, origin, help=help_)
        return _ignored(origin, "it is not a JSON object")
    if managed:
        value = _strictest(value, client)
    wrong = wrong_key(value, client)
    if wrong:
        pointer, expected = wrong
        return _ignored(origin.at(*pointer), f"`{'.'.join(map(str, pointer))}` is not {expected}")
    value = _lenient(value, client)
    allowed = value.get("allowedMcpServers")
    return Settings(
        origin=origin,
        approved=_names(value.get("enabledMcpjsonServers")),
        approves_all=_flag(value.get("enableAllProjectMcpServers")),
        rejected=_names(value.get("disabledMcpjsonServers")),
        allowed=_policy(allowed, origin.at("allowedMcpServers"), _is_allowable)
        if isinstance(allowed, list)
        else None,
        denied=_policy(value.get("deniedMcpServers"), origin.at("deniedMcpServers"), _is_deniable),
        managed_only=value.get("allowManagedMcpServersOnly") is True,
        env=_env(value.get("env")),
        plugins=_switches(value.get("enabledPlugins")),
    )


def _strictest(value: dict[str, Json], client: Client) -> dict[str, Json]:
    if "allowedMcpServers" in value and not isinstance(value["allowedMcpServers"], list):
        value = {**value, "allowedMcpServers": []}
    if not isinstance(value.get("allowManagedMcpServersOnly", False), bool):
        value = {**value, "allowManagedMcpServersOnly": True}
    return {k: v for k, v in value.items() if wrong_key({k: v}, client) is None}


def _ignored(origin: Origin, why: str) -> Finding:
    return Finding(
        "MC035",
        f"the settings file is ignored as a whole: {why}",
        origin,
        notes=("Claude Code drops it in silence, so its approvals and rejections do not count",),
        help=("correct the value; the rest of the file counts again at once",),
    )


def _lenient(value: dict[str, Json], client: Client) -> dict[str, Json]:
    """2.1.328 takes a bare string in the lists of project servers as that name (fact 27)."""
    if not client.lenient_rejections:
        return value
    named: dict[str, Json] = {k: [v] for k in _LISTS if isinstance(v := value.get(k), str) and v}
    return {**value, **named}


def _names(value: Json) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _flag(value: Json) -> bool | None:
    return value if isinstance(value, bool) else None


def _env(value: Json) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {k: javascript_text(v) for k, v in value.items()}


def javascript_text(value: Json) -> str:
    """A JSON value as JavaScript's ``String()`` writes it (measured: settings `env`)."""
    if isinstance(value, list):
        return ",".join("" if v is None else javascript_text(v) for v in value)
    if isinstance(value, dict):
        return "[object Object]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    plain = {None: "null", True: "true", False: "false"}
    return plain[value] if value is None or isinstance(value, bool) else str(value)


def _switches(value: Json) -> dict[str, bool]:
    if not isinstance(value, dict):
        return {}
    return {k: v is True for k, v in value.items()}


def _policy(value: Json, origin: Origin, is_name: Callable[[str], bool]) -> tuple[PolicyEntry, ...]:
    if not isinstance(value, list):
        return ()
    entries = (_policy_entry(item, origin.at(i)) for i, item in enumerate(value))
    return tuple(e for e in entries if e and (e.name is None or is_name(e.name)))


def _is_deniable(name: str) -> bool:
    return bool(name) and name == name.strip()


def _is_allowable(name: str) -> bool:
    return bool(name) and all(c.isascii() and (c.isalnum() or c in "_-") for c in name)


def _policy_entry(item: Json, origin: Origin) -> PolicyEntry | None:
    """Read one element; a bad one drops only itself (fact 27)."""
    if not isinstance(item, dict):
        return None
    given = [k for k in ("serverName", "serverCommand", "serverUrl") if k in item]
    if len(given) != 1:
        return None
    key = given[0]
    value = item[key]
    if key == "serverCommand" and isinstance(value, list) and value:
        words = [v for v in value if isinstance(v, str)]
        return PolicyEntry(origin, command=tuple(words)) if len(words) == len(value) else None
    if not isinstance(value, str):
        return None
    if key == "serverName":
        return PolicyEntry(origin, name=value)
    return PolicyEntry(origin, url=value) if key == "serverUrl" else None
