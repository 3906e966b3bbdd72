"""One entry of ``mcpServers``: is it a server, and if not, why (facts 28-32, 40).

The client drops an entry that breaks its schema, and only that entry.  Messages use the client's
own words, so that a user who has seen one of them finds it again here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import isinf
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.expand import Variables, expand
from mcpconf.model import Json, Opaque, Remote, Server, Skipped, Stdio, Text, normalised
from mcpconf.secret import tainted

_RESERVED = frozenset({"workspace", "claude-in-chrome", "computer-use", "Claude_Preview"})
_RESERVED_LATER = _RESERVED | {"Claude_Browser"}
# What JavaScript's trim() takes off; Python's strip() takes others.
_BLANKS = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_REMOTE_TYPES = {"http": "http", "streamable-http": "http", "sse": "sse", "ws": "ws"}
_LARGEST_INTEGER = 2**53 - 1  # JavaScript's Number.MAX_SAFE_INTEGER
_HOST_TYPES = {
    "sdk": 'declares type "sdk", which only an SDK host application can register',
    "claudeai-proxy": 'declares type "claudeai-proxy", which only claude.ai connectors use',
}


class Problem(NamedTuple):
    """Why an entry is dropped, in the client's words; ``reserved`` when it is only the name."""

    message: str
    reserved: bool = False


def kind_of(value: Json) -> str:
    """Name a JSON value as the client's schema does."""
    if value is None:
        return "null"
    names = {bool: "boolean", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


def a_kind(value: Json) -> str:
    """Name a JSON value in a sentence: ``a string``, ``an array``, ``null``."""
    kind = kind_of(value)
    return kind if kind == "null" else f"an {kind}" if kind in ("array", "object") else f"a {kind}"


def check(name: str, raw: Json, client: Client) -> Problem | None:
    """Check one entry against the client's schema, then its name."""
    problem = schema_problem(name, raw, client)
    if problem:
        return Problem(problem)
    if is_reserved(name, client):
        return Problem(f'"{name}" is a reserved MCP server name and was not loaded', reserved=True)
    return None


def is_reserved(name: str, client: Client) -> bool:
    """Tell whether the client keeps the name for a server of its own (fact 32)."""
    normal = normalised(name)
    if not client.reserves_more:
        return normal in _RESERVED
    return normal.rstrip("_") in _RESERVED_LATER or name == "__proto__"


def build(entry: tuple[str, dict[str, Json]], like: Skipped, variables: Variables) -> Server:
    """Turn a checked entry into a server; ``like`` gives its scope and origin."""
    name, raw = entry
    options = {key: value for key, value in raw.items() if key in ("timeout", "alwaysLoad")}
    return Server(
        name=name,
        scope=like.scope,
        origin=like.origin,
        transport=_transport(raw, variables),
        raw=Opaque(raw),
        options=options,
    )


def _transport(raw: Mapping[str, Json], variables: Variables) -> Stdio | Remote:
    headers = _texts(raw.get("headers"), variables, passes=2)
    env = _texts(raw.get("env"), variables)
    hidden = tainted(headers, env)

    def text(value: Json) -> Text:
        return expand(str(value), variables, hidden=hidden)

    kind = raw.get("type", "stdio")
    if kind == "stdio":
        args = raw.get("args")
        listed = args if isinstance(args, list) else []
        return Stdio(text(raw["command"]), tuple(map(text, listed)), env)
    helper = raw.get("headersHelper")
    return Remote(
        type=_REMOTE_TYPES.get(str(kind), str(kind)),
        url=text(raw.get("url", "")),
        headers=headers,
        headers_helper=Text(helper) if isinstance(helper, str) else None,
        oauth="oauth" in raw,
    )


def _texts(value: Json, variables: Variables, passes: int = 1) -> dict[str, Text]:
    table = value if isinstance(value, dict) else {}
    return {k: expand(v, variables, passes=passes) for k, v in table.items() if isinstance(v, str)}


def white_space(raw: Mapping[str, Json]) -> tuple[str, ...]:
    """Name the values with white space around them, as the newer client warns (fact 37)."""
    return tuple(_white_space(raw))


def _white_space(raw: Mapping[str, Json]) -> Iterator[str]:
    args = raw.get("args")
    if _loose(raw.get("command")):
        yield "command"
    yield from (
        f"args[{i}]" for i, v in enumerate(args if isinstance(args, list) else ()) if _loose(v)
    )
    yield from _loose_in_table(raw, "env", "env")
    if _loose(raw.get("url")):
        yield "url"
    yield from _loose_in_table(raw, "headers", "header")


def _loose_in_table(raw: Mapping[str, Json], key: str, title: str) -> Iterator[str]:
    table = raw.get(key)
    for name, value in (table if isinstance(table, dict) else {}).items():
        if _loose(value):
            yield f"{key}.{name}"
        if _loose(name):
            yield f'{title} name "{name}"'


def _loose(value: Json) -> bool:
    return isinstance(value, str) and value != value.strip(_BLANKS)


# --- the schema -------------------------------------------------------------------------------


def schema_problem(name: str, raw: Json, client: Client) -> str:
    """Say what is wrong with an entry in the client's words; "" if nothing is."""
    prefix = f'invalid MCP server config for "{name}": '
    if not isinstance(raw, dict):
        return f"{prefix}(root): expected object, received {kind_of(raw)}"
    kind = raw.get("type", "stdio")
    if not isinstance(kind, str):
        missing = "" if "command" in raw else "; command: expected string, received undefined"
        return f'{prefix}type: expected "stdio"{missing}'
    if kind in _HOST_TYPES and not client.host_types:
        return f'MCP server "{name}" {_HOST_TYPES[kind]}'
    if kind not in _FIELDS:
        return f'unknown MCP server type "{kind}" for server "{name}"'
    if _url_without_type(raw) and client.url_needs_type:
        return (
            f'MCP server "{name}" has a "url" but no "type"; '
            'add "type": "http" (or "sse" / "ws") to this entry'
        )
    problems = list(_problems(raw, _FIELDS[kind]))
    if client.prototype_names:
        problems += _prototype_problems(raw, _FIELDS[kind])
    return prefix + "; ".join(problems) if problems else ""


def _prototype_problems(raw: Mapping[str, Json], fields: Iterable[str]) -> Iterator[str]:
    """In 2.1.197 a key `constructor` makes JavaScript take the object for something else."""
    for field in ("env", "headers"):
        table = raw.get(field)
        if field in fields and isinstance(table, dict) and "constructor" in table:
            yield f"{field}: expected record, received object"


def _url_without_type(raw: Mapping[str, Json]) -> bool:
    return "type" not in raw and "command" not in raw and "url" in raw


Check = Callable[[str, Json], Iterator[str]]


def _problems(raw: Mapping[str, Json], fields: Mapping[str, tuple[Check, bool]]) -> Iterator[str]:
    for field, (checker, required) in fields.items():
        if field in raw:
            yield from checker(field, raw[field])
        elif required:
            yield f"{field}: expected string, received undefined"


def _string(path: str, value: Json) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: expected string, received {kind_of(value)}"


def _command(path: str, value: Json) -> Iterator[str]:
    yield from _string(path, value)
    if value == "":
        yield f"{path}: Command cannot be empty"


def _strings(path: str, value: Json) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: expected array, received {kind_of(value)}"
        return
    for i, item in enumerate(value):
        yield from _string(f"{path}.{i}", item)


def _record(path: str, value: Json) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected record, received {kind_of(value)}"
        return
    for key, item in value.items():
        if key != "__proto__":  # JavaScript sets the prototype and never sees a member
            yield from _string(f"{path}.{key}", item)


def _boolean(path: str, value: Json) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{path}: expected boolean, received {kind_of(value)}"


def _positive(path: str, value: Json) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{path}: expected number, received {kind_of(value)}"
    elif value <= 0:
        yield f"{path}: Too small: expected number to be >0"


def _timeout(path: str, value: Json) -> Iterator[str]:
    if isinstance(value, float) and isinf(value):
        yield f"{path}: expected number, received Infinity"
    elif isinstance(value, float) and not value.is_integer():
        yield f"{path}: expected int, received number"
    elif isinstance(value, int | float) and value > _LARGEST_INTEGER:
        yield f"{path}: Too big: expected int to be <={_LARGEST_INTEGER}"
    else:
        yield from _positive(path, value)


def _oauth(path: str, value: Json) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: expected object, received {kind_of(value)}"
        return
    for field, checker in _OAUTH.items():
        if field in value:
            yield from checker(f"{path}.{field}", value[field])


def _https(path: str, value: Json) -> Iterator[str]:
    yield from _string(path, value)
    if isinstance(value, str) and not value.startswith("https://"):
        yield f"{path}: authServerMetadataUrl must use https://"


_OAUTH: Mapping[str, Check] = {
    "clientId": _string,
    "callbackPort": _positive,
    "authServerMetadataUrl": _https,
    "scopes": _string,
}
_COMMON: Mapping[str, tuple[Check, bool]] = {
    "timeout": (_timeout, False),
    "alwaysLoad": (_boolean, False),
}
_HTTP: Mapping[str, tuple[Check, bool]] = {
    "url": (_string, True),
    "headers": (_record, False),
    "headersHelper": (_string, False),
}
_FIELDS: Mapping[str, Mapping[str, tuple[Check, bool]]] = {
    "stdio": {
        "command": (_command, True),
        "args": (_strings, False),
        "env": (_record, False),
        **_COMMON,
    },
    "http": {**_HTTP, "oauth": (_oauth, False), **_COMMON},
    "streamable-http": {**_HTTP, "oauth": (_oauth, False), **_COMMON},
    "sse": {**_HTTP, "oauth": (_oauth, False), **_COMMON},
    "ws": {**_HTTP, **_COMMON},
    "sdk": {"name": (_string, True)},
    "claudeai-proxy": {"url": (_string, True), "id": (_string, True)},
}
