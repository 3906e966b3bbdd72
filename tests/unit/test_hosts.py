"""Entries of a whitelist, URLs, places: what is refused first, then what is taken.

The URL table is what Node's ``new URL`` answered; the comments say where we are stricter.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from mcpconf.hosts import (
    Destination,
    Problem,
    looks_alike,
    parse_destination,
    parse_ports,
    quote,
)
from mcpconf.locality import METADATA, NAMES, NEAR, NEVER, RESERVED, SUFFIXES, local_reason
from mcpconf.urls import Url, hosts_in_text, parse_url
from tests import clock

# --- entries that are refused: (entry, a word of the message, the help) ---------------------------

EMPTY = "name a host, such as `api.example.com`"
GATEWAY = "servers near you are reached through the gateway; they need no entry"
ONE = "write one host per entry"
ANEW = "type it anew"
EACH = "name each host"
FULL = "write the full name of a host"


def write(host: str, port: int = 0) -> str:
    return f"write `{host}`" + (f" and `ports = [{port}]`" if port else "")


API = write("api.example.com")

WRAPPED = [
    ("", "empty", EMPTY),
    ("   ", "empty", EMPTY),
    ("\n", "empty", EMPTY),
    (" api.example.com", "white space around", API),
    ("api.example.com\n", "white space around", API),
    ("\u3000api.example.com\u00a0", "white space around", API),
    (" https://api.example.com", "written as a URL", API),
    ("api example.com", "white space inside", ONE),
    ("api.example.com\tb.example.com", "white space inside", ONE),
    ("a.example.com,b.example.com", "`,` inside", ONE),
    ("a.example.com;b.example.com", "`;` inside", ONE),
    ("https://api.example.com/x", "written as a URL", API),
    ("HTTPS://API.EXAMPLE.COM", "written as a URL", API),
    ("https://me:pw@api.example.com:8443/x?key=v#f", "URL", write("api.example.com", 8443)),
    ("https://", "names no host", EMPTY),
    ("https:///x", "names no host", EMPTY),
    ("//api.example.com", "names no host", EMPTY),
    ("http://http://api.example.com", "without a dot", FULL),
    ("https://localhost:3000/mcp", "name of this machine", GATEWAY),
    ("https://1.1.1.1/24", "written as a URL", write("1.1.1.1")),
    ("api.example.com:443", "has a port", write("api.example.com", 443)),
    ("api.example.com:", "has a port", API),
    ("api.example.com:https", "has a port", API),
    ("api.example.com:99999", "has a port", API),
    ("api.example.com:\uff10", "has a port", API),
    ("*.example.com:8443", "has a port", write("*.example.com", 8443)),
    ("1.1.1.1:53", "has a port", write("1.1.1.1", 53)),
    ("[2606:4700::1111]:443", "has a port", write("2606:4700::1111", 443)),
    ("me@api.example.com", "a user", API),
    ("me:pw@api.example.com", "a user", API),
    ("@1.1.1.1", "a user", write("1.1.1.1")),
    ("api.example.com/", "behind it", API),
    ("api.example.com/24", "behind it", API),
    ("api.example.com/x/y", "behind it", API),
    ("api.example.com?x=1", "behind it", API),
    ("api.example.com#x", "behind it", API),
    ("api.example.com\\x", "behind it", API),
]

WILDCARDS = [
    ("*", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("**", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("*.", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("*.*", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("api.*", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("8.8.8.*", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("**.example.com", "no wildcard", write("*.example.com")),
    ("*.*.example.com", "no wildcard", write("*.example.com")),
    ("a.*.example.com", "no wildcard", write("*.example.com")),
    ("a*.example.com", "no wildcard", write("*.example.com")),
    ("*example.com", "no wildcard", write("*.example.com")),
    (".example.com", "no wildcard", write("*.example.com")),
    ("*..example.com", "empty part", ""),
    ("*.com", "every name below `com`", EACH),
    ("*.COM", "every name below `COM`", EACH),
    ("*.co.uk", "covers strangers", EACH),
    ("*.github.io", "covers strangers", EACH),
    ("*.GitHub.io.", "covers strangers", EACH),
    ("*.s3.amazonaws.com", "covers strangers", EACH),
    ("*.vercel.app", "covers strangers", EACH),
    ("*.mm", "every name below", EACH),
    ("*.compute.amazonaws.com", "covers strangers", EACH),  # the rule is *.compute.amazonaws.com
    ("*.xn--p1ai", "every name below", EACH),
    ("*.公司.cn", "covers strangers", EACH),
    ("*.localhost", "name of this machine", GATEWAY),
    ("*.local", "multicast DNS", GATEWAY),
    ("*.internal", "kept for private networks", GATEWAY),
    ("*.1.1.1.1", "wildcard of an address", "write a network, as `1.1.1.0/24`"),
    ("*.a" + ".".join(["a" * 62] * 4), "leaves no room", ""),
]

NAMES_REFUSED = [
    ("localhost", "name of this machine", GATEWAY),
    ("LOCALHOST.", "name of this machine", GATEWAY),
    ("api.localhost", "name of this machine", GATEWAY),
    ("com", "without a dot", FULL),
    ("myserver", "without a dot", FULL),
    ("host.docker.internal", "Docker's name", GATEWAY),
    ("nas.local", "multicast DNS", GATEWAY),
    ("box.lan", "private networks", GATEWAY),
    ("app.test", "own machine", GATEWAY),
    ("shop.ddev.site", "DDEV", GATEWAY),
    ("metadata.google.internal", "metadata", ""),
    ("gen-7.invalid", "never exists", ""),
    ("duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion", "Tor", ""),
    ("x.alt", "not in the DNS", ""),
    (".", "names no domain", "write `*.` and a domain, as `*.example.com`"),
    ("..", "empty part", ""),
    ("a..example.com", "empty part", ""),
    ("example.com..", "empty part", ""),
    ("-api.example.com", "begins or ends with `-`", ""),
    ("api-.example.com", "begins or ends with `-`", ""),
    ("-f.env", "begins or ends with `-`", ""),
    ("-f/etc/passwd", "begins or ends with `-`", ""),
    ("--server=1.example.com", "`=`", ""),
    ("my_app.com", "`_`", ""),
    ("example.c_m", "`_`", ""),
    ("a" * 64 + ".example.com", "more than 63", ""),
    (".".join(["a" * 62] * 4) + ".com", "longer than 253", ""),
    ("a." * 600 + "com", "1203 characters", EMPTY),
    ("xn--.com", "begins or ends with `-`", ""),
    ("xn--a.com", "international name", ""),
    ("xn--example-.com", "begins or ends with `-`", ""),
    ("xn--99999999999999.com", "international name", ""),
]

CHARACTERS = [
    ("api.example.com\x00", "invisible", ANEW),
    ("api\x00.example.com", "`\\x00`", ANEW),
    ("api\x1b[31m.example.com", "`\\x1b`", ANEW),
    ("api.example.com\n-A OUTPUT -j ACCEPT", "white space inside", ONE),
    ("api.example.com\r", "white space around", API),
    ("api\x7f.example.com", "`\\x7f`", ANEW),
    ('api".example.com', '`"`', ""),
    ("api'.example.com", "`'`", ""),
    ("api`id`.example.com", "`\\x60`", ""),
    ("$(id).example.com", "`$`", ""),
    ("api|x.example.com", "`|`", ""),
    ("api>x.example.com", "`>`", ""),
    ("!api.example.com", "`!`", ""),
    ("api&.example.com", "`&`", ""),
    ("{a}.example.com", "`{`", ""),
    ("~.example.com", "`~`", ""),
    ("[api.example.com]", "`[`", ""),
    ("%61pi.example.com", "`%`", ""),
    ("api%00.example.com", "`%`", ""),
    ("ex\u00adample.com", "`\\xad`", ANEW),
    ("ex\u200bample.com", "`\\u200b`", ANEW),
    ("ex\u200dample.com", "`\\u200d`", ANEW),
    ("ex\u2060ample.com", "`\\u2060`", ANEW),
    ("\ufeffexample.com", "`\\ufeff`", ANEW),
    ("ex\u3164ample.com", "`\\u3164`", ANEW),
    ("\u202eexample.com", "`\\u202e`", ANEW),
    ("\u2066example.com", "`\\u2066`", ANEW),
    ("\u200fexample.com", "`\\u200f`", ANEW),
    ("\ud800.example.com", "`\\ud800`", ANEW),
    ("\U000e0061.example.com", "`\\U000e0061`", ANEW),
    ("example\u3002com", "stand for others", write("example.com")),
    ("example\uff0ecom", "stand for others", write("example.com")),
    ("example\uff61com", "stand for others", write("example.com")),
    ("\uff45xample.com", "stand for others", write("example.com")),
    ("\uff11.1.1.1", "stand for others", write("1.1.1.1")),
    ("\uff11\uff12\uff17.0.0.1", "loopback", GATEWAY),
    ("example.com\uff0fx", "`/`", None),
    ("\u212a.example.com", "stand for others", write("k.example.com")),  # Kelvin
    ("\u2102.example.com", "stand for others", write("c.example.com")),
    ("ﬁ.example.com", "stand for others", write("fi.example.com")),
    ("שלום.example.com", "right to left", write("xn--9dbne9b.example.com")),
    ("💩.la", "IDNA2008", ""),
    ("\u0301a.com", "IDNA2008", ""),
]

ADDRESSES = [
    ("1.2.3", "`1.2.0.3`", write("1.2.0.3")),
    ("8.8.2056", "`8.8.8.8`", write("8.8.8.8")),
    ("134744072", "`8.8.8.8`", write("8.8.8.8")),
    ("0x8.8.8.8", "`8.8.8.8`", write("8.8.8.8")),
    ("010.0.0.1", "`8.0.0.1`", write("8.0.0.1")),
    ("0x7f.1", "loopback", GATEWAY),
    ("2130706433", "loopback", GATEWAY),
    ("0", "unspecified", GATEWAY),
    ("256.1.1.1", "no IPv4", ""),
    ("1.1.1.1.1", "no IPv4", ""),
    ("1.1.1.08", "no IPv4", ""),
    ("api.example.123", "no IPv4", ""),
    ("api.example.0x1f", "no IPv4", ""),
    ("9" * 500, "longer than 253", ""),
    ("0x" + "f" * 200, "more than 63", ""),
    ("1.1.1.1..", "empty part", ""),
    ("0.0.0.0", "unspecified", GATEWAY),
    ("0.1.2.3", "this network", ""),
    ("127.0.0.1", "loopback", GATEWAY),
    ("127.8.8.8", "loopback", GATEWAY),
    ("10.1.2.3", "RFC 1918", GATEWAY),
    ("172.31.255.255", "RFC 1918", GATEWAY),
    ("192.168.1.1", "RFC 1918", GATEWAY),
    ("100.64.0.1", "Tailscale", GATEWAY),
    ("169.254.1.1", "link-local", GATEWAY),
    ("169.254.169.254", "metadata", ""),
    ("192.0.2.7", "documentation", ""),
    ("198.18.0.1", "benchmarks", ""),
    ("224.0.0.251", "multicast", ""),
    ("255.255.255.255", "broadcast", ""),
    ("250.1.1.1", "reserved", ""),
    ("::", "unspecified", GATEWAY),
    ("[::]", "unspecified", GATEWAY),
    ("::1", "loopback", GATEWAY),
    ("0:0:0:0:0:0:0:1", "loopback", GATEWAY),
    ("::ffff:8.8.8.8", "IPv6 clothes", write("8.8.8.8")),
    ("::ffff:127.0.0.1", "IPv6 clothes", ""),
    ("::ffff:7f00:1", "IPv6 clothes", ""),
    ("::8.8.8.8", "reserved", ""),
    ("64:ff9b::7f00:1", "translator", ""),
    ("2002:7f00:1::", "6to4", ""),
    ("2001:0:1::", "protocols", ""),
    ("2001:db8::1", "documentation", ""),
    ("fd12:3456::1", "private", GATEWAY),
    ("fd00:ec2::254", "metadata", ""),
    ("fe80::1", "link-local", GATEWAY),
    ("fe80::1%eth0", "a zone", ""),
    ("2606:4700::1%eth0", "a zone", ""),
    ("ff02::1", "multicast", ""),
    ("4000::1", "reserved", ""),
    ("1::2::3", "no IPv6", ""),
    ("[::1", "no IPv6", ""),
    ("12345::", "no IPv6", ""),
    (":::", "no IPv6", ""),
    ("1.1.1.1/24", "first address", write("1.1.1.0/24")),
    ("2606:4700::1/48", "first address", write("2606:4700::/48")),
    ("1.1.1.0/255.255.255.0", "a mask", write("1.1.1.0/24")),
    ("1.1.1.0/0.0.0.255", "a mask", write("1.1.1.0/24")),
    ("1.1.1.0/33", "no network", "write it as `1.1.1.0/24`"),
    ("1.1.1/24", "no network", "write it as `1.1.1.0/24`"),
    ("1.1.1.0/", "no network", "write it as `1.1.1.0/24`"),
    ("0.0.0.0/0", "everything", EACH),
    ("1.1.1.1/0", "everything", EACH),
    ("::/0", "everything", EACH),
    ("8.0.0.0/8", "several owners", ""),
    ("8.8.0.0/15", "several owners", ""),
    ("2a00::/12", "several owners", ""),
    ("2606:4700::/31", "several owners", ""),
    ("10.0.0.0/16", "private", GATEWAY),
    ("192.0.0.0/16", "protocols", ""),
    ("192.168.0.0/16", "private", GATEWAY),
    ("169.254.169.254/32", "metadata", ""),
    ("2001:d00::/24", "documentation", ""),
    ("fc00::/32", "private", GATEWAY),
    ("::ffff:8.8.8.0/120", "IPv6 clothes", ""),
]

REFUSED = WRAPPED + WILDCARDS + NAMES_REFUSED + CHARACTERS + ADDRESSES


@pytest.mark.parametrize(
    ("text", "says", "help_"), REFUSED, ids=[ascii(row[0])[:40] for row in REFUSED]
)
def test_refuses(text, says, help_):
    problem = parse_destination(text)
    assert isinstance(problem, Problem), problem
    assert says in problem.message
    assert problem.message.isprintable()
    assert not problem.message.endswith(".")
    if help_ is not None:
        assert problem.help == help_


def test_a_help_is_itself_an_entry():
    for text, _, help_ in REFUSED:
        if help_ and help_.startswith("write `") and "`*.` and" not in help_:
            host = help_.split("`")[1]
            assert isinstance(parse_destination(host), Destination), text


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hunter2@localhost/x",
        "me:hunter2@a b.com",
        "https://a.com/?key=hunter2, b.com",
        "https://a.com/\x1b#hunter2",
    ],
)
def test_a_refusal_shows_no_password(text):
    assert "hunter2" not in str(parse_destination(text))


def test_work_is_bounded():
    start = clock.now()
    for text in (
        "https://" * 10**5,
        "é" * 10**6,
        "1" * 10**6,
        "a." * 10**6,
        "[" * 10**6,
        "*." * 10**6,
    ):
        assert isinstance(parse_destination(text), Problem)
    assert clock.now() - start < 2


TAKEN = [
    ("api.example.com", "name", "api.example.com"),
    ("API.Example.COM", "name", "api.example.com"),
    ("api.example.com.", "name", "api.example.com"),
    ("co.uk", "name", "co.uk"),  # opens one host, whoever's it is
    ("_dmarc.example.com", "name", "_dmarc.example.com"),
    ("my_app.fly.example.com", "name", "my_app.fly.example.com"),
    ("r3---sn-4g5e.example.com", "name", "r3---sn-4g5e.example.com"),
    ("3com.com", "name", "3com.com"),
    ("1.1.1.1.example", "name", "1.1.1.1.example"),
    ("a" * 63 + ".com", "name", "a" * 63 + ".com"),
    ("bücher.de", "name", "xn--bcher-kva.de"),
    ("BÜCHER.DE.", "name", "xn--bcher-kva.de"),
    ("bu\u0308cher.de", "name", "xn--bcher-kva.de"),
    ("straße.de", "name", "xn--strae-oqa.de"),
    ("XN--BCHER-KVA.de", "name", "xn--bcher-kva.de"),
    ("例え.jp", "name", "xn--r8jz45g.jp"),
    ("\u0430pple.com", "name", "xn--pple-43d.com"),  # a Cyrillic a: see looks_alike
    ("हिन्दी.com", "name", "xn--j2bd4cyah0f.com"),
    ("*.example.com", "wildcard", "*.example.com"),
    ("*.EXAMPLE.com.", "wildcard", "*.example.com"),
    ("*.bücher.de", "wildcard", "*.xn--bcher-kva.de"),
    ("*.a.github.io", "wildcard", "*.a.github.io"),
    ("8.8.8.8", "address", "8.8.8.8"),
    ("8.8.8.8.", "address", "8.8.8.8"),
    ("8.8.8.8/32", "address", "8.8.8.8"),
    ("2606:4700:0:0::1111", "address", "2606:4700::1111"),
    ("[2606:4700::1111]", "address", "2606:4700::1111"),
    ("2A00:1450::", "address", "2a00:1450::"),
    ("2a00:1450::1/128", "address", "2a00:1450::1"),
    ("140.82.112.0/20", "network", "140.82.112.0/20"),
    ("8.8.0.0/16", "network", "8.8.0.0/16"),
    ("2606:4700::/32", "network", "2606:4700::/32"),
    ("[2606:4700:0::]/48", "network", "2606:4700::/48"),
]


@pytest.mark.parametrize(("text", "form", "host"), TAKEN)
def test_takes(text, form, host):
    assert parse_destination(text) == Destination(form, host)


# --- names that look like others, foreign text ----------------------------------------------------


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("api.example.com", ""),
        ("xn--pple-43d.com", "\u0430pple.com"),
        ("*.xn--bcher-kva.de", "*.bücher.de"),
        ("xn--a.com", ""),
        ("xn--a.xn--pple-43d.com", "xn--a.\u0430pple.com"),
        ("8.8.8.8", ""),
        ("2606:4700::/32", ""),
    ],
)
def test_looks_alike(host, shown):
    assert looks_alike(host) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "`plain`"),
        ("", "``"),
        ("a`b", r"`a\x60b`"),
        ("\x1b[2J", r"`\x1b[2J`"),
        ("a\nb\x00", r"`a\x0ab\x00`"),
        ("\\x1b", r"`\\x1b`"),
        ("\u202egpj", r"`\u202egpj`"),
        ("\ud800", r"`\ud800`"),
        ("\U000e0061", r"`\U000e0061`"),
        ("bücher", "`bücher`"),
        ("e\u0301", r"`e\u0301`"),
        ("שלום", r"`\u05e9\u05dc\u05d5\u05dd`"),
        ("\xa0\x85", r"`\xa0\x85`"),
        ("x" * 60, f"`{'x' * 60}`"),
        ("x" * 61, f"`{'x' * 59}…`"),
        ("\x1b" * 60, "`" + r"\x1b" * 14 + "…`"),
    ],
)
def test_quote(text, shown):
    assert quote(text) == shown


# --- ports ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "empty"),
        ([0], "`0` is not between"),
        ([-1], "`-1` is not between"),
        ([65536], "`65536` is not between"),
        ([10**5000], "a port is not between"),
        ([True], "something else"),
        (False, "something else"),
        ([443.0], "something else"),
        ([None], "something else"),
        (None, "something else"),
        ({"port": 443}, "something else"),
        ([[443]], "something else"),
        (["443"], "`443` is a text"),
        ("443", "`443` is a text"),
        ("8000-8010", "is a text"),
        ("\x1b", r"`\x1b` is a text"),
        (list(range(1, 18)), "17 ports"),
    ],
)
def test_refuses_ports(value, says):
    problem = parse_ports(value)
    assert isinstance(problem, Problem)
    assert says in problem.message


def test_the_help_for_a_quoted_port():
    assert parse_ports("443").help == "write 443, without quotes"
    assert parse_ports("8000-8010").help == "list each port"


@pytest.mark.parametrize(
    ("value", "ports"),
    [(443, (443,)), ([443, 80, 443], (80, 443)), ((1, 65535), (1, 65535)), ([443] * 100, (443,))],
)
def test_takes_ports(value, ports):
    assert parse_ports(value) == ports


# --- URLs -----------------------------------------------------------------------------------------

NO_SCHEME = "does not begin with"
URLS_REFUSED = [
    ("", NO_SCHEME),
    ("   ", NO_SCHEME),
    ("not a url", NO_SCHEME),
    ("mcp.example.com/mcp", NO_SCHEME),
    ("//mcp.example.com/mcp", NO_SCHEME),
    ("mcp.example.com:443/mcp", NO_SCHEME),
    ("127.0.0.1:8080/mcp", NO_SCHEME),
    ("localhost", NO_SCHEME),
    ("localhost/mcp", NO_SCHEME),
    ("localhost:x", NO_SCHEME),
    ("localhost:٣", NO_SCHEME),
    ("${URL}", NO_SCHEME),
    ("data:text/html,x", NO_SCHEME),
    ("ftp://example.com/", "not `ftp`"),
    ("file:///etc/passwd", "not `file`"),
    ("javascript://x", "not `javascript`"),
    ("https://", "no host"),
    ("https:///", "no host"),
    ("https://?x", "no host"),
    ("https://me:pw@/x", "no host"),
    ("https://:443/", "no host"),
    ("https://${HOST}/x", "variable"),
    ("https://api.${REGION}.example.com/", "variable"),
    ("https://a b.com/", "` `"),
    ("https://a%00b.com/", "which no host name has"),
    ("https://a%2Fb.com/", "`/`"),
    ("https://a|b.com/", "`|`"),
    ("https://a<b.com/", "`<`"),
    ("https://a%25b.com/", "`%`"),
    ("https://[::1", "no IPv6"),
    ("https://[::1%25eth0]/", "no IPv6"),
    ("https://[1.2.3.4]/", "no IPv6"),
    ("https://x[::1]/", "`[`"),
    ("https://256.1.1.1/", "no IPv4"),
    ("https://1.2.3.4.5/", "no IPv4"),
    ("https://example.0x/", "no IPv4"),
    ("https://xn--a/", "international"),
    ("https://\u00ad/", "no name"),
    ("https://a\ufffdb.com/", "no name"),
    ("https://\ud800.com/", "no name"),
    ("https://%ff.com/", "no name"),
    ("https://h:65536/", "port"),
    ("https://h:x/", "port"),
    ("https://h:-1/", "port"),
    ("https://h:٣/", "port"),
    ("https://h:" + "9" * 5000 + "/", "port"),
    ("https://h/" + "x" * 9000, "characters"),
    # From here on `new URL` would take them; no resolver would.
    ("https://h:0/", "port"),
    ('https://a"b.com/', '`"`'),
    ("https://a$(id).com/", "`$`"),
    ("https://a`id`.com/", r"`\x60`"),
    ("https://a'b.com/", "`'`"),
    ("https://a;b.com/", "`;`"),
    ("https://{a}.com/", "`{`"),
    ("https://*.example.com/", "`*`"),
    ("https://a..com/", "empty part"),
    ("https://127.0.0.1../", "empty part"),
    ("https://-f.env/", "begins or ends"),
    ("https://" + "a" * 64 + ".com/", "more than 63"),
    ("https://" + "a." * 200 + "com/", "longer than 253"),
    ("https://" + "é" * 1500 + "/", "1500 characters"),
    ("https://💩.la/", "no name"),
]


@pytest.mark.parametrize(
    ("text", "says"), URLS_REFUSED, ids=[ascii(row[0])[:40] for row in URLS_REFUSED]
)
def test_refuses_urls(text, says):
    problem = parse_url(text)
    assert isinstance(problem, Problem), problem
    assert says in problem.message
    assert problem.message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hunter2@",
        "https://me:hunter2/x@h/",
        "hunter2:x",
        "https://me:hunter2@a b/",
        "hunter2",
        "https://a b/?key=hunter2",
        "https://h:hunter2/",
    ],
)
def test_a_refused_url_shows_no_password(text):
    assert "hunter2" not in str(parse_url(text))


def test_a_text_without_a_scheme_learns_of_https():
    assert "`https://" in parse_url("mcp.example.com/mcp").help


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("https://mcp.example.com/mcp", "https", "mcp.example.com", 443, "/mcp"),
        ("http://mcp.example.com", "http", "mcp.example.com", 80, "/"),
        ("ws://mcp.example.com/x", "ws", "mcp.example.com", 80, "/x"),
        ("WSS://MCP.Example.COM:443/X", "wss", "mcp.example.com", 443, "/X"),
        ("https://h:00080/", "https", "h", 80, "/"),
        ("https://h:/x", "https", "h", 443, "/x"),
        ("https://example.com./x", "https", "example.com", 443, "/x"),
        (" \x00https://h/x\x1f ", "https", "h", 443, "/x"),
        ("ht\ntps://exa\tmple.c\rom/", "https", "example.com", 443, "/"),
        ("https:example.com/x", "https", "example.com", 443, "/x"),
        ("https:/example.com/x", "https", "example.com", 443, "/x"),
        ("https:////example.com//x", "https", "example.com", 443, "//x"),
        (r"https:\\example.com\x\y", "https", "example.com", 443, "/x/y"),
        (r"https://good.com\@evil.com/", "https", "good.com", 443, "/@evil.com/"),
        ("https://good.com@evil.com/", "https", "evil.com", 443, "/"),
        ("https://a@b@evil.com/", "https", "evil.com", 443, "/"),
        ("https://good.com#@evil.com/", "https", "good.com", 443, "/"),
        ("https://good.com?@evil.com/", "https", "good.com", 443, "/"),
        ("http://%6c%6fcalhost/", "http", "localhost", 80, "/"),
        ("http://2130706433/", "http", "127.0.0.1", 80, "/"),
        ("http://0x7f.1/", "http", "127.0.0.1", 80, "/"),
        ("http://127.1/", "http", "127.0.0.1", 80, "/"),
        ("http://0177.0.0.1/", "http", "127.0.0.1", 80, "/"),
        ("http://0/", "http", "0.0.0.0", 80, "/"),
        ("http://127.0.0.1./", "http", "127.0.0.1", 80, "/"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http", "127.0.0.1", 80, "/"),
        ("http://127\u30020\u30020\u30021/", "http", "127.0.0.1", 80, "/"),
        ("http://%31%32%37.0.0.1/", "http", "127.0.0.1", 80, "/"),
        ("http://[0:0:0:0:0:0:0:1]:8080/", "http", "::1", 8080, "/"),
        ("http://[::FFFF:127.0.0.1]/", "http", "::ffff:7f00:1", 80, "/"),
        ("http://[1:0:0:2::]/", "http", "1:0:0:2::", 80, "/"),
        ("https://bücher.de/", "https", "xn--bcher-kva.de", 443, "/"),
        ("https://b%C3%BCcher.de/", "https", "xn--bcher-kva.de", 443, "/"),
        ("https://faß.de/", "https", "xn--fa-hia.de", 443, "/"),
        ("https://\uff25xam\uff50le.com/", "https", "example.com", 443, "/"),
        ("https://ex\u00adam\u200bple.com/", "https", "example.com", 443, "/"),
        ("https://my_server/", "https", "my_server", 443, "/"),
        ("https://h/a/../b/./c", "https", "h", 443, "/b/c"),
        ("https://h/a/%2e%2E/b/..", "https", "h", 443, "/"),
        ("https://h/../../x/.", "https", "h", 443, "/x/"),
        ('https://h/ü "x"<>`{}', "https", "h", 443, "/%C3%BC%20%22x%22%3C%3E%60%7B%7D"),
        ("https://h/%zz%41", "https", "h", 443, "/%zz%41"),
        ("https://h/\ud800", "https", "h", 443, "/%EF%BF%BD"),
        # by the letter, the scheme `localhost`; the client connects
        ("localhost:8080/mcp", "http", "localhost", 8080, "/mcp"),
        ("LOCALHOST:8080", "http", "localhost", 8080, "/"),
    ],
)  # fmt: skip
def test_reads_urls(text, scheme, host, port, path):
    found = parse_url(text)
    assert isinstance(found, Url), found
    assert found[:4] == (scheme, host, port, path)


@pytest.mark.parametrize(
    ("text", "userinfo", "keys"),
    [
        ("https://h/", False, ()),
        ("https://@h/", False, ()),
        ("https://:@h/", False, ()),
        ("https://me@h/", True, ()),
        ("https://:pw@h/", True, ()),
        ("https://h/?key=v&key=w&b", False, ("key", "")),
        ("https://h/?api%5Fkey=v&a+b=1#?c=2", False, ("api_key", "a b")),
        ("https://h/?sk-12345", False, ("",)),  # a value, not a name
        ("https://h/?&&", False, ()),
    ],
)
def test_reads_what_may_be_secret(text, userinfo, keys):
    assert parse_url(text)[4:] == (userinfo, keys)


# --- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["example.com", "localhost.example.com", "local.example.com", "notlocalhost.com", "8.8.8.8",
     "internal.example.com", "test.com", "2606:4700::1111", "192.0.2.7", "2001:db8::1", "224.0.0.1",
     "172.32.0.1", "100.128.0.1", "ddev.site.example.com", "myddev.site", "home.com", "arpa.com",
     "127.0.0.1.example.com", "::ffff:808:808", "", "1.2.3", "10.0.0.0.0", "::x"],
)  # fmt: skip
def test_out_in_the_world(host):
    assert local_reason(host) == ""


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("localhost", "this machine"),
        ("LOCALHOST.", "this machine"),
        ("api.localhost", "this machine"),
        ("a.b.localhost", "this machine"),
        ("localhost.localdomain", "this machine"),
        ("ip6-localhost", "this machine"),
        ("127.0.0.1", "loopback"),
        ("127.255.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("[::1]", "loopback"),
        ("::ffff:7f00:1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:a00:1", "private"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.178.1", "private"),
        ("100.100.100.100", "Tailscale"),
        ("169.254.0.1", "link-local"),
        ("169.254.169.254", METADATA),
        ("fd7a:115c:a1e0::1", "private"),
        ("fe80::1", "link-local"),
        ("host.docker.internal", "Docker's name"),
        ("gateway.docker.internal", "Docker's name"),
        ("kubernetes.docker.internal", "Docker Desktop's name"),
        ("docker.for.mac.host.internal", "Docker's name"),
        ("docker.for.mac.localhost", "Docker's name"),
        ("host.containers.internal", "Podman's name"),
        ("host.lima.internal", "Lima's name"),
        ("host.orb.internal", "OrbStack's name"),
        ("metadata.google.internal", METADATA),
        ("db.corp.internal", "private networks"),
        ("nas.local", "multicast DNS"),
        ("printer.home.arpa", "home networks"),
        ("app.test", "own machine"),
        ("nas.lan", "private networks"),
        ("shop.ddev.site", "DDEV"),
        ("shop.lndo.site", "Lando"),
        ("x.localtest.me", "127.0.0.1"),
        ("lvh.me", "127.0.0.1"),
        ("myserver", "without a dot"),
        ("server1", "without a dot"),
        ("my_server", "without a dot"),
    ],
)
def test_near(host, says):
    assert says in local_reason(host)


def test_the_evidence_is_a_clause():
    for reason in (
        *NAMES.values(),
        *SUFFIXES.values(),
        *NEVER.values(),
        *NEAR.values(),
        *RESERVED.values(),
    ):
        assert reason.isprintable()
        assert not reason.endswith(".")


# --- hosts in a text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "https://", "https://${HOST}/", "https://api.${REGION}.example.com",
     "https://api.<region>.example.com/", "https://{host}/", "https://$HOST/", "s3://bucket/key",
     "gs://bucket", "file:///etc/passwd", "postgresql:///db", "unix:///var/run/docker.sock",
     "postgresql://%2Fvar%2Frun/db", "foo://example.com/", "://example.com", "9://example.com",
     "https://-f.env/", "https://a\x1bb.com/", "https://a$(id).com/", "https://example.com:0/",
     "https://example.com:99999/", "https://example.com:${PORT}/", "https://256.1.1.1/",
     "https://" + "a" * 3000 + ".com", "clickhouse://db.example.com/x"],
)  # fmt: skip
def test_finds_no_host(text):
    assert hosts_in_text(text) == ()


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("--url=https://u:p@api.example.com:8443/x", [("api.example.com", 8443)]),
        ("<https://a.com>, (https://b.com), 'http://c.com'.",
         [("a.com", 443), ("b.com", 443), ("c.com", 80)]),
        ("https://a.com,https://b.com;wss://c.com",
         [("a.com", 443), ("b.com", 443), ("c.com", 443)]),
        ("https://b.com https://a.com https://b.com/x", [("b.com", 443), ("a.com", 443)]),
        ("the end: https://a.com.", [("a.com", 443)]),
        ('{"url":"HTTPS://A.com"}', [("a.com", 443)]),
        (r"http://good.com\@evil.com", [("good.com", 80)]),
        ("https://bücher.de/", [("xn--bcher-kva.de", 443)]),
        ("http://127.1:3000", [("127.0.0.1", 3000)]),
        ("http://[::1]:8080/ http://[2606:4700::1]", [("::1", 8080), ("2606:4700::1", 80)]),
        ("redis://localhost", [("localhost", 6379)]),
        ("rediss://:pw@r.example.com/0", [("r.example.com", 6379)]),
        ("postgresql://u:p;w'x@db.example.com/x", [("db.example.com", 5432)]),
        ("postgresql+asyncpg://db.example.com/x", [("db.example.com", 5432)]),
        ("postgres://a.ex.com:1,b.ex.com/x", [("a.ex.com", 1), ("b.ex.com", 5432)]),
        ("jdbc:mysql://db.example.com:3307/x", [("db.example.com", 3307)]),
        ("mongodb://u:p@a.ex.com,b.ex.com:2/x", [("a.ex.com", 27017), ("b.ex.com", 2)]),
        ("mongodb://a.ex.com,https://b.ex.com", [("a.ex.com", 27017), ("b.ex.com", 443)]),
        ("mongodb+srv://c.example.net/x", [("c.example.net", 27017)]),
        ("amqp://m.ex.com amqps://m.ex.com", [("m.ex.com", 5672), ("m.ex.com", 5671)]),
        ("git+https://github.com/a/b.git", [("github.com", 443)]),
        ("ssh://git@github.com/a/b.git", [("github.com", 22)]),
        ("foo://example.com:99/", [("example.com", 99)]),
        ("https://example.com:", [("example.com", 443)]),
    ],
)  # fmt: skip
def test_finds_hosts(text, hosts):
    assert list(hosts_in_text(text)) == hosts


def test_finds_at_most_twenty_and_looks_at_64_kib():
    many = " ".join(f"https://h{number}.com" for number in range(99))
    assert len(hosts_in_text(many)) == 20
    assert hosts_in_text("x" * 65536 + "https://a.com") == ()


def test_junk_costs_nothing():
    start = clock.now()
    for junk in ("://" * 30000, "a://é" * 20000, "https://a@" * 8000, "https://" + "@" * 65000,
                 "https://" + "é" * 65000, "mongodb://" + "," * 65000,
                 "a" * 65000 + "://"):  # fmt: skip
        hosts_in_text(junk)
    assert clock.now() - start < 2


# --- the start of the program ---------------------------------------------------------------------


def test_nothing_heavy_is_imported_at_the_start():
    code = (
        "import sys; before = set(sys.modules); import mcpconf.hosts, mcpconf.urls;"
        "heavy = {'ipaddress', 'urllib', 'idna', 'publicsuffixlist', 'socket', 'unicodedata'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
