"""Marketplaces of plugins, as a settings file writes them down."""

from __future__ import annotations

import re

from mcpconf.clients import Client
from mcpconf.model import Json
from mcpconf.readers.settings_shapes import (
    Members,
    Shape,
    Wrong,
    boolean,
    filled,
    first,
    list_of,
    object_of,
    record,
    tagged,
    text,
    texts,
    url,
)

_KINDS = frozenset(
    "url github git npm file directory skills-dir hostPattern pathPattern settings".split()
)
_PLUGIN_KINDS = frozenset("npm url github git-subdir archive command unsupported".split())
_RESERVED = frozenset(("inline", "builtin", "skills-dir"))
_NEWLY_RESERVED = _RESERVED | {"synced", "claude-plugin-test"}
_OFFICIAL = frozenset(
    """claude-code-marketplace claude-code-plugins claude-plugins-official anthropic-marketplace
    anthropic-plugins agent-skills anthropic-agent-skills life-sciences knowledge-work-plugins
    claude-for-legal claude-for-financial-services financial-services-plugins claude-community
    claude-plugins-community""".split()
)
_IMITATION = (
    "official[^a-z0-9]*(anthropic|claude)|(anthropic|claude)[^a-z0-9]*official"
    "|^(anthropic|claude)[^a-z0-9]*(marketplace|plugins|official)"
)
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_PACKAGE = _FIRST | frozenset("-._")
_HEX = frozenset("0123456789abcdef")
_SHA_LENGTH, _HELPER_LENGTH = 40, 500


def _is_package(given: str) -> bool:
    scope, slash, name = given.rpartition("/")
    parts = (scope[1:], name) if slash else (name,)
    fits = all(part and part[0] in _FIRST and _PACKAGE.issuperset(part) for part in parts)
    return fits and (not slash or scope[0] == "@") and ".." not in given


def _is_pattern(given: str) -> bool:
    """A package, or all of a scope: ``@scope/*``."""
    return _is_package(given) or (given.endswith("/*") and _is_package(f"{given[:-1]}x"))


def _is_helper(given: str) -> bool:
    plain = given.isascii() and (given.isprintable() or not given)
    return len(given) <= _HELPER_LENGTH and plain and "    " not in given


def _is_sha(given: str) -> bool:
    return len(given) == _SHA_LENGTH and _HEX.issuperset(given)


def _is_name(given: str, reserved: frozenset[str]) -> bool:
    spoilt = given in ("", ".") or ".." in given or not set(" /\\").isdisjoint(given)
    return not spoilt and given.lower() not in reserved


def _is_old_name(given: str) -> bool:
    """2.1.197 keeps the official names, and what looks like them, for itself."""
    low = given.lower()
    plain = given.isascii() and given.isprintable() and low not in _OFFICIAL
    return plain and _is_name(given, _RESERVED) and not re.search(_IMITATION, low)


def _is_web(given: str) -> bool:
    return given.strip().lower().startswith(("http://", "https://"))


_sha = texts("a commit: 40 digits of 0-9a-f", _is_sha)
_package, _pattern = texts("a package's name", _is_package), texts("a package's name", _is_pattern)
_web = texts("a URL with http or https", _is_web)
_helper = texts("a plain command line", _is_helper)
_old_name = texts("a marketplace's name", _is_old_name)
_name = texts("a marketplace's name", lambda v: _is_name(v, _NEWLY_RESERVED))
_plugin_name = texts("a name without blanks", lambda v: bool(v) and " " not in v)

_REVISION: Members = {"ref": text, "sha": _sha}
_PLUGIN_SOURCES: Members = {
    "npm": record({"version": text, "registry": url}, {"package": text}),
    "url": record(_REVISION, {"url": text}),
    "github": record(_REVISION, {"repo": text}),
    "git-subdir": record(_REVISION, {"url": text, "path": filled}),
}
_NEW_PLUGIN_SOURCES: Members = {
    **_PLUGIN_SOURCES,
    "archive": record({}, {"url": url}),
    "command": record({}, {"command": filled}),
}
_CHECKOUT: Members = {
    "ref": text,
    "path": text,
    "sparsePaths": list_of(text),
    "skipLfs": boolean,
}


def _settings(name: Shape, plugin_sources: Members) -> Shape:
    """A marketplace whose plugins stand in the settings file itself."""
    plugin = record(
        {"description": text, "version": text, "strict": boolean},
        {"name": _plugin_name, "source": tagged("source", plugin_sources)},
    )
    owner = record({"email": text, "url": text}, {"name": filled})
    return record({"owner": owner}, {"name": name, "plugins": list_of(plugin)})


_OLD_SOURCES: Members = {
    "url": record({"headers": object_of(text)}, {"url": url}),
    "github": record(_CHECKOUT, {"repo": text}),
    "git": record(_CHECKOUT, {"url": text}),
    "npm": record({}, {"package": _package}),
    "file": record({}, {"path": text}),
    "directory": record({}, {"path": text}),
    "skills-dir": record(),
    "hostPattern": record({}, {"hostPattern": text}),
    "pathPattern": record({}, {"pathPattern": text}),
    "settings": _settings(_old_name, _PLUGIN_SOURCES),
}
_SOURCES: Members = {
    **_OLD_SOURCES,
    "url": record({"headers": object_of(text), "headersHelper": _helper}, {"url": url}),
    "npm": record({"version": text, "registry": _web}, {"package": _pattern}),
    "settings": _settings(_name, _NEW_PLUGIN_SOURCES),
}
old_source, source = tagged("source", _OLD_SOURCES), tagged("source", _SOURCES)
blocked = tagged("source", {**_SOURCES, "pluginDirectory": record()})

_PLACE: Members = {"installLocation": text, "autoUpdate": boolean}
_old_entry, _entry = record(_PLACE, {"source": old_source}), record(_PLACE, {"source": source})
_OLD_KNOWN = object_of(_old_entry)


def _old_fault(value: Json, client: Client) -> Wrong | None:
    wrong = _OLD_KNOWN.find(value, client)
    if wrong or not isinstance(value, dict):
        return wrong
    return first((key, _misnamed(key, entry)) for key, entry in value.items())


def _misnamed(key: str, entry: Json) -> Wrong | None:
    inner = _member(entry, "source")
    if _member(inner, "source") == "settings" and _member(inner, "name") != key:
        return ("source", "name"), "the name under which it is listed"
    return None


def _fault(value: Json, client: Client) -> Wrong | None:
    """2.1.328 leaves out a wrong entry, unless a later version might know what it means."""
    if not isinstance(value, dict):
        return None
    alien = ((key, entry) for key, entry in value.items() if _is_alien(entry))
    return first((key, _entry.find(entry, client)) for key, entry in alien)


def _is_alien(entry: Json) -> bool:
    inner = _member(entry, "source")
    kind, plugins = _member(inner, "source"), _member(inner, "plugins")
    if isinstance(kind, str) and kind not in _KINDS:
        return True
    return isinstance(plugins, list) and any(_is_alien_plugin(p) for p in plugins)


def _is_alien_plugin(plugin: Json) -> bool:
    kind = _member(_member(plugin, "source"), "source")
    return isinstance(kind, str) and kind not in _PLUGIN_KINDS


def _member(value: Json, name: str) -> Json:
    return value.get(name) if isinstance(value, dict) else None


old_known = Shape(_OLD_KNOWN.words, "objects", _old_fault)
known = Shape("an object of marketplaces", "objects", _fault)
