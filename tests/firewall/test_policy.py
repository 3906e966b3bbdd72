"""``egress.json`` as typed rows: one wrong row costs one row."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.contract.egress import Egress as Written
from mcpconf.contract.egress import EgressRow, GatewayAddress, dump_egress
from mcpconf.firewall.policy import (
    GRACE,
    MOST_BYTES,
    MOST_PORTS,
    MOST_ROWS,
    MOST_STATIC,
    Policy,
    PolicyError,
    read_policy_text,
)
from mcpconf.firewall.tokens import Domain


def row(
    host: object, port: object = 443, form: object = "name", servers: object = ()
) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "form": form,
        "servers": list(servers) if isinstance(servers, tuple) else servers,
    }


def read(*rows: object, **more: Any) -> Policy:
    return read_policy_text(
        json.dumps({"version": 1, "mode": "default", "rows": list(rows), **more})
    )


def opened(policy: Policy) -> list[str]:
    near = [f"peer {r.host}:{r.port}" for r in policy.near]
    return (
        [f"{r.domain}:{r.port}" for r in policy.names]
        + [f"{r.network}:{r.port}" for r in policy.static]
        + near
    )


def test_what_the_compiler_writes() -> None:
    rows = (
        EgressRow("a.test", 443, "name"),
        EgressRow("*.b.test", 80, "wildcard"),
        EgressRow("45.66.77.5", 22, "address"),
    )
    text = dump_egress(
        Written(rows=rows, gateway=GatewayAddress("host.docker.internal", 8811), mode="strict")
    )
    policy = read_policy_text(text)
    assert opened(policy) == [
        "a.test:443",
        "*.b.test:80",
        "45.66.77.5/32:22",
        "peer host.docker.internal:8811",
    ]
    assert (policy.mode, policy.grace, policy.notices) == ("strict", GRACE, ())


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "1", '"x"', "{}", '{"version":1}', '{"version":2,"mode":"default","rows":[]}',
        '{"version":true,"mode":"off","rows":[]}', '{"version":1,"mode":"default","rows":{}}',
        '{"version":1,"mode":"default","rows":null}', '{"version":1,"mode":"off","rows":[]}', '{"version":1,"rows":[]}',
        '{"version":1,"mode":["default"],"rows":[]}', "[" * 100_000, "\ufeff{}", "\0", " " * (MOST_BYTES + 1),
    ],
    ids=lambda text: ascii(text[:30]),
)  # fmt: skip
def test_files_of_which_nothing_holds(text: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy_text(text)
    assert str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        None, 1, "a.test", [], ["a.test", 443], {}, row(None), row(5), row(["a.test"]), row({"a": 1}), row("a.test", "443"),
        row("a.test", True), row("a.test", 0), row("a.test", 65536), row("a.test", 443.5), row("a.test", None), row("a.test", [443]),
        row("a.test", 443, "regex"), row("a.test", 443, None), row("a.test", 443, ["name"]), row("a.test", 443, {}), row("*"),
        row("*.com", 443, "wildcard"), row("10.0.0.1", 443, "address"), row("0.0.0.0/0", 443, "network"), row("127.0.0.1", 80, "peer"),
        row("169.254.169.254", 80, "peer"), row("a.test\nserver=45.66.77.5"), row("x" * 100_000),
    ],
    ids=lambda bad: ascii(bad)[:40],
)  # fmt: skip
def test_a_wrong_row_is_a_notice_and_the_others_hold(bad: object) -> None:
    policy = read(row("before.test"), bad, row("after.test"))
    assert opened(policy) == ["after.test:443", "before.test:443"]
    [notice] = policy.notices
    assert notice.place == "rows[1]"
    assert notice.help
    assert len(notice.message) < 200
    assert notice.message.isascii() or "\u2026" in notice.message
    assert notice.message.isprintable()


def test_an_odd_row_is_open_and_said() -> None:
    policy = read(row("HTTPS://A.test:8443/x"))
    assert opened(policy) == ["a.test:8443"]
    [notice] = policy.notices
    assert (
        notice.message
        == "`HTTPS://A.test:8443/x` is written as a URL; it is taken for a.test on port 8443"
    )


def test_what_a_row_is_called_does_not_decide_what_it_is() -> None:
    policy = read(
        row("a.test", 443, "network"),
        row("45.66.77.0/24", 443, "name"),
        row("*.b.test", 443, "name"),
    )
    assert opened(policy) == ["a.test:443", "*.b.test:443", "45.66.77.0/24:443"]


@pytest.mark.parametrize(
    ("gateway", "found"),
    [
        ({"host": "host.docker.internal", "port": 8811}, ["peer host.docker.internal:8811"]),
        ({"host": "172.17.0.1", "port": 8811}, ["peer 172.17.0.1/32:8811"]),
        ({"host": "[fd00::1]", "port": 8811}, ["peer fd00::1/128:8811"]),
        (None, []),
    ],
)
def test_gateway(gateway: object, found: list[str]) -> None:
    policy = read(gateway=gateway)
    assert (opened(policy), policy.notices) == (found, ())


@pytest.mark.parametrize(
    "gateway",
    [
        1, [], "x:1", {}, {"host": "a"}, {"host": "a", "port": 0}, {"host": 1, "port": 1}, {"host": "a;b", "port": 1},
        {"host": "127.0.0.1", "port": 1}, {"host": "169.254.169.254", "port": 80}, {"host": "10.0.0.0/8", "port": 80},
    ],
)  # fmt: skip
def test_a_wrong_gateway_stays_closed(gateway: object) -> None:
    policy = read(row("a.test"), gateway=gateway)
    assert opened(policy) == ["a.test:443"]
    assert [n.place for n in policy.notices] == ["gateway"]


@pytest.mark.parametrize(("grace", "seconds"), [(1, 1), (300, 300), (86_400, 86_400)])
def test_grace(grace: object, seconds: int) -> None:
    assert read(grace=grace).grace == seconds
    assert read().grace == GRACE


@pytest.mark.parametrize("grace", [0, -1, 86_401, 1.5, "300", True, None, [], 10**400])
def test_a_wrong_grace_is_said(grace: object) -> None:
    policy = read(grace=grace)
    assert (policy.grace, [n.place for n in policy.notices]) == (GRACE, ["grace"])


def test_rows_that_are_there_twice_are_one() -> None:
    policy = read(
        row("a.test", servers=("b",)),
        row("a.test", servers=("a", "b")),
        row("A.test.", servers=("c",)),
    )
    assert opened(policy) == ["a.test:443"]
    assert policy.names[0].servers == ("a", "b", "c")


def test_only_ids_count_as_servers() -> None:
    odd = ["ok", "-", "A", 'x" -j ACCEPT', "a\nb", "x" * 41, "", None, 5, ["ok"], {"a": 1}]
    assert read(row("a.test", servers=odd)).names[0].servers == ("-", "ok")
    assert read(row("a.test", servers={"a": 1})).names[0].servers == ()


def test_more_rows_than_there_may_be() -> None:
    policy = read(*(row(f"n{n}.test") for n in range(MOST_ROWS + 5)))
    assert len(policy.names) == MOST_ROWS
    assert "50,005 rows" in policy.notices[0].message


def test_more_ports_than_there_may_be() -> None:
    policy = read(
        *(row("a.test", port) for port in range(1000, 1000 + MOST_PORTS + 3)),
        row("a.test", 443),
        row("a.test", 80),
    )
    ports = {r.port for r in policy.names}
    assert len(ports) == MOST_PORTS
    assert {80, 443, 1000} <= ports
    assert len(policy.notices) == 1


def test_more_addresses_than_there_may_be() -> None:
    addresses = [row(f"45.66.{n >> 8}.{n & 255}", 443, "address") for n in range(MOST_STATIC + 7)]
    policy = read(
        *addresses, row("172.18.0.5", 80, "peer"), gateway={"host": "172.17.0.1", "port": 1}
    )
    assert len(policy.static) + len(policy.near) == MOST_STATIC
    assert len(policy.near) == 2  # the container's own side comes first
    assert len(policy.notices) == 1


def test_ports_of_a_name() -> None:
    policy = read(row("a.test", 443), row("*.test.test", 80, "wildcard"), row("x.test.test", 22))
    assert policy.ports_of("a.test") == {443}
    assert policy.ports_of("x.test.test") == {22, 80}
    assert policy.ports_of("test.test") == frozenset()


def test_many_rows_are_read_quickly() -> None:
    """20,000 rows took 0.10 to 0.14 s; a square law would take minutes."""
    rows = [
        row(f"name-{n}.s{n % 97}.example.com", servers=("github", f"s{n % 5}"))
        for n in range(20_000)
    ]
    same = [row("a.test", servers=(f"s{n}",)) for n in range(20_000)]
    start = time.process_time()
    policy = read(*rows, *same)
    assert time.process_time() - start < 5
    assert (len(policy.names), len(policy.names[0].servers)) == (20_001, 20_000)


_hosts = st.sampled_from(
    [
        "a.test",
        "b.test",
        "*.b.test",
        "A.test",
        "45.66.77.5",
        "45.66.77.0/24",
        "2a0b:4142::5",
        "redis",
        "10.1.1.1",
        "x;y",
        "a.test:80",
    ]
)
_rows = st.lists(
    st.builds(
        row,
        _hosts,
        st.sampled_from([80, 443, 22, 0]),
        st.sampled_from(["name", "peer", "address"]),
        st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
    ),
    max_size=12,
)


@given(_rows, st.randoms())
def test_the_order_of_rows_means_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    turned = rows[:]
    random.shuffle(turned)
    assert read(*turned)._replace(notices=()) == read(*rows)._replace(notices=())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(
    st.lists(
        _json | st.builds(row, _json, _json, st.sampled_from(["name", "peer"]), _json), max_size=5
    ),
    _json,
    _json,
)
def test_no_row_breaks_the_reader(rows: list[Any], gateway: Any, grace: Any) -> None:
    policy = read(*rows, row("good.test"), gateway=gateway, grace=grace)
    assert "good.test:443" in opened(policy)
    assert all(isinstance(r.domain, Domain) for r in policy.names)
