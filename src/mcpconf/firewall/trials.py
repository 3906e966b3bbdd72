"""What ``mcpconf-fw verify`` tries that must not succeed, and how each answer is read."""

from __future__ import annotations

import errno
import re
from functools import partial
from typing import NamedTuple

from mcpconf.firewall.policy import Policy
from mcpconf.firewall.probes import (
    DISCARD,
    DOCUMENTED,
    LATE,
    METADATA_PROBED,
    NO_ROUTE,
    NOBODY,
    OPEN,
    PROBE_NAME,
    REFUSED,
    SILENT,
    ask,
    say,
    try_tcp,
    try_udp,
)
from mcpconf.firewall.site import EMBEDDED, SINK4, SINK6, STUB
from mcpconf.firewall.state import State, read_file
from mcpconf.firewall.words import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OK, HOLE, SHUT, NOT_APPLICABLE = "ok", "HOLE", "SHUT", "--"
_NO_ROUTE_NAMES = frozenset({"EADDRNOTAVAIL", "ENETUNREACH", "EAFNOSUPPORT"})


class Trial(NamedTuple):
    """A job for a process without rights, and how its word is read."""

    name: str
    job: Callable[[], str]
    judge: Callable[[str], tuple[str, str]]


def addresses_of(host: str, record: str) -> list[str]:
    try:
        reply = ask(STUB, host, record)
    except OSError:
        return []
    return [a for a in reply.addresses if a not in {SINK4, SINK6}] if reply else []


# --- the resolver ---------------------------------------------------------------------------


def _question(server: str, name: str, record: str, port: int = 53) -> str:
    """Ask, and say the answer in a word: ``0:1:198.18.0.1`` is code, records, addresses."""
    try:
        reply = ask(server, name, record, port)
    except OSError as error:
        return NO_ROUTE if errno.errorcode.get(error.errno or 0) in _NO_ROUTE_NAMES else REFUSED
    if reply is None:
        return SILENT
    return f"{reply.code}:{reply.records}:{','.join(reply.addresses)}"


def names_tried() -> Iterator[Trial]:
    for record, sink in (("A", SINK4), ("AAAA", SINK6)):
        job = partial(_question, STUB, PROBE_NAME, record)
        yield Trial(f"name-{record.lower()}", job, partial(_is_sunk, sink))
    yield Trial("name-txt", partial(_question, STUB, PROBE_NAME, "TXT"), _is_denied)


def _is_sunk(sink: str, word: str) -> tuple[str, str]:
    if word == f"0:1:{sink}":
        return OK, f"a name that is not listed leads to {sink}, where nothing is"
    if word in {SILENT, REFUSED}:
        return SHUT, "the resolver does not answer"
    if word.startswith("0:0:"):
        return OK, "a name that is not listed has no address"
    return HOLE, f"a name that is not listed was asked outside: {plain(word)}"


def _is_denied(word: str) -> tuple[str, str]:
    if re.fullmatch(r"[0-9]+:0:", word):
        return OK, "other records of a name that is not listed are not answered"
    if word in {SILENT, REFUSED}:
        return SHUT, "the resolver does not answer"
    return HOLE, f"the question went outside: {plain(word)}"


def resolvers_tried(*, ipv6: bool) -> Iterator[Trial]:
    for family, sink in ((4, SINK4), (6, SINK6)) if ipv6 else ((4, SINK4),):
        record = "A" if family == 4 else "AAAA"  # noqa: PLR2004
        job = partial(_question, NOBODY[family], PROBE_NAME, record)
        yield Trial(f"resolver-ipv{family}", job, partial(_is_ours, sink))
        job = partial(try_tcp, NOBODY[family], 853)
        yield Trial(f"resolver-tls-ipv{family}", job, partial(_is_shut, "DNS over TLS"))
    ports = _docker_ports()
    for number, port in enumerate(ports):
        job = partial(_question, EMBEDDED, PROBE_NAME, "A", port)
        yield Trial(
            f"docker-resolver-{number + 1}",
            job,
            partial(_is_shut, f"Docker's resolver on its real port {port}"),
        )


def _is_ours(sink: str, word: str) -> tuple[str, str]:
    """Another resolver's address answers as ours does, or refuses: nothing left."""
    if word == f"0:1:{sink}" or word.startswith("0:0:"):
        return OK, "a question to another resolver is answered by ours"
    return _is_shut("another resolver", word)


def _docker_ports() -> list[int]:
    """Where Docker's resolver really listens (UDP)."""
    found = re.findall(r"^ *\d+: 0B00007F:([0-9A-F]{4}) ", read_file("/proc/net/udp"), re.MULTILINE)
    return [int(port, 16) for port in found if int(port, 16) != 53]  # noqa: PLR2004


# --- packets --------------------------------------------------------------------------------


def packets_tried(state: State, *, ipv6: bool) -> Iterator[Trial]:
    for family in (4, 6) if ipv6 else (4,):
        for what, where in (("public", NOBODY), ("reserved", DOCUMENTED)):
            address = where[family]
            text = f"an address that is not listed ({address})"
            yield Trial(
                f"tcp-{what}-ipv{family}",
                partial(try_tcp, address, DISCARD),
                partial(_is_shut, text),
            )
            yield Trial(
                f"udp-{what}-ipv{family}",
                partial(try_udp, address, DISCARD),
                partial(_is_shut, text),
            )
    for family in (4, 6) if ipv6 else (4,):
        judge = partial(_is_shut, f"a name that is not listed, tried over IPv{family},")
        yield Trial(f"name-tcp-ipv{family}", partial(_tried_name, family), judge)
    judge = partial(_is_shut, f"the metadata service ({METADATA_PROBED})")
    yield Trial("metadata", partial(try_tcp, METADATA_PROBED, _metadata_port(state)), judge)


def _metadata_port(state: State) -> int:
    return DISCARD if state.mode == "strict" else 80  # the gate takes 80; it is tried apart


def also_tried(state: State) -> list[tuple[str, int]]:
    """The addresses and ports that are tried here and that others may try as well."""
    docker = [(EMBEDDED, port) for port in _docker_ports()]
    return [(METADATA_PROBED, _metadata_port(state)), *docker]


def _tried_name(family: int) -> str:
    """Ask for a name that is not listed, and connect to what it is said to be."""
    record, sink = ("A", SINK4) if family == 4 else ("AAAA", SINK6)  # noqa: PLR2004
    reply = ask(STUB, PROBE_NAME, record)
    return try_tcp(reply.addresses[0] if reply and reply.addresses else sink, DISCARD)


def _is_shut(what: str, word: str) -> tuple[str, str]:
    if word == REFUSED:
        return OK, f"{what} is refused at once"
    if word == NO_ROUTE:
        return NOT_APPLICABLE, f"there is no route to {what}"
    how = {
        OPEN: "is reached",
        SILENT: "is not refused: what was sent left, or was dropped",
        LATE: "is refused, but by somebody else: what was sent left",
    }
    return HOLE, f"{what} {how.get(word, 'answers: ' + plain(word))}"


def gate_tried(policy: Policy) -> Iterator[Trial]:
    """A name that is not listed, said inside TLS and HTTP, at an address that is."""
    hosts = {row.port: row.domain.name for row in reversed(policy.names) if not row.domain.wild}
    for port, kind in ((443, "tls"), (80, "http")):
        job = partial(_said_at, hosts.get(port, ""), port)
        yield Trial(f"gate-{kind}", job, _is_gated)


def _said_at(host: str, port: int) -> str:
    addresses = addresses_of(host, "A") if host else []
    return say(addresses[0] if addresses else NOBODY[4], port, PROBE_NAME)


def _is_gated(word: str) -> tuple[str, str]:
    text = "a name that is not listed, inside TLS or HTTP,"
    if word == "answer:" or word.startswith(("answer:HTTP/1.1 403", "answer:HTTP/1.0 403")):
        return OK, f"{text} is turned away by the gate"
    if word in {REFUSED, NO_ROUTE}:
        return SHUT, f"{text} does not even reach the gate: {word}"
    return HOLE, f"{text} gets through: {plain(word)}"
