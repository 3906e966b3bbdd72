"""Files that are written in their own place: whose they are, and that none is ever half there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcpconf.errors import Failure
from mcpconf.write import project_files as pf
from mcpconf.write.changes import Kind
from mcpconf.write.project_files import ProjectFile
from tests.ddev.project import files

OURS = b"#ddev-generated\nnew\n"
FILE = ProjectFile("a/b/file", OURS, 0o755)


def kind(root: Path, file: ProjectFile = FILE) -> Kind:
    (change,) = pf.compare([file], root)
    return change.kind


def put(root: Path, content: bytes, mode: int = 0o755) -> Path:
    path = root / FILE.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "mode", "wanted"),
    [
        (OURS, 0o755, Kind.UNCHANGED),
        (OURS, 0o644, Kind.ADOPT),
        (b"old #ddev-generated", 0o755, Kind.UPDATE),
        (b"", 0o755, Kind.UPDATE),
        (b"mine", 0o755, Kind.FOREIGN),
        (b"\0\xff", 0o755, Kind.FOREIGN),
    ],
)
def test_whose_it_is(tmp_path: Path, content: bytes, mode: int, wanted: Kind) -> None:
    put(tmp_path, content, mode)
    assert kind(tmp_path) is wanted
    changes = pf.compare([FILE], tmp_path)
    pf.write([FILE], changes, tmp_path)
    found = (tmp_path / FILE.path).read_bytes()
    assert found == (content if wanted is Kind.FOREIGN else OURS)
    assert bool(pf.in_the_way(changes)) == (wanted is Kind.FOREIGN)


def test_an_empty_file_of_ours(tmp_path: Path) -> None:
    empty = ProjectFile("empty", b"")
    assert kind(tmp_path, empty) is Kind.CREATE
    pf.write([empty], pf.compare([empty], tmp_path), tmp_path)
    assert kind(tmp_path, empty) is Kind.UNCHANGED
    (tmp_path / "empty").write_text("somebody's")
    assert kind(tmp_path, empty) is Kind.FOREIGN


def test_nothing_of_a_write_is_left_over(tmp_path: Path) -> None:
    pf.write([FILE], pf.compare([FILE], tmp_path), tmp_path)
    assert list(files(tmp_path)) == ["a", "a/b", "a/b/file"]
    assert (tmp_path / FILE.path).stat().st_mode & 0o777 == 0o755


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, b"#ddev-generated old")
    before = files(tmp_path)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Failure, match="No space left"):
        pf.write([FILE], pf.compare([FILE], tmp_path), tmp_path)
    assert files(tmp_path) == before


@pytest.mark.parametrize("where", ["a", "a/b"])
def test_a_link_in_place_of_a_folder(tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "root"
    (root / where).parent.mkdir(parents=True)
    (root / where).symlink_to(outside)
    with pytest.raises(Failure):
        pf.compare([FILE], root)
    with pytest.raises(Failure):
        pf.remove([FILE.path], root)
    assert not list(outside.iterdir())


def test_a_link_in_place_of_the_file(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(OURS)
    path = tmp_path / FILE.path
    path.parent.mkdir(parents=True)
    path.symlink_to(outside)
    assert kind(tmp_path) is Kind.FOREIGN
    (left,) = pf.remove([FILE.path], tmp_path)
    assert "link" in left.message
    assert path.is_symlink()


def test_a_folder_or_a_pipe_in_place_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / FILE.path
    path.mkdir(parents=True)
    assert kind(tmp_path) is Kind.FOREIGN
    path.rmdir()
    os.mkfifo(path)
    assert kind(tmp_path) is Kind.FOREIGN


def test_a_link_planted_as_the_temporary(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    put(tmp_path, b"")
    (tmp_path / f"a/b/.file.{os.getpid()}").symlink_to(outside)
    pf.write([FILE], pf.compare([FILE], tmp_path), tmp_path)
    assert outside.read_text() == "theirs"


def test_remove_leaves_what_is_not_ours(tmp_path: Path) -> None:
    put(tmp_path, b"mine")
    (tmp_path / "a/ours").write_text("x #ddev-generated")
    (left,) = pf.remove([FILE.path, "a/ours", "a/nothing", "no/folder"], tmp_path)
    assert left.code == "MC041"
    assert list(files(tmp_path)) == ["a", "a/b", "a/b/file"]
    pf.remove_empty(["a", "a/b"], tmp_path)
    assert (tmp_path / "a/b/file").exists()
    (tmp_path / "a/b/file").unlink()
    pf.remove_empty(["a", "a/b", "a/no"], tmp_path)
    assert not files(tmp_path)
