"""What a command line really starts."""

from __future__ import annotations

import pytest

from mcpconf.commands import understand


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("npx", ""),
        ("npx -y", ""),
        ("node server.js", ""),
        ("docker ps", ""),
        ("uv run server.py", ""),
        ("uv --directory x run server.py", ""),
        ("npm start", ""),
        ("pnpm start", ""),
        ("npx.sh exa-mcp-server", ""),
        ("./npx exa-mcp-server", ""),
        ("npx exa-mcp-server", "npm:exa-mcp-server"),
        ("npx -y exa-mcp-server", "npm:exa-mcp-server"),
        ("npx --yes exa-mcp-server@latest --tools=x", "npm:exa-mcp-server"),
        ("npx -y @upstash/context7-mcp@1.0.0 --api-key x", "npm:@upstash/context7-mcp"),
        ("npx -p some-pkg some-bin", "npm:some-pkg"),
        ("npx --package=some-pkg@2 some-bin", "npm:some-pkg"),
        ("npx --registry https://r.example.com pkg", "npm:pkg"),
        ("/opt/homebrew/bin/npx -y exa-mcp-server", "npm:exa-mcp-server"),
        ("npx.cmd -y exa-mcp-server", "npm:exa-mcp-server"),
        ("cmd /c npx -y exa-mcp-server", "npm:exa-mcp-server"),
        ("env npx exa-mcp-server", "npm:exa-mcp-server"),
        ("bunx exa-mcp-server", "npm:exa-mcp-server"),
        ("bun x exa-mcp-server", "npm:exa-mcp-server"),
        ("pnpm dlx exa-mcp-server", "npm:exa-mcp-server"),
        ("yarn dlx exa-mcp-server", "npm:exa-mcp-server"),
        ("npm exec -- exa-mcp-server", "npm:exa-mcp-server"),
        ("uvx mcp-server-time", "pypi:mcp-server-time"),
        ("uvx mcp-server-time==1.0", "pypi:mcp-server-time"),
        ("uvx mcp-server-time[all]>=1", "pypi:mcp-server-time"),
        ("uvx --from mcp-server-time[x]==1 run-it", "pypi:mcp-server-time"),
        ("uvx --python 3.12 mcp-server-time", "pypi:mcp-server-time"),
        ("uv tool run mcp-server-time", "pypi:mcp-server-time"),
        ("pipx run mcp-server-time", "pypi:mcp-server-time"),
        ("docker run -i --rm mcp/github", "docker:mcp/github"),
        ("docker run -i --rm -e TOKEN -e A=b ghcr.io/x/y:1.2", "docker:ghcr.io/x/y"),
        ("docker run --name n -v /a:/b -p 1:2 img:latest serve", "docker:img"),
        ("docker run r.example.com:5000/x/y", "docker:r.example.com:5000/x/y"),
        ("docker container run img", "docker:img"),
        ("podman run img", "docker:img"),
    ],
)
def test_the_package_of_a_command_line(line: str, package: str) -> None:
    command, *args = line.split()
    assert understand(command, args).package == package


@pytest.mark.parametrize(
    ("line", "program", "was_path", "script"),
    [
        ("node tools/mcp.js --x", "node", False, "tools/mcp.js"),
        ("python3 -u server.py", "python3", False, "server.py"),
        ("python -m server", "python", False, ""),
        ("/usr/bin/python3 /srv/x.py", "python3", True, "/srv/x.py"),
        ("/opt/thing/bin/server", "/opt/thing/bin/server", True, ""),
        ("./tools/mcp", "./tools/mcp", False, ""),
        ("~/bin/mcp", "~/bin/mcp", False, ""),
        ("osascript -e x", "osascript", False, ""),
        ("bash -c ls", "bash", False, "ls"),
    ],
)
def test_programs_and_scripts(line: str, program: str, was_path: bool, script: str) -> None:  # noqa: FBT001
    command, *args = line.split()
    found = understand(command, args)
    assert (found.program, found.was_path, found.script) == (program, was_path, script)
    assert found.package == ""


def test_what_stands_behind_the_package_is_the_rest() -> None:
    assert understand("npx", ["-y", "mcp-remote", "https://x", "--header", "A: b"]).rest == (
        "https://x",
        "--header",
        "A: b",
    )


@pytest.mark.parametrize("command", ["", " ", "/", "\\", "cmd", "env", ".exe", "npx\n"])
def test_nothing_is_too_odd(command: str) -> None:
    for args in ([], [""], ["/c"], ["/c", ""], ["-p"], ["--package="], ["="]):
        assert understand(command, args).words is not None
