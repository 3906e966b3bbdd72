"""The files between compile time and run-time: what is refused, and the bytes."""

from __future__ import annotations

import json

import pytest

from mcpconf.contract import (
    VERSION,
    ContractError,
    Egress,
    EgressRow,
    GatewayAddress,
    Ref,
    Route,
    Routes,
    dump_egress,
    dump_routes,
    load_egress,
    load_routes,
)
from mcpconf.model import ServerId

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
BOTH = [(load_egress, dump_egress(EGRESS)), (load_routes, dump_routes(ROUTES))]


def test_what_is_dumped_is_loaded() -> None:
    assert load_egress(dump_egress(EGRESS)) == EGRESS
    assert load_routes(dump_routes(ROUTES)) == ROUTES


def test_the_bytes_are_ascii_sorted_and_end_in_a_line_feed() -> None:
    for _, text in BOTH:
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
    for load, _ in BOTH:
        with pytest.raises(ContractError):
            load(text)


@pytest.mark.parametrize("value", [None, 5, True, "x", [], [5], [[]], {}, {"x": 5}])
def test_every_key_is_needed_and_has_its_kind(value: object) -> None:
    for load, text in BOTH:
        document = json.loads(text)
        for key in document:
            if key == "version":
                continue
            with pytest.raises(ContractError):
                load(json.dumps({k: v for k, v in document.items() if k != key}))
            wrong = {**document, key: value}
            try:
                taken = load(json.dumps(wrong))
            except ContractError:
                continue
            again = dump_egress(taken) if isinstance(taken, Egress) else dump_routes(taken)
            assert json.loads(again) == wrong


def test_no_message_holds_a_value() -> None:
    document = json.loads(dump_routes(ROUTES))
    document["routes"][0]["url"] = {"hunter2": "hunter2"}
    with pytest.raises(ContractError) as caught:
        load_routes(json.dumps(document))
    assert "hunter2" not in str(caught.value)
