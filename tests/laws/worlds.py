"""Configurations in memory, compiled without a disk; and strategies for what stands in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.compiler import Compilation, compile_project
from mcpconf.origin import Source
from mcpconf.readers.around import Surroundings
from mcpconf.readers.inputs import Configuration, Request
from mcpconf.readers.places import find_places
from mcpconf.readers.surroundings import look_around
from mcpconf.readers.target import find_target
from mcpconf.readers.world import read_configuration
from mcpconf.survey import Survey, survey

HOME, PROJECT = "/nowhere/home", "/nowhere/project"

NAMES = st.sampled_from(["db", "docs", "a.b", "a_b", "Plain Name", "12", "x/../y"])
ANY_NAME = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(exclude_categories=()), max_size=60),
    st.sampled_from(
        ['x" -j ACCEPT\n-A OUTPUT', "\x1b[2J", "../../etc/passwd", "", " ", "-", "--", "a" * 10_000,
         "\u202egnp", "$(id)", "`id`", "con", "CON", "a-00000000", "a-0000000000000000", "server", "\ud800", "x\x00y"]
    ),
)  # fmt: skip
HOSTS = st.sampled_from(["a.example.com", "b.example.com", "localhost:99", "10.0.0.1", "c.example"])
HTTP = st.builds(
    lambda kind, host, path, headers: {
        "type": kind,
        "url": f"https://{host}/{path}",
        **({"headers": headers} if headers else {}),
    },
    st.sampled_from(["http", "sse", "ws", "streamable-http"]),
    HOSTS,
    st.sampled_from(["mcp", "", "v1?key=${K}", "mcp?x=1"]),
    st.dictionaries(
        st.sampled_from(["Authorization", "X-Key"]), st.just("Bearer ${K}"), max_size=2
    ),
)
STDIO = st.builds(
    lambda command, args, env: {"command": command, "args": args, "env": env},
    st.sampled_from(["npx", "docker", "/usr/local/bin/x", "./tools/mcp", "uvx"]),
    st.lists(
        st.sampled_from(["-y", "pkg", "--api-key", "${K}", "https://d.example.com"]), max_size=4
    ),
    st.dictionaries(st.sampled_from(["API_KEY", "LOG_LEVEL"]), st.sampled_from(["${K}", "debug"])),
)
ENTRIES = st.one_of(HTTP, STDIO, st.sampled_from([{}, {"url": "https://x.example"}, 5, "x", None]))
VALID = st.one_of(HTTP, STDIO)


def servers(entries: st.SearchStrategy[Any] = ENTRIES) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(NAMES, entries, max_size=4)


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "enableAllProjectMcpServers": st.booleans(),
        "enabledMcpjsonServers": st.lists(NAMES, max_size=3),
        "disabledMcpjsonServers": st.lists(NAMES, max_size=2),
        "deniedMcpServers": st.lists(st.builds(lambda n: {"serverName": n}, NAMES), max_size=2),
    },
)


def configuration(
    files: Mapping[str, Any], environ: Mapping[str, str] | None = None, client: str = NEWEST
) -> Configuration:
    """``files`` maps user, project, local, dynamic, settings, managed to what stands there."""
    state = {"mcpServers": files.get("local", {}), "disabledMcpServers": files.get("disabled", [])}
    document = {"mcpServers": files.get("user", {}), "projects": {PROJECT: state}}
    project, managed = files.get("project"), files.get("managed")
    empty = _nothing_there()
    request = empty.request._replace(environ=environ or {"K": "hunter2"}, client=CLIENTS[client])
    return empty._replace(
        request=request,
        global_file=_source(f"{HOME}/.claude.json", document),
        project_files=()
        if project is None
        else (_source(f"{PROJECT}/.mcp.json", {"mcpServers": project}),),
        user_settings=_source(f"{HOME}/.claude/settings.json", files.get("settings", {})),
        managed_servers=None
        if managed is None
        else _source("/etc/claude-code/managed-mcp.json", {"mcpServers": managed}),
        dynamic=tuple(
            _source("<command line>", {"mcpServers": d}) for d in files.get("dynamic", ())
        ),
    )


@cache
def _nothing_there() -> Configuration:
    return read_configuration(
        Request(Path(HOME), Path(PROJECT), {}, CLIENTS[NEWEST], managed=Path("/nowhere"))
    )


def _source(path: str, value: Any) -> Source:
    return Source(path, json.dumps(value))


def surveyed(files: Mapping[str, Any], **more: Any) -> Survey:
    return survey(configuration(files, **more))


@cache
def around() -> Surroundings:
    """What is read beside the configuration: it is the same for all examples."""
    return look_around(configuration({}), find_places(Path(HOME)))


def compiled(files: Mapping[str, Any], policy: Source | None = None, **more: Any) -> Compilation:
    """``policy`` is the user's mcpconf.toml."""
    target = find_target(PROJECT, PROJECT, find_places(Path(HOME)))
    return compile_project(surveyed(files, **more), around()._replace(user_policy=policy), target)


def artifacts(files: Mapping[str, Any], **more: Any) -> dict[str, str]:
    return {a.name: a.text for a in compiled(files, **more).artifacts}
