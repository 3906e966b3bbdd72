"""Laws of :mod:`mcpconf.hosts`: what leaves is ASCII that was looked at, whatever came in."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv6Address, ip_network

from hypothesis import example, given
from hypothesis import strategies as st

from mcpconf.hosts import (
    Destination,
    Problem,
    looks_alike,
    parse_destination,
    parse_ports,
    quote,
)
from mcpconf.locality import local_reason
from mcpconf.names import read_ipv4, read_ipv6
from mcpconf.urls import Url, hosts_in_text, parse_url

ENTRY = re.compile(r"[a-z0-9.*:/_-]+")
HOST = re.compile(r"[a-z0-9.:_-]+")

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=300)  # surrogates as well
# Pieces that mean something to one of the parsers, in any order: far more of these get through.
PIECES = st.sampled_from(
    ["https:", "http:", "//", "/", "\\", "@", ":", "?", "#", ".", "..", "*", "*.", "[", "]", "%",
     "localhost", "example.com", "API.", "co.uk", "127.1", "8.8.8.8", "0x7f", "010", "/24", "/16",
     "443", "::", "::1", "2606:4700::", "ffff:", "xn--", "xn--bcher-kva", "bücher", "ß",
     "\u3002", "\uff11", "\u00ad", "\u200b", "\u202e",
     "א", "\u212a", "💩", "_", "-", "$", '"', "\n", "\x1b",
     "\x00", " ", "${X}", "\ud800", "mongodb:", ",", "=", "&", "%6c", "internal", "test"]
)  # fmt: skip
HOSTILE = st.one_of(ANYTHING, st.lists(PIECES, max_size=9).map("".join))
NAME = st.from_regex(r"([a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\.){1,4}(com|org|dev)", fullmatch=True)


def is_harmless(text: str) -> bool:
    """Printable, in one line, and drawn from left to right."""
    return text.isprintable() and not any(
        unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text
    )


@given(HOSTILE)
def test_an_entry_is_refused_or_ascii_and_a_fixed_point(text):
    found = parse_destination(text)
    if isinstance(found, Destination):
        assert ENTRY.fullmatch(found.host)
        assert parse_destination(found.host) == found
        assert found.host[0] != "-"
    else:
        assert is_harmless(found.message)
        assert is_harmless(found.help)


@given(NAME)
def test_case_and_a_last_dot_mean_nothing(name):
    found = parse_destination(name)
    assert parse_destination(name.upper() + ".") == found
    if isinstance(found, Destination):
        assert found == Destination("name", name)
        assert parse_url(f"https://{name}/").host == name


@given(NAME, st.integers(1, 65535))
def test_what_a_url_and_a_port_are_told_to_write_is_taken(name, port):
    for text in (f"https://{name}:{port}/x?y#z", f"{name}:{port}"):
        found = parse_destination(text)
        assert isinstance(found, Problem)
        if isinstance(parse_destination(name), Destination):
            assert found.help == f"write `{name}` and `ports = [{port}]`"


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_an_address_that_is_taken_is_global(address):
    found = parse_destination(str(address))
    if isinstance(found, Destination):
        assert found == Destination("address", address.compressed)
        assert address.is_global
        assert local_reason(str(address)) == ""


@given(
    st.one_of(
        st.ip_addresses(v=4, network="128.0.0.0/1"), st.ip_addresses(v=6, network="2000::/3")
    ),
    st.integers(0, 128),
)
def test_a_network_that_is_taken_is_global_at_both_ends(address, length):
    network = ip_network(f"{address}/{length % (address.max_prefixlen + 1)}", strict=False)
    found = parse_destination(str(network))
    if isinstance(found, Destination):
        assert network[0].is_global
        assert network[-1].is_global
        assert network.prefixlen >= (16 if network.version == 4 else 32)


@given(HOSTILE)
def test_a_url_is_refused_or_its_host_is_ascii(text):
    found = parse_url(text)
    if isinstance(found, Url):
        assert found.scheme in {"http", "https", "ws", "wss"}
        assert HOST.fullmatch(found.host)
        assert found.host[0] != "-"
        assert 0 < found.port < 65536
        assert found.path[0] == "/"
        assert found.path.isascii()
        assert found.path.isprintable()
        shown = f"[{found.host}]" if ":" in found.host else found.host
        again = parse_url(f"{found.scheme}://{shown}:{found.port}{found.path}")
        assert again == found._replace(has_userinfo=False, query_keys=())
    else:
        assert is_harmless(found.message)
        assert is_harmless(found.help)


@given(st.ip_addresses(v=4), st.data())
def test_every_spelling_of_an_ipv4_address_is_the_same_host(address, data):
    value = int(address)
    count = data.draw(st.integers(1, 4))
    first = [value >> 24, value >> 16 & 255, value >> 8 & 255][: count - 1]
    last = value & (256 ** (5 - count) - 1)
    spell = st.sampled_from(
        [str, hex, lambda number: f"0{number:o}", lambda number: f"0X{number:X}"]
    )
    text = ".".join(data.draw(spell)(number) for number in [*first, last])
    assert read_ipv4(text) == str(address)
    assert parse_url(f"http://{text}/").host == str(address)
    assert local_reason(parse_url(f"http://{text}/").host) == local_reason(str(address))


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_ipv6_address_is_the_same_host(address):
    canonical = read_ipv6(str(address))
    assert read_ipv6(address.exploded.upper()) == canonical
    assert IPv6Address(canonical) == address
    assert read_ipv6(canonical) == canonical


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_ipv6_clothes_is_as_near_as_itself(address):
    assert local_reason(f"::ffff:{address}") == local_reason(str(address))
    assert isinstance(parse_destination(f"::ffff:{address}"), Problem)


@given(ANYTHING, st.integers(1, 200))
def test_quoted_text_is_harmless_and_short(text, limit):
    shown = quote(text, limit)
    assert is_harmless(shown)
    assert len(shown) <= max(limit, 1) + 2
    assert shown.count("`") == 2


@given(ANYTHING.filter(lambda text: len(text) < 20), ANYTHING.filter(lambda text: len(text) < 20))
@example("\\x1b", "\x1b")
def test_two_texts_are_never_quoted_alike(one, other):
    assert (quote(one, 999) == quote(other, 999)) == (one == other)


@given(HOSTILE)
def test_the_rest_never_raises(text):
    assert isinstance(local_reason(text), str)
    assert isinstance(looks_alike(text), str)
    for host, port in hosts_in_text(text):
        assert HOST.fullmatch(host)
        assert 0 < port < 65536


@given(NAME, st.integers(1, 65535), HOSTILE)
def test_a_url_is_found_in_any_text(name, port, around):
    assert (name, port) in hosts_in_text(f"https://{name}:{port}/ {around}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.one_of(JSON, st.lists(st.integers(-1, 70000), max_size=20)))
def test_ports_are_refused_or_sorted_and_a_fixed_point(value):
    found = parse_ports(value)
    if isinstance(found, Problem):
        assert is_harmless(found.message)
    else:
        assert found == tuple(sorted(set(found)))
        assert parse_ports(found) == found
        assert all(type(port) is int and 0 < port < 65536 for port in found)
