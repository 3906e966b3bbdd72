"""What is run in containers is named by its whole path, and only if it is root's alone."""

from __future__ import annotations

import subprocess
from pathlib import Path
from unittest import mock

import pytest

from mcpconf.containers import inside
from mcpconf.containers.gateways import is_own
from mcpconf.containers.program import whole
from mcpconf.containers.running import Container
from mcpconf.errors import Failure
from tests import clock

SHOP = Container("docker", "shop")
COMMANDS = (
    inside.program(SHOP, ["status", "; id"]),
    inside.read(SHOP, "/etc/hosts"),
    inside.read_state(SHOP, "/run/x"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=["program", "read", "state"])
def test_nothing_is_looked_up_in_the_images_path(command: list[str]) -> None:
    at = command.index("shop")
    options = list(zip(command[2:at:2], command[3:at:2], strict=True))
    given = dict(value.split("=") for option, value in options if option == "-e")
    assert command[at + 1 : at + 3] == ["/bin/sh", "-c"]
    assert given.pop("PATH").split(":") == [
        "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"
    ]  # fmt: skip
    assert given.pop("HOME") == "/"
    assert {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "ENV", "BASH_ENV"} < set(given)
    assert set(given.values()) == {""}
    assert ("-w", "/") in options
    assert ("-u", "0:0" if command is COMMANDS[0] else "65534:65534") in options


def test_no_text_is_in_a_script() -> None:
    for words in (["status"], ["blocked", "$(id)"]):
        script = inside.program(SHOP, words)[inside.program(SHOP, words).index("-c") + 1]
        assert script == COMMANDS[0][COMMANDS[0].index("-c") + 1]
        assert inside.program(SHOP, words)[-len(words) :] == words


def run(*places: str, words: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the script of the firewall's program here."""
    with mock.patch("mcpconf.containers.inside.PLACES", places):
        command = inside.program(SHOP, words)
    return subprocess.run(
        command[command.index("/bin/sh") :], capture_output=True, text=True, check=False,
        env={"PATH": inside.PATH, "SECRET": "x", "HOME": "/tmp"},
    )  # fmt: skip


def test_the_first_that_is_there_is_run_without_any_environment() -> None:
    done = run("/nowhere/env", "/usr/bin/env", "/usr/bin/printf")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.splitlines()) == ["HOME=/", f"PATH={inside.PATH}"]
    done = run("/usr/bin/printf", words=("%s|", "a b", "--", "*", "$(id)"))
    assert done.stdout == "a b|--|*|$(id)|"


def test_none_is_there() -> None:
    assert run("/nowhere/a", "/nowhere/b").returncode == inside.NOT_THERE


def test_what_others_can_write_is_not_run(tmp_path: Path) -> None:
    tool = tmp_path / "mcpconf-fw"
    tool.write_text("#!/bin/sh\necho ran\n")
    tool.chmod(0o755)
    link = tmp_path / "link"
    link.symlink_to("/usr/bin/env")
    nowhere = tmp_path / "nowhere"
    nowhere.symlink_to("/nowhere")
    for place in (tool, link, nowhere):
        done = run(str(place), "/usr/bin/env")
        assert (done.returncode, done.stdout) == (inside.NOT_ROOTS, ""), place


def test_this_machine_has_its_own_addresses() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("198.18.0.77")
    assert not is_own("no address")


def test_what_a_program_leaves_behind_is_not_waited_for() -> None:
    """It has the same pipe, and would keep it open."""
    began = clock.now()
    with pytest.raises(Failure, match="within 1 seconds"):
        whole(["/bin/sh", "-c", "sleep 30 & exec sleep 30"], "it", 1.0)
    assert clock.now() - began < 15
