"""The programs of the image, with stubs for what they start: they fail closed, and give up root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mcpconf._resources import data
from mcpconf.bridge import bundle

BUILD = data("templates", "ddev", "build")
SH = shutil.which("sh") or "/bin/sh"
REAL = (
    "sed",
    "cat",
    "mkdir",
    "rm",
    "ln",
    "mv",
    "chown",
    "find",
    "cut",
    "env",
    "sh",
    "stat",
    "touch",
    "dirname",
)


class Inside:
    """A container's file system as far as a script sees it: absolute paths lie below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.bin = root / "usr/bin"
        for folder in ("usr/bin", "etc/mcpconf", "run", "home/agent", "usr/lib", "opt"):
            (root / folder).mkdir(parents=True)
        for name in REAL:
            (self.bin / name).symlink_to(shutil.which(name) or f"/bin/{name}")
        self.uid(0)

    def stub(self, name: str, body: str = "") -> None:
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f'#!{SH}\nprintf "%s\\n" "{name} $*" >>"{self.log}"\n{body}\n')
        path.chmod(0o755)

    def uid(self, number: int) -> None:
        self.stub("id", f'case "$*" in -u) echo {number} ;; *) echo 1000 ;; esac')

    def put(self, name: str, text: str = "{}") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, script: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the image with its absolute paths moved below ``root``."""
        text = (BUILD / script).read_text()
        text = re.sub(r"(?<![\w.}])/(etc|run|home|opt|usr|root|var)/", rf"{self.root}/\1/", text)
        moved = self.put(f"script-{script}", text)
        return subprocess.run(
            [SH, str(moved), *words],
            env={"PATH": str(self.bin), **environ},
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def started(self) -> list[str]:
        text = self.log.read_text() if self.log.exists() else ""
        return [line for line in text.splitlines() if not line.startswith("id ")]


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    return Inside(tmp_path / "c")


# --- entrypoint --------------------------------------------------------------------------------


@pytest.fixture
def start(inside: Inside) -> Inside:
    inside.stub("mcpconf-fw")
    inside.stub("setpriv", 'echo "$*" >>"$PWD/final"')
    inside.stub("mcpconf-agent", 'exec "$@"')
    inside.stub("stat", "echo 1000:1000")
    inside.stub("chown")
    inside.put("etc/mcpconf/mcp.json")
    inside.put("etc/mcpconf/egress.json")
    return inside


def test_it_closes_first_and_gives_up_everything(start: Inside) -> None:
    done = start.run("entrypoint.sh")
    assert done.returncode == 0, done
    assert start.started[0] == "mcpconf-fw apply"
    final = (start.root / "final").read_text()
    for word in (
        "--reuid 65534",
        "--regid 65534",
        "--clear-groups",
        "--bounding-set=-all",
        "--inh-caps=-all",
        "--no-new-privs",
    ):
        assert word in final


@pytest.mark.parametrize("code", [1, 2, 4, 127])
def test_no_firewall_no_claude(start: Inside, code: int) -> None:
    start.stub("mcpconf-fw", f"echo 'error: why' >&2; exit {code}")
    done = start.run("entrypoint.sh")
    assert done.returncode == 1
    assert "error: why" in done.stderr
    assert "no firewall, no Claude" in done.stderr
    assert start.started == ["mcpconf-fw apply"]


def test_without_the_program_of_the_firewall(start: Inside) -> None:
    (start.bin / "mcpconf-fw").unlink()
    assert start.run("entrypoint.sh").returncode == 1
    assert not start.started


def test_a_mount_that_is_not_there(start: Inside) -> None:
    (start.root / "etc/mcpconf/mcp.json").unlink()
    done = start.run("entrypoint.sh")
    assert done.returncode == 1
    assert "ddev claude:mcp sync" in done.stderr
    assert not (start.root / "final").exists()
    start.stub("mcpconf-fw", "exit 4")
    (start.root / "etc/mcpconf/egress.json").unlink()
    assert "egress.json is not there" in start.run("entrypoint.sh").stderr


def test_preferences_are_put_there_once(start: Inside) -> None:
    text = '{\n  "#ddev-generated": true,\n  "theme": "dark"\n}\n'
    start.put("p ro/.ddev/mcpconf/preferences.json", text)
    config = start.root / "home/agent/.claude"
    environ = {"MCPCONF_PROJECT": str(start.root / "p ro"), "CLAUDE_CONFIG_DIR": str(config)}
    assert start.run("entrypoint.sh", **environ).returncode == 0
    assert (config / ".claude.json").read_text() == '{\n  "theme": "dark"\n}\n'
    assert (config / ".claude.json").stat().st_mode & 0o777 == 0o600
    (config / ".claude.json").write_text("the agent's")
    start.run("entrypoint.sh", **environ)
    assert (config / ".claude.json").read_text() == "the agent's"


def test_preferences_that_cannot_be_put_there_stop_nothing(start: Inside) -> None:
    start.put("p/.ddev/mcpconf/preferences.json", "{}")
    start.put("home/agent/.claude", "a file in its place")
    environ = {
        "MCPCONF_PROJECT": str(start.root / "p"),
        "CLAUDE_CONFIG_DIR": str(start.root / "home/agent/.claude"),
    }
    done = start.run("entrypoint.sh", **environ)
    assert done.returncode == 0
    assert "could not be put" in done.stderr


def test_a_home_of_another_number_is_given_to_the_agent(start: Inside) -> None:
    start.stub("stat", "echo 501:20")
    start.run("entrypoint.sh")
    assert f"chown -R 1000:1000 {start.root}/home/agent" in start.started


def test_process_one_ends_when_it_is_told_to() -> None:
    (script,) = re.findall(r"sh -c '(trap .*)'", (BUILD / "entrypoint.sh").read_text())
    with subprocess.Popen([SH, "-c", script.replace("sleep 3600", "sleep 30")]) as process:
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


# --- claude, as it is called in the container ------------------------------------------------


@pytest.fixture
def client(inside: Inside) -> Inside:
    inside.stub("mcpconf-agent", 'printf "<%s>" "$@"')
    inside.stub("mcpconf-fw")
    inside.put("etc/mcpconf/mcp.json")
    return inside


def test_claude_as_root_becomes_the_agent(client: Inside) -> None:
    done = client.run("claude", "-p", "a b")
    assert done.stdout == f"<{client.root}/opt/claude-code/bin/claude><-p><a b>"
    assert client.started[0] == "mcpconf-fw status"


def test_claude_refuses_and_says_why(client: Inside) -> None:
    client.stub("mcpconf-fw", "echo 'not in force: somebody took it away'; exit 1")
    done = client.run("claude")
    assert done.returncode == 1
    assert "somebody took it away" in done.stderr
    assert not done.stdout
    client.uid(1000)
    assert client.run("claude").returncode == 1, "no state of a firewall"
    client.put("run/mcpconf-fw/state.json")
    assert client.run("claude").returncode == 0
    (client.root / "etc/mcpconf/mcp.json").unlink()
    done = client.run("claude")
    assert done.returncode == 1
    assert "by other rules" in done.stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("-l",), "bash -l"),
        ((), "bash -l"),
        (("-c", "id"), "bash -c id"),
        (("npx", "-y", "x"), "npx -y x"),
    ],
)
def test_the_agent_has_no_way_back(inside: Inside, words: tuple[str, ...], wanted: str) -> None:
    inside.stub("setpriv")
    assert inside.run("agent", *words).returncode == 0
    (called,) = inside.started
    assert called.startswith("setpriv --reuid 1000 --regid 1000 --clear-groups")
    assert "--inh-caps=-all --bounding-set=-all --no-new-privs" in called
    assert called.endswith(f"-- {wanted}")
    inside.log.unlink()
    inside.uid(1000)
    inside.stub("bash")
    inside.stub("npx")
    inside.run("agent", *words)
    assert inside.started == [wanted], "who is no root has nothing to give up"


# --- install ------------------------------------------------------------------------------------

PROGRAMS = (
    "iptables ipset nft dnsmasq haproxy ulogd python3 python pipx pip3 setpriv bash curl git ps rg node npm uv"
).split()


@pytest.fixture
def image(inside: Inside) -> Inside:
    """An image that has everything but Claude Code."""
    for name in (*PROGRAMS, "apt-get", "groupadd", "useradd", "usermod", "chown"):
        inside.stub(name)
    inside.stub("getent", "exit 2")
    inside.put("usr/lib/x/ulogd/ulogd_output_JSON.so")
    inside.put("etc/ssl/certs/ca-certificates.crt")
    inside.put("etc/sudoers.d/node")
    inside.put("usr/bin/sudo")
    return inside


def install(inside: Inside, **environ: str) -> subprocess.CompletedProcess[str]:
    usual = {
        "AGENT_UID": "1000",
        "AGENT_GID": "1000",
        "CLAUDE_CODE": "latest",
        "APT_PACKAGES": "",
        "NPM_PACKAGES": "",
    }
    return inside.run("install.sh", **{**usual, **environ})


def test_what_is_there_is_not_fetched(image: Inside) -> None:
    done = install(image)
    assert done.returncode == 0, done
    assert not [line for line in image.started if line.startswith(("apt-get", "pip3"))]
    (npm,) = [line for line in image.started if line.startswith("npm")]
    assert npm.endswith("@anthropic-ai/claude-code@latest")
    assert f"useradd --uid 1000 --gid 1000 --home-dir {image.root}/home/agent" in "\n".join(
        image.started
    )
    assert not (image.root / "usr/bin/sudo").exists()
    assert not list((image.root / "etc/sudoers.d").iterdir())


def test_what_is_missing_is(image: Inside) -> None:
    (image.bin / "rg").unlink()
    (image.bin / "uv").unlink()
    (image.root / "usr/lib/x/ulogd/ulogd_output_JSON.so").unlink()
    assert install(image, APT_PACKAGES="jq php-cli", NPM_PACKAGES="tsx").returncode == 0
    (got,) = [line for line in image.started if line.startswith("apt-get install")]
    assert got.split("--no-install-recommends ")[1].split() == [
        "ulogd2-json",
        "ripgrep",
        "jq",
        "php-cli",
    ]
    assert any(line.startswith("pip3 install") for line in image.started)
    assert any(line.endswith(" tsx") for line in image.started)


def test_an_image_that_still_lacks_something_is_no_image(image: Inside) -> None:
    (image.bin / "ipset").unlink()
    done = install(image)
    assert done.returncode == 1
    assert "lacks ipset" in done.stderr


def test_a_claude_that_is_there_is_taken(image: Inside) -> None:
    image.stub("claude")
    assert install(image, MCPCONF_OFFLINE="1").returncode == 0
    assert not [line for line in image.started if line.startswith("npm")]
    assert (image.root / "opt/claude-code/bin/claude").resolve() == (image.bin / "claude").resolve()


def test_a_user_of_this_number_becomes_the_agent(image: Inside) -> None:
    image.stub("getent", 'case "$*" in *1000) echo node:x:1000:1000::/home/node:/bin/bash ;; esac')
    assert install(image).returncode == 0
    assert any(
        line.startswith("usermod --login agent") and line.endswith(" node")
        for line in image.started
    )
    assert not any(line.startswith(("useradd", "groupadd")) for line in image.started)


def test_the_agent_is_never_root(image: Inside) -> None:
    assert install(image, AGENT_UID="0", AGENT_GID="0").returncode == 0
    assert any("--uid 1000" in line for line in image.started)


# --- Dockerfile and compile --------------------------------------------------------------------


def test_the_dockerfile() -> None:
    text = (BUILD / "Dockerfile").read_text().replace("\\\n", " ")
    steps = [line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#")]
    assert [s[0] for s in steps][:4] == ["ARG", "FROM", "USER", "ARG"]
    assert {s[0] for s in steps} == {"ARG", "FROM", "USER", "COPY", "RUN", "ENV", "ENTRYPOINT"}
    copied = {name for s in steps if s[0] == "COPY" for name in s[1].split()[:-1]}
    there = {p.name for p in BUILD.iterdir()} - {"Dockerfile"}
    assert copied == there | {"mcpconf-bridge", "mcpconf-fw"}
    declared = set(re.findall(r"(\w+)=", " ".join(s[1] for s in steps if s[0] == "ARG")))
    compose = data("templates", "ddev", "docker-compose.mcpconf.yaml.j2").read_text()
    assert declared - {"MCPCONF_OFFLINE"} == set(
        re.findall(r"^        ([A-Z_]+): ", compose, re.MULTILINE)
    )
    assert "ln -sfn /etc/mcpconf/mcp.json /etc/claude-code/managed-mcp.json" in text
    assert steps[-1] == ["ENTRYPOINT", '["/usr/local/sbin/mcpconf-entrypoint"]']


def test_a_compiled_program_is_the_same_program(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(bundle.text())
    command = [
        sys.executable,
        "-IS",
        str(BUILD / "compile.py"),
        str(tmp_path / "text"),
        str(tmp_path / "made"),
    ]
    assert subprocess.run(command, check=False).returncode == 0
    made = (tmp_path / "made").read_bytes()
    assert made.startswith(bundle.text())
    assert len(made) > len(bundle.text())
    environ = {"PATH": f"{os.path.dirname(sys.executable)}:/usr/bin:/bin"}
    done = subprocess.run(
        [str(tmp_path / "made"), "--help"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "usage" in done.stdout + done.stderr
