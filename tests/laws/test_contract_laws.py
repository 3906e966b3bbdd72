"""Laws of the contract: what is written can be read back, and nothing else is taken."""

from __future__ import annotations

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from mcpconf.contract import (
    Because,
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

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
PLACE = st.one_of(st.none(), st.tuples(TEXT, TEXT))
REF = st.builds(Ref, TEXT, TEXT, st.integers(1, 2), st.dictionaries(TEXT, PLACE, max_size=2))
ROUTE = st.builds(
    Route,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    TEXT,
    REF,
    st.one_of(st.none(), TEXT),
    st.one_of(st.none(), REF),
    st.dictionaries(TEXT, REF, max_size=2),
    st.one_of(st.none(), REF),
    st.lists(TEXT, max_size=2).map(tuple),
)
ROUTES = st.builds(Routes, TEXT, TEXT, st.lists(ROUTE, max_size=3).map(tuple))
PORT = st.integers(1, 65535)
ROW = st.builds(
    EgressRow,
    TEXT,
    PORT,
    TEXT,
    st.lists(TEXT, max_size=2).map(tuple),
    st.lists(st.builds(Because, TEXT, TEXT), max_size=2).map(tuple),
)
EGRESS = st.builds(
    Egress,
    st.lists(ROW, max_size=3).map(tuple),
    st.one_of(st.none(), st.builds(GatewayAddress, TEXT, PORT)),
    TEXT,
    st.integers(10, 86_400),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)


@given(ROUTES)
def test_routes_come_back(routes):
    assert load_routes(dump_routes(routes)) == routes


@given(EGRESS)
def test_egress_comes_back(egress):
    assert load_egress(dump_egress(egress)) == egress


@given(st.data())
def test_another_shape_is_a_contract_error_and_nothing_else(data):
    """One value of a good document is replaced by something else."""
    load, text = data.draw(
        st.sampled_from(
            [
                (load_routes, dump_routes(data.draw(ROUTES))),
                (load_egress, dump_egress(data.draw(EGRESS))),
            ]
        )
    )
    document = json.loads(text)
    place = document
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    with suppress(ContractError):
        load(json.dumps(document))


@given(st.one_of(TEXT, JSON.map(json.dumps)))
def test_any_text_is_a_contract_error_and_nothing_else(text):
    for load in (load_routes, load_egress):
        with suppress(ContractError):
            load(text)
