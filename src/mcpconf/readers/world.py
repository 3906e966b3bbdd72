"""The only module that reads the user's files.  It reads; it does not parse.

It is given its home, project and environment and has no default for them.  Whatever stands in the
way of a file (a FIFO in its place, no permission, a loop of links, a size beyond the client's
limit, a writer that is not done) becomes an ``Unreadable``, never an exception: the other files
still count.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mcpconf.clients import Client
from mcpconf.origin import Source
from mcpconf.readers.inputs import Configuration, Read, Request, Unreadable

MCP_JSON_LIMIT = 2_097_152  # bytes; the client's own (fact 33)
LIMIT = 256 * 1024 * 1024  # bytes; ours, for files that the client does not limit
_ATTEMPTS = 3
_PIECE = 1 << 16  # bytes; nearly always it only finds the end


def read_configuration(request: Request) -> Configuration:
    """Read every file that the client would read for this launch directory."""
    cwd = os.path.realpath(request.project)
    folders = _repository_folders(cwd)
    key = repository_key(cwd, folders, request.client)
    config = config_directory(request)
    dot_claude = os.path.join(cwd, ".claude")
    local = [os.path.join(dot_claude, "settings.local.json")]
    if request.client.root_local_settings and key != cwd:
        local.append(os.path.join(key, ".claude", "settings.local.json"))
    project_files = tuple(f for path in walk_up(cwd) if (f := _read_mcp_json(path)))
    home_file = os.path.join(request.home, ".mcp.json")
    seen = {f.path for f in project_files}
    return Configuration(
        request=request,
        cwd=cwd,
        key=key,
        global_file=_read_global(request, config),
        project_files=project_files,
        home_file=None
        if os.path.realpath(home_file) in seen or home_file in seen
        else _read_mcp_json(home_file),
        user_settings=read(os.path.join(config, "settings.json")),
        project_settings=read(os.path.join(dot_claude, "settings.json")),
        local_settings=tuple(filter(None, map(read, local))),
        untracked=frozenset(p for p in local if folders and _untracked(request, cwd, p)),
        folders=folders,
        flag_settings=_read_flag(request, request.session.settings),
        managed_settings=_read_managed_settings(request.managed),
        managed_servers=_read_mcp_json(os.path.join(request.managed, "managed-mcp.json")),
        dynamic=tuple(_read_flag(request, text) for text in request.session.mcp_config),
        credentials=read(os.path.join(config, ".credentials.json")),
    )


def config_directory(request: Request) -> str:
    """``$CLAUDE_CONFIG_DIR``, relative to the launch directory, or ``~/.claude`` (fact 7)."""
    chosen = request.environ.get("CLAUDE_CONFIG_DIR")
    if chosen is not None:  # set but empty, it is the launch directory itself (measured)
        return os.path.normpath(os.path.join(request.project, chosen))
    return os.path.join(request.home, ".claude")


def walk_up(cwd: str) -> list[str]:
    """Every ``.mcp.json`` that counts, outermost first: all ancestors but ``/`` (fact 5)."""
    paths = []
    directory = cwd
    while directory != os.path.dirname(directory):
        paths.append(os.path.join(directory, ".mcp.json"))
        directory = os.path.dirname(directory)
    return paths[::-1]


def repository_key(cwd: str, folders: tuple[str, ...], client: Client) -> str:
    """The key in ``projects``: the main repository's root, else the launch directory (fact 8).

    Where the root's ``.git`` is the file of a linked worktree, the main repository's root counts
    (a bare repository's own directory).  Git is not asked.
    """
    if not folders:
        return cwd
    root = folders[-1]
    return _main_repository(root, os.path.join(root, ".git"), client) or root


def _repository_folders(cwd: str) -> tuple[str, ...]:
    """The launch directory and its parents up to the one whose ``.git`` is a file or directory."""
    folders = [cwd]
    while True:
        marker = os.path.join(folders[-1], ".git")
        if os.path.isdir(marker) or os.path.isfile(marker):
            return tuple(folders)
        parent = os.path.dirname(folders[-1])
        if parent == folders[-1]:
            return ()
        folders.append(parent)


def _main_repository(root: str, marker: str, client: Client) -> str | None:
    """Follow a worktree's file to its main repository; None unless every link holds (measured)."""
    pointer = _line_of(marker) if os.path.isfile(marker) else ""
    if not pointer.startswith("gitdir:"):
        return None
    git_dir = os.path.normpath(os.path.join(root, pointer.removeprefix("gitdir:").strip()))
    shared_name = _line_of(os.path.join(git_dir, "commondir"))
    if not shared_name:
        return None
    shared = os.path.normpath(os.path.join(git_dir, shared_name))
    back = _line_of(os.path.join(git_dir, "gitdir"))
    if client.relative_back_links:
        back = os.path.join(git_dir, back) if back else ""
    is_linked = os.path.dirname(git_dir) == os.path.join(shared, "worktrees")
    own = os.path.join(os.path.realpath(root), ".git")
    if not (is_linked and back and os.path.realpath(back) == own):
        return None
    return os.path.dirname(shared) if os.path.basename(shared) == ".git" else shared


def _line_of(path: str) -> str:
    content = read(path, limit=MCP_JSON_LIMIT)
    return content.text.strip() if isinstance(content, Source) else ""


def _read_global(request: Request, config: str) -> Read:
    legacy = os.path.join(config, ".config.json")
    if os.path.exists(legacy):
        return read(legacy)
    if request.environ.get("CLAUDE_CONFIG_DIR"):
        return read(os.path.join(config, ".claude.json"))
    return read(os.path.join(request.home, ".claude.json"))


def _read_managed_settings(directory: Path) -> tuple[Source | Unreadable, ...]:
    paths = [os.path.join(directory, "managed-settings.json")]
    drop_ins = os.path.join(directory, "managed-settings.d")
    try:
        names = sorted(os.listdir(drop_ins))
    except OSError:
        names = []
    paths += [
        os.path.join(drop_ins, n) for n in names if n.endswith(".json") and not n.startswith(".")
    ]
    return tuple(filter(None, map(read, paths)))


def _read_flag(request: Request, value: str | None) -> Read:
    """Read an option that takes a file or the JSON itself (--mcp-config, --settings)."""
    if value is None:
        return None
    if value.lstrip().startswith("{"):
        return Source("<command line>", value)
    path = os.path.join(request.project, value)
    return read(path) or Unreadable(path, "it does not exist")


def _read_mcp_json(path: str) -> Read:
    return read(path, limit=MCP_JSON_LIMIT)


def read(path: str | Path, limit: int = LIMIT) -> Read:
    """Read one file, at most ``limit`` bytes, without ever waiting for a writer.

    Text is UTF-8; wrong bytes become U+FFFD, as in JavaScript.  A file that changes while it is
    read is read again, three times at most.
    """
    path = os.fspath(path)
    try:
        for _ in range(_ATTEMPTS):
            content = _read_once(path, limit)
            if isinstance(content, bytes):
                return Source(path, content.decode("utf-8", "replace"))
            if content:
                return Unreadable(path, content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return Unreadable(path, (error.strerror or type(error).__name__).lower())
    except ValueError:
        return Unreadable(path, "its path holds a NUL character")
    return Unreadable(path, "it changed each time it was read")


def _read_once(path: str, limit: int) -> bytes | str:
    """Return the bytes, why there are none, or "" when the file changed meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return f"it is not a regular file but {_file_type(before.st_mode)}"
        if before.st_size > limit:
            return f"it is larger than {limit} bytes"
        content = _drain(descriptor, before.st_size + 1)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    unchanged = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return content if unchanged and len(content) == after.st_size else ""


def _drain(descriptor: int, limit: int) -> bytes:
    """Read to the end, or one byte beyond what the file held: then it has grown."""
    content = os.read(descriptor, limit)
    while content and len(content) < limit and (piece := os.read(descriptor, _PIECE)):
        content += piece
    return content


def _file_type(mode: int) -> str:
    names = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return names.get(stat.S_IFMT(mode), "something else")


def _untracked(request: Request, cwd: str, path: str) -> bool:
    """Whether git says that it does not track a local settings file (fact 16).

    The repository may be hostile, so nothing that its configuration could start is left on.
    """
    asked_anyway = request.client.untracked_local_approves  # for what the client migrates there
    if not (asked_anyway or os.path.exists(path)):
        return False
    import subprocess  # noqa: PLC0415  in repositories only

    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += ["-C", cwd, "ls-files", "--error-unmatch", "--", path]
    environment = git_environment(request.environ, str(request.home))
    try:
        done = subprocess.run(  # noqa: S603  a fixed command; the path follows `--`
            command, env=environment, capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 1  # 0: tracked; 128: no repository, or behind a link


def git_environment(environ: Mapping[str, str], home: str) -> dict[str, str]:
    """Variables with which git starts nothing that a hostile repository names.

    To read its index can be enough: what is missing would be fetched from a promisor remote, by
    `core.sshCommand` or `uploadpack`.  A PATH with `node_modules/.bin` in it would find a program
    of the project's.
    """
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    where = {name: environ[name] for name in ("XDG_CONFIG_HOME",) if name in environ}
    return {
        **where,
        "PATH": os.pathsep.join(f for f in folders if os.path.isabs(f)) or os.defpath,
        "HOME": home,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
