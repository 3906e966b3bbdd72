"""What a sync writes into ``.ddev``, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpconf.ddev.preferences import preferences
from tests.ddev.project import CONFIG, FIXTURES, STUB, compose, files

RAY = {"mcpServers": {"ray": {"type": "http", "url": "http://localhost:2411/mcp"}}}
COMPOSE = "project/.ddev/docker-compose.mcpconf.yaml"


@pytest.fixture
def ddev(house: Callable[..., Any]) -> Callable[..., Any]:
    """A house whose project has DDEV, and mcpconf's files in it."""

    def build(more: dict[str, object] | None = None, *, stub: bool = True) -> Any:
        base = {"home/.claude.json": RAY, "project/.ddev/config.yaml": CONFIG}
        built = house({**base, **({COMPOSE: STUB} if stub else {}), **(more or {})})
        for name in ("claude-mcp", "claude-mcp-proxy", "mcpconf-claude"):
            built.put(f"project/.ddev/commands/host/{name}", "#ddev-generated\n")
        return built

    return build


def synced(house: Any, *words: str) -> dict[str, Any]:
    said = house.run("sync", "--format", "json", *words)
    assert said.code in (0, 1), said
    return said.json


def service(house: Any, name: str = "claude") -> dict[str, Any]:
    return compose(house.root / COMPOSE, str(house.project))["services"][name]


def test_the_service(ddev: Callable[..., Any]) -> None:
    house = ddev({"project/.env": "SECRET=1", "project/.devcontainer/devcontainer.json": "{}"})
    root = str(house.project)
    assert not synced(house)["findings"]
    ours = service(house)
    assert ours["container_name"] == "ddev-bakery-claude"
    assert ours["image"] == "mcpconf-claude:of-bakery-built"  # a name may have capitals: a tag
    assert ours["labels"] == {"com.ddev.site-name": "bakery", "com.ddev.approot": root}
    assert ours["cap_add"] == ["NET_ADMIN", "NET_RAW"]
    assert ours["extra_hosts"] == ["mcpconf-gateway:host-gateway"]
    assert ours["security_opt"] == ["no-new-privileges:true"]
    assert ours["restart"] == "no"
    assert "mcpconf-fw status" in ours["healthcheck"]["test"][1]
    assert not {"network_mode", "networks", "ports", "privileged", "user"} & ours.keys()
    mounts = {v["target"]: (v["source"], v.get("read_only", False)) for v in ours["volumes"]}
    assert mounts == {
        "/home/agent": ("mcpconf-home", False),
        "/etc/mcpconf": (f"{root}/.ddev/mcpconf/container", True),
        root: (root, False),
        f"{root}/.ddev": (f"{root}/.ddev", True),
        f"{root}/.devcontainer": (f"{root}/.devcontainer", True),
        f"{root}/.env": (f"{root}/.ddev/mcpconf/empty", True),
    }
    assert "web" in compose(house.root / COMPOSE, root)["services"]
    assert all(os.path.exists(m[0]) for t, m in mounts.items() if m[0].startswith("/")), "sources"
    bridge = json.loads((house.project / ".ddev/mcpconf/container/bridge.json").read_text())
    assert bridge["gateway"]["host"] == "mcpconf-gateway"


def test_its_folder_is_closed_and_out_of_git(ddev: Callable[..., Any]) -> None:
    house = ddev()
    synced(house)
    ours = house.project / ".ddev/mcpconf"
    assert ours.stat().st_mode & 0o777 == 0o700
    assert "*" in (ours / ".gitignore").read_text().splitlines()
    for name in ("mcpconf-bridge", "mcpconf-fw"):
        program = ours / "build" / name
        assert b"\0code:" not in program.read_bytes(), "only text: the image's Python compiles it"
        done = subprocess.run([str(program), "--help"], capture_output=True, text=True, check=False)
        assert "usage" in (done.stdout + done.stderr), name
    for path in ours.rglob("*"):
        if path.is_file() and "container" not in path.parts and path.name != "empty":
            assert b"#ddev-generated" in path.read_bytes(), path


def test_a_second_sync_changes_nothing_and_loads_nothing(ddev: Callable[..., Any]) -> None:
    house = ddev()
    synced(house)
    before = files(house.project)
    words = ["sync", "--format", "json", "--home", str(house.home), "--project", str(house.project)]
    code = f"""
import sys
from mcpconf.__main__ import run
sys.argv = ["mcpconf", *{words!r}]
run()
print(sorted({{"jinja2", "yaml", "mcpconf.firewall.bundle"}} & set(sys.modules)), file=sys.stderr)
"""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )
    assert {c["change"] for c in json.loads(done.stdout)["changes"]} == {"unchanged"}
    assert done.stderr.splitlines()[-1] == "[]"
    assert files(house.project) == before


def test_a_plan_shows_it_and_writes_nothing(ddev: Callable[..., Any]) -> None:
    house = ddev()
    before = files(house.root)
    said = house.run("plan", "--check")
    assert said.code == 1
    assert "update     " in said.out
    assert "context: ./mcpconf/build" in said.out
    assert files(house.root) == before
    synced(house)
    assert house.run("plan", "--check").code == 0


@pytest.mark.parametrize(
    "edit",
    [
        lambda p: (p / ".ddev/docker-compose.mcpconf.yaml").write_text("#ddev-generated\nx: 1\n"),
        lambda p: (p / ".ddev/docker-compose.mcpconf.yaml").write_text(""),
        lambda p: (p / ".ddev/mcpconf/build/Dockerfile").unlink(),
        lambda p: (p / ".ddev/mcpconf/build/claude").chmod(0o644),
        lambda p: (p / ".ddev/mcpconf/build/mcpconf-fw").write_text("#ddev-generated"),
    ],
)
def test_what_was_ours_is_mended(ddev: Callable[..., Any], edit: Callable[[Path], object]) -> None:
    house = ddev()
    synced(house)
    before = files(house.project)
    edit(house.project)
    assert files(house.project) != before
    synced(house)
    assert files(house.project) == before


def test_a_file_without_the_signature_is_the_users(ddev: Callable[..., Any]) -> None:
    house = ddev({COMPOSE: "services: {}  # mine\n"}, stub=False)
    found = synced(house)
    assert [f["code"] for f in found["findings"]] == ["MC041"]
    assert (house.root / COMPOSE).read_text() == "services: {}  # mine\n"
    assert (house.project / ".ddev/mcpconf/build/Dockerfile").exists()
    assert house.run("sync").code == 1, "said again"


@pytest.mark.parametrize("where", [".ddev/mcpconf/build", ".ddev/docker-compose.mcpconf.yaml"])
def test_no_link_is_followed(ddev: Callable[..., Any], where: str) -> None:
    house = ddev()
    outside = house.root / "outside"
    outside.mkdir()
    (outside / "file").write_text("#ddev-generated\n")
    link = house.project / where
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(outside if where.endswith("build") else outside / "file")
    said = house.run("sync")
    assert said.code in (1, 4), said
    assert files(outside) == {
        "file": (b"#ddev-generated\n".hex(), (outside / "file").stat().st_mode)
    }
    assert link.is_symlink()


def test_without_the_add_on_nothing_is_put_into_it(ddev: Callable[..., Any]) -> None:
    house = ddev(stub=False)
    said = house.run("sync")
    assert "mcpconf init ddev" in said.err
    assert "*" in (house.project / ".ddev/mcpconf/.gitignore").read_text().splitlines()
    assert sorted(p.name for p in (house.project / ".ddev/mcpconf").iterdir()) == [
        ".gitignore",
        "container",
    ]
    assert sorted(p.name for p in (house.project / ".ddev").iterdir()) == [
        "commands",
        "config.yaml",
        "mcpconf",
    ]


@pytest.mark.parametrize("name", ["claude", "claude-code"])
def test_beside_a_service_of_another_add_on(ddev: Callable[..., Any], name: str) -> None:
    other = (FIXTURES / "B-claude-service/dot-ddev/docker-compose.claude.yaml").read_text()
    house = ddev(
        {"project/.ddev/docker-compose.claude.yaml": other.replace("  claude:\n", f"  {name}:\n")}
    )
    (found,) = synced(house)["findings"]
    assert found["code"] == "MC120"
    assert "not in force" in found["message"]
    ours = service(house, name)
    assert "build" not in ours
    expected = json.loads((FIXTURES / "B-claude-service/expected-compose-subset.json").read_text())[
        "claude"
    ]
    assert ours["cap_add"] == expected["cap_add"]
    lines = [line.replace("=", ":") for line in expected["extra_hosts"]]
    assert set(ours["extra_hosts"]) <= set(lines)
    wanted = json.loads(json.dumps(expected["volumes"]).replace("<APPROOT>", str(house.project)))
    assert [v for v in ours["volumes"] if v in wanted] == wanted[2:], (
        "the first two are the add-on's own"
    )


def test_in_web(ddev: Callable[..., Any]) -> None:
    house = ddev({"project/.ddev/.env.mcpconf": 'MCPCONF_SERVICE="web"\n', "project/.env": "A=1"})
    (found,) = synced(house)["findings"]
    assert found["code"] == "MC120"
    assert "sudo" in found["message"]
    assert "no firewall is in force" in found["message"]
    ours = service(house, "web")
    expected = json.loads((FIXTURES / "A-plain-web/expected-compose-subset.json").read_text())[
        "web"
    ]
    assert "cap_add" not in ours, "with sudo, a capability only helps to get further"
    wanted = json.loads(json.dumps(expected["volumes"]).replace("<APPROOT>", str(house.project)))
    assert [v for v in ours["volumes"] if v in wanted] == wanted[3:]
    assert f"{house.project}/.env" not in [v["target"] for v in ours["volumes"]], (
        "the site needs it"
    )


@pytest.mark.parametrize(
    ("volume", "line"),
    [
        ("../:/workspace:cached", "# project: /workspace\n"),
        ("${DDEV_APPROOT}:${DDEV_APPROOT}", "# project: ${DDEV_APPROOT}\n"),
        ("..:/w;$(id)", ""),
        ("./x:/y", ""),
    ],
)
def test_beside_says_where_the_project_is_if_that_is_plain(
    ddev: Callable[..., Any], volume: str, line: str
) -> None:
    text = f"services:\n  claude:\n    image: x\n    volumes: ['{volume}']\n"
    house = ddev({"project/.ddev/docker-compose.claude.yaml": text})
    synced(house)
    lines = (house.root / COMPOSE).read_text().splitlines(keepends=True)
    assert lines[5] == (line or "services:\n")


@pytest.mark.parametrize("name", ["nodejs", "db"])
def test_a_service_that_nobody_has_is_said(ddev: Callable[..., Any], name: str) -> None:
    house = ddev({"project/.ddev/.env.mcpconf": f"MCPCONF_SERVICE={name}\n"})
    (found,) = synced(house)["findings"]
    assert found["code"] == "MC125"
    assert f"no compose file of .ddev has `{name}`" in found["message"]
    assert "claude" in compose(house.root / COMPOSE, "/x")["services"]


def test_none(ddev: Callable[..., Any]) -> None:
    house = ddev({"project/.ddev/.env.mcpconf": "MCPCONF_SERVICE=none\n"})
    assert not synced(house)["findings"]
    assert compose(house.root / COMPOSE, "/x")["services"] == {}


def test_network_mode_is_refused_and_nothing_is_written(ddev: Callable[..., Any]) -> None:
    folder = FIXTURES / "D-refuse-network-mode/dot-ddev"
    house = ddev(
        {
            "project/.ddev/docker-compose.sidecar.yaml": (
                folder / "docker-compose.sidecar.yaml"
            ).read_text()
        }
    )
    said = house.run("sync", "--format", "json")
    assert said.code == 1
    (found,) = said.json["findings"]
    assert found["code"] == "MC122"
    wanted = json.loads((folder.parent / "expected.json").read_text())["tool_must"]
    head, _, tail = wanted.removeprefix("report ").partition(": network_mode")
    assert "network_mode" + tail.partition(";")[0] in found["message"]
    for name in ("fw", "docker-compose.sidecar.yaml"):
        assert f"`{name}`" in found["message"]
        assert name in head
    assert (house.root / COMPOSE).read_text() == STUB


HOSTILE = [
    ".env.$HOME",
    '.env."quoted"',
    ".env.two words",
    ".env.: {a: b}",
    ".env.ünï😀",
    ".env.'x'",
    ".env.\\back",
    ".env.#no comment",
    ".env.${DDEV_UID}",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_of_a_file_is_data(ddev: Callable[..., Any], name: str) -> None:
    house = ddev({f"project/{name}": "SECRET=1"})
    assert not synced(house)["findings"]
    targets = [v["target"] for v in service(house)["volumes"]]
    assert f"{house.project}/{name}" in targets


def test_line_breaks_and_bytes_in_a_name(ddev: Callable[..., Any]) -> None:
    house = ddev()
    (house.project / ".env.a\nb\x7f").write_text("x")
    with open(os.fsencode(house.project) + b"/.env.\xff", "w"):
        pass
    (found,) = synced(house)["findings"]
    assert found["code"] == "MC121"
    assert f"{house.project}/.env.a\nb\x7f" in [v["target"] for v in service(house)["volumes"]]


def test_which_files_are_masked(ddev: Callable[..., Any]) -> None:
    more = {
        f"project/{name}": "x"
        for name in (
            ".env", ".env.local", ".env.example", ".env.dist", "apps/api/.env", "a/b/c/.env.prod",
            "a/b/c/d/.env", "node_modules/x/.env", "vendor/x/.env", ".ddev/.env", ".envrc", "env",
        )
    }  # fmt: skip
    house = ddev(more)
    (house.project / "link.d").symlink_to(house.root)
    (house.project / ".env.out").symlink_to(house.home / ".claude.json")
    (house.project / ".env.in").symlink_to("env")
    synced(house)
    covered = {
        v["target"].removeprefix(f"{house.project}/")
        for v in service(house)["volumes"]
        if v["source"].endswith("/empty")
    }
    assert covered == {
        ".env",
        ".env.local",
        ".env.in",
        "apps/api/.env",
        "a/b/c/.env.prod",
        ".ddev/.env",
    }


@pytest.mark.parametrize(
    "name", ["two words", "quo'te\"s", "ünï😀", "co:lon", "dol$HOME", "hash #x", "per%cent"]
)
def test_a_project_in_an_odd_place(builder: Callable[..., Any], tmp_path: Path, name: str) -> None:
    house = builder(
        tmp_path / name,
        {"home/.claude.json": RAY, "project/.ddev/config.yaml": CONFIG, COMPOSE: STUB},
    )
    house.put("project/.env", "x")
    assert house.run("sync").code == 0
    text = (house.root / COMPOSE).read_text()
    assert name not in text, "nothing of this machine is in it"
    targets = [v["target"] for v in service(house)["volumes"]]
    assert f"{house.project}/.env" in targets


BAD = {
    "MCPCONF_SERVICE": "a b",
    "MCPCONF_BASE_IMAGE": "x\\nRUN id",
    "MCPCONF_CLAUDE_CODE": "1.0; id",
    "MCPCONF_APT": "jq -oDPkg::Pre=id",
    "MCPCONF_NPM": "tsx --foo $(id)",
}


@pytest.mark.parametrize("name", BAD)
def test_a_setting_that_is_none_is_left_out_and_told(ddev: Callable[..., Any], name: str) -> None:
    house = ddev({"project/.ddev/.env.mcpconf": f'{name}="{BAD[name]}"\n'})
    found = synced(house)["findings"]
    assert {f["code"] for f in found} == {"MC125"}
    args = service(house)["build"]["args"]
    assert args["BASE_IMAGE"] == "node:22-bookworm-slim"
    assert "id" not in " ".join(args.values())


def test_settings_reach_the_build(ddev: Callable[..., Any]) -> None:
    text = "# mine\nMCPCONF_BASE_IMAGE=registry.example.com:5000/me/base:1\nexport MCPCONF_CLAUDE_CODE='2.1.328'\nMCPCONF_APT=\"jq php-cli\"\nMCPCONF_NPM=@scope/x@1.2 tsx\n"
    house = ddev({"project/.ddev/.env.mcpconf": text})
    assert not synced(house)["findings"]
    args = service(house)["build"]["args"]
    assert args["BASE_IMAGE"] == "registry.example.com:5000/me/base:1"
    assert (args["CLAUDE_CODE"], args["APT_PACKAGES"], args["NPM_PACKAGES"]) == (
        "2.1.328",
        "jq php-cli",
        "@scope/x@1.2 tsx",
    )


def test_remarks(ddev: Callable[..., Any]) -> None:
    house = ddev(
        {
            "project/.ddev/config.zz.yaml": "override_config: true\n",
            "project/.ddev/docker-compose.broken.yaml": "services: [\n",
            "project/.ddev/docker-compose.list.yaml": "- 1\n",
        }
    )
    (house.project / ".ddev/commands/host/claude-mcp").unlink()
    codes = [f["code"] for f in synced(house)["findings"]]
    assert codes == ["MC126", "MC126", "MC123", "MC124"]
    assert [f["code"] for f in synced(house)["findings"]] == codes, "also when nothing has changed"


def test_what_ddev_itself_says_about_override_config_is_no_remark(
    ddev: Callable[..., Any],
) -> None:
    said = '# override_config: false\n# However, with "override_config: true" in a config.*.yaml\n'
    house = ddev(
        {
            "project/.ddev/config.yaml": f"{CONFIG}{said}override_config: true\n",
            "project/.ddev/config.zz.yaml": said,
            "project/.ddev/config.a.yaml": "override_config: true\n",
        }
    )
    assert not synced(house)["findings"]


def test_a_bomb_of_aliases_is_harmless(ddev: Callable[..., Any]) -> None:
    text = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)
    )
    house = ddev({"project/.ddev/docker-compose.bomb.yaml": text + "services: {x: {image: y}}\n"})
    assert not synced(house)["findings"]


def test_with_mutagen_the_web_container_keeps_its_ddev(ddev: Callable[..., Any]) -> None:
    house = ddev({"project/.ddev/config.yaml": CONFIG + "performance_mode: mutagen\n"})
    synced(house)
    assert list(compose(house.root / COMPOSE, "/x")["services"]) == ["claude"]


def test_the_users_preferences_and_nothing_else(ddev: Callable[..., Any]) -> None:
    secret = "s3cr3t-value"
    house = ddev()
    state = {
        **RAY,
        "theme": "dark",
        "hasCompletedOnboarding": True,
        "lastOnboardingVersion": "2.1.328",
        "oauthAccount": {"emailAddress": secret},
        "userID": secret,
        "primaryApiKey": secret,
        "customApiKeyResponses": {"approved": [secret]},
        "env": {"X": secret},
        "editorMode": f"vim\n{secret}",
        "projects": {
            str(house.project): {
                "hasTrustDialogAccepted": True,
                "mcpServers": {"x": secret},
                "history": [secret],
            },
            "/other": {"hasTrustDialogAccepted": True},
        },
    }
    house.put("home/.claude.json", state)
    synced(house)
    path = house.project / ".ddev/mcpconf/preferences.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "#ddev-generated": True,
        "theme": "dark",
        "hasCompletedOnboarding": True,
        "lastOnboardingVersion": "2.1.328",
        "projects": {str(house.project): {"hasTrustDialogAccepted": True}},
    }
    for found in (house.project / ".ddev").rglob("*"):
        assert not found.is_file() or secret.encode() not in found.read_bytes(), found


@pytest.mark.parametrize("text", ["", "[]", "{", '{"projects": 7, "theme": 1}'])
def test_a_broken_global_file_gives_no_preferences(text: str) -> None:
    assert json.loads(preferences(text, ("/p",))) == {"#ddev-generated": True}
