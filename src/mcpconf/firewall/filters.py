"""The packet filter itself: what it has of ours, new sets, new rules."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NamedTuple

from mcpconf.firewall.compile import Compiled
from mcpconf.firewall.look import RefusedError, has_ipv6, switches6
from mcpconf.firewall.nft import NFT_TABLE
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.revoke import old_sets
from mcpconf.firewall.rules import CHAINS, Hooks
from mcpconf.firewall.run import Done, find, run, start
from mcpconf.firewall.sets import create_line, wanted_sets

RESTORE = {4: "iptables-restore", 6: "ip6tables-restore"}
SAVE = {4: "iptables-save", 6: "ip6tables-save"}
_JUMPS = (
    ("OUTPUT", "MCP-OUT"),
    ("INPUT", "MCP-IN"),
    ("FORWARD", "MCP-FWD"),
    ("OUTPUT", "MCP-DNS"),
    ("POSTROUTING", "MCP-LEAVING"),
)
_NFT_SETS = ("add table ", "add set ")
_WORDS = ("-w", "5", "--noflush")

# The kernel tracks connections from the moment in which it reads the first rule that asks for it,
# and the rule counts some milliseconds later.  What comes in meanwhile on a stream that nobody
# tracked would begin a flow from outside, whose answers pass.  So that comes to nothing before.
GUARD = (":MCP-IN - [0:0]", "-A MCP-IN ! -i lo -p tcp ! --syn -j DROP", "-I INPUT 1 -j MCP-IN")
# Before mcp-in: a packet between the two, while they change places, meets the later rules there.
NFT_GUARD = (
    f"add chain {NFT_TABLE} mcp-guard {{ type filter hook input priority -1; policy accept; }}",
    f'add rule {NFT_TABLE} mcp-guard iif != "lo" tcp flags & (fin|syn|rst|ack) != syn drop',
)
_NFT_GUARD_GONE = f"add chain {NFT_TABLE} mcp-guard\nflush chain {NFT_TABLE} mcp-guard\n"
_NFT_GUARD_GONE += f"delete chain {NFT_TABLE} mcp-guard\n"


class Found(NamedTuple):
    """What the packet filter has of ours: hooks of both families, the epoch of its mark or 0."""

    hooks: tuple[Hooks, Hooks] = (Hooks(), Hooks())
    epoch: int = 0


def found_rules(*, nft: bool) -> Found:
    """Look at what is there."""
    if nft:
        text = run(["nft", "list", "table", *NFT_TABLE.split()]).out
        hooks = Hooks(input=text.count(" hook input "))
        return Found((hooks, hooks), _epoch(r"ct mark set .* \| 0x([0-9a-f]+)", text))
    under_way = [start([SAVE[family]]) for family in (4, 6)]
    four, six = (one.wait().out for one in under_way)
    epoch = _epoch(r"-A MCP-OK .*--set-xmark 0x([0-9a-f]+)/", four)
    return Found((_hooks(four), _hooks(six)), epoch)


def _epoch(form: str, text: str) -> int:
    mark = re.search(form, text)
    return int(mark[1], 16) >> 20 & 0xFF if mark else 0


def _hooks(saved: str) -> Hooks:
    lines = saved.splitlines()
    return Hooks(*(lines.count(f"-A {chain} -j {ours}") for chain, ours in _JUMPS))


def guarded(hooks: tuple[Hooks, Hooks], *, nft: bool) -> tuple[Hooks, Hooks]:
    """Put the guard where nothing of ours sees what comes in; returns the hooks that are there.

    Before the first rules the head of the program did, but for a container that starts again; and
    somebody may have emptied the rules since.  Where it fails, the rules will too.
    """
    if nft and not hooks[0].input:
        run(["nft", "-f", "-"], "\n".join((f"add table {NFT_TABLE}", *NFT_GUARD, "")))
    text = "\n".join(("*filter", *GUARD, "COMMIT", ""))
    missing = [f for f, found in zip((4, 6), hooks) if not (nft or found.input)]  # noqa: B905  Python 3.9
    under_way = {family: start([RESTORE[family], *_WORDS], text) for family in missing}
    there = [family for family, one in under_way.items() if not one.wait().code]
    four, six = (h._replace(input=1) if f in there else h for f, h in zip((4, 6), hooks))  # noqa: B905  Python 3.9
    return four, six


def set_rules(compiled: Compiled, *, nft: bool) -> str:
    """Put the rules into force, IPv4 and IPv6 at once; returns what there is to say.

    Raises RefusedError where a family that is in use cannot be filtered.
    """
    if nft:
        _or_refused(
            run(["nft", "-f", "-"], compiled.nft + _NFT_GUARD_GONE), "nft does not take the rules"
        )
        remove_rules()  # those with which the head of the program closed, if iptables is there
        return ""
    texts = {4: compiled.rules4, 6: compiled.rules6}
    under_way = {f: start([RESTORE[f], *_WORDS], texts[f]) for f in (4, 6)}
    done = {family: one.wait() for family, one in under_way.items()}
    _or_refused(done[4], "iptables does not take the rules")
    return _without_ipv6(done[6]) if done[6].code and has_ipv6() else ""


def _or_refused(done: Done, message: str) -> None:
    if done.code:
        raise RefusedError(f"{message}: {done.words}")


def _without_ipv6(done: Done) -> str:
    """IPv6 cannot be filtered: switch it off, or refuse."""
    for path in switches6():
        with suppress(OSError), open(path, "w", encoding="ascii") as file:
            file.write("1")
    if has_ipv6():
        raise RefusedError(
            f"ip6tables does not take the rules, and IPv6 is on: {done.words}",
            "docker run, compose: sysctls: net.ipv6.conf.all.disable_ipv6=1",
        )
    return f"ip6tables does not take the rules, so IPv6 has been switched off: {done.words}"


def make_sets(compiled: Compiled, *, empty: bool = False) -> None:
    """Make the sets that are not there; members stay, or go.  Raises RefusedError."""
    if compiled.sets:
        names = re.findall(r"^create (\S+) ", compiled.sets, re.MULTILINE) if empty else []
        text = compiled.sets + "".join(f"flush {name}\n" for name in names)
        _or_refused(run(["ipset", "restore", "-exist"], text), "ipset cannot make the sets")
    if compiled.nft:
        made = [line for line in compiled.nft.splitlines() if line.startswith(_NFT_SETS)]
        _or_refused(run(["nft", "-f", "-"], "\n".join(made)), "nft cannot make the sets")


def saved_sets(*, nft: bool) -> str:
    """What ``ipset save`` or ``nft list table`` prints."""
    return run(["nft", "list", "table", *NFT_TABLE.split()] if nft else ["ipset", "save"]).out


def exchange_sets(policy: Policy, saved: str) -> None:
    """Make every ipset anew that exists; members leave.  Raises RefusedError."""
    lines = []
    for spec in wanted_sets(policy):
        if f"\ncreate {spec.name} " in f"\n{saved}":
            made = create_line(spec, "mcp-new")
            lines += [made, f"swap mcp-new {spec.name}\n", "destroy mcp-new\n"]
    if lines:
        done = run(["ipset", "restore", "-exist"], "".join(lines))
        _or_refused(done, "ipset cannot exchange the sets")


def change_members(text: str, *, nft: bool) -> None:
    """Take members out and put others in.  Raises RefusedError."""
    if text:
        words = ["nft", "-f", "-"] if nft else ["ipset", "restore", "-exist"]
        _or_refused(run(words, text), f"{words[0]} cannot change the sets")


def remove_old_sets(policy: Policy, saved: str) -> None:
    """Remove the sets that no rule speaks of any more."""
    wanted = [spec.name for spec in wanted_sets(policy)]
    lines = [f"destroy {name}\n" for name in old_sets(saved, wanted)]
    if lines:
        run(["ipset", "restore", "-exist"], "".join(lines))


def open_again() -> None:
    """Take everything out that is ours, and let everything pass."""
    remove_rules()
    if find("nft"):
        run(["nft", "delete", "table", *NFT_TABLE.split()])
    if find("ipset"):
        names = re.findall(r"^create (mcp[46]-\S+) ", saved_sets(nft=False), re.MULTILINE)
        run(["ipset", "restore", "-exist"], "".join(f"destroy {name}\n" for name in names))


def remove_rules() -> None:
    """Take our rules out of iptables, where there are any."""
    for family in (4, 6):
        saved = run([SAVE[family]]).out if find(RESTORE[family]) else ""
        if "-j MCP-OUT" in saved:
            run([RESTORE[family], *_WORDS], _removal(_hooks(saved)))


def _removal(hooks: Hooks) -> str:
    lines = ["*filter", ":OUTPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]"]
    lines += [f":{chain} - [0:0]" for chain in CHAINS]
    counts = (hooks.output, hooks.input, hooks.forward)
    for (chain, ours), count in zip(_JUMPS, counts):  # noqa: B905  Python 3.9
        lines += [f"-D {chain} -j {ours}"] * count
    lines += [f"-X {chain}" for chain in CHAINS]
    lines += ["COMMIT", "*nat", ":MCP-DNS - [0:0]"]
    lines += ["-D OUTPUT -j MCP-DNS"] * hooks.dns
    lines += ["-X MCP-DNS", "COMMIT", "*mangle", ":MCP-LEAVING - [0:0]"]
    lines += ["-D POSTROUTING -j MCP-LEAVING"] * hooks.leaving
    return "\n".join([*lines, "-X MCP-LEAVING", "COMMIT"]) + "\n"
