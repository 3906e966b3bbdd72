"""What DDEV's add-on update checker looks for (its template of 2025-09-25), in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

_HAS = (
    ("README.md", r"ddev add-on get"),
    ("README.md", r"add-on registry"),
    ("README.md", r"tests"),
    ("README.md", r"last commit"),
    ("README.md", r"release"),
    ("install.yaml", r"(?m)^ddev_version_constraint: '>= v1\.(24\.[3-9]|2[5-9]\.)"),
    ("tests/test.bats", r"ddev add-on get"),
    (".github/workflows/tests.yml", r"ddev/github-action-add-on-test@v2"),
    (".github/workflows/tests.yml", r"paths-ignore"),
    (".github/ISSUE_TEMPLATE/bug_report.yml", r"\S"),
    (".github/ISSUE_TEMPLATE/feature_request.yml", r"\S"),
    (".github/PULL_REQUEST_TEMPLATE.md", r"\S"),
    ("LICENSE", r"Apache License"),
    (".gitattributes", r"tests"),
)
_HAS_NOT = (
    ("README.md", r"\bddev get\b"),
    ("README.md", r"project is maintained"),
    ("tests/test.bats", r'(?<!# bats test_tags=release\n)@test "install from release"'),
    (".github/PULL_REQUEST_TEMPLATE.md", r"tarball/<branch>"),
)


def faults(folder: Path) -> Iterator[str]:
    """Say what the checker would find fault with in the folder of an add-on."""
    for name, pattern in _HAS:
        if not re.search(pattern, _text(folder / name)):
            yield f"{name} lacks {pattern}"
    for name, pattern in _HAS_NOT:
        if re.search(pattern, _text(folder / name)):
            yield f"{name} has {pattern}"
    for path in (p for p in folder.rglob("*") if p.is_file()):
        yield from _of_file(path)


def _of_file(path: Path) -> Iterator[str]:
    text = _text(path)
    if "addon-template" in text:
        yield f"{path.name} has words of the template"
    if "commands" in path.parts and not text.startswith("#!/usr/bin/env bash\n"):
        yield f"{path.name} has another first line"
    if re.fullmatch(r"docker-compose\..*\.yaml", path.name):
        for service in (yaml.safe_load(text)["services"] or {}).values():
            image = service.get("image", "")
            if "build" in service and not image.endswith("-${DDEV_SITENAME}-built"):
                yield f"{path.name}: an image that is built has another name"


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
