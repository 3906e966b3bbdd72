"""What is said about other kinds of blocked attempts; and a container that has only nft."""

from __future__ import annotations

import time

from tests.netns.lab.addresses import CDN4, EVIL6, host4
from tests.netns.redteam.checks_basic import basic
from tests.netns.redteam.checks_time import established, window
from tests.netns.redteam.suite import Suite

_CONNECT = "python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('{path}')\""
_WRITABLE = "find /run /etc /usr/local -path '*mcpconf*' -writable -not -type l"
ONLY_NFT = "rm -f /usr/sbin/ip*tables* /usr/sbin/xtables* /usr/sbin/ipset"


def told(suite: Suite) -> None:
    suite.applied()
    time.sleep(0.5)
    for name in ("good.cdn.test", "allowed2.test"):
        suite.hands.ask("resolve", name=name)
    suite.can(name="allowed.test", port=9999, kind="raw")
    suite.hands.ask("udp", dst=host4(11), port=443, tok="quic")
    suite.can(dst=EVIL6, port=8443)
    suite.can(name="sub.allowed.test")
    suite.can(dst=CDN4, sni="evil.cdn.test")
    suite.can(dst=CDN4, port=80, kind="http", host="evil2.cdn.test")
    time.sleep(1)
    _said(suite, "wrong-port", "allowed.test", "allowed.test", "9999")
    _said(suite, "udp", "allowed2.test", "allowed2.test", "443", "udp")
    _said(suite, "ipv6", EVIL6, EVIL6, "8443")
    _said(suite, "below-a-listed-name", "sub.allowed.test", "sub.allowed.test")
    if suite.candidate.strict:
        _said(suite, "gate-tls", "evil.cdn.test", "evil.cdn.test", "443")
        _said(suite, "gate-http", "evil2.cdn.test", "evil2.cdn.test", "80")


def _said(suite: Suite, check: str, host: str, *words: str) -> None:
    said = suite.candidate.explain(suite.lab, host).lower()
    absent = [word for word in words if word not in said]
    suite.right(f"told.{check}", "log", not absent, f"not said: {absent}", out=said[-200:])


def sockets(suite: Suite) -> None:
    """The agent reaches no control socket of an engine, and can write nothing of the firewall."""
    suite.applied()
    for path in suite.lab.force("find /run /var/run /tmp -type s").split():
        done = suite.hands.ask("run", line=_CONNECT.format(path=path))
        suite.right("socket.refused", "priv", done["rc"] != 0, path)
    found = suite.hands.ask("run", line=_WRITABLE)["out"]
    suite.right("socket.nothing-writable", "priv", not found, found[:200])


def only_nft(suite: Suite) -> None:
    with suite.variant("nft.", ONLY_NFT, docker_backend="native"):
        for group in (basic, established, window):
            group(suite)
