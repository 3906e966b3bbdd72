"""What is in the wheel, exactly, and whether it runs where nothing else of us is.

The wheel is built through the sdist, as pip and ``python -m build`` do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [pytest.mark.packaging, pytest.mark.slow, pytest.mark.xdist_group("packaging")]

ROOT = Path(__file__).parents[2]
CASE = ROOT / "tests/cases/the_four_servers_of_the_first_example/given"
DATA = ("templates", "whitelist", "addon")
TIMEOUT = 300


def run(*command: object, cwd: Path | None = None, home: Path | None = None) -> str:
    """Run a command as somebody with an empty home, with no module of the checkout in reach."""
    kept = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    proxies = [n for n in os.environ if n.lower().endswith("_proxy") or n.startswith("PIP_")]
    environ = {n: os.environ[n] for n in (*kept, *proxies) if n in os.environ}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**environ, "HOME": str(home or "/nowhere"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def index() -> list[object]:
    """Where this machine's pip gets packages from, which may stand in the user's home."""
    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return ["--index-url", found.stdout.strip()] if found.returncode == 0 else []


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("dist")
    isolation = ["--no-isolation"] if find_spec("hatchling") else []
    run(sys.executable, "-m", "build", *isolation, "--outdir", folder, ROOT)
    return folder


def files_below(*folders: str) -> set[str]:
    """The files of the checkout that git would carry."""
    listed = run("git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-co",
                 "--exclude-standard", *folders)  # fmt: skip
    return {name for name in listed.splitlines() if (ROOT / name).is_file()}


def test_the_wheel_holds_exactly_what_it_should(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    code = {name.removeprefix("src/") for name in files_below("src/mcpconf")}
    assert all(name.endswith(".py") or name == "mcpconf/py.typed" for name in code)
    data = {f"mcpconf/_data/{name}" for name in files_below(*DATA)}
    info = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
    meta = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    with zipfile.ZipFile(wheel) as opened:
        names = {n for n in opened.namelist() if not n.endswith("/")}
        modes = {i.filename: i.external_attr >> 16 for i in opened.infolist()}
    assert names == code | data | meta | {f"{info}/licenses/LICENSE"}
    for name in files_below(*DATA):
        there = (ROOT / name).stat().st_mode & 0o111
        assert bool(modes[f"mcpconf/_data/{name}"] & 0o111) == bool(there), name
    assert "mcpconf/py.typed" in names


def test_the_sdist_holds_what_the_wheel_is_made_of_and_nothing_private(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        names = {n.partition("/")[2] for n in opened.getnames() if opened.getmember(n).isfile()}
    assert names >= files_below("src", *DATA) | {"pyproject.toml", "README.md", "LICENSE"}
    assert names - {"PKG-INFO"} <= files_below(".")
    assert not {n for n in names if "__pycache__" in n or n.startswith((".git/", ".venv", "dist"))}


@pytest.fixture(
    scope="session", params=["wheel", pytest.param("editable", marks=pytest.mark.sample(0))]
)
def installed(
    request: pytest.FixtureRequest,
    built: Path,
    tmp_path_factory: pytest.TempPathFactory,
    index: list[object],
) -> Path:
    """The programs of a clean environment in which mcpconf was installed."""
    folder = tmp_path_factory.mktemp(str(request.param)) / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    what: tuple[object, ...] = (next(built.glob("*.whl")),)
    if request.param == "editable":
        what = ("-e", ROOT)
    run(python, "-m", "pip", "install", "--quiet", "--no-compile", *index, *what)
    return folder / "bin"


def test_it_runs_in_a_clean_environment(installed: Path, tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    (home / ".claude.json").write_text((CASE / "home/.claude.json").read_text())
    mcpconf = installed / "mcpconf"
    names = ["exa", "context7", "atlassian", "ray"]
    listed = json.loads(run(mcpconf, "list", "--format", "json", cwd=project, home=home))
    assert [(s["name"], s["kind"]) for s in listed["servers"]] == list(
        zip(names, ["stdio", "http", "oauth", "localhost"], strict=True)
    )
    planned = json.loads(run(mcpconf, "plan", "--format", "json", cwd=project, home=home))
    hosts = {row["host"] for row in planned["egress"]}
    assert {"api.anthropic.com", "mcp.context7.com", "registry.npmjs.org", "api.exa.ai"} <= hosts
    assert "MC002: " in run(mcpconf, "explain", "MC002", cwd=project, home=home)
    assert run(installed / "python", "-m", "mcpconf", "--version").startswith("mcpconf ")
    run(mcpconf, "sync", cwd=project, home=home)
    run(mcpconf, "plan", "--check", cwd=project, home=home)


def test_an_empty_home_is_no_trouble(installed: Path, tmp_path: Path) -> None:
    mcpconf = installed / "mcpconf"
    listed = json.loads(run(mcpconf, "list", "--format", "json", cwd=tmp_path, home=tmp_path))
    assert (listed["version"], listed["servers"], listed["findings"]) == (1, [], [])
    assert run(mcpconf, "explain", "MC002", cwd=tmp_path, home=tmp_path).startswith("MC002: ")
    assert list(tmp_path.iterdir()) == []


def test_an_editable_install_leaves_no_copy_of_the_data(installed: Path) -> None:
    python = installed / "python"
    code = "import mcpconf._resources as r; print(r.data('whitelist', 'base.toml'))"
    where = Path(run(python, "-c", code).strip())
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", ask).strip())
    assert where.is_file()
    if "editable" in str(installed):
        assert where == ROOT / "whitelist/base.toml"
        assert not (packages / "mcpconf").exists()
    else:
        assert where == packages / "mcpconf/_data/whitelist/base.toml"
