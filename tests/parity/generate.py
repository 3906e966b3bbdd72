"""Random configurations from a seed, as cases like those of `cases.json`.

Every random choice is made by one `random.Random(seed)`, so a seed is a reproduction:

    python -m tests.parity.generate --seed 7 --count 100 --client 2.1.328 --mode both
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ["a", "b", "c", "d.e", "d_e", "x y", "workspace", "workspace ", "Claude_Preview", "é", "7"]
PLAIN = ["a", "b", "c", "d", "e", "f"]
VARIABLES = {"V_SHELL": "shell", "V_EMPTY": "", "V_BOTH": "shell", "V_REF": "${V_SHELL}"}
SETTINGS_VARIABLES = {"V_BOTH": "settings", "V_SET": "set", "V_NUM": 5, "V_NULL": None}
TEMPLATES = ["${V_SHELL}", "${V_EMPTY:-d}", "${V_BOTH}", "${V_NONE}", "${V_NONE:-def}", "${V_SET}"]
TEMPLATES += ["$V_SHELL", "${V_NUM:-0}", "${V_REF}", "pre${V_SET:-x}post", "${V_NULL:-n}", " pad "]
BAD_ENTRIES: list[Any] = [
    *(None, "text", 5, [], {}, {"command": ""}, {"command": 5}, {"type": "bogus"}),
    *({"type": None, "command": "x"}, {"url": "http://127.0.0.1:9/"}, {"type": "http"}),
    {"command": "x", "args": "y"},
    {"command": "x", "args": ["y", 5]},
    {"command": "x", "env": {"A": 1}},
    {"command": "x", "env": []},
    {"command": "x", "timeout": 0},
    {"command": "x", "timeout": 1.5},
    {"command": "x", "alwaysLoad": "yes"},
    {"type": "http", "url": "{CLOSED}/", "headers": {"A": None}},
    {"type": "sse", "url": 5},
    {"type": "http", "url": "{CLOSED}/", "oauth": {"callbackPort": "1"}},
    {"type": "http", "url": "{CLOSED}/", "oauth": {"authServerMetadataUrl": "http://x/"}},
    {"type": "http", "url": "{CLOSED}/", "headersHelper": 5},
]
BROKEN_FILES = ["", "  \n", "{", "null", "[]", "5", "{}", '{"servers": {}}', "// x\n{}"]
BROKEN_FILES += ['{"mcpServers": null}', '{"mcpServers": []}', '{"mcpServers": "x"}']
SETTINGS_SPICE: list[dict[str, Any]] = [
    {"model": 5},
    {"model": "sonnet"},
    {"zzz": 5},
    {"env": []},
    {"permissions": {"allow": [5]}},
    {"permissions": {"allow": "Bash"}},
    {"hooks": {"Stop": [{"hooks": [{"type": "command"}]}]}},
    {"hooks": {"PreToolUse": [{"matcher": 5, "hooks": []}]}},
    {"cleanupPeriodDays": 0},
    {"enableAllProjectMcpServers": None},
    {"alwaysThinkingEnabled": "x"},
    {"theme": 5},
    {"language": None},
    {"allowedMcpServers": 5},
    {"disabledMcpServers": ["a", "b"]},
]


@dataclass
class Draft:
    """A case while it grows."""

    rnd: random.Random
    case: dict[str, Any] = field(default_factory=dict)

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return self.rnd.random() < share

    def some(self, items: list[Any], most: int) -> list[Any]:
        """Up to `most` different items."""
        return self.rnd.sample(items, self.rnd.randint(0, min(most, len(items))))

    def name(self) -> str:
        """A server's name: mostly one that other scopes use too."""
        return self.rnd.choice(PLAIN if self.chance(0.8) else NAMES)

    def put(self, path: str, content: Any) -> None:
        """Add a file."""
        self.case.setdefault("files", {})[path] = content


def generate(seed: int) -> dict[str, Any]:
    """The case of a seed."""
    draft = Draft(random.Random(seed))
    draft.case = {"id": f"seed-{seed}", "files": {}, "env": dict(VARIABLES)}
    layout = LAYOUTS[draft.rnd.randrange(len(LAYOUTS))](draft)
    _config_dir(draft)
    _home(draft, layout)
    _mcp_json(draft, layout)
    _settings(draft, layout)
    if draft.chance(0.15):
        _managed(draft)
    if draft.chance(0.3):
        _flags(draft)
    if not draft.case["env"]:
        del draft.case["env"]
    return draft.case


@dataclass(frozen=True)
class Layout:
    """Where a case takes place: the folders upwards from cwd, and possible project keys."""

    cwd: str
    chain: tuple[str, ...]
    keys: tuple[str, ...]


def _plain(draft: Draft) -> Layout:
    depth = draft.rnd.randint(0, 4)
    cwd = "{PROJ}" + "".join(f"/s{i}" for i in range(depth))
    draft.case["cwd"] = cwd
    chain = _chain(cwd)
    return Layout(cwd, chain, tuple(f for f in chain if f != "{ROOT}"))


def _chain(cwd: str) -> tuple[str, ...]:
    """cwd and every folder above it, up to the case's root."""
    chain = [cwd]
    while "/" in chain[-1]:
        chain.append(chain[-1].rsplit("/", 1)[0])
    return (*chain, "{HOME}", "{ROOT}")


def _git(draft: Draft) -> Layout:
    layout = _plain(draft)
    inside = [f for f in layout.chain if f.startswith("{PROJ}")]
    for folder in {draft.rnd.choice(inside), *draft.some(inside, 1)}:
        draft.case.setdefault("git", []).append({"path": folder})
    draft.case.setdefault("dirs", []).append(layout.cwd)
    return layout


def _dot_git(draft: Draft) -> Layout:
    layout = _plain(draft)
    folder = draft.rnd.choice([f for f in layout.chain if f != "{ROOT}"])
    draft.case["dirs"] = [layout.cwd, f"{folder}/.git"]
    return layout


def _worktree(draft: Draft) -> Layout:
    tree = draft.rnd.choice(["{HOME}/tree", "{PROJ}/.wt/tree"])
    cwd = tree + draft.rnd.choice(["", "/sub"])
    draft.case |= {"git": [{"path": "{PROJ}", "worktrees": [tree]}], "cwd": cwd}
    chain = ("{PROJ}/.wt", "{PROJ}") if "PROJ" in tree else ()
    own = (cwd,) if cwd == tree else (cwd, tree)
    return Layout(cwd, (*own, *chain, "{HOME}"), tuple(dict.fromkeys((tree, "{PROJ}", cwd))))


def _linked(draft: Draft) -> Layout:
    draft.case |= {"symlinks": [["{HOME}/link", "{PROJ}"]], "cwd": "{HOME}/link/sub"}
    draft.case["dirs"] = ["{PROJ}/sub", *draft.some(["{PROJ}/.git"], 1)]
    keys = ("{PROJ}", "{PROJ}/sub", "{HOME}/link", "{HOME}/link/sub")
    return Layout("{PROJ}/sub", ("{PROJ}/sub", "{PROJ}", "{HOME}", "{ROOT}"), keys)


def _at_home(draft: Draft) -> Layout:
    draft.case["cwd"] = "{HOME}"
    return Layout("{HOME}", ("{HOME}", "{ROOT}"), ("{HOME}", "{PROJ}"))


LAYOUTS: list[Callable[[Draft], Layout]] = [_plain, _plain, _plain, _git, _git, _dot_git]
LAYOUTS += [_worktree, _linked, _at_home]


def _config_dir(draft: Draft) -> None:
    if draft.chance(0.15):
        draft.case["env"]["CLAUDE_CONFIG_DIR"] = draft.rnd.choice(["{HOME}/cfg", "{HOME}/.claude"])
    elif draft.chance(0.05):
        draft.case["env"]["CLAUDE_CONFIG_DIR"] = ""


def _config(draft: Draft) -> str:
    return draft.case["env"].get("CLAUDE_CONFIG_DIR") or "{HOME}/.claude"


def _entry(draft: Draft, scope: str, name: str) -> Any:
    """A definition: mostly a probe, sometimes remote, sometimes invalid."""
    if draft.chance(0.14):
        return draft.rnd.choice(BAD_ENTRIES)
    if draft.chance(0.2):
        return _remote(draft, scope, name)
    entry: dict[str, Any] = {"command": "{PY}", "args": ["{PROBE}", "--tag", f"{scope}:{name}"]}
    if draft.chance(0.25):
        entry["args"] += draft.some(TEMPLATES, 3)
    if draft.chance(0.2):
        entry["env"] = {f"E{i}": t for i, t in enumerate(draft.some(TEMPLATES, 2))}
    if draft.chance(0.1):
        entry |= draft.rnd.choice([{"type": "stdio"}, {"timeout": 5000}, {"disabled": True}])
    return entry


def _remote(draft: Draft, scope: str, name: str) -> dict[str, Any]:
    kind = draft.rnd.choice(["http", "http", "streamable-http", "sse", "ws"])
    path = "sse" if kind == "sse" else draft.rnd.choice(["json", "json", "bearer", "404"])
    url = "ws://127.0.0.1:9/" if kind == "ws" else "{HTTP}/" + f"{path}/{scope}:{name}"
    entry: dict[str, Any] = {"type": kind, "url": url}
    if draft.chance(0.4):
        entry["headers"] = {f"X-H{i}": t for i, t in enumerate(draft.some(TEMPLATES, 2))}
    return entry


def _map(draft: Draft, scope: str, most: int = 4) -> dict[str, Any]:
    names = list(dict.fromkeys(draft.name() for _ in range(draft.rnd.randint(0, most))))
    return {name: _entry(draft, scope, name) for name in names}


def _home(draft: Draft, layout: Layout) -> None:
    content: dict[str, Any] = {"mcpServers": _map(draft, "user"), "projects": {}}
    if draft.chance(0.1):
        content["env"] = {"V_BOTH": "global", "V_NUM": 7}
    for i, key in enumerate(draft.some(list(layout.keys), 3)):
        content["projects"][key] = _project(draft, f"local{i}")
    if draft.chance(0.05):
        del content["mcpServers"]
    moved = draft.case["env"].get("CLAUDE_CONFIG_DIR")
    draft.put(f"{moved}/.claude.json" if moved else "{HOME}/.claude.json", content)
    if draft.chance(0.06):
        draft.put(f"{_config(draft)}/.config.json", {"mcpServers": _map(draft, "legacy")})


def _project(draft: Draft, scope: str) -> Any:
    if draft.chance(0.04):
        return draft.rnd.choice([None, [], "x"])
    project: dict[str, Any] = {}
    if draft.chance(0.6):
        project["mcpServers"] = _map(draft, scope, 3)
    if draft.chance(0.5):
        project["hasTrustDialogAccepted"] = draft.rnd.choice([True, True, True, False, "true"])
    if draft.chance(0.3):
        project["disabledMcpServers"] = draft.some([*PLAIN, 5], 2)
    if draft.chance(0.15):
        project["enabledMcpjsonServers"] = draft.some(PLAIN, 3)
        project["disabledMcpjsonServers"] = draft.some(PLAIN, 1)
    if draft.chance(0.05):
        project["enableAllProjectMcpServers"] = draft.rnd.choice([True, False])
    return project


def _mcp_json(draft: Draft, layout: Layout) -> None:
    for i, folder in enumerate(layout.chain):
        if not draft.chance(0.7 if i == 0 else 0.3):
            continue
        if draft.chance(0.1):
            draft.put(f"{folder}/.mcp.json", {"$text": draft.rnd.choice(BROKEN_FILES)})
            continue
        text = json.dumps({"mcpServers": _map(draft, f"p{i}")})
        if draft.chance(0.06):
            text = "\ufeff" + text
        if draft.chance(0.06):
            twin = json.dumps(_entry(draft, f"twin{i}", "a"))
            text = text.replace('{"mcpServers": {', '{"mcpServers": {"a": ' + twin + ", ", 1)
            text = text.replace(", }", "}")
        draft.put(f"{folder}/.mcp.json", {"$text": text})


def _settings(draft: Draft, layout: Layout) -> None:
    places = [f"{_config(draft)}/settings.json", f"{layout.cwd}/.claude/settings.json"]
    places += [f"{layout.cwd}/.claude/settings.local.json"]
    places += [f"{layout.keys[0]}/.claude/settings.local.json"] if draft.chance(0.3) else []
    places += [f"{layout.chain[-2]}/.claude/settings.json"] if draft.chance(0.2) else []
    for place in dict.fromkeys(places):
        if draft.chance(0.45):
            content = _one_settings(draft)
            broken = draft.chance(0.05)
            draft.put(place, {"$text": json.dumps(content) + "," * broken})


def _one_settings(draft: Draft) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if draft.chance(0.5):
        settings["enabledMcpjsonServers"] = [draft.name() for _ in range(draft.rnd.randint(0, 3))]
    if draft.chance(0.25):
        settings["disabledMcpjsonServers"] = draft.some(PLAIN, 2) if draft.chance(0.9) else "a"
    if draft.chance(0.25):
        settings["enableAllProjectMcpServers"] = draft.rnd.choice([True, True, False])
    if draft.chance(0.3):
        settings["env"] = dict(draft.some(list(SETTINGS_VARIABLES.items()), 3))
    if draft.chance(0.12):
        settings["deniedMcpServers"] = _policy(draft)
    if draft.chance(0.06):
        settings["allowedMcpServers"] = _policy(draft)
    if draft.chance(0.12):
        settings |= draft.rnd.choice(SETTINGS_SPICE)
    return settings


def _policy(draft: Draft) -> list[Any]:
    kinds: list[Any] = [{"serverName": name} for name in PLAIN * 3]
    urls = ["{HTTP}/*", "{HTTP}", "*", "http://*/json/*", "{HTTP}/json*", "http://127.0.0.1:*/*"]
    kinds += [{"serverUrl": url} for url in (*urls, "ws://*", "*://127.*/404/*")]
    probe = ["{PY}", "{PROBE}", "--tag", f"{draft.rnd.choice(['user', 'p0', 'local0'])}:a"]
    kinds += [{"serverCommand": probe}, {"serverName": ""}, {}, 5, {"serverName": "a.b"}]
    return draft.some(kinds, 3)


def _managed(draft: Draft) -> None:
    files: dict[str, Any] = {}
    if draft.chance(0.6):
        files["managed-settings.json"] = _one_settings(draft)
    for name in draft.some(["10-a.json", "9.json", ".hidden.json", "x.txt"], 2):
        files[f"managed-settings.d/{name}"] = _one_settings(draft)
    if files and draft.chance(0.3):
        next(iter(files.values()))["allowManagedMcpServersOnly"] = draft.rnd.choice([True, False])
    if draft.chance(0.3):
        content = {"mcpServers": _map(draft, "enterprise")}
        broken = {"$text": draft.rnd.choice(BROKEN_FILES)}
        files["managed-mcp.json"] = broken if draft.chance(0.2) else content
    if files:
        draft.case["managed"] = files


def _flags(draft: Draft) -> None:
    args = []
    if draft.chance(0.5):
        draft.put("{ROOT}/dynamic.json", {"mcpServers": _map(draft, "dynamic")})
        args += ["--mcp-config", "{ROOT}/dynamic.json"]
    if draft.chance(0.2):
        args += ["--strict-mcp-config"]
    if draft.chance(0.4):
        sources = draft.some(["user", "project", "local"], 3) or ["user"]
        args += ["--setting-sources", ",".join(sources)]
    if draft.chance(0.3):
        draft.put("{ROOT}/flag.json", {"$text": json.dumps(_one_settings(draft))})
        args += ["--settings", "{ROOT}/flag.json"]
    draft.case["args"] = args


def problems(
    case: dict[str, Any], version: str, modes: list[str], folder: Path
) -> Iterator[tuple[str, str]]:
    """(mode, difference) between the real client and mcpconf on one case."""
    from . import compare, oracle, subject, world  # noqa: PLC0415  generating needs none of them

    client = oracle.client_path(version)
    if client is None:
        sys.exit(f"Claude Code {version} is not installed: python -m tests.parity.install_clients")
    with oracle.stage() as (addresses, servers):
        for mode in modes:
            # mcpconf first: the client moves and rewrites files when it starts
            built = world.build(case, folder / mode, addresses)
            report = subject.ask(built, version, mode)
            look = oracle.list_servers if mode == "interactive" else oracle.session
            seen = look(built, client, servers)
            seen = {**seen, "session_rc": seen["rc"]}
            for difference in compare.differences(built, version, mode, seen, report):
                yield mode, built.unfill(difference)


def shrink(
    case: dict[str, Any], fails: Callable[[dict[str, Any]], bool], seconds: float = 90
) -> dict[str, Any]:
    """`case` with everything removed that the difference does not need, large parts first."""
    deadline = time.monotonic() + seconds
    before = None
    while before != case:
        before = case
        for path in sorted(_paths(case), key=len):
            smaller = _without(case, path)
            if smaller is not None and fails(smaller):
                case = smaller
            if time.monotonic() > deadline:
                return case
    return case


def _paths(node: Any) -> Iterator[tuple[Any, ...]]:
    """The way to every member and element; JSON inside a text counts too."""
    match node:
        case {"$text": str(text)} if len(node) == 1:
            with contextlib.suppress(ValueError):
                yield from (("$text", *path) for path in _paths(json.loads(text)))
        case dict():
            for key, value in node.items():
                yield (key,)
                yield from ((key, *path) for path in _paths(value))
        case list():
            for i, value in reversed(list(enumerate(node))):
                yield (i,)
                yield from ((i, *path) for path in _paths(value))


def _without(node: Any, path: tuple[Any, ...]) -> Any:
    """`node` without what stands at `path`, or None when nothing does."""
    step, *rest = path
    if step == "$text" and isinstance(node, dict) and "$text" in node:
        inner = _without(json.loads(node["$text"]), tuple(rest))
        return None if inner is None else {"$text": json.dumps(inner)}
    known = step in node if isinstance(node, dict) else isinstance(step, int) and step < len(node)
    if not known or not isinstance(node, dict | list):
        return None
    less = None if not rest else _without(node[step], tuple(rest))
    if rest and less is None:
        return None
    if isinstance(node, dict):
        kept = {k: v for k, v in node.items() if k != step}
        return {**kept, step: less} if rest else kept
    return node[:step] + ([less] if rest else []) + node[step + 1 :]


def main() -> int:
    """Run many seeds and print every difference with the smallest case that shows it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--client", default="2.1.328")
    parser.add_argument("--mode", choices=["interactive", "session", "both"], default="both")
    parser.add_argument("--no-shrink", action="store_true")
    parser.add_argument("--print-only", action="store_true", help="print the cases, run nothing")
    wanted = parser.parse_args()
    modes = ["interactive", "session"] if wanted.mode == "both" else [wanted.mode]
    bad, began = 0, time.monotonic()
    for seed in range(wanted.seed, wanted.seed + wanted.count):
        case = generate(seed)
        if wanted.print_only:
            print(json.dumps(case, ensure_ascii=False))
            continue
        bad += _run_one(case, wanted.client, modes, shrinking=not wanted.no_shrink)
    spent = time.monotonic() - began
    print(f"{wanted.count} cases, {bad} differ, {spent:.0f} s", file=sys.stderr)
    return 1 if bad else 0


def _run_one(case: dict[str, Any], version: str, modes: list[str], *, shrinking: bool) -> bool:
    found = _found(case, version, modes)
    if not found:
        return False
    print(f"== {case['id']} on {version}", flush=True)
    for mode, difference in found:
        print(f"  {mode}: {difference}", flush=True)
    if shrinking:
        mode, first = found[0]
        small = shrink(case, lambda less: _still(less, version, mode, first))
        print("  " + json.dumps(small, ensure_ascii=False), flush=True)
    return True


def _still(case: dict[str, Any], version: str, mode: str, difference: str) -> bool:
    """Whether a smaller case shows the same difference; half a case can be impossible to build."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return (mode, difference) in _found(case, version, [mode])
    return False


def _found(case: dict[str, Any], version: str, modes: list[str]) -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return list(problems(case, version, modes, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
