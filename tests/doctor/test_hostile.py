"""What a hostile clone, container or server can make a diagnosis do: nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

from mcpconf.diagnosis import checks_files
from mcpconf.diagnosis.check import State


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.invalid")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_git_starts_nothing_for_a_file_that_is_missing(tmp_path: Path) -> None:
    """A promisor remote brings what the index lacks, and a repository names its program."""
    root, mark = tmp_path / "clone", tmp_path / "started"
    (root / "out").mkdir(parents=True)
    (root / ".gitignore").write_text("out\n")
    _git(root, "init", "-q")
    _git(root, "add", ".gitignore")
    blob = _git(root, "rev-parse", ":.gitignore")
    _git(root, "update-index", "--skip-worktree", ".gitignore")
    (root / ".gitignore").unlink()
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for name, value in (
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "evil"),
        ("remote.evil.url", str(root / ".git")),
        ("remote.evil.promisor", "true"),
        ("remote.evil.uploadpack", f"touch {mark}; false"),
        ("protocol.file.allow", "always"),
        ("core.fsmonitor", f"touch {mark}; false"),
    ):
        _git(root, "config", name, value)
    given = SimpleNamespace(
        target=SimpleNamespace(root=root, container=root / "out", kind="none"),
        compiled=SimpleNamespace(artifacts=()),
        environ=os.environ,
        configuration=SimpleNamespace(request=SimpleNamespace(home=tmp_path)),
    )
    found = checks_files.ignored(given)  # type: ignore[arg-type]  what it reads of it
    assert found.state in (State.OK, State.WARN)
    assert not mark.exists()
