"""MCP servers that plugins bring along (facts 66, 67; measured).

A plugin counts where the merged settings enable it (``"name@marketplace": true``, the later source
wins) and a known marketplace lists it, or where ``--plugin-dir`` names its folder.  Its servers are
called ``plugin:NAME:KEY``, need no approval, and see ``${CLAUDE_PLUGIN_ROOT}``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from mcpconf.clients import Client
from mcpconf.json_text import Document, parse
from mcpconf.model import Json
from mcpconf.origin import Source
from mcpconf.readers.inputs import Configuration, Plugin, Read
from mcpconf.readers.settings import Settings, parse_settings
from mcpconf.readers.world import config_directory, read

_LIMIT = 2_097_152  # bytes


def with_plugins(configuration: Configuration) -> Configuration:
    """Add the plugins that load to what was read; which ones, the settings say."""
    request = configuration.request
    theirs = (configuration.project_settings, *configuration.local_settings)
    strong = (configuration.flag_settings, *configuration.managed_settings)
    enabled = _enabled((configuration.user_settings, *theirs, *strong), request.client)
    directories = request.session.plugin_dirs
    if not directories and not any(enabled.values()):
        return configuration
    own = _enabled((configuration.user_settings, *strong), request.client)
    only_theirs = {k.rpartition("@")[0] for k, on in enabled.items() if on and not own.get(k)}
    found = read_plugins(config_directory(request), enabled, directories)
    return configuration._replace(plugins=found, project_plugins=frozenset(only_theirs))


def _enabled(files: tuple[Read, ...], client: Client) -> dict[str, bool]:
    """What the settings switch on and off, the later file over the earlier."""
    enabled: dict[str, bool] = {}
    for file in files:
        if isinstance(file, Source) and "enabledPlugins" in file.text:
            document = parse(file)
            settings = isinstance(document, Document) and parse_settings(document, client)
            if isinstance(settings, Settings):
                enabled.update(settings.plugins)
    return enabled


def read_plugins(
    config: str, enabled: Mapping[str, bool], directories: tuple[str, ...]
) -> tuple[Plugin, ...]:
    """Read the plugins that load: those of ``--plugin-dir``, then the enabled ones."""
    plugins = [_plugin(os.path.abspath(d), "") for d in directories]
    if any(enabled.values()):
        marketplaces = _object(read(os.path.join(config, "plugins", "known_marketplaces.json")))
        for key, on in enabled.items():
            name, _, marketplace = key.rpartition("@")
            folder = _folder(name, marketplaces.get(marketplace)) if on and name else ""
            if folder:
                plugins.append(_plugin(folder, name))
    return tuple(plugins)


def _folder(name: str, marketplace: Json) -> str:
    """Where a marketplace keeps a plugin; "" if it does not list it."""
    place = marketplace.get("installLocation") if isinstance(marketplace, dict) else None
    if not isinstance(place, str):
        return ""
    listing = _object(read(os.path.join(place, ".claude-plugin", "marketplace.json")))
    plugins = listing.get("plugins")
    for entry in plugins if isinstance(plugins, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            source = entry.get("source")
            if isinstance(source, str) and source.startswith("./") and ".." not in source:
                return os.path.join(place, source)
    return ""


def _plugin(root: str, name: str) -> Plugin:
    manifest_file = read(os.path.join(root, ".claude-plugin", "plugin.json"), _LIMIT)
    manifest = _object(manifest_file)
    declared = manifest.get("name")
    sources = list(_own_file(root))
    if isinstance(manifest_file, Source):
        sources += _of_manifest(root, manifest_file, manifest.get("mcpServers"))
    shown = name or (declared if isinstance(declared, str) else os.path.basename(root))
    return Plugin(shown, root, tuple(sources))


def _own_file(root: str) -> Iterator[tuple[Source, tuple[str, ...]]]:
    yield from _file(os.path.join(root, ".mcp.json"))


def _of_manifest(
    root: str, manifest: Source, servers: Json
) -> Iterator[tuple[Source, tuple[str, ...]]]:
    for item in servers if isinstance(servers, list) else [servers]:
        if isinstance(item, dict):
            yield manifest, ("mcpServers",)
        elif isinstance(item, str) and ".." not in item:
            yield from _file(os.path.join(root, item))


def _file(path: str) -> Iterator[tuple[Source, tuple[str, ...]]]:
    """A file of servers, with or without the wrapping key."""
    source = read(path, _LIMIT)
    if isinstance(source, Source):
        yield source, ("mcpServers",) if "mcpServers" in _object(source) else ()


def _object(file: Read) -> Mapping[str, Json]:
    document = parse(file) if isinstance(file, Source) else None
    value = document.value if isinstance(document, Document) else None
    return value if isinstance(value, dict) else {}
