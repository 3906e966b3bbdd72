"""Edits of mcpconf.toml: what is refused, what is written, and that nothing else changes."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mcpconf import toml_file
from mcpconf.edit import Wish, allow, allow_all, disallow, trust, untrust
from mcpconf.errors import Failure, Usage
from mcpconf.readers.policy import read_policy
from mcpconf.readers.world import read

HERE, THERE = "/home/me/here", "/home/me/there"
DIGEST, OLDER = "d" * 64, "0" * 64


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "config" / "mcpconf.toml"


def given_text(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return file


def text_of(file: Path) -> str:
    return file.read_bytes().decode()


def rows(file: Path, kind: str = "allow") -> list[dict[str, object]]:
    return tomllib.loads(text_of(file).removeprefix("\ufeff")).get(kind, [])


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "help_"),
    [
        ("https://api.example.com/x", "write `api.example.com`"),
        ("localhost", "servers near you are reached through the gateway; they need no entry"),
        ("*.github.io", "name each host"),
        ("", "name a host, such as `api.example.com`"),
    ],
)
def test_what_is_no_host_is_not_written(file, host, help_) -> None:
    with pytest.raises(Usage) as usage:
        allow(file, host, why="x", project=None)
    assert usage.value.help == help_
    assert not file.parent.exists()


@pytest.mark.parametrize(
    ("ports", "why"), [((0,), "x"), ((), "x"), (range(1, 18), "x"), ((443,), " \n")]
)
def test_ports_and_reason_are_checked(file, ports, why) -> None:
    with pytest.raises(Usage):
        allow(file, "a.example.com", ports=ports, why=why, project=None)
    assert not file.parent.exists()


BROKEN = [
    ("allow = 1\n", "another form"),
    ("allow = []\n", "another form"),
    ('allow = [{host = "a.com"}]\n', "another form"),
    ("[allow]\nx = 1\n", "another form"),
    ("[allow.x]\n", "another form"),
    ("allow.x = 1\n", "another form"),
    ("[[allow]\n", "not valid TOML"),
    ("x = 1\nx = 2\n", "not valid TOML"),
    ("x = " + "[" * 5000 + "]" * 5000, "not valid TOML"),
    ("a = 1\rb = 2", "not valid TOML"),
    ('[[allow]]\nhost = "a.example.com"\nports = "x"\n', "has a row in which"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_file_is_left_alone(file, text, message) -> None:
    given_text(file, text)
    with pytest.raises(Failure) as failure:
        allow(file, "a.example.com", why="x", project=None)
    assert message in failure.value.message
    assert failure.value.exit == 4
    assert failure.value.help
    assert text_of(file) == text
    assert os.listdir(file.parent) == [file.name]


def test_trust_has_to_be_tables_as_well(file) -> None:
    given_text(file, "trust = []\n")
    with pytest.raises(Failure, match="another form"):
        trust(file, "s", HERE, DIGEST)


def test_what_is_not_utf8_is_left_alone(file) -> None:
    file.parent.mkdir()
    file.write_bytes(b"# caf\xe9\n")
    with pytest.raises(Failure, match="UTF-8"):
        allow(file, "a.example.com", why="x", project=None)
    assert file.read_bytes() == b"# caf\xe9\n"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_left_alone(file, make) -> None:
    file.parent.mkdir()
    make(file)
    with pytest.raises(Failure, match="regular file"):
        allow(file, "a.example.com", why="x", project=None)


def test_where_nobody_may_write(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="could not be edited"):
        allow(tmp_path / "file" / "mcpconf.toml", "a.example.com", why="x", project=None)


def test_half_a_character_cannot_be_written(file) -> None:
    with pytest.raises(Usage, match="half a character"):
        trust(file, "a\ud800", HERE, DIGEST)


# --- allow --------------------------------------------------------------------------------------


def test_the_file_is_made(file) -> None:
    done = allow(file, "API.example.com", ports=(8443, 443), why=" for\n me ", project=HERE)
    assert done == (
        file,
        True,
        f"`api.example.com` is now allowed on ports 443, 8443 for the project `{HERE}`",
    )
    first, second, blank, *row = text_of(file).splitlines()
    assert first.startswith("# ")
    assert second.startswith("# ")
    assert blank == ""
    assert row == [
        "[[allow]]",
        'host = "api.example.com"',
        "ports = [443, 8443]",
        'why = "for me"',
        f'project = "{HERE}"',
    ]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert os.listdir(file.parent) == [file.name]


def test_the_policy_reads_what_was_written(file) -> None:
    allow(file, "a.example.com", why="x", project=HERE)
    allow(file, "b.example.com", ports=(22,), why="y", project=None)
    trust(file, "s", HERE, DIGEST)
    policy, findings = read_policy(read(file), None, HERE)
    assert findings == []
    assert [(r.destination.host, r.ports, r.why) for r in policy.rows] == [
        ("a.example.com", (443,), "x"),
        ("b.example.com", (22,), "y"),
    ]
    assert policy.trust == (("s", HERE, DIGEST),)


def test_what_is_there_stays_as_it_is(file) -> None:
    allow(file, "a.example.com", ports=(443, 22), why="x", project=HERE)
    before = file.stat().st_ino, text_of(file)
    done = allow(file, "A.example.com", ports=(22,), why="y", project=HERE)
    assert not done.changed
    assert (
        done.summary == f"`a.example.com` was already allowed on port 22 for the project `{HERE}`"
    )
    assert (file.stat().st_ino, text_of(file)) == before


PORTS = [
    ("ports = [443] # why not", "ports = [443, 8443] # why not"),
    ("ports=[443,]", "ports=[443, 8443]"),
    ("ports = 443  # one", "ports = [443, 8443]  # one"),
    ("ports = [\n  443, # tls\n]", "ports = [\n  443, # tls\n  8443,\n]"),
    ("'ports' = [\n  443 # tls\n]", "'ports' = [\n  443, # tls\n  8443\n]"),
]


@pytest.mark.parametrize(("there", "merged"), PORTS)
@pytest.mark.parametrize("end", ["\n", "", "\n# the end\n", "\n\n[servers.x]\nroute = 'off'\n"])
def test_ports_are_merged(file, there, merged, end) -> None:
    text = f"# top\n[[allow]] # row\nhost = 'a.example.com'\n{there}{end}"
    given_text(file, text)
    assert allow(file, "a.example.com", ports=(8443, 443), why="y", project=None).changed
    assert text_of(file) == text.replace(there, merged)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_ports_that_were_not_written(file, newline) -> None:
    given_text(file, f'[[allow]]{newline}host = "a.example.com"')
    allow(file, "a.example.com", ports=(22,), why="y", project=None)
    assert text_of(file) == f'[[allow]]{newline}ports = [443, 22]{newline}host = "a.example.com"'


def test_too_many_ports_together(file) -> None:
    allow(file, "a.example.com", ports=range(1, 17), why="x", project=None)
    with pytest.raises(Usage, match="16 is the most"):
        allow(file, "a.example.com", ports=(17,), why="x", project=None)


def test_several_hosts_are_one_edit(file) -> None:
    given_text(file, '# mine\n[[peer]]\nname = "DB"\nports = [3306]\nwhy = "x"\n')
    wishes = [Wish("a.example.com"), Wish("db", (3306, 33060), peer=True), Wish("web", (80,), True)]
    done = allow_all(file, wishes, why="y", project=None)
    assert done.changed
    assert "`db` is now allowed on ports 3306, 33060 for every project" in done.summary
    assert rows(file) == [{"host": "a.example.com", "ports": [443], "why": "y"}]
    assert rows(file, "peer") == [
        {"name": "DB", "ports": [3306, 33060], "why": "x"},
        {"name": "web", "ports": [80], "why": "y"},
    ]
    assert not allow_all(file, wishes, why="z", project=None).changed
    disallow(file, "web", None, peer=True)
    disallow(file, "db", None, peer=True)
    assert rows(file, "peer") == []
    with pytest.raises(Usage, match="not allowed"):
        disallow(file, "a.example.com", None, peer=True)


def test_of_several_hosts_one_that_is_none_stops_all(file) -> None:
    with pytest.raises(Usage, match="loopback"):
        allow_all(
            file, [Wish("a.example.com"), Wish("127.0.0.1", (1,), True)], why="x", project=None
        )
    assert not file.exists()


def test_a_peer_without_ports_gets_the_ports_that_are_asked_for(file) -> None:
    given_text(file, '[[peer]]\nname = "db"\nwhy = "x"\n')
    allow_all(file, [Wish("db", (3306,), True)], why="y", project=None)
    assert rows(file, "peer") == [{"name": "db", "ports": [3306], "why": "x"}]


def test_a_row_of_another_project_is_another_row(file) -> None:
    for project in (None, HERE, THERE):
        assert allow(file, "a.example.com", why="x", project=project).changed
    assert [r.get("project") for r in rows(file)] == [None, HERE, THERE]
    disallow(file, "a.example.com", HERE)
    assert [r.get("project") for r in rows(file)] == [None, THERE]
    disallow(file, "a.example.com", None)
    assert [r.get("project") for r in rows(file)] == [THERE]


def test_a_row_for_several_projects_is_not_widened_and_loses_one(file) -> None:
    given_text(file, f'[[allow]]\nhost = "a.example.com"\nproject = ["{HERE}", "{THERE}"] # both\n')
    allow(file, "a.example.com", ports=(22,), why="x", project=HERE)
    assert [(r.get("ports"), r["project"]) for r in rows(file)] == [
        (None, [HERE, THERE]),
        ([22], HERE),
    ]
    disallow(file, "a.example.com", HERE)
    assert text_of(file) == f'[[allow]]\nhost = "a.example.com"\nproject = ["{THERE}"] # both\n'
    disallow(file, "a.example.com", THERE)
    assert text_of(file) == ""


# --- disallow -----------------------------------------------------------------------------------

FULL = f"""\
# my policy
secrets = "host"   # stays here

# search
[[allow]]   # hand-made
host = "search.example.com"
# which ports?
ports = [
  443, # TLS
]
why = '''
[[allow]]
host = "trap.example.com"
'''

# this belongs to the next
[servers."a.b]"]
route = "off"

  [[ "allow" ]]
  host = "API.example.com"
  [allow.notes]
  text = "x"

[[trust]]
name = "s"
project = "{HERE}"
digest = "{OLDER}" # looked at it

[[allow]]
host = "localhost"
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_row_is_cut_out_and_nothing_else(file, newline, bom) -> None:
    def turned(text: str) -> str:
        return bom + text.replace("\n", newline)

    given_text(file, turned(FULL))
    first = FULL[FULL.index("[[allow]]") : FULL.index("# this belongs") - 1]
    second = FULL[FULL.index('\n  [[ "allow"') : FULL.index("\n[[trust]]")]
    disallow(file, "search.example.com", None)
    assert text_of(file) == turned(FULL.replace(first, ""))
    disallow(file, "api.example.com", None)
    assert text_of(file) == turned(FULL.replace(first, "").replace(second, ""))
    disallow(file, "localhost", None)
    last = '\n[[allow]]\nhost = "localhost"\n'
    assert text_of(file) == turned(FULL.replace(first, "").replace(second, "").replace(last, ""))


def test_every_row_of_a_host_goes(file) -> None:
    row = '[[allow]]\nhost = "a.example.com"\n'
    given_text(file, f"{row}\n{row}# between\n\n{row}")
    disallow(file, "a.example.com", None)
    assert text_of(file) == "# between\n"


@pytest.mark.parametrize(
    ("host", "project", "help_"),
    [
        ("serch.example.com", None, "did you mean `search.example.com`?"),
        ("search.example.com", HERE, "it is open for every project: add `--everywhere`"),
        ("b.example.org", None, "it is open for other projects: say which, with `--project DIR`"),
        ("trap.org", None, "mcpconf.toml has no row for it; `mcpconf explain HOST` says why"),
    ],
)
def test_what_is_not_there_cannot_be_taken_out(file, host, project, help_) -> None:
    text = f'{FULL}\n[[allow]]\nhost = "b.example.org"\nproject = "{THERE}"\n'
    given_text(file, text)
    with pytest.raises(Usage) as usage:
        disallow(file, host, project)
    assert usage.value.help == help_
    assert text_of(file) == text


def test_without_a_file_nothing_is_made(file) -> None:
    with pytest.raises(Usage):
        disallow(file, "a.example.com", None)
    with pytest.raises(Usage):
        untrust(file, "s", HERE)
    assert not file.parent.exists()


# --- trust --------------------------------------------------------------------------------------


def test_a_newer_digest_replaces_the_older(file) -> None:
    given_text(file, FULL)
    assert trust(file, "s", HERE, DIGEST).changed
    assert text_of(file) == FULL.replace(OLDER, DIGEST)
    assert not trust(file, "s", HERE, DIGEST).changed


def test_no_older_digest_stays_trusted(file) -> None:
    row = f"[[trust]]\nname = 's'\nproject = '{HERE}'\n"
    given_text(file, f"{row}digest = '{OLDER}'\n\n{row}# none\n\n{row}digest = '{DIGEST}'\n")
    trust(file, "s", HERE, DIGEST)
    assert rows(file, "trust") == [{"name": "s", "project": HERE, "digest": DIGEST}]
    assert "# none" in text_of(file)


def test_a_row_without_a_digest_gets_one(file) -> None:
    given_text(file, f"[[trust]]\nname = 's'\nproject = '{HERE}'")
    trust(file, "s", HERE, DIGEST)
    assert rows(file, "trust") == [{"name": "s", "project": HERE, "digest": DIGEST}]


def test_trust_is_taken_back(file) -> None:
    given_text(file, FULL)
    trust(file, "s", THERE, DIGEST)
    trust(file, "t", HERE, DIGEST)
    untrust(file, "t", HERE)
    untrust(file, "s", THERE)
    assert text_of(file) == FULL
    assert untrust(file, "s", HERE).summary == f"`s` is no longer trusted for the project `{HERE}`"
    assert rows(file, "trust") == []


@pytest.mark.parametrize(
    ("name", "help_"),
    [
        ("server-on", "did you mean `server-one`?"),
        ("every", "it is trusted for every project: delete that row from mcpconf.toml"),
        ("zzz", "`mcpconf list` shows which servers there are"),
    ],
)
def test_who_is_not_trusted_cannot_be_distrusted(file, name, help_) -> None:
    trust(file, "server-one", HERE, DIGEST)
    trust(file, "every", "", DIGEST)
    with pytest.raises(Usage) as usage:
        untrust(file, name, HERE)
    assert usage.value.help == help_


# --- the file -----------------------------------------------------------------------------------


def test_mode_and_link_stay(file, tmp_path) -> None:
    target = tmp_path / "dotfiles" / "mcpconf.toml"
    given_text(target, "# mine\n")
    target.chmod(0o640)
    file.parent.mkdir()
    file.symlink_to(os.path.join("..", "dotfiles", "mcpconf.toml"))
    allow(file, "a.example.com", why="x", project=None)
    assert os.readlink(file) == os.path.join("..", "dotfiles", "mcpconf.toml")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert text_of(target).startswith("# mine\n\n[[allow]]\n")
    assert os.listdir(target.parent) == [target.name]
    assert os.listdir(file.parent) == [file.name]


def test_a_link_to_nothing_yet(file, tmp_path) -> None:
    file.parent.mkdir()
    file.symlink_to(tmp_path / "new" / "mcpconf.toml")
    allow(file, "a.example.com", why="x", project=None)
    assert file.is_symlink()
    assert rows(tmp_path / "new" / "mcpconf.toml")


def test_a_loop_of_links(file) -> None:
    file.parent.mkdir()
    file.symlink_to(file)
    with pytest.raises(Failure):
        allow(file, "a.example.com", why="x", project=None)


def test_a_failed_write_leaves_nothing_behind(file, monkeypatch) -> None:
    given_text(file, FULL)

    def fail(*_args) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Failure, match="No space left"):
        allow(file, "a.example.com", why="x", project=None)
    assert text_of(file) == FULL
    assert os.listdir(file.parent) == [file.name]


def test_a_lock_that_is_held_is_waited_for_and_not_for_ever(file, monkeypatch) -> None:
    monkeypatch.setattr(toml_file, "_PATIENCE", 0.1)
    given_text(file, FULL)
    lock = file.with_name(".mcpconf.toml.lock")
    with toml_file._locked(lock), pytest.raises(Failure, match="another process"):
        allow(file, "a.example.com", why="x", project=None)
    assert text_of(file) == FULL
    lock.touch()  # left by a process that was killed: it locks nobody out
    assert allow(file, "a.example.com", why="x", project=None).changed


def test_a_lock_that_its_holder_took_away_locks_nothing(file, monkeypatch) -> None:
    lock, taken, genuine = file.with_name(".mcpconf.toml.lock"), [], fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if not taken:
            lock.unlink()  # its holder is done between our opening and our locking
        taken.append(descriptor)
        genuine(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert allow(file, "a.example.com", why="x", project=None).changed
    assert len(taken) == 2


def test_twenty_processes_lose_nothing(file) -> None:
    program = (
        "import os, sys; from pathlib import Path; from mcpconf import edit; number = sys.argv[2];"
        "os.fork() and os.fork() and os.fork() and os.fork();"
        "sys.stdin.read();"
        "edit.allow(Path(sys.argv[1]), f'h{os.getpid()}.example.com', why=number, project=None)"
    )
    # Each of four forks four more, and all five go on when the pipe is closed.
    starters = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", program, file, str(n)], stdin=subprocess.PIPE
        )
        for n in range(4)
    ]
    for process in starters:
        process.stdin.close()
    for process in starters:
        assert process.wait(30) == 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not file.exists() or len(rows(file)) < 20):
        time.sleep(0.02)
    assert len({row["host"] for row in rows(file)}) == 20
    while time.monotonic() < deadline and len(os.listdir(file.parent)) > 1:
        time.sleep(0.02)
    assert os.listdir(file.parent) == [file.name]


# --- laws ---------------------------------------------------------------------------------------

COMMENT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(
    lambda t: f"# {t}"
)
LINE = st.one_of(
    COMMENT,
    st.sampled_from(
        [
            "",
            "  ",
            "\t",
            '[[allow]]\nhost = "KEY.example.com"',
            "[[allow]]\n'host' = 'KEY.example.org' # c\n\n# d\nports = [ 1,\n # ]\n 2]",
            "[[allow]]\nhost = 'KEY.example.net'\n[allow.notes]\n[[allow.notes.more]]\nx = 1",
            '  [[ "allow" ]]  # c\n\thost="KEY.example.com"\n\tproject = ["/a", "/b"]',
            "[[trust]]\nname = 'KEY'\nproject = ''\ndigest = ''",
            "[KEY]\nx = '''\n[[allow]]\nhost = \"x\"\n'''\ny = [\n[ 1 ], # ]\n]",
            '[KEY]\na."b c" = """\\"""\n[[trust]]"""\nz = {x = [1], y = "]"}',
            "[[KEY.allow]]\n[KEY.trust]\nn = nan",
        ]
    ),
)


@st.composite
def documents(draw) -> str:
    lines = [
        line.replace("KEY", f"k{n}") for n, line in enumerate(draw(st.lists(LINE, max_size=8)))
    ]
    if draw(st.booleans()):
        lines.insert(0, 'secrets = "host" # s\nunknown = [1, 2]')
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n", "\n  "]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return draw(st.sampled_from(["", "", "\ufeff"])) + text


def valid(text: str) -> dict[str, object]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError:
        assume(False)
        raise


LAW = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PROJECT = st.sampled_from([None, HERE, '/with "quotes" and \\', "/ünï/\u202e"])
NAME = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@LAW
@given(documents(), PROJECT)
@example("", None)
@example("\n", None)
@example("# c", None)
@example("a = 1\r\n  ", HERE)
@example("\ufeff", HERE)
def test_allow_and_disallow_restore_the_file(file, text, project) -> None:
    before = valid(text)
    given_text(file, text)
    allow(file, "new.example.com", ports=(443, 8443), why='"]', project=project)
    assert text_of(file).startswith(text)
    after = valid(text_of(file))
    row = {"host": "new.example.com", "ports": [443, 8443], "why": '"]'}
    row |= {"project": project} if project else {}
    assert repr(after) == repr(before | {"allow": [*before.get("allow", []), row]})
    disallow(file, "new.example.com", project)
    assert text_of(file) == text


@LAW
@given(documents(), NAME, st.one_of(NAME, PROJECT.filter(bool)))
@example("", '"]\n[[allow]]\nhost = "evil.example.com"', HERE)
@example("", "\\", "'''")
@example("", "\x00\x7f\x85\u2028\u202e\ufeff", "")
def test_a_name_comes_back_as_it_was(file, text, name, project) -> None:
    before = valid(text)
    given_text(file, text)
    trust(file, name, project, OLDER)
    trust(file, name, project, DIGEST)
    added = {"name": name, "project": project, "digest": DIGEST}
    assert rows(file, "trust") == [*before.get("trust", []), added]
    assert repr(rows(file)) == repr(before.get("allow", []))
    written = text_of(file)[len(text) :]
    assert all(c.isprintable() or c in "\r\n" or c.isspace() for c in written)
    untrust(file, name, project)
    assert text_of(file) == text


@LAW
@given(documents(), st.data())
def test_only_the_row_goes(file, text, data) -> None:
    table = valid(text)
    there = [r for r in table.get("allow", []) if isinstance(r.get("host"), str)]
    assume(there)
    row = data.draw(st.sampled_from(there))
    projects = row.get("project")
    given_text(file, text)
    disallow(file, row["host"], projects[0] if projects else None)
    after = valid(text_of(file))
    rest = [row | {"project": projects[1:]}] if projects else []
    at = next(n for n, r in enumerate(table["allow"]) if r is row)
    left = table["allow"][:at] + rest + table["allow"][at + 1 :]
    assert repr(after.pop("allow", [])) == repr(left)
    table.pop("allow")
    assert repr(after) == repr(table)
    assert comments(text_of(file)) == comments(text)


def comments(text: str) -> list[str]:
    lines = text.removeprefix("\ufeff").splitlines()
    return [line for line in lines if line.startswith("# ") and line != "# d"]
