from __future__ import annotations

import json
import os
import pickle
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from mcpconf.contract import Ref, Route
from mcpconf.credentials import Credentials, Missing
from mcpconf.credentials.helper import read_headers
from mcpconf.model import Opaque, ServerId

SECRET = "sk-planted-4711-do-not-show"


def route_of(file: Path, entry: dict, pointer: str = "/mcpServers/ctx", **more: object) -> Route:
    ref = more.pop("entry", None) or Ref(str(file), pointer)
    fields = {
        "server": ServerId("ctx"),
        "name": "ctx",
        "kind": "http",
        "transport": "http",
        "digest": Opaque(entry).digest(),
        "entry": ref,
    }
    return Route(**{**fields, **more})  # type: ignore[arg-type]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., tuple[Path, Route]]:
    """Write one entry and return its file and route; headers are refs with the given variables."""

    def write(entry: dict, variables: dict | None = None, **more: object) -> tuple[Path, Route]:
        file = tmp_path / ".claude.json"
        file.write_text(json.dumps({"numStartups": 1, "mcpServers": {"ctx": entry}}))
        refs = {
            name: Ref(str(file), f"/mcpServers/ctx/headers/{name}", 2, variables or {})
            for name in entry.get("headers", {})
        }
        return file, route_of(file, entry, headers=refs, **more)

    return write


def credentials(tmp_path: Path, **environ: str) -> Credentials:
    return Credentials(tmp_path / "state", environ)


def code_of(credentials: Credentials, route: Route) -> tuple[str, str]:
    with pytest.raises(Missing) as caught:
        credentials.resolve(route)
    return caught.value.code, caught.value.text


def test_a_header_is_read_where_it_is_written(tmp_path, written) -> None:
    entry = {"type": "http", "url": "https://a.example/mcp", "headers": {"X-Key": "${KEY} "}}
    _, route = written(entry, {"KEY": None}, url="https://a.example/mcp")
    resolved = credentials(tmp_path, KEY=SECRET).resolve(route)
    assert resolved.headers == (("X-Key", SECRET),)
    assert resolved.url == "https://a.example/mcp"
    assert SECRET not in repr(resolved)


def test_headers_expand_twice(tmp_path, written) -> None:
    entry = {"type": "http", "url": "u", "headers": {"X": "Bearer ${A:-${B}}"}}
    _, route = written(entry, {"A": None, "B": None}, url="https://a.example")
    assert credentials(tmp_path, B="b").resolve(route).headers == (("X", "Bearer b"),)


def test_settings_beat_the_environment_and_a_rotated_secret_is_seen(tmp_path, written) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('\ufeff{"env": {"KEY": "first", "KEY": "old"}}')
    entry = {"type": "http", "url": "u", "headers": {"X-Key": "${KEY}"}}
    _, route = written(entry, {"KEY": (str(settings), "/env/KEY")}, url="https://a.example")
    known = credentials(tmp_path, KEY="environment")
    assert known.resolve(route).headers == (("X-Key", "old"),)
    assert known.resolve(route) is known.resolve(route)
    settings.write_text('{"env": {"KEY": "newer"}}')
    assert known.resolve(route).headers == (("X-Key", "newer"),)


def test_a_number_among_the_variables_is_the_text_that_javascript_makes(tmp_path, written) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"env": {"KEY": 7.0, "ON": true}}')
    places = {n: (str(settings), f"/env/{n}") for n in ("KEY", "ON")}
    _, route = written({"url": "u", "headers": {"X": "${KEY}${ON}"}}, places, url="https://a")
    assert credentials(tmp_path).resolve(route).headers == (("X", "7true"),)


def test_an_entry_that_changed_is_stale(tmp_path, written) -> None:
    entry = {"type": "http", "url": "https://a.example", "headers": {"X": SECRET}}
    file, route = written(entry, url="https://a.example")
    known = credentials(tmp_path)
    known.resolve(route)
    changed = {**entry, "url": "https://evil.example"}
    file.write_text(json.dumps({"mcpServers": {"ctx": changed}}))
    code, text = code_of(known, route)
    assert code == "stale-route"
    assert SECRET not in text
    file.write_text(json.dumps({"mcpServers": {"ctx": entry}, "more": 1}))
    assert known.resolve(route).headers == (("X", SECRET),)


def test_what_the_client_does_to_the_rest_of_the_file_does_not_matter(tmp_path, written) -> None:
    entry = {"type": "http", "url": "u", "headers": {"X": "1"}}
    file, route = written(entry, url="https://a.example")
    known = credentials(tmp_path)
    known.resolve(route)
    file.write_text(json.dumps({"numStartups": 2, "mcpServers": {"ctx": entry, "b": {}}}, indent=9))
    assert known.resolve(route).headers == (("X", "1"),)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "stale-route"),
        ("{", "stale-route"),
        ("[]", "stale-route"),
        ('{"mcpServers": {"ctx": NaN}}', "stale-route"),
        ("[" * 100_000, "stale-route"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, written, content, code) -> None:
    file, route = written({"url": "u", "headers": {"X": "1"}}, url="https://a.example")
    file.unlink() if content is None else file.write_text(content)
    assert code_of(credentials(tmp_path), route)[0] == code


def test_a_directory_and_a_pipe_are_not_read(tmp_path, written) -> None:
    file, route = written({"url": "u"}, url="https://a.example")
    file.unlink()
    file.mkdir()
    assert code_of(credentials(tmp_path), route)[0] == "secret-missing"
    file.rmdir()
    os.mkfifo(file)
    assert code_of(credentials(tmp_path), route)[0] == "secret-missing"


def test_nobody_waits_for_the_writer_of_a_pipe(tmp_path, written, monkeypatch) -> None:
    """The container may exchange .mcp.json for a pipe just after it was looked at."""
    file, route = written({"url": "u", "headers": {"X": "1"}}, url="https://a.example")
    regular = os.stat(file)
    monkeypatch.setattr("mcpconf.credentials.documents._stat", lambda _: regular)
    file.unlink()
    os.mkfifo(file)
    looking = threading.Thread(
        target=lambda: code_of(credentials(tmp_path), route), name="looking", daemon=True
    )
    looking.start()
    looking.join(30)
    waits = looking.is_alive()
    if waits:
        os.close(os.open(file, os.O_WRONLY))  # let it go
    assert not waits


def test_what_a_container_may_write_is_not_read_at_any_length(tmp_path) -> None:
    file = tmp_path / ".mcp.json"
    entry = {"url": "u", "headers": {"X": "1"}}
    file.write_text(json.dumps({"mcpServers": {"ctx": entry}, "": "x" * 2_097_152}))
    refs = {"X": Ref(str(file), "/mcpServers/ctx/headers/X", 2)}
    code, text = code_of(
        credentials(tmp_path), route_of(file, entry, url="https://a", headers=refs)
    )
    assert code == "secret-missing"
    assert "larger" in text


def test_a_variable_that_is_not_set_is_named(tmp_path, written) -> None:
    _, route = written({"url": "u", "headers": {"X": "${KEY}"}}, {"KEY": None}, url="https://a")
    code, text = code_of(credentials(tmp_path), route)
    assert code == "secret-missing"
    assert "`KEY`" in text


def test_a_variable_that_left_its_file_is_named(tmp_path, written) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"env": {}}')
    _, route = written(
        {"url": "u", "headers": {"X": "${KEY}"}},
        {"KEY": (str(settings), "/env/KEY")},
        url="https://a",
    )
    code, text = code_of(credentials(tmp_path, KEY="environment"), route)
    assert code == "secret-missing"
    assert "`KEY`" in text
    assert str(settings) in text


@pytest.mark.parametrize("mode", [0o606, 0o602, 0o666])
def test_variables_that_anybody_may_write_are_refused(tmp_path, written, mode) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"env": {"KEY": "x"}}')
    _, route = written(
        {"url": "u", "headers": {"X": "${KEY}"}},
        {"KEY": (str(settings), "/env/KEY")},
        url="https://a",
    )
    known = credentials(tmp_path)
    known.resolve(route)
    settings.chmod(mode)
    code, text = code_of(known, route)
    assert code == "secret-missing"
    assert f"chmod go-w '{settings}'" in text
    settings.chmod(0o644)
    assert known.resolve(route).headers == (("X", "x"),)


@pytest.mark.parametrize("value", ["a\r\nHost: evil", "a\nb", "\x00", "€", "a\x7fb"])
def test_no_value_writes_a_second_header(tmp_path, written, value) -> None:
    _, route = written({"url": "u", "headers": {"X": "${KEY}"}}, {"KEY": None}, url="https://a")
    code, text = code_of(credentials(tmp_path, KEY=value), route)
    assert code == "secret-missing"
    assert value not in text


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "Connection"])
def test_no_header_says_where_a_request_ends_or_whom_it_is_for(tmp_path, written, name) -> None:
    """An entry may come with a clone: a second length would smuggle a request past a proxy."""
    _, route = written({"url": "u", "headers": {name: "3"}}, url="https://a.example")
    code, text = code_of(credentials(tmp_path), route)
    assert code == "secret-missing"
    assert name in text
    with pytest.raises(Missing):
        read_headers(json.dumps({name: "3"}).encode())


def test_a_line_feed_at_the_end_is_cut_off(tmp_path, written) -> None:
    _, route = written({"url": "u", "headers": {"X": "${KEY}"}}, {"KEY": None}, url="https://a")
    assert credentials(tmp_path, KEY="v\n").resolve(route).headers == (("X", "v"),)


def test_a_secret_url(tmp_path, written) -> None:
    entry = {"type": "http", "url": " https://a.example/mcp?key=${KEY}"}
    file, route = written(entry)
    route = route._replace(url_ref=Ref(str(file), "/mcpServers/ctx/url", 1, {"KEY": None}))
    assert credentials(tmp_path, KEY="k").resolve(route).url == "https://a.example/mcp?key=k"


def test_a_ref_outside_the_entry_is_refused(tmp_path, written) -> None:
    file, route = written({"url": "u"}, url="https://a.example")
    other = Ref(str(file), "/mcpServers/ctxx/headers/X")
    assert code_of(credentials(tmp_path), route._replace(headers={"X": other}))[0] == "stale-route"
    other = Ref("/etc/passwd", "/mcpServers/ctx/headers/X")
    assert code_of(credentials(tmp_path), route._replace(headers={"X": other}))[0] == "stale-route"


def test_the_header_of_mcp_remote_stands_in_an_argument(tmp_path, written) -> None:
    entry = {
        "command": "npx",
        "args": ["mcp-remote", "https://a.example", "--header", "Authorization:${AUTH}"],
        "env": {"AUTH": "Bearer ${TOKEN}"},
    }
    file, route = written(entry, url="https://a.example")
    ref = Ref(str(file), "/mcpServers/ctx/args/3", 1, {"AUTH": None}, "Authorization:")
    route = route._replace(headers={"Authorization": ref})
    known = credentials(tmp_path, TOKEN="t")
    assert known.resolve(route).headers == (("Authorization", "Bearer t"),)
    assert known.resolve(route).authorizes
    known = credentials(tmp_path, TOKEN="t", AUTH="Basic x")  # the client's own comes first
    assert known.resolve(route).headers == (("Authorization", "Basic x"),)


def test_a_process_inherits_the_environment(tmp_path, written) -> None:
    entry = {
        "command": "${BIN}",
        "args": ["-k", "${KEY}", "${NO}"],
        "env": {"PATH": "/x", "K": "${KEY}"},
    }
    _, route = written(entry, kind="stdio", transport="stdio")
    environ = {"BIN": "b", "KEY": SECRET, "PATH": "/bin", "H": "1", "MCPCONF_GATEWAY_TOKEN": "t"}
    resolved = credentials(tmp_path, **environ).resolve(route, "/home/dev/shop")
    assert (resolved.command, resolved.args) == ("b", ("-k", SECRET, "${NO}"))
    assert resolved.unset == ("NO",)
    assert resolved.env == {
        "BIN": "b",
        "KEY": SECRET,
        "H": "1",
        "PATH": "/x",
        "K": SECRET,
        "CLAUDE_PROJECT_DIR": "/home/dev/shop",
    }
    assert SECRET not in repr(resolved)


def test_one_entry_of_a_large_file_is_kept_not_the_file(tmp_path, written) -> None:
    entry = {"url": "u", "headers": {"X": "1"}}
    file, route = written(entry, url="https://a.example")
    history = {f"/p/{i}": {"history": ["x" * 40] * 50} for i in range(1000)}
    file.write_text(json.dumps({"projects": history, "mcpServers": {"ctx": entry}}))
    tracemalloc.start()
    known = credentials(tmp_path)
    known.resolve(route)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 300_000


def test_a_resolved_route_cannot_be_pickled(tmp_path, written) -> None:
    _, route = written({"url": "u", "headers": {"X": SECRET}}, url="https://a.example")
    with pytest.raises(TypeError):
        pickle.dumps(credentials(tmp_path).resolve(route))


def test_a_plugin_knows_where_it_is(tmp_path) -> None:
    root = tmp_path / "plugins" / "one"
    (root / ".claude-plugin").mkdir(parents=True)
    entry = {"command": "${CLAUDE_PLUGIN_ROOT}/run", "args": ["${CLAUDE_PROJECT_DIR}"]}
    file = root / "servers.json"
    file.write_text(json.dumps({"ctx": entry}))
    route = route_of(file, entry, "/ctx", kind="stdio", transport="stdio", name="plugin:one:ctx")
    resolved = credentials(tmp_path).resolve(route, "/shop")
    assert (resolved.command, resolved.args) == (f"{root}/run", ("/shop",))
    ordinary = credentials(tmp_path).resolve(route._replace(name="ctx"), "/shop")
    assert ordinary.command == "${CLAUDE_PLUGIN_ROOT}/run"


def test_the_users_settings_reach_a_process_and_beat_the_shell(tmp_path, written) -> None:
    entry = {"command": "${BIN}", "env": {"OWN": "${TOKEN}"}}
    _, route = written(entry, kind="stdio", transport="stdio")
    file = tmp_path / ".claude.json"
    whole = json.loads(file.read_text())
    file.write_text(json.dumps({**whole, "env": {"BIN": "global", "A": 1, "B": "global"}}))
    (tmp_path / ".claude").mkdir()
    settings = tmp_path / ".claude" / "settings.json"
    settings.write_text('{"env": {"TOKEN": "t", "B": "settings"}}')
    known = credentials(tmp_path, HOME=str(tmp_path), BIN="shell", TOKEN="shell", PATH="/bin")
    resolved = known.resolve(route)
    assert resolved.command == "global"
    assert resolved.env["OWN"] == "t"
    assert (resolved.env["A"], resolved.env["B"], resolved.env["PATH"]) == ("1", "settings", "/bin")
    settings.write_text('{"env": {"TOKEN": "rotated"}}')
    assert known.resolve(route).env["OWN"] == "rotated"
    settings.chmod(0o666)
    assert "chmod go-w" in code_of(known, route)[1]
    settings.unlink()
    assert known.resolve(route).env["OWN"] == "shell"


def test_the_users_wish_for_a_small_environment(tmp_path, written) -> None:
    _, route = written({"command": "x"}, kind="stdio", transport="stdio")
    environ = {"PATH": "/bin", "ANTHROPIC_API_KEY": SECRET, "CLAUDE_CODE_MCP_ALLOWLIST_ENV": "1"}
    assert credentials(tmp_path, **environ).resolve(route).env == {"PATH": "/bin"}
