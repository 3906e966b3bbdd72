"""A case's world: the files, folders, repositories and variables of one configuration.

A case is a JSON object (see `cases.json`).  Placeholders such as `{HOME}` stand in keys and
strings; after `$` a brace is never a placeholder.  `build` makes the world under a temporary
root, and only there: the real home is never read, the real /etc never written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROBE = Path(__file__).with_name("probe_stdio.py")
SYSTEM_FOLDER = Path("/etc/claude-code")
PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Z]+(?:-[A-Z]+)?)\}")
OAUTH_KEY = re.compile(r"\$oauthkey\(([^,]*),([^,]*),(.*)\)")
BASE_ENV = {
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "NO_PROXY": "127.0.0.1,localhost",
}


@dataclass(frozen=True)
class Addresses:
    """Where the loopback servers of a case listen."""

    http: str = "http://127.0.0.1:9"
    oauth: str = "http://127.0.0.1:9"
    closed: str = "http://127.0.0.1:9"


@dataclass(frozen=True)
class World:
    """One built case: everything a client needs to be started on it."""

    root: Path
    home: Path
    project: Path
    cwd: Path
    env: Mapping[str, str]
    args: tuple[str, ...] = ()
    managed: Path | None = None
    names: tuple[str, ...] = ()
    helped: frozenset[str] = frozenset()
    wait: bool = True
    places: Mapping[str, str] = field(default_factory=dict)

    @property
    def probe_log(self) -> Path:
        """Where the stdio probes write how they were started."""
        return self.root / "probe.log"

    def fill(self, text: str) -> str:
        """`text` with this world's placeholders filled in."""
        return fill(text, self.places)

    def unfill(self, text: str) -> str:
        """The reverse of `fill`, longest place first, for reports that can be compared."""
        for name in ("PROJ", "HOME", "ROOT", "HTTP", "OAUTH", "PROBE", "PY"):
            text = text.replace(self.places[name], "{" + name + "}")
        return text

    def command(self, argv: list[str]) -> list[str]:
        """`argv`, inside a private mount namespace when managed files matter."""
        if self.managed is None and not SYSTEM_FOLDER.exists():
            return argv
        folder = self.managed or self.root / "managed"
        folder.mkdir(exist_ok=True)
        scratch = self.root / "mount"
        scratch.mkdir(exist_ok=True)
        shell = ["unshare", "-m", "--propagation", "private", "sh", "-euc", MOUNT, "mount"]
        return [*shell, str(scratch), str(folder), *argv]


MOUNT = """
scratch=$1; folder=$2; shift 2
if [ ! -d /etc/claude-code ]; then
  mount -t tmpfs parity "$scratch"
  mkdir "$scratch/upper" "$scratch/work"
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$scratch/upper,workdir=$scratch/work" /etc
  mkdir /etc/claude-code
fi
mount --bind "$folder" /etc/claude-code
exec "$@"
"""


def own_args(argv: list[str]) -> list[str]:
    """What stands on a probe's command line beside its tag."""
    if "--tag" in argv:
        at = argv.index("--tag")
        argv = argv[:at] + argv[at + 2 :]
    return argv[1:] if argv[:1] == ["--"] else argv


def namespaces_work() -> bool:
    """Whether this machine lets us mount a private /etc."""
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False, timeout=20)
    return tried.returncode == 0


def fill(text: str, places: Mapping[str, str]) -> str:
    """`text` with each known `{PLACE}` replaced."""
    return PLACEHOLDER.sub(lambda m: places.get(m[1], m[0]), text)


def build(case: Mapping[str, Any], root: Path, addresses: Addresses | None = None) -> World:
    """Make every file of `case` below `root`."""
    places = _places(case, root.resolve(), addresses or Addresses())
    home, project = Path(places["HOME"]), Path(places["PROJ"])
    for folder in (home, project):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in case.get("dirs", []):
        Path(fill(folder, places)).mkdir(parents=True, exist_ok=True)
    repositories = [_filled(r, places) for r in case.get("git", [])]
    for repository in repositories:
        _make_repository(repository)
    _write_all(case.get("files", {}), places)
    for link, target in case.get("symlinks", []):
        path = Path(fill(link, places))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(fill(target, places))
    for repository in repositories:
        _track(repository)
    cwd = Path(fill(case.get("cwd", "{PROJ}"), places))
    cwd.mkdir(parents=True, exist_ok=True)
    return World(
        root=root.resolve(),
        home=home,
        project=project,
        cwd=cwd,
        env=_environment(case, places, root.resolve()),
        args=tuple(fill(a, places) for a in case.get("args", [])),
        managed=_managed(case, places, root.resolve()),
        names=tuple(dict.fromkeys(fill(n, places) for n, _ in _entries(case))),
        helped=frozenset(fill(n, places) for n, entry in _entries(case) if _has_helper(entry)),
        wait=not case.get("nowait", False),
        places=places,
    )


def _places(case: Mapping[str, Any], root: Path, addresses: Addresses) -> dict[str, str]:
    places = {
        "ROOT": str(root),
        "PY": os.path.realpath(sys.executable),
        "PROBE": str(PROBE),
        "HTTP": addresses.http,
        "OAUTH": addresses.oauth,
        "CLOSED": addresses.closed,
        "HTTP-HOSTPORT": addresses.http.split("//")[1],
    }
    places["HOME"] = fill(case.get("home", "{ROOT}/home"), places)
    places["PROJ"] = fill(case.get("proj", "{HOME}/proj"), places)
    return places


def _environment(case: Mapping[str, Any], places: Mapping[str, str], root: Path) -> dict[str, str]:
    given = {fill(k, places): fill(v, places) for k, v in case.get("env", {}).items()}
    own = {"HOME": places["HOME"], "PATH": os.environ["PATH"]}
    return {**own, **BASE_ENV, "PROBE_LOG": str(root / "probe.log"), **given}


def _managed(case: Mapping[str, Any], places: Mapping[str, str], root: Path) -> Path | None:
    if not case.get("managed"):
        return None
    folder = root / "managed"
    _write_all({f"{folder}/{name}": content for name, content in case["managed"].items()}, places)
    return folder


def _write_all(files: Mapping[str, Any], places: Mapping[str, str]) -> None:
    for name, content in files.items():
        path = Path(fill(name, places))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_content(content, places))
        if isinstance(content, dict) and "$exec" in content:
            path.chmod(0o755)


def _content(content: Any, places: Mapping[str, str]) -> bytes:
    match content:
        case {"$text": str(text)} | {"$exec": str(text)}:
            return fill(text, places).encode("utf-8", "surrogatepass")
        case {"$hex": str(digits)}:
            return bytes.fromhex(digits)
    return json.dumps(_filled(content, places), indent=2).encode()


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    match value:
        case {"$now_ms": offset}:
            return int(time.time() * 1000) + offset
        case {"$repeat": [text, count]}:
            return text * count
        case dict():
            return {_key(k, places): _filled(v, places) for k, v in value.items()}
        case list():
            return [_filled(v, places) for v in value]
        case str():
            return fill(value, places)
    return value


def _key(key: str, places: Mapping[str, str]) -> str:
    key = fill(key, places)
    found = OAUTH_KEY.fullmatch(key)
    if not found:
        return key
    name, kind, url = found.groups()
    text = json.dumps({"type": kind, "url": url, "headers": {}}, separators=(",", ":"))
    return f"{name}|{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    """Every member of a map called mcpServers, wherever it stands."""
    match node:
        case {"$text": str(text)}:
            yield from _entries_in_text(text)
        case dict():
            for key, value in node.items():
                if key == "mcpServers" and isinstance(value, dict):
                    yield from value.items()
                yield from _entries(value)
        case list():
            for value in node:
                yield from _entries(value)
        case str() if "mcpServers" in node:
            yield from _entries_in_text(node)


def _entries_in_text(text: str) -> Iterator[tuple[str, Any]]:
    with contextlib.suppress(ValueError, RecursionError):
        yield from _entries(json.loads(text.lstrip("\ufeff")))


def _has_helper(entry: Any) -> bool:
    return isinstance(entry, dict) and "headersHelper" in entry


def _git(folder: str, *args: str) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    who = ["-c", "user.name=parity", "-c", "user.email=parity@localhost"]
    call = ["git", *who, "-C", folder, *args]
    subprocess.run(call, env=env, check=True, capture_output=True, timeout=60)


def _make_repository(repository: Mapping[str, Any]) -> None:
    folder = repository["path"]
    Path(folder).mkdir(parents=True, exist_ok=True)
    if repository.get("bare"):
        _git(folder, "init", "-q", "--bare", "-b", "main")
        _git(folder, "worktree", "add", "-q", "--orphan", "-b", "w", repository["worktrees"][0])
        return
    _git(folder, "init", "-q", "-b", "main")
    _git(folder, "commit", "-q", "--allow-empty", "-m", "start")
    for tree in repository.get("worktrees", []):
        _git(folder, "worktree", "add", "-q", "--detach", tree)


def _track(repository: Mapping[str, Any]) -> None:
    if tracked := repository.get("track"):
        _git(repository["path"], "add", "-f", *tracked)
        _git(repository["path"], "commit", "-q", "-m", "track")
