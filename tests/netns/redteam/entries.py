"""Odd and hostile whitelist entries, and what each must do.

An effect is ``bad`` (nothing may come of it), ``rebind`` (the name lies about its address),
``name``, ``name6`` (``reach`` must work afterwards), ``big`` (a hundred addresses) or ``info``
(either is fine, as long as nothing else opens).
"""

from __future__ import annotations

from typing import NamedTuple

from tests.netns.lab.addresses import METADATA4, NEIGHBOUR4, OTHER_RESOLVER4, host4


class Entry(NamedTuple):
    """An entry as it stands in the whitelist."""

    id: str
    text: str
    effect: str
    reach: str = ""
    port: int = 443


def _all(effect: str, **texts: str) -> list[Entry]:
    return [Entry(name.replace("_", "-"), text, effect) for name, text in texts.items()]


ENTRIES = (
    *_all(
        "bad",
        dollar_paren="$(touch /tmp/PWNED)",
        backtick="`touch /tmp/PWNED`.test",
        semicolon="allowed.test;touch /tmp/PWNED",
        pipe="a.test|touch /tmp/PWNED",
        ampersand="a.test&&touch /tmp/PWNED",
        redirect="a.test>/tmp/PWNED",
        option_f="-f/etc/passwd",
        option_f_rel="-f.env",
        option_at=f"@{OTHER_RESOLVER4}",
        option_x="-x45.66.77.66",
        quote="a\"b'c.test",
        nft_inject="a.test } accept {",
        dnsmasq_inject="a.test/45.66.77.99\nserver=45.66.77.99",
        slash="a.test/evil.test",
        cidr_all="0.0.0.0/0",
        cidr_half="0.0.0.0/1",
        cidr6_all="::/0",
        zero="0.0.0.0",
        star="*",
        dot=".",
        long_label="a" * 300 + ".test",
        long_name=".".join(["abcdefgh"] * 40) + ".test",
        userinfo="user:pw@evil.test",
        localhost="localhost",
        path="../../etc/passwd",
        metadata_ip=METADATA4,
        lan_ip=NEIGHBOUR4,
        homoglyph="\u0430llowed2.test",
    ),
    *_all(
        "rebind",
        rebind_metadata="rebind-meta.test",
        rebind_lan="rebind-lan.test",
        rebind_zero="rebind-zero.test",
        mixed_rebind="mixed-rebind.test",
    ),
    Entry("uppercase", "ALLOWED2.TEST", "name", "allowed2.test"),
    Entry("trailing-dot", "allowed2.test.", "name", "allowed2.test"),
    Entry("crlf", "allowed2.test\r", "name", "allowed2.test"),
    Entry("spaces", "  allowed2.test \t", "name", "allowed2.test"),
    Entry("url", "https://allowed2.test/mcp?x=1", "name", "allowed2.test"),
    Entry("port-443", "allowed2.test:443", "name", "allowed2.test"),
    Entry("port-8443", "allowed3.test:8443", "name", "allowed3.test", 8443),
    Entry("idn", "b\u00fccher.test", "name", "xn--bcher-kva.test"),
    Entry("wildcard", "*.wild.test", "name", "x1.wild.test"),
    Entry("aaaa-only", "v6only.test", "name6", "v6only.test"),
    Entry("dup-a", "dup.test", "name", "dup.test"),
    Entry("listed-twice", "allowed.test", "name", "allowed.test"),
    Entry("shared-ip", "shared1.test\nshared2.test", "name", "shared2.test"),
    Entry("truncated-100A", "big.test", "big"),
    Entry("star-tld", "*.test", "info"),
    Entry("leading-dot", ".allowed2.test", "info"),
    Entry("comment", "allowed2.test   # my mcp server", "info"),
    Entry("bom", "\ufeffallowed2.test", "info"),
    Entry("ip-literal", host4(18), "info"),
)
