"""A route with its secrets put in, as the client would put them (facts 12, 13, 38-43).

Every text of a route stands inside its entry, and the entry's digest is compared before anything
of it is used: what changed since the last sync, by whomever, is ``stale-route`` and reaches
nothing.  Variables are not part of the digest, so a rotated secret needs no sync; their files must
be writable for the user alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mcpconf.contract import Ref, Route
from mcpconf.credentials.documents import Documents, Stamp, parse_pointer
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.resolved import Resolved
from mcpconf.expand import Variables, expand
from mcpconf.model import Json, Opaque

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BLANK = " \t\r\n"
_THE_TRANSPORTS = frozenset(  # who writes these decides where a request ends, or whom it is for
    "connection content-length expect host keep-alive te trailer transfer-encoding upgrade".split()
)
_LATIN_1 = 0xFF
_OURS = ("MCPCONF_GATEWAY_TOKEN",)  # no server's business
_ALLOWED = ("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER")  # what the MCP SDKs pass on


class _Known(NamedTuple):
    route: Route
    stamps: tuple[Stamp, ...]
    resolved: Resolved


class Routes:
    """Resolves routes; what has not changed is not computed twice."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._documents = Documents()
        self._known: dict[tuple[str, str], _Known] = {}

    def __repr__(self) -> str:
        return f"Routes({len(self._known)} resolved)"

    def resolve(self, route: Route, project: str) -> Resolved:
        """Return what the route comes to now; ``project`` is its project's directory."""
        key = (project, route.server)
        if route.url is None and route.url_ref is None:
            return self._process(route, project)
        known = self._known.get(key)
        stamps = self._stamps(route)
        if known and known.stamps == stamps and known.route == route:
            return known.resolved
        resolved = self._remote(route, project)
        self._known[key] = _Known(route, stamps, resolved)
        return resolved

    def entry(self, route: Route) -> dict[str, Json]:
        """Return the entry as it is written, if it still is what was compiled.

        Raises:
            Missing: ``stale-route``.

        """
        value = self._documents.value(route.entry.file, route.entry.pointer)
        if Opaque(value).digest() != route.digest or not isinstance(value, dict):
            text = f"its entry in `{route.entry.file}` has changed; look at it, run `mcpconf sync`"
            raise Missing("stale-route", text)
        return value

    def text(self, route: Route, ref: Ref, project: str) -> str:
        """Return one text of a route, expanded.

        Raises:
            Missing: ``stale-route``, or ``secret-missing`` for a variable that is not set.

        """
        written = self.written(route, ref)
        variables = self._variables(ref, route, project)
        if ref.after:
            variables = variables.beneath(self._wrapper_environment(route, project))
        text = expand(written, variables, passes=ref.passes)
        if text.missing:
            raise _unset(text.missing[0])
        value = text.reveal().lstrip(_BLANK)
        if not value.startswith(ref.after):
            raise Missing("stale-route", "an argument of its entry reads differently now")
        return value.removeprefix(ref.after)

    def environment(self, project: str) -> dict[str, str]:
        """Return what a process of a server inherits (facts 13, 42).

        The settings of a project take no part: they came with a clone, and this is the host.
        """
        whole = self._environ.get("CLAUDE_CODE_MCP_ALLOWLIST_ENV") != "1"
        inherited = {
            name: value
            for name, value in self._environ.items()
            if name not in _OURS and (whole or name in _ALLOWED)
        }
        own = {"CLAUDE_PROJECT_DIR": project} if project else {}
        return inherited | self._user_variables() | own

    def _user_variables(self) -> dict[str, str]:
        """``env`` of ~/.claude.json and of the user's settings, which beat the shell (fact 42)."""
        home = self._environ.get("HOME", "")
        config = self._environ.get("CLAUDE_CONFIG_DIR", "")
        found: dict[str, str] = {}
        files = (
            os.path.join(config or home, ".claude.json"),
            os.path.join(config or os.path.join(home, ".claude"), "settings.json"),
        )
        for file in files if home or config else ():
            try:
                value = self._documents.private(file, "/env")
            except Missing as missing:
                if missing.code != "stale-route":
                    raise
                continue  # there is none, or it is one that the client drops as well
            if isinstance(value, dict):
                found |= {name: _javascript_text(v) for name, v in value.items()}
        return found

    def _remote(self, route: Route, project: str) -> Resolved:
        self.entry(route)
        url = self.text(route, route.url_ref, project) if route.url_ref else route.url or ""
        texts = {name: self.text(route, ref, project) for name, ref in route.headers.items()}
        headers = tuple((name, _header(name, text)) for name, text in texts.items())
        return Resolved(url=url.strip(), headers=headers)

    def _process(self, route: Route, project: str) -> Resolved:
        entry = self.entry(route)
        variables = self._variables(route.entry, route, project)
        unset: list[str] = []

        def text(value: Json) -> str:
            expanded = expand(str(value), variables)
            unset.extend(expanded.missing)
            return expanded.reveal()

        args, env = entry.get("args"), entry.get("env")
        own = {k: text(v) for k, v in env.items()} if isinstance(env, dict) else {}
        return Resolved(
            command=text(entry.get("command", "")),
            args=tuple(map(text, args if isinstance(args, list) else ())),
            env=self.environment(project) | own,
            unset=tuple(dict.fromkeys(unset)),
        )

    def _wrapper_environment(self, route: Route, project: str) -> dict[str, str]:
        """The entry's own ``env``: mcp-remote expands what the client has left in its arguments."""
        env = self.entry(route).get("env")
        variables = self._variables(route.entry, route, project)
        own = env if isinstance(env, dict) else {}
        return {name: expand(str(value), variables).reveal() for name, value in own.items()}

    def written(self, route: Route, ref: Ref) -> str:
        """Return one text of a route as it is written (a headersHelper is not expanded, fact 40).

        Raises:
            Missing: ``stale-route``.

        """
        inside = parse_pointer(route.entry.pointer)
        steps = parse_pointer(ref.pointer)
        if ref.file != route.entry.file or steps[: len(inside)] != inside:
            raise Missing("stale-route", "routes.json points outside the entry; run `mcpconf sync`")
        value = self._documents.value(ref.file, ref.pointer)
        if not isinstance(value, str):
            raise Missing("stale-route", f"`{ref.pointer}` is no text; run `mcpconf sync`")
        return value

    def _variables(self, ref: Ref, route: Route, project: str) -> Variables:
        """The process environment, and above it what the settings files set (fact 42)."""
        named = {name: place for name, place in ref.variables.items() if place}
        values = {name: self._variable(name, *place) for name, place in named.items()}
        own = _of_plugin(route, project)
        users = self._user_variables() if ref == route.entry else {}  # else the ref names them
        layers = (own, self._environ, users, values)
        return Variables(*((layer, None) for layer in layers))

    def _variable(self, name: str, file: str, pointer: str) -> str:
        try:
            return _javascript_text(self._documents.private(file, pointer))
        except Missing as missing:
            if missing.code != "stale-route":
                raise
            raise Missing(
                "secret-missing",
                f"the variable `{name}` is no longer set in `{file}`; set it there again, or run "
                "`mcpconf sync` to look for it elsewhere",
            ) from None

    def _stamps(self, route: Route) -> tuple[Stamp, ...]:
        return tuple(self._documents.stamp(file) for file in sorted(set(_files(route))))


def _of_plugin(route: Route, project: str) -> dict[str, str]:
    """The variables that only servers of plugins see (facts 43, 66)."""
    if not route.name.startswith("plugin:"):
        return {}
    root = folder = os.path.dirname(route.entry.file)
    while folder != os.path.dirname(folder):
        if os.path.isdir(os.path.join(folder, ".claude-plugin")):
            root = folder
            break
        folder = os.path.dirname(folder)
    return {"CLAUDE_PLUGIN_ROOT": root, "CLAUDE_PROJECT_DIR": project}


def _files(route: Route) -> Iterator[str]:
    refs = (route.entry, route.url_ref, route.headers_helper, *route.headers.values())
    for ref in refs:
        if ref is not None:
            yield ref.file
            yield from (place[0] for place in ref.variables.values() if place)


def _header(name: str, value: str) -> str:
    """Return a header's value as HTTP sends it; nobody gets to write a second header."""
    value = value.strip(_BLANK)
    if name.lower() in _THE_TRANSPORTS:
        text = f"the header `{name}` is the transport's own; take it out of the entry"
        raise Missing("secret-missing", text)
    if not is_header(name, value):
        raise Missing("secret-missing", f"the header `{name}` holds characters that HTTP forbids")
    return value


def is_header(name: str, value: str) -> bool:
    """Tell whether HTTP allows the name and the value (RFC 9110 §5), and to us."""
    if name.lower() in _THE_TRANSPORTS:
        return False
    fine = all(ord(c) <= _LATIN_1 and (c >= " " or c == "\t") and c != "\x7f" for c in value)
    return bool(name) and _TOKEN.issuperset(name) and fine


def _unset(name: str) -> Missing:
    return Missing(
        "secret-missing",
        f"the variable `{name}` is not set where the gateway runs; set it in your settings' `env`, "
        "or run `mcpconf gateway stop` and `mcpconf gateway start` in a shell that has it",
    )


def _javascript_text(value: Json) -> str:
    """A scalar as JavaScript's ``String()`` writes it, as in settings' ``env``."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) if isinstance(value, int | float) else "[object Object]"
