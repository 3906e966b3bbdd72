"""The files between compile time and run-time: what is refused, and the bytes."""

from __future__ import annotations

import json

import pytest

from mcpconf.contract import (
    VERSION,
    Bridge,
    ContractError,
    Egress,
    EgressRow,
    GatewayAddress,
    Ref,
    Route,
    Routes,
    dump_bridge,
    dump_egress,
    dump_routes,
    load_bridge,
    load_egress,
    load_routes,
)
from mcpconf.model import ServerId, Text

EGRESS = Egress(
    (EgressRow("api.example.com", 443, "name", (ServerId("a"),)),), GatewayAddress("gw", 8811)
)
REF = Ref(
    "/home/.claude.json", "/mcpServers/a/headers/X-Key", 2, {"K": None, "L": ("/s", "/env/L")}
)
ROUTES = Routes(
    "/src/project",
    "2.1.328",
    (Route(ServerId("a"), "A", "http", "http", "0" * 64, REF, None, REF, {"X-Key": REF}, REF),),
)
BRIDGE = Bridge("home-a-project-1f", Text("t" * 43), GatewayAddress("gw", 8811))
ALL = [
    (load_egress, dump_egress(EGRESS)),
    (load_routes, dump_routes(ROUTES)),
    (load_bridge, dump_bridge(BRIDGE)),
]
DUMP = {Egress: dump_egress, Routes: dump_routes, Bridge: dump_bridge}


def test_what_is_dumped_is_loaded() -> None:
    assert load_egress(dump_egress(EGRESS)) == EGRESS
    assert load_routes(dump_routes(ROUTES)) == ROUTES
    assert dump_bridge(load_bridge(dump_bridge(BRIDGE))) == dump_bridge(BRIDGE)


def test_an_older_egress_has_the_usual_grace() -> None:
    document = json.loads(dump_egress(EGRESS._replace(grace=20)))
    assert load_egress(json.dumps(document)).grace == 20
    del document["grace"]
    assert load_egress(json.dumps(document)).grace == 300


def test_the_bytes_are_ascii_sorted_and_end_in_a_line_feed() -> None:
    for _, text in ALL:
        assert text.isascii()
        assert text.endswith("}\n")
        document = json.loads(text)
        assert list(document) == sorted(document)
        assert document["version"] == VERSION


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", "{}", '{"version": 0}', '{"version": "1"}', '{"version": 2}',
     '{"version": 1}', "\x00", "[" * 100_000],
)  # fmt: skip
def test_another_text_is_refused(text: str) -> None:
    for load, _ in ALL:
        with pytest.raises(ContractError):
            load(text)


@pytest.mark.parametrize("value", [None, 5, True, "x", [], [5], [[]], {}, {"x": 5}])
def test_every_key_is_needed_and_has_its_kind(value: object) -> None:
    for load, text in ALL:
        document = json.loads(text)
        for key in document:
            if key == "version":
                continue
            if key != "grace":  # younger than the file
                with pytest.raises(ContractError):
                    load(json.dumps({k: v for k, v in document.items() if k != key}))
            wrong = {**document, key: value}
            try:
                taken = load(json.dumps(wrong))
            except ContractError:
                continue
            assert json.loads(DUMP[type(taken)](taken)) == wrong


def test_no_message_holds_a_value() -> None:
    document = json.loads(dump_routes(ROUTES))
    document["routes"][0]["url"] = {"hunter2": "hunter2"}
    with pytest.raises(ContractError) as caught:
        load_routes(json.dumps(document))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("project", ""), ("project", "../x"), ("project", "x" * 41), ("token", "short"),
     ("token", "x" * 129), ("token", "x" * 40 + "\r\nX: y"), ("socket", ""), ("socket", "relative"),
     ("gateway", {"host": "", "port": 1}), ("gateway", {"host": "a b", "port": 1}),
     ("gateway", {"host": "gw", "port": 0}), ("gateway", {"host": "gw", "port": 65536}),
     ("gateway", {"host": "gw/x", "port": 1}), ("gateway", {"host": "gw", "port": True})],
)  # fmt: skip
def test_a_bridge_that_leads_elsewhere_is_refused(key: str, value: object) -> None:
    document = json.loads(dump_bridge(BRIDGE)) | {key: value}
    with pytest.raises(ContractError) as caught:
        load_bridge(json.dumps(document))
    assert "t" * 43 not in str(caught.value)


def test_a_token_prints_itself_nowhere() -> None:
    assert "ttt" not in repr(BRIDGE) + str(BRIDGE) + repr(load_bridge(dump_bridge(BRIDGE)))
