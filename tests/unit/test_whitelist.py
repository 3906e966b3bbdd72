"""Whitelist rows, and how the layers come together."""

from __future__ import annotations

from typing import Any

import pytest

from mcpconf.findings import Finding
from mcpconf.hosts import Destination
from mcpconf.origin import Origin, Source
from mcpconf.readers.whitelist import Layer, Row, read_rows, read_shipped

AT = Origin(Source("mcpconf.toml", syntax="toml"))


def rows(*raw: Any) -> tuple[list[Row], list[Finding]]:
    findings: list[Finding] = []
    return list(read_rows(list(raw), AT, Layer.USER, findings)), findings


def test_a_row_is_read_and_knows_its_place() -> None:
    (row,), findings = rows({"host": "api.example.com", "ports": [8443, 443], "why": " a\n b "})
    assert findings == []
    assert row.destination == Destination("name", "api.example.com")
    assert row.ports == (443, 8443)
    assert row.why == "a b"
    assert row.origin == AT.at("allow", 0)


def test_the_usual_port_is_that_of_https() -> None:
    (row,), _ = rows({"host": "*.example.com", "why": "x"})
    assert row.ports == (443,)
    assert row.destination.form == "wildcard"


@pytest.mark.parametrize(
    "raw",
    [
        5,
        "api.example.com",
        {},
        {"host": ""},
        {"host": None},
        {"host": ["a.example.com"]},
        {"host": "a.example.com:443"},
        {"host": "a.example.com", "port": 443},
        {"host": "a.example.com", "ports": []},
        {"host": "a.example.com", "ports": ["443"]},
        {"host": "a.example.com", "ports": True},
        {"host": "0.0.0.0/0"},
        {"host": "10.0.0.1"},
        {"host": "*.co.uk"},
        {"host": "a b.example.com"},
    ],
)
def test_a_bad_row_leaves_out_only_itself(raw: Any) -> None:
    found, findings = rows(raw, {"host": "good.example.com", "why": "x"})
    assert [r.destination.host for r in found] == ["good.example.com"]
    assert [f.code for f in findings] == ["MC081"]
    assert findings[0].origin == AT.at("allow", 0)
    assert findings[0].message.isprintable()


def test_a_reason_is_wanted_and_a_look_alike_is_told() -> None:
    found, findings = rows({"host": "аpple.example.com"})  # noqa: RUF001  a Cyrillic a
    assert found[0].destination.host.startswith("xn--")
    assert {f.code for f in findings} == {"MC083", "MC084"}


def test_a_long_reason_is_cut_and_stays_in_one_line() -> None:
    (row,), _ = rows({"host": "a.example.com", "why": "x\ny " * 500})
    assert len(row.why) <= 200
    assert "\n" not in row.why


def test_a_fault_in_a_shipped_layer_is_a_bug_of_ours() -> None:
    good = Source("base.toml", '[[allow]]\nhost = "a.example.com"\nwhy = "x"\n')
    bad = Source("base.toml", '[[allow]]\nhost = "localhost"\nwhy = "x"\n')
    assert len(read_shipped(good, good, ()).base) == 1
    with pytest.raises(AssertionError):
        read_shipped(bad, good, ())
