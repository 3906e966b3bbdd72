"""What is said about other kinds of blocked attempts; and a container that has only nft."""

from __future__ import annotations

import time

from tests.netns.lab.addresses import CDN4, EVIL6, host4
from tests.netns.redteam.checks_basic import basic
from tests.netns.redteam.checks_surroundings import explaining
from tests.netns.redteam.checks_time import established, window
from tests.netns.redteam.suite import Suite

_ONLY_NFT = "rm -f /usr/sbin/ip*tables* /usr/sbin/xtables* /usr/sbin/ipset"


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


def only_nft(suite: Suite) -> None:
    with suite.variant("nft.", _ONLY_NFT, docker_backend="native"):
        for group in (basic, established, window, explaining):
            group(suite)
