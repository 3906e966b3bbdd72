"""Engines that die, rules that others flush, files that are broken, programs that are missing."""

from __future__ import annotations

import time

from tests.netns.lab.addresses import OTHER_RESOLVER4, RESOLVER4, RESOLVER6
from tests.netns.redteam.adapter import EGRESS, Ours, row
from tests.netns.redteam.candidate import NAMES, POLICY
from tests.netns.redteam.suite import Suite

_SOON = 6
_COUNT = """
for turn in $(seq 60); do [ $(pgrep -cx {engine}) = 0 ] || break; sleep 0.1; done
sleep 0.5; pgrep -cx {engine}
"""
_FLUSH = "iptables -F; ip6tables -F"
_FLUSH_ALL = f"{_FLUSH}; iptables -t nat -F; ip6tables -t nat -F"
_OPEN = "iptables -P OUTPUT ACCEPT; ip6tables -P OUTPUT ACCEPT"
_READ_ONLY = """
mount --bind /etc/resolv.conf /etc/resolv.conf && mount -o remount,bind,ro /etc/resolv.conf
"""
_LARGEST_STATE = 32 << 20  # bytes
_FLOOD = 40_000
_BROKEN = {
    "truncated": '{"version": 1, "mode": "default", "rows": [{"host": "allo',
    "empty": "",
    "other-version": '{"version": 99, "mode": "default", "gateway": null, "rows": []}',
    "list": "[]",
    "deep": "[" * 100_000,
}


def revive(suite: Suite) -> None:
    """SIGKILL to each engine: closed meanwhile, and back soon."""
    engines = ["dnsmasq", "ulogd", *(["haproxy"] if suite.candidate.strict else [])]
    for engine in engines:
        suite.applied()
        suite.can(name="allowed.test", v=4)
        suite.lab.force(f"kill -9 $(pgrep -x {engine})")
        suite.right(f"revive.{engine}.closed", "failclosed", not suite.is_open(), "OPEN")
        back = suite.wait_until_can(_SOON, name="allowed2.test", v=4)
        suite.reached(f"revive.{engine}.works", "ops", back is not None, "allow", after_s=back)
        runs = suite.lab.force(_COUNT.format(engine=engine)).strip()
        suite.right(f"revive.{engine}.runs", "ops", runs == "1", f"{runs} of them")
    _occupied(suite)


def _occupied(suite: Suite) -> None:
    """The agent sits on the resolver's ports before they are needed."""
    suite.fresh()
    for port in (5355, 5357):
        suite.hands.ask("occupy", id=str(port), port=port)
    suite.candidate.write(suite.lab, list(NAMES))
    done = suite.candidate.apply(suite.lab)
    suite.right("occupied.apply.closed", "failclosed", not suite.is_open(), "OPEN", rc=done.code)
    works = suite.can(name="allowed.test", v=4, timeout=3)
    said = works or done.code != 0
    suite.right("occupied.apply.works-or-says-so", "ops", said, "silent", out=done.said[-200:])
    suite.applied()
    suite.hands.ask("occupy", id="other", port=5357)
    suite.candidate.write(suite.lab, [*NAMES, "allowed3.test:8443"])
    done = suite.candidate.reload(suite.lab)
    works = suite.can(name="allowed.test", v=4)
    suite.reached("occupied.refresh.works", "ops", works, "allow", rc=done.code)
    new = suite.can(name="allowed3.test", port=8443) or done.code != 0
    suite.right("occupied.refresh.new-or-says-so", "ops", new, "silent", out=done.said[-200:])


def foreign(suite: Suite) -> None:
    """Others flush rules, and the files that are read are broken."""
    suite.applied()
    suite.lab.run(_FLUSH)
    suite.right("foreign.flush.closed", "failclosed", not suite.is_open(), "OPEN")
    suite.right("foreign.flush.closed6", "failclosed", not suite.is_open6(), "OPEN")
    suite.candidate.reload(suite.lab)
    _in_force(suite, "foreign.flush.refreshed")
    suite.lab.run(f"{_FLUSH_ALL}; {_OPEN}")
    suite.lab.docker_rules()
    suite.candidate.reload(suite.lab)
    _in_force(suite, "foreign.open.refreshed")
    suite.lab.run(f"{_OPEN}; {_FLUSH_ALL}")
    suite.lab.docker_rules()
    suite.candidate.apply(suite.lab)
    _in_force(suite, "foreign.open.applied")
    _together(suite)
    _broken_files(suite)
    _hostile_rows(suite)
    _flooded(suite)


def _in_force(suite: Suite, check: str) -> None:
    suite.right(f"{check}.closed", "failclosed", not suite.is_open(), "OPEN")
    suite.right(f"{check}.closed6", "failclosed", not suite.is_open6(), "OPEN")
    suite.reached(f"{check}.works", "allow", suite.can(name="allowed.test", v=4), "allow")


def _together(suite: Suite) -> None:
    """Several at once wait for each other."""
    started = [suite.candidate.start(suite.lab, reload=number % 2 > 0) for number in range(4)]
    codes = [process.wait() for process in started]
    suite.right("foreign.together.exit0", "ops", not any(codes), str(codes))
    runs = suite.lab.force("pgrep -cx dnsmasq").strip()
    suite.right("foreign.together.one-resolver", "ops", runs == "1", f"{runs} resolvers")
    _in_force(suite, "foreign.together")


def _broken_files(suite: Suite) -> None:
    """What cannot be read changes nothing, and nothing is open without it."""
    for name, text in _BROKEN.items():
        suite.lab.write(EGRESS, text)
        code = suite.candidate.reload(suite.lab).code
        suite.right(f"broken.{name}.refused", "failclosed", code != 0, "rc=0")
    suite.lab.force(f"rm {EGRESS}")
    code = suite.candidate.reload(suite.lab).code
    suite.right("broken.missing.refused", "failclosed", code != 0, "rc=0")
    _in_force(suite, "broken.old-holds")
    suite.cleared()
    suite.lab.write(EGRESS, _BROKEN["truncated"])
    code = suite.candidate.apply(suite.lab).code
    suite.right("broken.first.refused", "failclosed", code != 0, "rc=0")
    suite.right("broken.first.closed", "failclosed", not suite.is_open(), "OPEN")


def _hostile_rows(suite: Suite) -> None:
    """Rows of any type and text between good ones: each harmless, the good ones hold."""
    assert isinstance(suite.candidate, Ours)
    document = suite.candidate.document(list(NAMES), POLICY)
    hosts = ["a\nserver=45.66.77.99", "a\0b.test", "\u2028", "x" * 70_000, "-A OUTPUT -j ACCEPT"]
    bad: list[object] = [row(host, 443, "name") for host in hosts]
    bad += [row("evil.test", port, "name") for port in (0, 65536, -1, True, 1.5, "443", None)]
    bad += [row("allowed2.test", 443, form) for form in ("", "any", 7, None)]
    bad += [row(host, 443, "name") for host in (None, 7, [], {})]
    bad += [row("0.0.0.0/0", 443, form) for form in ("address", "name", "peer", "network")]
    bad += [None, 7, [], "allowed3.test", {}, {"host": "evil.test"}]
    document["rows"] = [*bad, *document["rows"], *bad]
    suite.candidate.write_rows(suite.lab, document)
    done = suite.candidate.apply(suite.lab)
    suite.measured["hostile_rows"] = done.said[-300:]
    _in_force(suite, "rows.hostile")
    widened = suite.can(name="evil.test", v=4)
    suite.reached("rows.hostile.evil", "core", widened, "deny")


def _flooded(suite: Suite) -> None:
    """The agent asks for unlisted names as fast as it can; the state stays small."""
    for _ in range(3):
        suite.hands.ask("flood", server="127.0.0.153", name="flood.test", count=_FLOOD)
    time.sleep(2)
    used = int(suite.lab.force("du -sb /run/mcpconf-fw | cut -f1").strip() or 0)
    suite.measured["flood_bytes"] = used
    suite.right("flood.state-is-small", "ops", 0 < used < _LARGEST_STATE, f"{used} bytes")
    works = suite.wait_until_can(_SOON, name="allowed.test", v=4)
    suite.reached("flood.works-after", "allow", works is not None, "allow", after_s=works)


def resolvers(suite: Suite) -> None:
    """What stands in the container's resolv.conf."""
    for name, text, down in (
        ("ipv6", f"nameserver {RESOLVER6}\n", False),
        ("first-dead", f"nameserver {RESOLVER4}\nnameserver {OTHER_RESOLVER4}\n", True),
        ("search", f"search corp.test lab\noptions ndots:5\nnameserver {RESOLVER4}\n", False),
        ("none", "# nothing\n", False),
    ):
        suite.fresh(docker_dns=False)
        suite.lab.write("/etc/resolv.conf", text)
        suite.lab.names(down=down)
        suite.candidate.write(suite.lab, list(NAMES))
        done = suite.candidate.apply(suite.lab)
        suite.right(f"resolv.{name}.closed", "failclosed", not suite.is_open(), "OPEN")
        if name == "none":
            continue
        begin = time.time()
        works = suite.can(name="allowed.test", v=4)
        told = {"s": round(time.time() - begin, 1), "rc": done.code, "out": done.tail}
        suite.reached(f"resolv.{name}.works", "env", works, "allow", **told)
    _searched(suite)
    _read_only(suite)


def _searched(suite: Suite) -> None:
    """With a search list an unlisted name leaves in no form."""
    suite.fresh(docker_dns=False)
    text = f"search corp.test\noptions ndots:5\nnameserver {RESOLVER4}\n"
    suite.lab.write("/etc/resolv.conf", text)
    suite.candidate.write(suite.lab, list(NAMES))
    suite.candidate.apply(suite.lab)
    since = time.time()
    suite.can(name="mcp.blocked.test")
    suite.can(name="allowed.test")
    asked = {query["name"] for query in suite.lab.queries(since)}
    suite.right("resolv.search.quiet", "dns", asked <= {"allowed.test"}, str(asked))


def _read_only(suite: Suite) -> None:
    suite.fresh()
    suite.lab.force(_READ_ONLY)
    suite.candidate.write(suite.lab, list(NAMES))
    done = suite.candidate.apply(suite.lab)
    suite.right("resolv.read-only.closed", "failclosed", not suite.is_open(), "OPEN")
    works = suite.can(name="allowed.test", v=4) or done.code != 0
    suite.right("resolv.read-only.works-or-says-so", "env", works, "silent", out=done.said[-200:])


def missing(suite: Suite) -> None:
    """A program that is not there is named, and nothing is open without it."""
    needed = ["dnsmasq", *(["haproxy"] if suite.candidate.strict else [])]
    for program in (*needed, "ulogd", "ipset"):
        suite.fresh()
        suite.lab.force(f"rm -f $(type -ap {program})")
        suite.candidate.write(suite.lab, list(NAMES))
        done = suite.candidate.apply(suite.lab)
        suite.right(f"missing.{program}.closed", "failclosed", not suite.is_open(), "OPEN")
        suite.right(f"missing.{program}.closed6", "failclosed", not suite.is_open6(), "OPEN")
        named = program in done.said or (program == "ipset" and done.code == 0)
        suite.right(f"missing.{program}.named", "ops", named, "silent", out=done.said[-200:])
        if program in needed:
            suite.right(f"missing.{program}.refused", "failclosed", done.code != 0, "rc=0")
    suite.fresh()
    suite.lab.force("rm -f /usr/sbin/*tables* /usr/sbin/nft")
    suite.candidate.write(suite.lab, list(NAMES))
    done = suite.candidate.apply(suite.lab)
    suite.right(
        "missing.filters.refused", "failclosed", done.code != 0, "rc=0", out=done.said[-200:]
    )
