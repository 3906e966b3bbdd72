"""What counts as being there already, and where a new item goes."""

from __future__ import annotations

import pytest

from mcpconf import jsonc
from mcpconf.devcontainer.edits import CHAIN, MOUNT, Wish, edit, is_mount_at, is_ours

_WISH = Wish("./mcpconf-feature", protect=False)


@pytest.mark.parametrize(
    "key",
    [
        "./mcpconf-feature",
        "../mcpconf-feature",
        "ghcr.io/a/features/mcpconf",
        "ghcr.io/a/mcpconf:0.1",
        "x/mcpconf@sha256:ab",
    ],
)
def test_our_feature_is_known_by_its_name(key: str) -> None:
    assert is_ours(key)
    assert edit(f'{{"features": {{"{key}": {{}}}}}}', _WISH).text.count(
        "mcpconf-feature"
    ) == key.count("mcpconf-feature")


@pytest.mark.parametrize(
    "key", ["ghcr.io/mcpconf/node:1", "ghcr.io/a/mcpconf-extra:1", "./notmcpconf", ""]
)
def test_others_are_not_ours(key: str) -> None:
    assert not is_ours(key)


@pytest.mark.parametrize(
    ("element", "there"),
    [
        (MOUNT, True),
        ("src=x,dst=/etc/mcpconf/,type=bind", True),
        ("type=volume,destination=/etc/mcpconf", True),
        ({"source": "x", "target": "/etc/mcpconf", "type": "bind"}, True),
        ("source=/etc/mcpconf,target=/elsewhere,type=bind", False),
        ("target=/etc/mcpconf2", False),
        ({"source": "/etc/mcpconf"}, False),
        (3, False),
    ],
)
def test_a_mount_is_known_by_its_target(element: object, *, there: bool) -> None:
    assert is_mount_at(element, "/etc/mcpconf") is there


@pytest.mark.parametrize(
    ("command", "chained"),
    [
        ("sudo /usr/local/bin/init-firewall.sh", True),
        ("sudo iptables -F", True),
        ("iptables -t nat --flush; true", True),
        ("/sbin/ip6tables-nft -X", True),
        ("cat rules | iptables-restore", True),
        ("nft flush ruleset", True),
        ("iptables -L", False),
        ("rm -F x && echo iptables", False),
        ("init-firewall.sh && sudo mcpconf-fw apply", False),
    ],
)
def test_only_what_flushes_is_chained(command: str, *, chained: bool) -> None:
    after = jsonc.parse(edit(f'{{"postStartCommand": "{command}"}}', _WISH).text).plain[
        "postStartCommand"
    ]
    assert after == command + (CHAIN if chained else "")


def test_a_list_of_words_stays_the_same_words() -> None:
    text = '{"postStartCommand": ["sudo", "/opt/my tools/init-firewall.sh", "$HOME"]}'
    after = jsonc.parse(edit(text, _WISH).text).plain["postStartCommand"]
    assert after == f"sudo '/opt/my tools/init-firewall.sh' '$HOME'{CHAIN}"


@pytest.mark.parametrize(
    "words", ['["--network=host"]', '["--net", "host"]', '["--network", "host", "--init"]']
)
def test_with_the_hosts_network_nothing_is_added_and_that_is_said(words: str) -> None:
    done = edit(f'{{"runArgs": {words}}}', _WISH)
    assert not any(c.startswith("runArgs") for c in done.changes)
    assert any("network of the host" in note for note in done.notes)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{ "a": "b" }'),
        ("{ }", '{ "a": "b" }'),
        ("{\n}", '{\n  "a": "b"\n}'),
        ("{ // x\n}", '{ // x\n  "a": "b"\n}'),
        ("{ /* x */ }", '{ /* x */ "a": "b" }'),
        ('{"x": 1 // y\n}', '{"x": 1, // y\n  "a": "b"\n}'),
        ('{"x": 1 /* y */ }', '{"x": 1, /* y */ "a": "b" }'),
        ('{"x": 1, /* y */ }', '{"x": 1, /* y */ "a": "b", }'),
        ('{\n\t"x": 1\n\t// "y": 2\n}', '{\n\t"x": 1,\n\t"a": "b"\n\t// "y": 2\n}'),
        ('{\r\n   "x": 1 }', '{\r\n   "x": 1,\r\n   "a": "b" }'),
        (
            '{\n  "x": [\n    1\n  ] /* y\n z */\n}',
            '{\n  "x": [\n    1\n  ], /* y\n z */\n  "a": "b"\n}',
        ),
    ],
)
def test_where_a_member_goes(before: str, after: str) -> None:
    text, put = jsonc.append(before, jsonc.parse(before), "a", "b")
    assert text == after
    box = jsonc.parse(text)
    assert box.items
    assert jsonc.cut(text, box, box.items[-1], put) == before


@pytest.mark.parametrize(
    "command", ["iptables -F;", "init-firewall.sh &", "iptables -F # all", "iptables -F |"]
)
def test_what_nothing_can_follow_is_left_and_said(command: str) -> None:
    text = f'{{"postStartCommand": {{"x": "{command}"}}}}'
    done = edit(text, _WISH)
    assert jsonc.parse(done.text).plain["postStartCommand"] == {"x": command}
    assert any("postStartCommand.x flushes" in note for note in done.notes)
