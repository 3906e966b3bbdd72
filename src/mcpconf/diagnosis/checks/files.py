"""Checks of files: whether they are as planned, what git sees, which add-on is there."""

from __future__ import annotations

import os
import re
import subprocess

from mcpconf import write
from mcpconf.codes import Severity
from mcpconf.diagnosis.checks.check import Beside, Check, Given, State, judged, shell_path, state_of
from mcpconf.diagnosis.model import Remedy
from mcpconf.emit import Reader
from mcpconf.errors import Failure
from mcpconf.findings import Finding, blocking
from mcpconf.names import quote
from mcpconf.origin import Origin, Source
from mcpconf.readers.around import Target
from mcpconf.readers.inputs import Unreadable
from mcpconf.readers.world import git_environment, read

_ADDON = ".ddev/addon-metadata/mcpconf/manifest.yaml"
_GIT_PATIENCE = 3.0  # seconds
_MOST_NAMED = 3


# --- drift ------------------------------------------------------------------------------------


def drift(given: Given) -> Check:
    """Whether a sync would change anything, or could not write at all."""
    compiled, target = given.compiled, given.target
    stopped = blocking(compiled.findings)
    if stopped:
        codes = ", ".join(dict.fromkeys(f.code for f in stopped))
        return Check("files", State.FAIL, f"a sync writes nothing because of {codes}")
    try:
        place = write.Target(target.container, target.host, target.root)
        written = write.changes(compiled.artifacts, place)
    except Failure as failure:
        return Check("files", State.UNKNOWN, failure.message)
    beside = given.beside() if given.beside else Beside()
    changes = [*written, *beside.changes]
    in_the_way = tuple(c.finding for c in changes if c.finding)
    other = [c for c in changes if c.kind is not write.Kind.UNCHANGED]
    if in_the_way:
        return judged("files", "", *in_the_way)
    never = all(c.kind is write.Kind.CREATE for c in changes) and not compiled.plan.servers
    if never:
        return Check("files", State.OK, "nothing is written yet, and there is no server")
    new = all(c.kind is write.Kind.CREATE for c in other)
    said = judged_drift([c.name for c in other], len(changes), new=new)
    findings = (*said.findings, *(f for f in beside.findings if f.severity is not Severity.NOTE))
    return said._replace(findings=findings, state=state_of(findings))


def judged_drift(other: list[str], every: int, *, new: bool = False) -> Check:
    """Pure: ``other`` are the names of files that a sync would write, ``new``: none is there."""
    if not other:
        return Check("files", State.OK, f"{every} files are as planned")
    named = ", ".join(map(quote, other[:_MOST_NAMED]))
    more = f" and {len(other) - _MOST_NAMED} more" if len(other) > _MOST_NAMED else ""
    finding = Finding(
        "MC138",
        f"a sync would write {named}{more}",
        notes=("they are not there yet" if new else "the container has what was written before",),
        help=("mcpconf plan    (shows the difference), then: mcpconf sync",),
    )
    return judged("files", "", finding, remedy=Remedy("mcpconf sync", ("sync",), safe=True))


# --- git and the add-on -----------------------------------------------------------------------


def ignored(given: Given) -> Check:
    """Whether git leaves alone what a sync writes into the project."""
    target = given.target
    if target.root is None or not os.path.isdir(target.container):
        return Check("git", State.OK, "nothing is written into the project")
    of_container = [a.name for a in given.compiled.artifacts if a.reader is not Reader.HOST]
    paths = [str(target.container / name) for name in (*of_container, "current")]
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += ["-C", str(target.root), "check-ignore", "--", *paths]
    try:
        done = subprocess.run(  # noqa: S603  a list of words, no shell
            command,
            env=git_environment(given.environ, str(given.configuration.request.home)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return Check("git", State.OK, "no git here")
    if done.returncode not in (0, 1):
        return Check("git", State.OK, "no git repository")
    left = set(paths) - set(done.stdout.decode(errors="replace").splitlines())
    return judged_ignored([os.path.basename(path) for path in sorted(left)], target)


def judged_ignored(seen: list[str], target: Target) -> Check:
    """Pure: ``seen`` are generated files that git would take in."""
    if not seen:
        return Check("git", State.OK, "it leaves the generated files alone")
    named = ", ".join(map(quote, seen[:_MOST_NAMED]))
    folder = str(target.container)
    again = {"ddev": "mcpconf sync", "devcontainer": "mcpconf init devcontainer"}.get(target.kind)
    finding = Finding(
        "MC136",
        f"git does not ignore {named}",
        Origin(Source(folder)),
        help=(
            f"{again}    (it writes a .gitignore there)"
            if again
            else f"name {shell_path(os.path.basename(folder))}/ in the project's .gitignore",
            f"if git has them already: git rm -r --cached --ignore-unmatch {shell_path(folder)}",
        ),
    )
    return judged("git", "", finding)


_LINE = re.compile(r"^version:[ \t]*[\"']?v?([0-9][0-9A-Za-z.+-]{0,40})[\"']?[ \t]*$", re.MULTILINE)


def addon(given: Given) -> Check:
    """Whether DDEV's add-on is of this version."""
    target = given.target
    if target.kind != "ddev" or target.root is None:
        return Check("add-on", State.OK, "not a project of DDEV's")
    file = read(target.root / _ADDON, 1024 * 1024)
    if file is None or isinstance(file, Unreadable):
        return Check("add-on", State.OK, "not installed by `ddev add-on get`")
    found = _LINE.search(file.text)
    return judged_addon(found[1] if found else "", file.path)


def judged_addon(version: str, path: str) -> Check:
    """Pure: ``version`` is what DDEV noted, "" where it noted none."""
    import mcpconf  # noqa: PLC0415  the version

    if not version:
        return Check("add-on", State.OK, "installed from a directory, without a version")
    if version == mcpconf.__version__:
        return Check("add-on", State.OK, f"version {version}, as mcpconf")
    finding = Finding(
        "MC137",
        f"DDEV's add-on is of version {version}, and mcpconf of {mcpconf.__version__}",
        Origin(Source(path)),
        help=("bring both to one version (docs/ddev.md), then: ddev restart",),
    )
    return judged("add-on", "", finding)
