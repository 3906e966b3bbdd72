"""A sync that is killed at any moment leaves the old set or the new one, without any repair.

Once at random, under a reader that never stops, and once before every single system call that
changes the file system.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mcpconf.emit import Artifact, Reader
from mcpconf.errors import Failure
from mcpconf.write import Kind, Target, changes, in_force, remove, write

pytestmark = pytest.mark.slow

KILLS = 80
Set = tuple[Artifact, ...]


def artifacts(label: str, *more: str) -> Set:
    text = f'{{"label": "{label}", "rest": "{label * 3000}"}}\n'
    return (
        Artifact("mcp.json", text, Reader.CONTAINER),
        Artifact("egress.json", text, Reader.CONTAINER),
        Artifact("routes.json", text, Reader.HOST),
        *(Artifact(name, text, Reader.CONTAINER) for name in more),
    )


A, B = artifacts("a"), artifacts("b")


def sync(target: Target, emitted: Set) -> None:
    assert write(changes(emitted, target), target, force=True) == ()


def visible(target: Target) -> dict[str, bytes]:
    """Read what a reader gets: the plain paths of the container, and the routes that belong."""
    there = {p.name: p.read_bytes() for p in target.container.glob("*.json") if p.exists()}
    host = in_force(target)
    if host is not None:
        there |= {p.name: p.read_bytes() for p in host.glob("*.json") if p.name != "manifest.json"}
    return there


def expected(emitted: Set) -> dict[str, bytes]:
    return {a.name: a.text.encode() for a in emitted}


def is_clean(target: Target) -> bool:
    """Say whether nothing is left of what was cut off, and every plain path leads somewhere."""
    there = [p for d in (target.container, target.host) if d.exists() for p in d.iterdir()]
    names = {path.name for path in there}
    return not names & {".building", ".link", "next"} and all(path.exists() for path in there)


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


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed loses nothing that the kernel has; only power loss does."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


# --- at random ------------------------------------------------------------------------------------


def write_for_ever(target: Target) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # an orphan ends
        sync(target, A)
        sync(target, B)


def read_for_ever(target: Target, stop: Path, report: Path) -> None:
    """Read the set as the container does, by one ``readlink``, and by one open directory."""
    seen = {"container": 0, "both": 0}
    parent = os.getppid()
    while not stop.exists() and os.getppid() == parent:
        try:
            link = (target.container / "current").readlink()
            ours = [(target.container / link / n).read_bytes() for n in ("mcp.json", "egress.json")]
            host = in_force(target)
            assert host is not None
            routes = (host / "routes.json").read_bytes()
            still = (target.container / "current").readlink()
        except FileNotFoundError:
            continue  # two syncs passed in between: resolve again
        assert ours[0] == ours[1], "one generation mixed"
        seen["container"] += 1
        if still == link:
            assert routes == ours[0], "the routes of another generation"
            seen["both"] += 1
        fd = os.open(target.container / "current", os.O_RDONLY | os.O_DIRECTORY)
        try:
            files = [os.open(n, os.O_RDONLY, dir_fd=fd) for n in ("mcp.json", "egress.json")]
        except FileNotFoundError:
            continue
        finally:
            os.close(fd)
        texts = [os.read(file, 100_000) for file in files]
        for file in files:
            os.close(file)
        assert texts[0] == texts[1], "one directory mixed"
    report.write_text(f"{seen['container']} {seen['both']}")


def visible_after_kill(target: Target, after: float) -> dict[str, bytes]:
    writer = fork(lambda: write_for_ever(target))
    time.sleep(after)
    os.kill(writer, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) == -signal.SIGKILL
    return visible(target)


def test_a_kill_at_any_time_leaves_a_whole_set(tmp_path: Path) -> None:
    target = Target(tmp_path / "c", tmp_path / "h")
    sync(target, A)
    chance = random.Random(20260801)
    reader = fork(lambda: read_for_ever(target, tmp_path / "stop", tmp_path / "report"))
    outcomes = set()
    try:
        for _ in range(KILLS):
            there = visible_after_kill(target, chance.uniform(0.001, 0.06))
            assert there in (expected(A), expected(B))
            outcomes.add(there["mcp.json"])
    finally:
        (tmp_path / "stop").touch()
        status = os.waitpid(reader, 0)[1]
    assert status == 0
    container, both = map(int, (tmp_path / "report").read_text().split())
    assert container > both > KILLS
    assert len(outcomes) == 2
    sync(target, A)
    sync(target, B)
    assert visible(target) == expected(B)
    assert is_clean(target)
    assert len([*target.container.glob("gen-*")]) == 2


# --- before every system call ---------------------------------------------------------------------

CALLS = (
    "chmod",
    "fchmod",
    "fsync",
    "ftruncate",
    "mkdir",
    "open",
    "pwrite",
    "rename",
    "rmdir",
    "symlink",
    "unlink",
    "write",
)


@contextmanager
def watched(before: Callable[[str, tuple[object, ...]], None]) -> Iterator[None]:
    """Call ``before`` ahead of every system call that changes the file system."""
    real = {name: getattr(os, name) for name in CALLS}

    def watch(name: str) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            if name != "open" or int(args[1]) & os.O_CREAT:  # type: ignore[call-overload]
                before(name, args)
            return real[name](*args, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, watch(name))
        yield


def die_at(n: int, work: Callable[[], None]) -> bool:
    """Run it in a child that ends at its n-th change; False when it has none left."""
    real_write = os.write

    def child() -> None:
        left = n

        def before(name: str, args: tuple[object, ...]) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":  # cut off in the middle
                    fd, content = args
                    real_write(fd, content[: len(content) // 2])  # type: ignore[arg-type,index]
                os._exit(42)

        with watched(before):
            work()

    code = os.waitstatus_to_exitcode(os.waitpid(fork(child), 0)[1])
    assert code in (0, 42)
    return code == 42


def nothing(_: Target) -> None:
    pass


def first(target: Target) -> None:
    sync(target, A)


def with_more(target: Target) -> None:
    sync(target, artifacts("a", "old.json"))


def edited(target: Target) -> None:
    sync(target, A)
    (target.container / "mcp.json").write_text("mine\n")


def replaced(target: Target) -> None:
    sync(target, A)
    for name in ("mcp.json", "egress.json"):
        (target.container / name).unlink()
        (target.container / name).write_text(f"my {name}\n")


def plain(target: Target) -> None:
    target.container.mkdir()
    for artifact in A[:2]:
        (target.container / artifact.name).write_text(artifact.text)


def interrupted(target: Target) -> None:
    """Leave a sync as a kill right after the commit leaves it."""
    sync(target, A)

    def before(name: str, args: tuple[object, ...]) -> None:
        if name == "rename" and args[0] == "next":
            os._exit(0)

    def child() -> None:
        with watched(before):
            sync(target, artifacts("c"))

    assert os.waitpid(fork(child), 0)[1] == 0
    assert os.path.lexists(target.host / "next")


START: list[tuple[Callable[[Target], None], Set]] = [
    (nothing, A),
    (first, B),
    (with_more, artifacts("b", "new.json")),
    (edited, A),
    (replaced, B),
    (plain, A),
    (plain, B),
    (interrupted, B),
    (first, ()),
]


@pytest.fixture(
    params=START, ids=lambda p: f"{p[0].__name__}-{p[1][0].text[11:12] if p[1] else ''}"
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Set]:
    start, emitted = request.param
    root = tmp_path / "start"
    root.mkdir()
    start(Target(root / "c", root / "h"))
    return root, emitted


def copy(root: Path, n: int) -> Target:
    there = root.with_name(f"copy{n}")
    shutil.copytree(root, there, symlinks=True)
    return Target(there / "c", there / "h")


@pytest.mark.sample(2)
def test_a_kill_before_every_change_leaves_a_whole_set(case: tuple[Path, Set]) -> None:
    root, emitted = case
    old, new = visible(copy(root, 0)), expected(emitted)
    outcomes = []
    for n in range(1, 400):
        target = copy(root, n)
        killed = die_at(n, lambda target=target: sync(target, emitted))  # type: ignore[misc]
        there = visible(target)
        assert there in (old, new), n
        outcomes.append(there == new)
        sync(target, emitted)
        assert visible(target) == new
        assert {c.kind for c in changes(emitted, target)} <= {Kind.UNCHANGED}
        sync(target, artifacts("z"))
        assert is_clean(target), n
        if not killed:
            break
    assert len(outcomes) > 20
    assert outcomes[-1]
    assert outcomes == sorted(outcomes)  # once new, never old again


@pytest.mark.sample(2)
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
def test_an_error_at_every_change_leaves_a_whole_set(
    case: tuple[Path, Set], *, for_ever: bool
) -> None:
    """The n-th change fails: a full disk, which lets one delete and rename."""
    root, emitted = case
    start = copy(root, 0)
    old, new = visible(start), expected(emitted)
    for n in range(1, 400):
        target = copy(root, n)
        left = n

        def before(name: str, _: tuple[object, ...]) -> None:
            nonlocal left
            if name in ("unlink", "rmdir", "rename") and for_ever:
                return
            left -= 1
            if left == 0 or (left < 0 and for_ever):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with watched(before), suppress(Failure):
            sync(target, emitted)
        assert visible(target) in (old, new), n
        if for_ever and is_clean(start) and visible(target) == old:
            assert is_clean(target), n
        sync(target, emitted)
        assert visible(target) == new
        if left > 0:
            break


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks Linux what is synced")
def test_everything_is_on_the_disk_before_it_is_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a loss of power could undo must not be relied upon: the order of syncs and flips."""
    target = Target(tmp_path / "c", tmp_path / "h")
    sync(target, A)
    log: list[str] = []
    rename = os.rename

    def note(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        log.append(str(path.relative_to(tmp_path)))

    def flip(old: str, new: str, **more: int) -> None:
        rename(old, new, **more)
        if new == "current":
            into = Path(f"/proc/self/fd/{more['dst_dir_fd']}").readlink()
            log.append(f"flip {into.name}")

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "rename", flip)
    sync(target, B)
    files = ["egress.json", "mcp.json", ""], ["manifest.json", "routes.json", ""]
    built = [
        [*(str(Path(folder, ".building", name)) for name in names), folder]
        for folder, names in zip("ch", files, strict=True)
    ]
    assert log == [*built[0], *built[1], "h", "flip c", "c", "flip h", "h"]


def test_a_kill_while_removing_can_be_taken_up(tmp_path: Path) -> None:
    root = tmp_path / "start"
    root.mkdir()
    start = Target(root / "c", root / "h")
    sync(start, A)
    sync(start, B)
    (start.container / "README").write_text("theirs\n")
    for n in range(1, 100):
        target = copy(root, n)
        killed = die_at(n, lambda target=target: remove(target) and None)  # type: ignore[misc]
        set_there = {p.name for p in target.container.glob("*.json") if p.exists()}
        assert set_there in (set(), {"mcp.json", "egress.json"}), n
        remove(target)
        assert [p.name for p in target.container.iterdir()] == ["README"], n
        if not killed:
            break
    assert not target.host.exists()
