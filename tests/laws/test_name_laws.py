"""Laws of names: whatever a clone calls a server, it becomes a plain id or a finding."""

from __future__ import annotations

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from mcpconf.model import mint, normalised
from mcpconf.names import is_visible
from mcpconf.report import rendered

from .worlds import ANY_NAME, compiled

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
DIGEST = re.compile(r"-[0-9a-f]{8,16}\Z")
# Entries that need a route each, so that an id is used.
KEYED = {"type": "http", "url": "https://a.example.com/mcp", "headers": {"X-Key": "${K}"}}
# Two names with one slug whose digests begin alike, found in a second by trying.
TWINS = ("!!##&!*)", "!!#$+$$&")


@given(ANY_NAME)
def test_an_id_is_plain_whatever_the_name(name):
    assert ID.fullmatch(mint(name))
    assert mint(name)[-1] != "-"
    assert mint(name) == mint(name)


@given(st.sets(ANY_NAME, max_size=30))
def test_ids_are_unique(names):
    # A name may be the id of another, on purpose; and that name's id the name of a third.
    for _ in range(2):
        names |= {mint(n) for n in names} | {DIGEST.sub("", mint(n)) for n in names}
        names |= {n.upper() for n in names} | {f"{n} " for n in names}
    assert len({mint(n) for n in names}) == len(names)


def test_ids_are_unique_for_names_that_were_made_to_collide():
    """Whoever writes a `.mcp.json` chooses the names, and can try as many as he likes."""
    whole = compiled({"user": dict.fromkeys(TWINS, KEYED)})
    ids = [route.server for route in whole.plan.routes.routes]
    assert len(set(ids)) == len(ids)


@given(st.dictionaries(ANY_NAME, st.just(KEYED), min_size=1, max_size=4))
@example({"": KEYED})
@example({"__proto__": KEYED, "constructor": KEYED, "toString": KEYED})
def test_a_name_is_a_finding_or_has_a_route_under_a_valid_id(servers):
    whole = compiled({"user": servers})
    entries = json.loads(whole.artifacts[0].text)["mcpServers"]
    refused = [f for f in whole.findings if f.code in ("MC003", "MC004")]
    assert len(entries) + len(refused) == len(servers)
    assert len(whole.plan.routes.routes) == len(entries)
    for name, entry in entries.items():
        assert entry["args"] == [mint(name)]
        assert all(c == " " or is_visible(c) for c in name)
        assert not set(name) & set("\"'`\\<>")


@given(st.dictionaries(ANY_NAME, st.one_of(st.just(KEYED), st.just({})), max_size=4))
def test_no_finding_can_move_the_cursor(servers):
    for finding in compiled({"user": servers}).findings:
        for line in rendered(finding).split("\n"):
            assert all(c == " " or is_visible(c) for c in line)


@given(st.dictionaries(ANY_NAME, st.just(KEYED), max_size=4))
def test_container_files_are_printable_ascii(servers):
    for artifact in compiled({"user": servers}).artifacts:
        assert all(c == "\n" or (c.isascii() and c.isprintable()) for c in artifact.text)


@given(ANY_NAME)
def test_the_normal_form_of_a_name_is_one_of_the_clients(name):
    javascript = re.compile(r"[^a-zA-Z0-9_-]")
    units = name.encode("utf-16-le", "surrogatepass")
    pairs = [units[i : i + 2].decode("utf-16-le", "replace") for i in range(0, len(units), 2)]
    assert normalised(name) == "".join(javascript.sub("_", c) for c in pairs)
