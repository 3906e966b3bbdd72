"""dnsmasq's log: a recorded one, and what nobody should be able to make of it."""

from __future__ import annotations

from calendar import timegm

import pytest

from mcpconf.firewall.dnslog import ANSWER, DENIED, REBIND, SUNK, DnsEvent, DnsLog
from tests.firewall_reading.recorded import DNS_WRITTEN, recorded


def events(text: str, written: float = 0.0) -> list[DnsEvent]:
    return list(DnsLog().read(text, written))


@pytest.fixture
def log() -> str:
    return recorded("dnsmasq-2.90.log")


def of(found: list[DnsEvent], kind: str) -> list[tuple[str, str]]:
    return [(event.name, event.what) for event in found if event.kind == kind]


def test_answers_belong_to_the_name_that_was_asked_for(log: str) -> None:
    assert of(events(log), ANSWER) == [
        ("api.example.com", "45.66.77.10"),
        ("api.example.com", "2a0b:4142::10"),
        ("www.example.com", "45.66.77.20"),  # behind two CNAMEs
        ("www.example.com", "45.66.77.21"),
        ("two.example.com", "45.66.77.10"),
        ("half.example.com", "45.66.77.30"),
        ("a.wild.example.org", "45.66.77.40"),
        ("www.example.com", "45.66.77.21"),  # over TCP: a process of its own
        ("www.example.com", "45.66.77.20"),
        ("liar.example.com", "45.66.77.60"),
        ("db", "172.20.0.5"),
    ]


def test_texts_and_names_that_look_like_answers_are_none(log: str) -> None:
    """``liar`` answers TXT with ``6.6.6.6`` and with a whole forged line."""
    assert "reply liar.example.com is 6.6.6.6" in log
    assert "config reply api.example.com is 6.6.6.6 is 198.18.0.1" in log
    assert "6.6.6.6" not in {event.what for event in events(log)}
    sunk = [name for name, _ in of(events(log), SUNK)]
    assert "reply api.example.com is 6.6.6.6" in sunk
    assert "x is 1.2.3.4.evil.net" in sunk
    assert "a from b" in sunk


def test_sunk_and_denied_questions(log: str) -> None:
    sunk = of(events(log), SUNK)
    assert sunk[:4] == [
        ("wild.example.org", "A"),
        ("evil.example.net", "A"),
        ("evil.example.net", "AAAA"),
        ("evil.example.net", "ANY"),
    ]
    assert sunk[4] == ("evil.example.net", "A")  # asked for as Evil.Example.NET
    assert of(events(log), DENIED) == [
        ("sub.api.example.com", "A"),
        ("sub.api.example.com", "TXT"),
        ("evil.example.net", "TXT"),  # the log says `error` and not the name
        ("evil.example.net", "HTTPS"),
        ("evil.example.net", "MX"),
        ("a from 127.0.0.1", "TXT"),
        ("4.3.2.1.in-addr.arpa", "PTR"),
    ]


def test_a_rebinding_is_told_of_the_name_that_was_asked_for(log: str) -> None:
    """Of ``alias`` the log names only the end of the chain."""
    assert of(events(log), REBIND) == [
        ("rebind.example.com", ""),
        ("half.example.com", ""),
        ("alias.example.com", ""),
    ]
    amid = (
        "Nov 25 22:45:09 dnsmasq[40]: 35 127.0.0.1/53806 query[A] bad.example.com from 127.0.0.1\n"
        "Nov 25 22:45:09 dnsmasq[40]: 34 127.0.0.1/53806 reply good.example.com is 45.66.77.20\n"
        "Nov 25 22:45:09 dnsmasq[40]: possible DNS-rebind attack detected: bad.example.com\n"
    )
    assert of(events(amid), REBIND) == [("bad.example.com", "")]
    chain = amid.replace("query[A] bad", "query[A] good").replace(
        "good.example.com is 45.66.77.20", "good.example.com is <CNAME>"
    )
    chain = chain.replace("34 ", "35 ")
    asked = "Nov 25 22:45:09 dnsmasq[40]: 36 127.0.0.1/6 query[A] bad.example.com from 127.0.0.1\n"
    assert of(events(asked + chain), REBIND) == [("bad.example.com", "")]
    assert of(events(chain), REBIND) == [("good.example.com", "")]


def test_the_zone_and_the_year_follow_from_when_the_file_was_written(log: str) -> None:
    times = [event.time for event in events(log, DNS_WRITTEN)]
    assert times == sorted(times)
    assert times[0] == DNS_WRITTEN - 1
    assert times[-1] == DNS_WRITTEN


@pytest.mark.parametrize("hours", [-12, -3.5, 0, 5.75, 14])
def test_any_zone_and_the_turn_of_a_year(hours: float) -> None:
    line = "{} dnsmasq[1]: {} 127.0.0.1/5 {}\n"
    text = "".join(
        line.format(stamp, number, said)
        for number, stamp in enumerate(("Dec 31 23:59:58", "Jan  1 00:00:03"))
        for said in ("query[A] x.test from 127.0.0.1", "config x.test is 198.18.0.1")
    )
    local = timegm((2027, 1, 1, 0, 0, 3))
    found = events(text, local - hours * 3600 + 40)  # forty seconds of nothing, then a touch
    assert [event.time for event in found] == [local - hours * 3600 - 5, local - hours * 3600]


def test_answers_may_come_in_the_next_piece_and_from_two_resolvers() -> None:
    log = DnsLog()
    asked = "Nov 25 19:00:00 dnsmasq[{}]: 7 127.0.0.1/5 query[A] {} from 127.0.0.1\n"
    reply = "Nov 25 19:00:01 dnsmasq[{}]: 7 127.0.0.1/5 reply {} is 45.66.77.1\n"
    assert not list(log.read(asked.format(1, "a.test") + asked.format(2, "b.test")))
    found = log.read(reply.format(2, "cdn.test") + reply.format(1, "cdn.test"))
    assert [event.name for event in found] == ["b.test", "a.test"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Nov 25 19:00:00 dnsmasq[1]: 8 127.0.0.1/5 reply a.test is 45.66.77.1",  # no question
        "Nov 25 19:00:00 dnsmasq[1]: reply a.test is 45.66.77.1",
        "Foo 99 99:99:99 dnsmasq[1]: 7 127.0.0.1/5 reply a.test is 45.66.77.1/33",
        "Nov 25 19:00:00 dnsmasq[1]: 7 127.0.0.1/5 reply a.test is 198.18.0.1x",
        "Nov 25 19:00:00 dnsmasq[1]: 7 127.0.0.1/5 config a.test is 45.66.77.1",
        "x" * 100_000,
    ],
)
def test_other_lines_say_nothing(line: str) -> None:
    asked = "Nov 25 19:00:00 dnsmasq[1]: 7 127.0.0.1/5 query[A] a.test from 127.0.0.1\n"
    assert not events(asked + line + "\n", 1.0)


def test_questions_without_answers_do_not_pile_up() -> None:
    log = DnsLog()
    asked = "Nov 25 19:00:00 dnsmasq[1]: {} 127.0.0.1/5 query[A] a{}.test from 127.0.0.1\n"
    list(log.read("".join(asked.format(n, n) for n in range(20_000))))
    assert len(log._open) <= 4096


def test_lines_of_later_versions() -> None:
    """2.91 may put the transport before the number (log-queries=proto)."""
    text = (
        "Nov 25 19:00:00 dnsmasq[1]: UDP 7 127.0.0.1/5 query[A] a.test from 127.0.0.1\n"
        "Nov 25 19:00:00 dnsmasq[1]: UDP 7 127.0.0.1/5 cached a.test is 45.66.77.1\n"
    )
    assert of(events(text), ANSWER) == [("a.test", "45.66.77.1")]
