"""Checks of what lies between this machine and any server: proxies, certificates, names, clocks."""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from mcpconf.diagnosis.checks.check import Check, Given, State, judged
from mcpconf.findings import Finding
from mcpconf.locality import local_reason
from mcpconf.model import Remote
from mcpconf.names import quote
from mcpconf.origin import Origin, Source

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
BUNDLE = "NODE_EXTRA_CA_CERTS"
MOST_SKEW = 60.0  # seconds; tokens and certificates are rarely stricter

_PATIENCE = 3.0  # seconds, for one question to a server
_SLOW = 2.0  # seconds, for a name
_MOST_ASKED = 3
_PLAIN = re.compile(r"[A-Za-z0-9._:\[\]-]+")  # what a shell takes as it is
_LONGEST_BUNDLE = 64 * 1024 * 1024  # bytes
_BEGIN = "-----BEGIN CERTIFICATE-----"


# --- what the configuration says --------------------------------------------------------------


def remotes(given: Given) -> Iterator[tuple[str, str, int]]:
    """The host and port of each remote server in force, with its scheme."""
    for server in given.compiled.survey.active():
        if isinstance(server.transport, Remote):
            with suppress(ValueError):
                url = urlsplit(server.transport.url.reveal().strip())
                host, scheme = url.hostname, url.scheme.lower()
                if host and scheme in ("http", "https", "ws", "wss"):
                    plain = scheme in ("http", "ws")
                    yield scheme, host, url.port or (80 if plain else 443)


def seen_by_client(given: Given, name: str) -> str:
    """A variable as Claude Code sees it: settings beat the shell."""
    return given.compiled.survey.declared.variables.get(name) or given.environ.get(name, "")


# --- proxies ----------------------------------------------------------------------------------


def proxies(given: Given) -> Check:
    """A proxy that also takes what is meant for this machine (fact 55)."""
    named = [name for name in PROXIES if seen_by_client(given, name)]
    local = sorted({host for _, host, _ in remotes(given) if _is_here(host)})
    excepted = seen_by_client(given, "NO_PROXY") or seen_by_client(given, "no_proxy")
    return judged_proxies(named, local, excepted)


def _is_here(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


def judged_proxies(named: Sequence[str], local: Sequence[str], excepted: str) -> Check:
    """Pure.  Claude Code excepts exact hosts, or everything with ``*``."""
    if not named:
        return Check("proxies", State.OK, "none is set")
    hosts = {part.strip() for part in excepted.split(",")}
    taken = [host for host in local if "*" not in hosts and host not in hosts]
    names = ", ".join(named)
    if not taken:
        return Check("proxies", State.OK, f"{names}; no server of this machine goes through it")
    wanted = ",".join(filter(_PLAIN.fullmatch, [*sorted(hosts - {""}), *taken]))
    finding = Finding(
        "MC295",
        f"{names} takes what Claude Code sends to {', '.join(map(quote, taken))}",
        notes=(
            "Claude Code sends local addresses through the proxy too, unless NO_PROXY has them",
        ),
        help=(f"export NO_PROXY={wanted}",),
    )
    return judged("proxies", "", finding)


# --- certificates -----------------------------------------------------------------------------


class Bundle(NamedTuple):
    """A file of certificates: ``fault`` is what keeps it from being used, "" if nothing does."""

    variable: str
    path: str
    fault: str = ""
    certificates: int = 0


def certificates(given: Given) -> Check:
    """Whether the bundle that Claude Code is told of can be used."""
    path = seen_by_client(given, BUNDLE)
    return judged_certificates(look_at_bundle(path) if path else None)


def look_at_bundle(path: str) -> Bundle:
    """Read it as Node does; Python's own reader counts what is in it."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LONGEST_BUNDLE:
                return Bundle(BUNDLE, path, "is no file of certificates")
            if _BEGIN.encode() not in file.read(_LONGEST_BUNDLE):
                return Bundle(BUNDLE, path, "has no certificate in PEM in it")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=path)
    except FileNotFoundError:
        return Bundle(BUNDLE, path, "does not exist")
    except ssl.SSLError:
        return Bundle(BUNDLE, path, "holds a certificate that cannot be read")
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "its path is none").lower()
        return Bundle(BUNDLE, path, f"cannot be read: {why}")
    found = context.cert_store_stats()
    return Bundle(BUNDLE, path, "", found["x509_ca"] or found["x509"])


def _without_waiting(path: str, flags: int) -> int:
    """Open even a pipe at once: a project's settings may name one."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def judged_certificates(bundle: Bundle | None, where: str = "") -> Check:
    """Pure.  ``where`` is the container's name, "" on the host."""
    name = "certificates"
    if bundle is None:
        return Check(name, State.OK, "no bundle of your own")
    if not bundle.fault:
        some = f"{bundle.certificates} more" if bundle.certificates else "some"
        return Check(name, State.OK, f"{some} from {bundle.variable}")
    place = f" in the container {quote(where)}" if where else ""
    origin = None if where else Origin(Source(bundle.path))
    finding = Finding(
        "MC135",
        f"the file that {bundle.variable} names{place} {bundle.fault}",
        origin,
        notes=(f"it is {quote(bundle.path, 200)}; Claude Code goes on without it, silently",),
        help=(f"let {bundle.variable} name a readable file of PEM certificates, or unset it",),
    )
    return judged(name, "", finding)


# --- names ------------------------------------------------------------------------------------


class Lookup(NamedTuple):
    """One name: ``error`` is 0, or an EAI_* number; ``seconds`` is how long it took."""

    host: str
    error: int
    seconds: float
    families: frozenset[int] = frozenset()


def names(given: Given) -> Check:
    """Whether this machine's resolver answers; names that do not exist are each server's own."""
    far = dict.fromkeys(host for _, host, _ in remotes(given) if not local_reason(host))
    return judged_names([_look_up(host) for host in list(far)[:_MOST_ASKED]])


def _look_up(host: str) -> Lookup:
    began = time.monotonic()
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Lookup(host, error.errno or -1, time.monotonic() - began)
    except (OSError, UnicodeError):
        return Lookup(host, -1, time.monotonic() - began)
    return Lookup(host, 0, time.monotonic() - began, frozenset(int(f[0]) for f in found))


def judged_names(asked: Sequence[Lookup]) -> Check:
    """Pure."""
    if not asked:
        return Check("names", State.OK, "no server has a name to look up")
    silent = [one for one in asked if one.error == socket.EAI_AGAIN]
    if len(silent) == len(asked):
        finding = Finding(
            "MC241",
            "the resolver of this machine does not answer",
            notes=(f"asked for {', '.join(quote(one.host) for one in asked)}",),
            help=("look at /etc/resolv.conf, and whether this machine is online: getent hosts "
                  + (asked[0].host if _PLAIN.fullmatch(asked[0].host) else "HOST"),),
        )  # fmt: skip
        return judged("names", "", finding)
    slowest = max(one.seconds for one in asked)
    some = f"{len(asked)} name{'' if len(asked) == 1 else 's'} looked up in {slowest:.2f} s"
    return Check("names", State.OK, f"{some}, slow" if slowest > _SLOW else some)


# --- clocks -----------------------------------------------------------------------------------


def clocks(given: Given) -> Check:
    """Compare this clock with those of servers: wrong where all that were asked say so."""
    behind_proxy = any(seen_by_client(given, name) for name in PROXIES)
    far = dict.fromkeys(
        (host, port)
        for scheme, host, port in remotes(given)
        if scheme in ("https", "wss") and not local_reason(host)
    )
    skews = {} if behind_proxy else _skews(list(far)[:_MOST_ASKED])
    return judged_clocks(skews)


def _skews(asked: Sequence[tuple[str, int]]) -> dict[str, float]:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  only where one is asked

    if not asked:
        return {}
    with ThreadPoolExecutor(len(asked)) as pool:
        found = zip(asked, pool.map(lambda one: _skew(*one), asked), strict=True)
        return {host: skew for (host, _), skew in found if skew is not None}


def _skew(host: str, port: int) -> float | None:
    """How far this clock is ahead of a server's ``Date``; None where it does not say.

    Its certificate is not looked at: that may be wrong because a clock is.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection(host, port, timeout=_PATIENCE, context=context)
    try:
        before = time.time()
        connection.request("HEAD", "/")
        said = connection.getresponse().getheader("Date", "")
        after = time.time()
        there = parsedate_to_datetime(said).timestamp()
    except (OSError, HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()
    if before <= there + 1 and there <= after:
        return 0.0
    return before - there - 1 if before > there + 1 else after - there


def judged_clocks(skews: Mapping[str, float]) -> Check:
    """Pure: ``skews`` are seconds by which this clock is ahead, by the server that says so."""
    if not skews:
        return Check("clocks", State.OK, "no server tells the time")
    least = min(skews.values(), key=abs)
    of = f"{len(skews)} server{'' if len(skews) == 1 else 's'}"
    same_side = len({skew > 0 for skew in skews.values()}) == 1
    if abs(least) <= MOST_SKEW or not same_side:
        return Check("clocks", State.OK, f"within {max(1, round(abs(least)))} s of {of}")
    way = "ahead of" if least > 0 else "behind"
    finding = Finding(
        "MC134",
        f"the clock of this machine is {spoken(abs(least))} {way} that of {of}",
        notes=(f"asked: {', '.join(map(quote, skews))}",),
        help=("set it by the network: timedatectl set-ntp true",),
    )
    return judged("clocks", "", finding)


def spoken(seconds: float) -> str:
    """A span in words."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"
