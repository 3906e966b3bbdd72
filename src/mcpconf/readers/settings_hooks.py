"""The ``hooks`` of a settings file: which of them cost the client the whole file.

Until 2.1.197 every hook had to be right.  2.1.328 leaves out what it cannot read, except where a
hook may guard permissions (``PreToolUse``, ``PermissionRequest``): such a hook that cannot be
loaded, or stands where it is never looked for, drops the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.model import Json
from mcpconf.readers.settings_shapes import (
    Members,
    Shape,
    Wrong,
    anything,
    boolean,
    enum,
    filled,
    first,
    list_of,
    number,
    object_of,
    record,
    tagged,
    text,
    url,
)

GUARDS = frozenset(("PreToolUse", "PermissionRequest"))
OLD_EVENTS = frozenset(
    """PreToolUse PostToolUse PostToolUseFailure PostToolBatch Notification UserPromptSubmit
    UserPromptExpansion SessionStart SessionEnd Stop StopFailure SubagentStart SubagentStop
    PreCompact PostCompact PermissionRequest PermissionDenied Setup TeammateIdle TaskCreated
    TaskCompleted Elicitation ElicitationResult ConfigChange WorktreeCreate WorktreeRemove
    InstructionsLoaded CwdChanged FileChanged MessageDisplay""".split()
)
EVENTS = OLD_EVENTS | {"PreModelSwitch", "PostModelSwitch", "DirectoryAdded"}
UNSCANNED = frozenset(
    """mcpServers managedMcpServers lspServers pluginConfigs enabledPlugins extraKnownMarketplaces
    env skillOverrides modelSettings""".split()
)
"""What 2.1.328 does not search for stray guards, at any depth."""
IGNORED = frozenset(
    """hooks additionalMarketplaces attributionProjectPolicy availableModelsMatch deniedModels
    isolation""".split()
)
"""What it takes out of the file beforehand (or checks by itself), so at the top only."""
_RULES = ("allow", "ask", "deny")  # of `permissions`: what is no string is taken out beforehand
_DEPTH = 3

_COMMON: Members = {
    "if": text,
    "timeout": number("a positive number", lambda v: v > 0),
    "statusMessage": text,
    "once": boolean,
}
_ASKS = {**_COMMON, "model": text}
_COMMAND = {
    **_COMMON,
    "args": list_of(text),
    "shell": enum("bash", "powershell"),
    "async": boolean,
    "asyncRewake": boolean,
    "rewakeMessage": filled,
    "rewakeSummary": filled,
}
_HTTP = {**_COMMON, "headers": object_of(text), "allowedEnvVars": list_of(text)}
_TOOL = {**_COMMON, "input": object_of(anything)}
_NEW: Members = {"onFailure": enum("continue", "block")}


def _matcher(more: Members) -> Shape:
    hook = tagged(
        "type",
        {
            "command": record({**_COMMAND, **more}, {"command": text}),
            "prompt": record({**_ASKS, "continueOnBlock": boolean}, {"prompt": text}),
            "agent": record(_ASKS, {"prompt": text}),
            "http": record({**_HTTP, **more}, {"url": url}),
            "mcp_tool": record(_TOOL, {"server": text, "tool": text}),
        },
    )
    return record({"matcher": text}, {"hooks": list_of(hook)})


_OLD_MATCHER, _MATCHER = _matcher({}), _matcher(_NEW)


def _old_fault(value: Json, client: Client) -> Wrong | None:
    if not isinstance(value, dict):
        return None
    lists = ((k, v) for k, v in value.items() if k in OLD_EVENTS and isinstance(v, list))
    return first((k, _OLD_MATCHERS.find(v, client)) for k, v in lists)


def _fault(value: Json, client: Client) -> Wrong | None:
    wrong: Wrong = (), hooks.words
    if isinstance(value, list):
        return wrong if any(isinstance(v, dict) or _is_guarded(v) for v in value) else None
    if not isinstance(value, dict):
        return None
    if _is_matcher(value):
        return wrong
    return first((k, _event_fault(k, v, client)) for k, v in value.items())


def _event_fault(event: str, value: Json, client: Client) -> Wrong | None:
    if event not in EVENTS:
        stray = _holds(value, _DEPTH, _Search(matchers=not isinstance(value, list)))
        return ((), "a hook event, but holds hooks") if stray else None
    guard = event in GUARDS
    if not isinstance(value, list):
        bad = (guard and value is not None) or _holds(value, _DEPTH, _Search(matchers=False))
        return ((), _MATCHERS.words) if bad else None
    for i, matcher in enumerate(value):
        if _holds(matcher, _DEPTH, _Search(matchers=False)):
            return (i,), _MATCHER.words
        wrong = _MATCHER.find(matcher, client) if guard else None
        if wrong:
            return (i, *wrong[0]), wrong[1]
    return None


_OLD_MATCHERS, _MATCHERS = list_of(_OLD_MATCHER), list_of(_MATCHER)
old_hooks = Shape("an object of hook events", "objects", _old_fault)
hooks = Shape("an object of hook events", "objects", _fault)


def stray_guard(document: Mapping[str, Json]) -> Wrong | None:
    """Find a key outside ``hooks`` that holds what looks like a guarding hook (2.1.328)."""
    for key, value in document.items():
        if key in GUARDS and _is_set(value):
            return (key,), "inside `hooks`"
        if key in UNSCANNED or key in IGNORED:
            continue
        if key == "permissions" and isinstance(value, dict):
            value = {k: v for k, v in value.items() if k not in _RULES}  # noqa: PLW2901
        if _holds(value, _DEPTH, _Search(matchers=key not in EVENTS, without=UNSCANNED)):
            return (key,), "free of hooks, which belong under `hooks`"
    return None


class _Search(NamedTuple):
    """What to look for: whether a single matcher counts, and which keys are left out."""

    matchers: bool
    without: frozenset[str] = frozenset()
    in_list: bool = False  # in the list of a matcher's own hooks


def _is_set(value: Json) -> bool:
    return value is not None and value != []


def _has_guard(value: Mapping[str, Json]) -> bool:
    return any(_is_set(value.get(guard)) for guard in GUARDS)


def _is_guarded(value: Json) -> bool:
    if isinstance(value, list):
        return any(_is_guarded(v) for v in value)
    return isinstance(value, dict) and (_is_matcher(value) or _has_guard(value))


def _is_matcher(value: Mapping[str, Json]) -> bool:
    """Whether it looks like one matcher with hooks, instead of events with matchers."""
    if "matcher" not in value and not EVENTS.isdisjoint(value):
        return False
    inner = value.get("hooks")
    if isinstance(inner, dict):
        return "matcher" in value or isinstance(inner.get("type"), str)
    return isinstance(inner, list) and bool(inner)


def _holds(value: Json, depth: int, search: _Search) -> bool:
    """Whether guarding hooks are in there, at most ``depth`` levels down."""
    if isinstance(value, list):
        return depth > 0 and any(_holds(v, depth - 1, search) for v in value)
    if not isinstance(value, dict):
        return False
    if _has_guard(value) or (search.matchers and _is_matcher(value)):
        return True
    if depth == 0 or (search.in_list and isinstance(value.get("type"), str)):
        return False
    return any(
        _holds(v, depth - 1, _inside(search, k, v))
        for k, v in value.items()
        if k not in search.without
    )


def _inside(search: _Search, key: str, value: Json) -> _Search:
    return search._replace(
        matchers=search.matchers and key not in EVENTS,
        in_list=key == "hooks" and isinstance(value, list),
    )
