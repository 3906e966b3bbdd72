"""What a sync does to each file, and what it refuses to touch.  Real files, no mocks."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from mcpconf.emit import Artifact, Reader
from mcpconf.errors import Failure
from mcpconf.write import Change, Kind, Target, changes, in_force, lock, remove, write

NOBODY = 65534


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of syncs has a test of its own, in test_write_kill.py."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def artifacts(label: str, *more: str) -> tuple[Artifact, ...]:
    return (
        Artifact("mcp.json", f'{{\n  "mcp": "{label}"\n}}\n', Reader.CONTAINER),
        Artifact("egress.json", f'{{\n  "egress": "{label}"\n}}\n', Reader.CONTAINER),
        Artifact("routes.json", f'{{\n  "routes": "{label}"\n}}\n', Reader.HOST),
        *(Artifact(name, f'{{"more": "{label}"}}\n', Reader.CONTAINER) for name in more),
    )


@pytest.fixture
def target(tmp_path: Path) -> Target:
    project = tmp_path / "project"
    (project / ".ddev").mkdir(parents=True)
    return Target(project / ".ddev" / "mcpconf" / "container", tmp_path / "state" / "p", project)


def sync(target: Target, emitted: tuple[Artifact, ...], *, force: bool = False) -> list[str]:
    found = write(changes(emitted, target), target, force=force)
    return [finding.code for finding in found]


def kinds(target: Target, emitted: tuple[Artifact, ...]) -> dict[str, str]:
    return {change.name: change.kind.value for change in changes(emitted, target)}


def one(found: tuple[Change, ...], name: str) -> Change:
    return next(change for change in found if change.name == name)


def is_whole(target: Target, emitted: tuple[Artifact, ...]) -> bool:
    """Say whether the plain paths hold exactly these files."""
    for reader in Reader:
        wanted = {a.name: a.text for a in emitted if a.reader is reader}
        there = {p.name: p.read_text() for p in target.of(reader).glob("*.json")}
        there.pop("manifest.json", None)
        if there != wanted:
            return False
    return True


def tree(*roots: Path) -> dict[str, tuple[object, ...]]:
    """Everything below, with what would change if anything were written."""
    return {
        str(path): (s.st_ino, s.st_mtime_ns, s.st_mode, s.st_size)
        for root in roots
        for path in (root, *sorted(root.rglob("*")))
        for s in [path.lstat()]
    }


def fork(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001  it must not return into pytest
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def in_child(work: Callable[[], None]) -> int:
    """Run it in a process of its own; 0 when it ends well."""
    return os.waitpid(fork(work), 0)[1]


# --- what becomes of a file -----------------------------------------------------------------------


def test_the_first_sync_creates_everything(target: Target) -> None:
    assert set(kinds(target, artifacts("a")).values()) == {"create"}
    assert not target.container.exists()  # comparing makes nothing
    assert not target.host.exists()
    assert sync(target, artifacts("a")) == []
    assert is_whole(target, artifacts("a"))


def test_the_same_input_writes_nothing(target: Target) -> None:
    sync(target, artifacts("a"))
    before = tree(target.container, target.host)
    assert set(kinds(target, artifacts("a")).values()) == {"unchanged"}
    assert sync(target, artifacts("a")) == []
    assert sync(target, artifacts("a"), force=True) == []
    assert tree(target.container, target.host) == before


def test_a_new_text_updates_and_keeps_the_mounted_directory(target: Target) -> None:
    sync(target, artifacts("a"))
    inode = target.container.stat().st_ino
    assert set(kinds(target, artifacts("b")).values()) == {"update"}
    for label in "baba":
        sync(target, artifacts(label))
        assert is_whole(target, artifacts(label))
    assert target.container.stat().st_ino == inode
    assert len([*target.container.glob("gen-*")]) == 2  # this one and the one before


def test_what_is_no_longer_emitted_is_removed(target: Target) -> None:
    sync(target, artifacts("a", "extra.json"))
    assert kinds(target, artifacts("a"))["extra.json"] == "remove"
    sync(target, artifacts("a"))
    assert not os.path.lexists(target.container / "extra.json")
    assert is_whole(target, artifacts("a"))
    assert "extra.json" not in kinds(target, artifacts("a"))


@pytest.mark.parametrize("name", ["mcp.json", "current"])
def test_what_was_deleted_by_hand_is_created_anew(target: Target, name: str) -> None:
    sync(target, artifacts("a"))
    (target.container / name).unlink()
    assert kinds(target, artifacts("a"))["mcp.json"] == "create"
    assert sync(target, artifacts("a")) == []
    assert is_whole(target, artifacts("a"))


def test_a_deleted_directory_is_created_anew(target: Target) -> None:
    sync(target, artifacts("a"))
    shutil.rmtree(target.container)
    assert sync(target, artifacts("b")) == []
    assert is_whole(target, artifacts("b"))


def test_a_file_deleted_by_hand_and_no_longer_emitted_is_forgotten(target: Target) -> None:
    sync(target, artifacts("a", "extra.json"))
    (target.container / "extra.json").unlink()
    assert kinds(target, artifacts("a"))["extra.json"] == "remove"
    sync(target, artifacts("a"))
    assert "extra.json" not in kinds(target, artifacts("a"))


@pytest.mark.parametrize("emitted", [artifacts("a"), artifacts("b"), ()], ids=["a", "b", "none"])
@pytest.mark.parametrize("how", ["in place", "by a new file"])
def test_an_edited_file_stops_the_whole_sync(
    target: Target, how: str, emitted: tuple[Artifact, ...]
) -> None:
    sync(target, artifacts("a"))
    path = target.container / "mcp.json"
    if how == "by a new file":
        path.unlink()
    path.write_text("mine\n")
    before = tree(target.container, target.host)
    assert kinds(target, emitted)["mcp.json"] == "edited"
    assert sync(target, emitted) == ["MC040"]
    assert tree(target.container, target.host) == before
    assert sync(target, emitted, force=True) == []
    assert is_whole(target, emitted)
    assert set(kinds(target, emitted).values()) <= {"unchanged"}


def test_an_edit_on_the_host_is_an_edit(target: Target) -> None:
    sync(target, artifacts("a"))
    (target.host / "routes.json").write_text("{}")
    assert sync(target, artifacts("b")) == ["MC040"]
    assert (target.container / "mcp.json").read_text() == artifacts("a")[0].text


def test_a_foreign_file_stops_the_whole_sync(target: Target) -> None:
    target.container.mkdir(parents=True)
    (target.container / "mcp.json").write_text("theirs\n")
    assert kinds(target, artifacts("a"))["mcp.json"] == "foreign"
    assert sync(target, artifacts("a")) == ["MC041"]
    assert [p.name for p in target.container.iterdir()] == ["mcp.json"]
    assert not target.host.exists()
    assert sync(target, artifacts("a"), force=True) == []
    assert is_whole(target, artifacts("a"))


def test_a_foreign_file_with_our_bytes_is_adopted(target: Target) -> None:
    target.container.mkdir(parents=True)
    (target.container / "mcp.json").write_text(artifacts("a")[0].text)
    assert kinds(target, artifacts("a")) == {
        "egress.json": "create",
        "mcp.json": "adopt",
        "routes.json": "create",
    }
    assert sync(target, artifacts("a")) == []
    assert (target.container / "mcp.json").is_symlink()
    assert set(kinds(target, artifacts("a")).values()) == {"unchanged"}


def test_files_of_other_names_are_left_alone(target: Target) -> None:
    target.container.mkdir(parents=True)
    for name in ("README", "routes.json", "manifest.json"):  # two of them are names on the host
        (target.container / name).write_text("theirs\n")
    before = {p: p.lstat().st_ino for p in target.container.iterdir()}
    for label in "ab":
        assert sync(target, artifacts(label)) == []
    assert all(p.lstat().st_ino == inode for p, inode in before.items())


def test_a_file_may_move_from_one_reader_to_the_other(target: Target) -> None:
    sync(target, (Artifact("x.json", "x\n", Reader.CONTAINER),))
    moved = (Artifact("x.json", "x\n", Reader.HOST),)
    assert [c.kind for c in changes(moved, target)] == [Kind.REMOVE, Kind.CREATE]
    sync(target, moved)
    assert is_whole(target, moved)


def test_changes_that_are_out_of_date_do_not_overwrite(target: Target) -> None:
    sync(target, artifacts("a"))
    planned = changes(artifacts("b"), target)
    (target.container / "mcp.json").write_text("mine\n")
    assert [f.code for f in write(planned, target)] == ["MC040"]
    assert (target.container / "mcp.json").read_text() == "mine\n"


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "current", "manifest.json", "lock", ".building", "gen-0123456789abcdef"]
)
def test_names_that_are_ours_or_lead_away_are_bugs(target: Target, name: str) -> None:
    with pytest.raises(ValueError, match="cannot have the name"):
        changes((Artifact(name, "", Reader.CONTAINER),), target)


# --- the manifest and the bytes -------------------------------------------------------------------


def test_the_same_input_gives_the_same_bytes(target: Target, tmp_path: Path) -> None:
    other = Target(tmp_path / "c", tmp_path / "h")
    sync(target, artifacts("b"))
    sync(target, artifacts("a"))
    sync(other, artifacts("a")[::-1])
    for name in ("manifest.json", "routes.json"):
        assert (target.host / name).read_bytes() == (other.host / name).read_bytes()
    manifest = json.loads((target.host / "manifest.json").read_text())
    assert (target.container / "current").readlink().name == f"gen-{manifest['generation']}"
    assert in_force(target) == target.host / f"gen-{manifest['generation']}"
    assert manifest["files"]["routes.json"].keys() == {"reader", "sha256"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2}', "\ud800", "[" * 9999])
def test_a_manifest_that_cannot_be_read_counts_as_none(target: Target, text: str) -> None:
    sync(target, artifacts("a"))
    (target.host / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert set(kinds(target, artifacts("a")).values()) == {"adopt"}
    assert set(kinds(target, artifacts("b")).values()) == {"foreign"}
    assert sync(target, artifacts("a")) == []
    assert set(kinds(target, artifacts("a")).values()) == {"unchanged"}


def test_a_manifest_that_was_changed_counts_as_none(target: Target) -> None:
    sync(target, artifacts("a"))
    path = target.host / "manifest.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0', 1))
    assert set(kinds(target, artifacts("b")).values()) == {"foreign"}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(target: Target, umask: int) -> None:
    before = os.umask(umask)
    try:
        sync(target, artifacts("a"))
    finally:
        os.umask(before)
    modes = {
        target.container: 0o755,
        target.container / "current": 0o755,
        target.container / "mcp.json": 0o644,
        target.host: 0o700,
        target.host / "current": 0o700,
        target.host / "routes.json": 0o600,
        target.host / "manifest.json": 0o600,
        target.host / "lock": 0o600,
    }
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in modes} == modes
    assert all(a.mode == modes[target.of(a.reader) / a.name] for a in artifacts("a")[::2])


def test_the_hosts_directory_is_closed_when_it_was_open(target: Target) -> None:
    target.host.mkdir(parents=True, mode=0o755)
    sync(target, artifacts("a"))
    assert stat.S_IMODE(target.host.stat().st_mode) == 0o700


def test_a_hosts_file_that_others_may_read_is_closed_again(target: Target) -> None:
    sync(target, artifacts("a"))
    routes = target.host / "routes.json"
    routes.chmod(0o644)
    assert kinds(target, artifacts("a"))["routes.json"] == "adopt"
    assert sync(target, artifacts("a")) == []
    assert stat.S_IMODE(routes.stat().st_mode) == 0o600
    assert set(kinds(target, artifacts("a")).values()) == {"unchanged"}


def test_every_link_is_relative_and_stays_inside(target: Target) -> None:
    sync(target, artifacts("a"))
    for path in (*target.container.iterdir(), *target.host.iterdir()):
        if path.is_symlink():
            assert ".." not in path.readlink().parts
            assert not path.readlink().is_absolute()


# --- the diff -------------------------------------------------------------------------------------


def test_the_diff_shows_what_is_ours(target: Target) -> None:
    sync(target, artifacts("a"))
    found = changes(artifacts("b"), target)
    assert one(found, "mcp.json").diff[2:] == (
        "@@ -1,3 +1,3 @@",
        " {",
        '-  "mcp": "a"',
        '+  "mcp": "b"',
        " }",
    )
    assert one(found, "routes.json").diff == ("1 line changed",)
    assert one(changes(artifacts("a"), target), "mcp.json").diff == ()


def test_the_diff_never_shows_what_somebody_else_wrote(target: Target) -> None:
    sync(target, artifacts("a"))
    (target.container / "mcp.json").write_text("Bearer hunter2\n")
    change = one(changes(artifacts("b"), target), "mcp.json")
    assert change.diff == ("3 lines changed",)
    assert "hunter2" not in repr(change) + repr(change.finding)


def test_a_long_diff_is_cut_and_harmless(target: Target) -> None:
    text = "\x1b[2J\u202e\n" * 500
    (change,) = changes((Artifact("x.json", text, Reader.CONTAINER),), target)
    assert len(change.diff) == 201
    assert change.diff[-1] == "… and 303 more lines"
    assert change.diff[3] == r"+\x1b[2J\u202e"


# --- hostile surroundings -------------------------------------------------------------------------


def test_a_directory_that_is_a_link_is_refused(target: Target, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "container").mkdir(parents=True)
    (target.container.parent).symlink_to(outside)
    for emitted in (artifacts("a"), ()):
        with pytest.raises(Failure, match=r"\.ddev/mcpconf is a link or a file"):
            changes(emitted, target)
    with pytest.raises(Failure, match=r"\.ddev/mcpconf is a link or a file"):
        remove(target)
    assert [*(outside / "container").iterdir()] == []


@pytest.mark.parametrize("part", [".ddev", ".ddev/mcpconf", ".ddev/mcpconf/container"])
def test_a_link_anywhere_below_the_project_is_refused(
    target: Target, tmp_path: Path, part: str
) -> None:
    planned = changes(artifacts("a"), target)  # the link appears after the comparison
    assert target.project is not None
    (tmp_path / "outside").mkdir()
    shutil.rmtree(target.project / ".ddev")
    (target.project / part).parent.mkdir(parents=True, exist_ok=True)
    (target.project / part).symlink_to(tmp_path / "outside")
    with pytest.raises(Failure) as caught:
        write(planned, target, force=True)
    assert str(target.project / part) in caught.value.message
    assert caught.value.help
    assert [*(tmp_path / "outside").iterdir()] == []


def test_another_spelling_of_the_project_does_not_open_a_way_out(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "alias").symlink_to(project)
    (tmp_path / "outside").mkdir()
    (project / "mcpconf").symlink_to(tmp_path / "outside")
    target = Target(tmp_path / "alias" / "mcpconf" / "c", tmp_path / "h", project)
    with pytest.raises(Failure, match="is a link or a file"):
        changes(artifacts("a"), target)
    with pytest.raises(ValueError, match="not a plain path"):
        changes((), Target(project / ".." / "c", tmp_path / "h", project))


def plant(path: Path, what: str, outside: Path) -> None:
    """Put something in the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if what == "link":
        path.symlink_to(outside)
    elif what == "dangling link":
        path.symlink_to(outside / "nowhere")
    elif what == "directory":
        path.mkdir()
        (path / "novel.txt").write_text("theirs\n")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "socket":
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is short
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
        finally:
            os.chdir(here)
    elif what == "large file":
        path.touch()
        os.truncate(path, 2**40)


PLANTS = ["link", "dangling link", "directory", "fifo", "socket", "large file"]


@pytest.mark.parametrize("synced", [False, True], ids=["clone", "later"])
@pytest.mark.parametrize("name", ["mcp.json", "current"])
@pytest.mark.parametrize("what", PLANTS)
def test_what_is_planted_is_never_followed(
    target: Target, tmp_path: Path, what: str, name: str, *, synced: bool
) -> None:
    outside = tmp_path / ".bashrc"
    outside.write_text("alias ls=ls\n")
    if synced:
        sync(target, artifacts("a"))
        (target.container / name).unlink()
    plant(target.container / name, what, outside)
    before = tree(target.container)
    assert kinds(target, artifacts("b"))[name] == "foreign"
    assert "MC041" in sync(target, artifacts("b"))
    assert tree(target.container) == before
    if what == "directory":
        with pytest.raises(Failure, match="is a directory"):
            sync(target, artifacts("b"), force=True)
        assert tree(target.container) == before
    else:
        assert sync(target, artifacts("b"), force=True) == []
        assert is_whole(target, artifacts("b"))
    assert outside.read_text() == "alias ls=ls\n"


def test_a_clone_that_imitates_our_links_is_foreign(target: Target, tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "mcp.json").write_text("theirs\n")
    target.container.mkdir(parents=True)
    (target.container / "mcp.json").symlink_to("current/mcp.json")
    (target.container / "current").symlink_to("gen-0123456789abcdef")
    (target.container / "gen-0123456789abcdef").symlink_to(tmp_path / "ssh")
    (target.container / ".building").symlink_to(tmp_path / "ssh")
    (target.container / ".link").symlink_to(tmp_path / "ssh")
    assert kinds(target, artifacts("a"))["current"] == "foreign"
    assert sync(target, artifacts("a"), force=True) == []
    for label in "bab":
        sync(target, artifacts(label))
    assert [p.name for p in (tmp_path / "ssh").iterdir()] == ["mcp.json"]
    assert (tmp_path / "ssh" / "mcp.json").read_text() == "theirs\n"


def take(path: Path, what: str, theirs: Path) -> None:
    if what == "empty":
        path.mkdir()
    elif what == "file":
        path.write_text("theirs\n")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "socket":
        os.mknod(path, stat.S_IFSOCK)
    elif what == "link":
        path.symlink_to(theirs)


@pytest.mark.parametrize("what", ["full", "empty", "file", "fifo", "socket", "link"])
@pytest.mark.parametrize("name", [".building", ".link", ".building-1", ".link-1"])
def test_a_clone_that_takes_the_names_of_our_temporaries(
    target: Target, tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / "theirs" / "x").mkdir(parents=True)
    first = target.container / name.partition("-")[0]
    for planted in {first, target.container / name}:
        planted.mkdir(parents=True)
        (planted / "x").mkdir()
    if what != "full":
        shutil.rmtree(planted)
        take(planted, what, tmp_path / "theirs")
    for label in "abbc":
        assert sync(target, artifacts(label)) == []
        assert is_whole(target, artifacts(label))
    assert (tmp_path / "theirs" / "x").is_dir()
    assert remove(target) == ()
    left = {p.name for p in target.container.iterdir()} if target.container.exists() else set()
    assert left <= {".building", ".link", name}


@pytest.mark.parametrize("reader", Reader)
def test_a_failure_names_the_directory_it_is_in(
    target: Target, monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> None:
    sync(target, artifacts("a"))
    where = target.of(reader).stat()
    genuine = os.readlink

    def readlink(path: str, *, dir_fd: int | None = None) -> str:
        if dir_fd is not None and os.path.samestat(os.fstat(dir_fd), where):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return genuine(path, dir_fd=dir_fd)

    seen = changes(artifacts("b"), target)
    monkeypatch.setattr(os, "readlink", readlink)
    for work in (
        lambda: changes(artifacts("b"), target),
        lambda: write(seen, target),
        lambda: remove(target),
    ):
        with pytest.raises(Failure) as failure:
            work()
        assert f"the files in {target.of(reader)} could not be" in str(failure.value)


def test_a_link_inside_a_generation_is_foreign(target: Target, tmp_path: Path) -> None:
    sync(target, artifacts("a"))
    (tmp_path / "secret").write_text("theirs\n")
    inside = target.container / "current" / "mcp.json"
    inside.unlink()
    inside.symlink_to(tmp_path / "secret")
    assert kinds(target, artifacts("a"))["mcp.json"] == "foreign"
    assert sync(target, artifacts("a"), force=True) == []
    assert (tmp_path / "secret").read_text() == "theirs\n"


def test_the_container_cannot_bring_back_old_routes(target: Target) -> None:
    for label in "ab":
        sync(target, artifacts(label))
    new = in_force(target)
    old = next(p for p in target.container.glob("gen-*") if p.name != new.name)
    (target.container / "current").unlink()
    (target.container / "current").symlink_to(old.name)
    assert in_force(target) == new
    assert set(kinds(target, artifacts("b")).values()) == {"edited", "unchanged"}


# --- a broken world -------------------------------------------------------------------------------


def test_two_syncs_at_once_both_come_out_whole(target: Target) -> None:
    sync(target, artifacts("z"))

    def work(label: str) -> None:
        for n in range(25):
            assert sync(target, artifacts(f"{label}{n}")) == []

    first = fork(lambda: work("a"))
    work("b")
    assert os.waitpid(first, 0)[1] == 0
    assert any(is_whole(target, artifacts(f"{label}24")) for label in "ab")


def test_a_lock_that_is_held_says_who_holds_it(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(target, artifacts("a"))
    monkeypatch.setattr(lock, "PATIENCE", 0.05)
    with (target.host / "lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Failure, match=rf"process {os.getpid()} has been writing") as caught:
            sync(target, artifacts("b"))
        assert "waited for" in caught.value.note
        assert sync(target, artifacts("a")) == []  # nothing to do needs no lock
    assert is_whole(target, artifacts("a"))
    assert sync(target, artifacts("b")) == []


def test_a_limit_on_the_size_of_files_leaves_the_old_set(target: Target) -> None:
    sync(target, artifacts("a"))
    before = tree(target.container)
    large = (*artifacts("b"), Artifact("x.json", "x" * 9000, Reader.HOST))

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with pytest.raises(Failure, match="could not be written") as caught:
            sync(target, large)
        assert "ulimit" in caught.value.help

    assert in_child(work) == 0
    assert tree(target.container).keys() == before.keys()
    assert is_whole(target, artifacts("a"))
    assert sync(target, large) == []


def test_a_directory_without_rights_leaves_the_old_set() -> None:
    with tempfile.TemporaryDirectory() as name:
        target = Target(Path(name) / "c", Path(name) / "h")
        Path(name).chmod(0o755)
        sync(target, artifacts("a"))
        target.container.chmod(0o555)

        def work() -> None:
            if os.geteuid() == 0:
                for path in (target.host, *target.host.rglob("*")):
                    os.lchown(path, NOBODY, NOBODY)
                os.setuid(NOBODY)
            with pytest.raises(Failure, match="Permission denied") as caught:
                sync(target, artifacts("b"))
            assert "ls -ld" in caught.value.help

        assert in_child(work) == 0
        assert is_whole(target, artifacts("a"))
        assert not [*target.host.glob("next")]
        target.container.chmod(0o755)
        assert sync(target, artifacts("b")) == []


SCRIPT = """
import subprocess, sys
from pathlib import Path
from mcpconf.emit import Artifact, Reader
from mcpconf.errors import Failure
from mcpconf.write import Target, changes, write

root = Path(sys.argv[1])
target = Target(root / "c", root / "h")
small, large = (
    tuple(Artifact(n, n * size, r) for n, r in (("a", Reader.CONTAINER), ("b", Reader.HOST)))
    for size in (10, 900_000)
)
assert not write(changes(small, target), target)
subprocess.run(["mount", "-o", sys.argv[2], str(root)], check=True)
try:
    write(changes(large, target), target)
except Failure as failure:
    print(failure.message, failure.help)
assert sorted(p.name for p in root.rglob("*")).count("a") == 2
assert not list(root.rglob(".building")) and not list(root.rglob("next"))
assert (root / "c" / "a").read_text() == "a" * 10
"""


@pytest.mark.parametrize(
    ("options", "words"),
    [("remount,ro", "mounted read-only"), ("remount,size=64k", "make room on the disk")],
)
def test_a_disk_that_is_full_or_read_only_leaves_the_old_set(
    tmp_path: Path, options: str, words: str
) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urm", "true"], check=False).returncode:
        pytest.skip("needs the right to make a mount namespace")
    mount = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'
    inside = ["sh", "-c", mount, "-", tmp_path, sys.executable, "-c", SCRIPT, tmp_path, options]
    done = subprocess.run([unshare, "-Urm", *inside], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


def test_a_failure_names_the_disk_in_its_help(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Failure, match="quota") as caught:
            sync(target, artifacts("a"))
    assert str(target.container) in caught.value.help
    assert [*target.container.iterdir()] == []


# --- removal --------------------------------------------------------------------------------------


def test_remove_takes_everything_that_is_ours(target: Target) -> None:
    for label in "ab":
        sync(target, artifacts(label))
    assert remove(target) == ()
    assert not target.container.exists()
    assert not target.host.exists()
    assert remove(target) == ()


def test_remove_leaves_what_is_not_ours(target: Target) -> None:
    for label in "ab":
        sync(target, artifacts(label, "own.json"))
    (target.container / "mcp.json").write_text("mine\n")
    (target.container / "own.json").unlink()
    (target.container / "own.json").symlink_to("README")
    (target.container / "README").write_text("theirs\n")
    found = remove(target)
    assert [f.code for f in found] == ["MC040", "MC041"]
    assert "left" in found[0].notes[0]
    assert sorted(p.name for p in target.container.iterdir()) == ["README", "mcp.json", "own.json"]
    assert (target.container / "mcp.json").read_text() == "mine\n"
    assert not target.host.exists()


def test_remove_touches_nothing_without_a_manifest(target: Target) -> None:
    sync(target, artifacts("a"))
    (target.host / "manifest.json").unlink()
    before = tree(target.container)
    assert remove(target) == ()
    assert tree(target.container) == before
