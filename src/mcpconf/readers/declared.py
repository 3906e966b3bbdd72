"""Everything that the configuration declares, parsed: servers by scope, settings, policy.

From here on nothing is text any more.  What is broken became a finding and is left out, as the
client leaves it out (facts 3, 19, 27, 33, 34).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.expand import Variables
from mcpconf.findings import Finding
from mcpconf.model import Scope, Server, Skipped
from mcpconf.origin import Origin
from mcpconf.readers.global_file import (
    disabled,
    global_env,
    project_state,
    read_global,
    report_connectors,
)
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.reading import Reading
from mcpconf.readers.server_files import Definitions, Entries
from mcpconf.readers.settings import Settings
from mcpconf.readers.settings_group import Group


class Declared(NamedTuple):
    """What the files say, before anything is decided.

    ``projects`` has one element a ``.mcp.json``, outermost first.  ``managed`` is None unless
    managed-mcp.json shuts out everything else.  ``approvers`` are the settings whose approvals
    count; all settings reject, allow and deny.
    """

    client: Client
    users: Definitions
    projects: tuple[Definitions, ...]
    locals: Definitions
    dynamic: tuple[Definitions, ...]
    plugins: Definitions
    managed: Definitions | None
    approvers: tuple[Settings, ...]
    settings: tuple[Settings, ...]
    managed_settings: tuple[Settings, ...]
    disabled: Mapping[str, Origin]
    variables: Variables
    findings: tuple[Finding, ...] = ()


def declare(configuration: Configuration) -> Declared:
    """Parse the configuration's texts.  Pure: the same texts give the same value."""
    request = configuration.request
    session = request.session
    reading = Reading(request.client)
    home = read_global(configuration.global_file, reading)
    state = project_state(home, configuration.key)
    report_connectors(home, reading)
    settings = Group(configuration, reading, home)
    variables = Variables(
        (request.environ, None),
        (global_env(home.value.get("env"), request.client), home.origin.at("env")),
        *((s.env, s.origin.at("env")) for s in settings.expanding()),
    )
    entries = Entries(reading, variables)
    use = frozenset() if session.bare or session.strict else session.sources
    return Declared(
        client=request.client,
        users=_home_mcp_json(configuration, entries)
        + entries.of_map(home.value.get("mcpServers"), home.origin, Scope.USER)
        if "user" in use
        else (),
        projects=tuple(entries.of_file(f, Scope.PROJECT) for f in configuration.project_files)
        if "project" in use
        else (),
        locals=entries.of_map(state.value.get("mcpServers"), state.origin, Scope.LOCAL)
        if "local" in use
        else (),
        dynamic=tuple(entries.of_option(f) for f in configuration.dynamic),
        plugins=() if session.bare or session.strict else _plugins(configuration, entries),
        managed=_managed(configuration, entries),
        approvers=settings.approvers(),
        settings=settings.all(),
        managed_settings=settings.managed,
        disabled=disabled(state),
        variables=variables,
        findings=tuple(reading.findings),
    )


def _home_mcp_json(configuration: Configuration, entries: Entries) -> Definitions:
    """Take ~/.mcp.json in as user servers, or say that Claude Code does not read it (fact 5)."""
    file = configuration.home_file
    if file is None or configuration.request.home_mcp_json:
        return entries.of_file(file, Scope.USER)
    entries.tell_unread(file.path)
    return ()


def _plugins(configuration: Configuration, entries: Entries) -> Definitions:
    """Read the servers of plugins; their texts see where the plugin and the project are."""
    found: list[Server | Skipped] = []
    for plugin in configuration.plugins:
        own = {"CLAUDE_PLUGIN_ROOT": plugin.root, "CLAUDE_PROJECT_DIR": configuration.cwd}
        found += entries.of_plugin(plugin, own)
    return tuple(found)


def _managed(configuration: Configuration, entries: Entries) -> Definitions | None:
    """Read managed-mcp.json; None where it does not shut out the rest (fact 23)."""
    file = configuration.managed_servers
    if file is None:
        return None
    session = configuration.request.session
    if session.bare:
        return ()
    servers = entries.of_managed(file)
    if servers is None:
        return () if configuration.request.client.managed_broken_is_exclusive else None
    if session.mcp_config or session.strict:
        option = "--mcp-config" if session.mcp_config else "--strict-mcp-config"
        entries.refuse(f"{option} is refused: managed-mcp.json is exclusive", file.path)
    return servers
