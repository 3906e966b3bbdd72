"""Everything that the configuration declares, parsed: servers by scope, settings, policy.

From here on nothing is text any more.  What is broken became a finding and is left out, as the
client leaves it out (facts 3, 19, 27, 33, 34).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from mcpconf.findings import Finding
from mcpconf.model import Client, Json, Scope, Server, Skipped, javascript_order
from mcpconf.origin import Origin, Source
from mcpconf.readers.entries import build, check, kind_of, white_space
from mcpconf.readers.expand import Variables
from mcpconf.readers.json_text import DEEPEST, Document, Fault, parse, parse_spine
from mcpconf.readers.settings import Settings, javascript_text, parse_settings
from mcpconf.readers.world import Configuration, Read, Unreadable

Definitions = tuple[Server | Skipped, ...]


@dataclass(frozen=True)
class Declared:
    """What the files say, before anything is decided.

    ``projects`` has one element a ``.mcp.json``, outermost first.  ``managed`` is None unless
    managed-mcp.json shuts out everything else.  ``approvers`` are the settings whose approvals
    count; all settings reject, allow and deny.
    """

    users: Definitions
    projects: tuple[Definitions, ...]
    locals: Definitions
    dynamic: tuple[Definitions, ...]
    managed: Definitions | None
    approvers: tuple[Settings, ...]
    settings: tuple[Settings, ...]
    managed_settings: tuple[Settings, ...]
    disabled: Mapping[str, Origin]
    variables: Variables
    findings: tuple[Finding, ...] = ()


@dataclass
class _Reading:
    """The one place with state: findings collect while files are parsed."""

    client: Client
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: str, message: str, origin: Origin | None, *help: str) -> None:  # noqa: A002
        self.findings.append(Finding(code, message, origin, help=help))


def declare(configuration: Configuration) -> Declared:
    """Parse the configuration's texts.  Pure: the same texts give the same value."""
    request = configuration.request
    session = request.session
    reading = _Reading(request.client)
    home = _global(configuration.global_file, reading)
    state = _project_state(home, configuration.key)
    settings = _Group(configuration, reading, state)
    variables = Variables(
        (request.environ, None),
        (_global_env(home.value.get("env"), request.client), home.origin.at("env")),
        *((s.env, s.origin.at("env")) for s in settings.expanding()),
    )
    entries = _Entries(reading, variables)
    use = frozenset() if session.bare or session.strict else session.sources
    return Declared(
        users=entries.of_map(home.value.get("mcpServers"), home.origin, Scope.USER)
        + (entries.of_file(configuration.home_file, Scope.USER) if request.home_mcp_json else ())
        if "user" in use
        else (),
        projects=tuple(
            entries.of_file(f, Scope.PROJECT) for f in configuration.project_files
        )
        if "project" in use
        else (),
        locals=entries.of_map(state.value.get("mcpServers"), state.origin, Scope.LOCAL)
        if "local" in use
        else (),
        dynamic=tuple(entries.of_option(f) for f in configuration.dynamic),
        managed=_managed(configuration, entries),
        approvers=settings.approvers(),
        settings=settings.all(),
        managed_settings=settings.managed,
        disabled=_disabled(state),
        variables=variables,
        findings=tuple(reading.findings),
    )


# --- ~/.claude.json ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """An object of a document and where it stands."""

    value: Mapping[str, Json] = field(repr=False)
    origin: Origin


def _global(file: Read, reading: _Reading) -> _Table:
    nothing = _Table({}, Origin(Source("~/.claude.json")))
    if file is None:
        return nothing
    if isinstance(file, Unreadable):
        reading.add(
            "MC010", f"Claude Code's configuration cannot be read: {file.why}",
            Origin(Source(file.path)), "mend the file; nothing is written until it can be read",
        )
        return nothing
    if not file.text.strip() and not reading.client.blank_file_is_error:
        return nothing
    document = parse_spine(file, ("mcpServers", "projects"))
    if isinstance(document, Fault):
        reading.add(
            "MC010",
            f"Claude Code's configuration is not JSON: {document.message} "
            f"(line {document.line}, column {document.column})",
            Origin(file, line=document.line),
            "mend the file, or restore a copy from its `backups` folder",
            "do not start claude 2.1.197 meanwhile: it replaces the file by an empty one",
        )
        return nothing
    _report_twice(document, reading)
    value = document.value if isinstance(document.value, dict) else {}
    return _Table(value, Origin(file))


def _project_state(home: _Table, key: str) -> _Table:
    origin = home.origin.at("projects", key)
    projects = home.value.get("projects")
    state = projects.get(key) if isinstance(projects, dict) else None
    return _Table(state if isinstance(state, dict) else {}, origin)


def _disabled(state: _Table) -> dict[str, Origin]:
    names = state.value.get("disabledMcpServers")
    if not isinstance(names, list):
        return {}
    origin = state.origin.at("disabledMcpServers")
    return {n: origin.at(i) for i, n in enumerate(names) if isinstance(n, str)}


def _global_env(value: Json, client: Client) -> dict[str, str]:
    """The variables of ~/.claude.json: texts, numbers and booleans, as texts (fact 42)."""
    table = value if isinstance(value, dict) else {}
    return {
        k: javascript_text(v)
        for k, v in table.items()
        if client.global_env_any_value or isinstance(v, str | int | float)
    }


# --- settings ---------------------------------------------------------------------------------


class _Group:
    """The settings files, each with what its place lets it decide (facts 15-19, 42)."""

    def __init__(self, configuration: Configuration, reading: _Reading, state: _Table) -> None:
        sources = configuration.request.session.sources
        self._configuration = configuration
        self._trusted = state.value.get("hasTrustDialogAccepted") is True

        def load(*files: Read) -> tuple[Settings, ...]:
            return tuple(filter(None, (_settings(f, reading) for f in files)))

        managed = (_settings(f, reading, managed=True) for f in configuration.managed_settings)
        self.managed = tuple(filter(None, managed))
        self._user = load(configuration.user_settings) if "user" in sources else ()
        self._flag = load(configuration.flag_settings)
        self._project = load(configuration.project_settings) if "project" in sources else ()
        self._local = self._with_migrated(state, load) if "local" in sources else ()

    def _with_migrated(
        self, state: _Table, load: Callable[..., tuple[Settings, ...]]
    ) -> tuple[Settings, ...]:
        """Local settings with what the client moves there; a broken file takes nothing in."""
        own_path = f"{self._configuration.cwd.rstrip('/')}/.claude/settings.local.json"
        files = self._configuration.local_settings
        own = tuple(f for f in files if f.path == own_path)
        others = load(*(f for f in files if f.path != own_path))
        loaded = load(*own)
        is_blank = all(isinstance(f, Source) and not f.text.strip() for f in own)
        if own and not loaded and not is_blank:
            return others
        migrated = _migrate(loaded, state)
        return others if migrated is None else (*migrated, *others)

    def all(self) -> tuple[Settings, ...]:
        return (*self._user, *self._project, *self._local, *self._flag, *self.managed)

    def expanding(self) -> tuple[Settings, ...]:
        """Whose ``env`` takes part in expansion, the strongest last."""
        return (*self._user, *self._flag, *self.managed)

    def approvers(self) -> tuple[Settings, ...]:
        """Whose approvals count."""
        approvers = (*self._user, *self._flag, *self.managed)
        if self._trusted:
            approvers += self._project
        if self._trusted or self._local_counts():
            approvers += self._local
        return approvers

    def _local_counts(self) -> bool:
        configuration = self._configuration
        request = configuration.request
        if request.client.home_local_approves:
            return configuration.cwd == str(request.home.resolve())
        return configuration.in_repository and not configuration.local_settings_tracked


def _settings(file: Read, reading: _Reading, *, managed: bool = False) -> Settings | None:
    if isinstance(file, Source) and not file.text.strip():
        return None  # a blank settings file is an empty one
    document = _document(file, reading, "MC037" if managed else "MC035")
    if document is None:
        return None
    _report_twice(document, reading)
    settings = parse_settings(document, reading.client, managed=managed)
    if isinstance(settings, Finding):
        reading.findings.append(settings)
        return None
    return settings


def _migrate(local: tuple[Settings, ...], state: _Table) -> tuple[Settings, ...] | None:
    """Apply the client's start-up migration in memory; nothing is written (fact 19).

    Approvals in ``projects[key]`` move to the launch directory's settings.local.json.  A list with
    something else than names in it makes that file invalid: then it counts no more (None).
    """
    lists = {k: state.value.get(k) for k in ("enabledMcpjsonServers", "disabledMcpjsonServers")}
    moved = {k: v for k, v in lists.items() if isinstance(v, list) and v}
    if any(not isinstance(name, str) for names in moved.values() for name in names):
        return None
    all_given = bool(local) and local[0].approves_all is not None
    approves_all = state.value.get("enableAllProjectMcpServers") is True and not all_given
    if not moved and not approves_all:
        return local
    approved, rejected = (tuple(map(str, moved.get(k, ()))) for k in lists)
    return (*local, Settings(state.origin, approved, approves_all or None, rejected))


# --- files of servers -------------------------------------------------------------------------


class _Entries:
    """Reads maps of servers; each entry becomes a Server or a Skipped."""

    def __init__(self, reading: _Reading, variables: Variables) -> None:
        self._reading = reading
        self._variables = variables

    def of_file(self, file: Read, scope: Scope) -> Definitions:
        """Read a `.mcp.json` or managed-mcp.json."""
        client = self._reading.client
        if isinstance(file, Source) and not file.text.strip() and not client.blank_file_is_error:
            return ()
        document = _document(file, self._reading, "MC001")
        if document is None:
            return ()
        _report_twice(document, self._reading)
        origin = Origin(document.source)
        if not isinstance(document.value, dict):
            self._reading.add(
                "MC006", f"the file holds {_a(document.value)}, not an object", origin,
                'write `{"mcpServers": {}}`',
            )
            return ()
        if "mcpServers" not in document.value:
            self._reading.add("MC006", *_no_map(document.value, origin))
            return ()
        return self.of_map(document.value["mcpServers"], origin, scope, null_is_empty=False)

    def of_option(self, file: Read) -> Definitions:
        """Read one --mcp-config; where it cannot be read the client does not start."""
        if isinstance(file, Unreadable):
            self._reading.add(
                "MC038", f"--mcp-config cannot be read: {file.why}", Origin(Source(file.path)),
                "correct the path",
            )
            return ()
        if isinstance(file, Source):
            document = parse(file)
            if isinstance(document, Fault):
                self._reading.add(
                    "MC038", f"--mcp-config is not JSON: {document.message}",
                    Origin(file, line=document.line), "write strict JSON",
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
                "MC006", f"`mcpServers` is {_a(value)}, not an object of servers", at,
                'write `"mcpServers": {}`',
            )
            return ()
        if self._reading.client.prototype_names and "constructor" in value:
            self._reading.add(
                "MC006",
                "a server called `constructor` makes Claude Code 2.1.197 drop all servers beside it",
                at.at("constructor"),
                "rename it",
            )
            return ()
        return tuple(
            self._entry(name, value[name], Skipped(name, scope, at.at(name), ""))
            for name in javascript_order(value)
        )

    def _entry(self, name: str, raw: Json, place: Skipped) -> Server | Skipped:
        problem = check(name, raw, self._reading.client)
        if problem:
            code = "MC003" if problem.reserved else "MC002"
            self._reading.findings.append(_explain_problem(code, problem.message, raw, place))
            return place._replace(because=problem.message)
        assert isinstance(raw, dict)
        loose = white_space(raw) if self._reading.client.warns_white_space else ()
        if loose:
            self._reading.add(
                "MC009", f"white space around {', '.join(loose)}", place.origin, "remove it"
            )
        return build((name, raw), place, self._variables)


def _managed(configuration: Configuration, entries: _Entries) -> Definitions | None:
    """Read managed-mcp.json; None where it does not shut out the rest (fact 23)."""
    file = configuration.managed_servers
    if file is None:
        return None
    document = parse(file) if isinstance(file, Source) else None
    if isinstance(document, Document):
        return entries.of_file(file, Scope.MANAGED)
    entries._reading.add(  # noqa: SLF001
        "MC037", "managed-mcp.json cannot be parsed",
        Origin(Source(file.path)), "ask whoever manages this machine to mend it",
    )
    return () if configuration.request.client.managed_broken_is_exclusive else None


def _document(file: Read, reading: _Reading, code: str) -> Document | None:
    if file is None:
        return None
    if isinstance(file, Unreadable):
        reading.add(
            "MC007", f"the file cannot be read: {file.why}", Origin(Source(file.path)),
            "put a readable file there, or remove it",
        )
        return None
    document = parse(file)
    if isinstance(document, Document):
        return document
    reading.add(
        code,
        f"the file is not JSON: {document.message} (line {document.line}, "
        f"column {document.column})",
        Origin(file, line=document.line),
        "write strict JSON: no comments, no trailing commas, UTF-8",
    )
    return None


def _no_map(value: Mapping[str, Json], origin: Origin) -> Iterator[str | Origin]:
    if "servers" in value:
        yield "the file has `servers`, which is VS Code's key; Claude Code reads `mcpServers`"
        yield origin.at("servers")
        yield "rename the key to `mcpServers`"
    else:
        yield "the file has no `mcpServers`"
        yield origin
        yield 'write `{"mcpServers": {…}}` around the servers'


def _report_twice(document: Document, reading: _Reading) -> None:
    for key in document.twice:
        reading.add(
            "MC005", f"a key is given twice, the last one counts: {key!a}",
            Origin(document.source), "delete one of them",
        )
    if document.cut_at:
        reading.add(
            "MC012",
            f"values nested deeper than {DEEPEST} levels are not looked at",
            Origin(document.source, line=document.cut_at),
            "make it flatter: nothing that Claude Code reads there is nested",
        )


def _explain_problem(code: str, message: str, raw: Json, place: Skipped) -> Finding:
    """One finding for a dropped entry, with the way out that fits."""
    notes: tuple[str, ...] = ("Claude Code drops this entry and nothing else",)
    help_ = ("correct the entry",)
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


def _a(value: Json) -> str:
    kind = kind_of(value)
    return kind if kind == "null" else f"an {kind}" if kind in ("array", "object") else f"a {kind}"
