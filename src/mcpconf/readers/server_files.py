"""Maps of servers: .mcp.json, managed-mcp.json, --mcp-config and the maps in ~/.claude.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mcpconf.expand import Variables
from mcpconf.findings import Finding
from mcpconf.json_text import Document, Fault, parse
from mcpconf.model import Json, Scope, Server, Skipped, javascript_order
from mcpconf.origin import Origin, Source
from mcpconf.readers.entries import a_kind, build, check, schema_problem, white_space
from mcpconf.readers.inputs import Plugin, Read, Unreadable
from mcpconf.readers.reading import Reading, parsed, report_twice

Definitions = tuple[Server | Skipped, ...]


class Entries:
    """Reads maps of servers; each entry becomes a Server or a Skipped."""

    def __init__(self, reading: Reading, variables: Variables) -> None:
        self._reading = reading
        self._variables = variables

    def of_file(self, file: Read, scope: Scope) -> Definitions:
        """Read a `.mcp.json` or managed-mcp.json."""
        client = self._reading.client
        if isinstance(file, Source) and not file.text.strip() and not client.blank_file_is_error:
            return ()
        document = parsed(file, self._reading, "MC001")
        if document is None:
            return ()
        report_twice(document, self._reading)
        origin = Origin(document.source)
        if not isinstance(document.value, dict):
            self._reading.add(
                "MC006",
                f"the file holds {a_kind(document.value)}, not an object",
                origin,
                'write `{"mcpServers": {}}`',
            )
            return ()
        if "mcpServers" not in document.value:
            self._reading.findings.append(_no_map(document.value, origin))
            return ()
        return self.of_map(document.value["mcpServers"], origin, scope, null_is_empty=False)

    def of_managed(self, file: Source | Unreadable) -> Definitions | None:
        """Read managed-mcp.json; None where it holds no map of servers, which is a finding."""
        document = parse(file) if isinstance(file, Source) else None
        value = document.value if isinstance(document, Document) else None
        servers = value.get("mcpServers") if isinstance(value, dict) else None
        trap = self._reading.client.prototype_names
        if isinstance(servers, dict) and not (trap and "constructor" in servers):
            return self.of_file(file, Scope.MANAGED)
        self._reading.add(
            "MC037",
            "managed-mcp.json holds no map of servers",
            Origin(Source(file.path)),
            "ask whoever manages this machine to mend it",
        )
        return None

    def of_plugin(self, plugin: Plugin, own: Mapping[str, str]) -> Definitions:
        """Read a plugin's servers: `plugin:NAME:KEY`; faulty ones are absent without a word."""
        variables = self._variables.beneath(own)
        found: list[Server | Skipped] = []
        for source, pointer in plugin.sources:
            document = parse(source)
            value = document.value if isinstance(document, Document) else None
            for step in pointer:
                value = value.get(step) if isinstance(value, dict) else None
            for key in javascript_order(value if isinstance(value, dict) else ()):
                assert isinstance(value, dict)
                raw = value[key]
                if isinstance(raw, dict) and not schema_problem(key, raw, self._reading.client):
                    name = f"plugin:{plugin.name}:{key}"
                    place = Skipped(name, Scope.PLUGIN, Origin(source, (*pointer, key)), "")
                    found.append(build((name, raw), place, variables))
        return tuple(found)

    def tell_unread(self, path: str) -> None:
        """Say that a file which looks like configuration is not read."""
        self._reading.add(
            "MC011",
            "~/.mcp.json is there, and Claude Code does not read it for this project",
            Origin(Source(path)),
            "move its servers into ~/.claude.json: claude mcp add-json --scope user NAME JSON",
            "or take them in here: --home-mcp-json",
        )

    def refuse(self, why: str, path: str) -> None:
        """Say that the client would not start with these options."""
        self._reading.add("MC038", why, Origin(Source(path)), "leave the option out")

    def of_option(self, file: Read) -> Definitions:
        """Read one --mcp-config; where it cannot be read the client does not start."""
        if isinstance(file, Unreadable):
            self._reading.add(
                "MC038",
                f"--mcp-config cannot be read: {file.why}",
                Origin(Source(file.path)),
                "correct the path",
            )
            return ()
        if isinstance(file, Source):
            document = parse(file)
            if isinstance(document, Fault):
                self._reading.add(
                    "MC038",
                    f"--mcp-config is not JSON: {document.message}",
                    Origin(file, line=document.line),
                    "write strict JSON",
                )
                return ()
        return self.of_file(file, Scope.DYNAMIC)

    def of_map(
        self, value: Json, origin: Origin, scope: Scope, *, null_is_empty: bool = True
    ) -> Definitions:
        """Read an object of servers; ``origin`` is the object that holds ``mcpServers``."""
        if value is None and null_is_empty:
            return ()
        at = origin.at("mcpServers")
        if not isinstance(value, dict):
            self._reading.add(
                "MC006",
                f"`mcpServers` is {a_kind(value)}, not an object of servers",
                at,
                'write `"mcpServers": {}`',
            )
            return ()
        if self._reading.client.prototype_names and "constructor" in value:
            self._reading.add(
                "MC006",
                "a server called `constructor` makes Claude Code 2.1.197 drop all beside it",
                at.at("constructor"),
                "rename it",
            )
            return ()
        names = javascript_order(value)
        if self._reading.client.prototype_names and "__proto__" in names:
            names.remove("__proto__")  # JavaScript sets the prototype and never sees a member
        return tuple(
            self._entry(name, value[name], Skipped(name, scope, at.at(name), "")) for name in names
        )

    def _entry(self, name: str, raw: Json, place: Skipped) -> Server | Skipped:
        problem = check(name, raw, self._reading.client)
        if problem:
            code = "MC003" if problem.reserved else "MC002"
            self._reading.findings.append(explain_problem(code, problem.message, raw, place))
            return place._replace(because=problem.message)
        assert isinstance(raw, dict)
        loose = white_space(raw) if self._reading.client.warns_white_space else ()
        if loose:
            self._reading.add(
                "MC009", f"white space around {', '.join(loose)}", place.origin, "remove it"
            )
        return build((name, raw), place, self._variables)


def _no_map(value: Mapping[str, Json], origin: Origin) -> Finding:
    if "servers" in value:
        text = "the file has `servers`, which is VS Code's key; Claude Code reads `mcpServers`"
        return Finding("MC006", text, origin.at("servers"), help=("rename the key",))
    help_ = ('write `{"mcpServers": {…}}` around the servers',)
    return Finding("MC006", "the file has no `mcpServers`", origin, help=help_)


def explain_problem(code: str, message: str, raw: Json, place: Skipped) -> Finding:
    """One finding for a dropped entry, with the way out that fits."""
    notes = ("Claude Code drops this entry and nothing else",)
    help_: tuple[str, ...] = ("correct the entry",)
    if code == "MC003":
        help_ = ("rename the server",)
    elif isinstance(raw, dict):
        help_ = tuple(_ways_out(raw)) or help_
    return Finding(code, message, place.origin, notes, help_)


def _ways_out(raw: Mapping[str, Json]) -> Iterator[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only when something is wrong

    known = ("type", "command", "args", "env", "url", "headers", "headersHelper", "oauth")
    for key in raw:
        if key not in known and key not in ("timeout", "alwaysLoad"):
            near = get_close_matches(key, known, 1, 0.6)
            if near and near[0] not in raw:
                yield f"did you mean `{near[0]}`?  it has {key!a}"
    kind = raw.get("type")
    if "url" in raw and "type" not in raw and "command" not in raw:
        yield 'add `"type": "http"` (or `"sse"`, `"ws"`)'
    elif isinstance(kind, str):
        plain = kind.strip().lower().replace("-", "").replace("_", "")
        meant = {"streamablehttp": "http", "websocket": "ws", "https": "http"}.get(plain, plain)
        if meant != kind and meant in ("stdio", "http", "sse", "ws"):
            yield f'write `"type": "{meant}"`'
