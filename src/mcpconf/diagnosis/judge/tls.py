"""TLS: certificates that are not trusted, and ports that speak something else."""

from __future__ import annotations

import datetime as dt

from mcpconf.diagnosis.judge.report import CORRECT_HOST, About, Seen, Told, said
from mcpconf.diagnosis.model import Rung, Verdict
from mcpconf.diagnosis.shows import shows

_OWN_AUTHORITY = 19  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN


def judge_tls(station: Told, seen: Seen, about: About) -> Verdict:
    """Judge a handshake that failed."""
    del seen
    fault = station.text("fault")
    judge = {
        "wrong-name": _wrong_name,
        "expired": _not_today,
        "not-yet": _not_today,
        "plain": _plain_port,
    }.get(fault)
    if judge:
        return judge(station, about)
    if fault == "timeout":
        return _swallowed(station, about)
    if fault in ("self-signed", "unknown-ca", "untrusted"):
        return _untrusted(station, about)
    return _handshake(station, about)


def _untrusted(station: Told, about: About) -> Verdict:
    own = station.text("fault") == "self-signed"
    what = "signed by itself" if own else "signed by nobody who is trusted here"
    message = f"the certificate of {station.shown('host')} is not trusted: it is {what}"
    notes = (
        f"{about.name} is asked {about.here}",
        *_said_by(station),
        f"OpenSSL says {station.shown('reason', 80)}" if station.text("reason") else "",
    )
    ways = (
        "`export NODE_EXTRA_CA_CERTS=FILE`, with its issuer's certificate, before `claude`",
        "if this network opens TLS on the way, FILE is the certificate of the one who does it",
    )
    chain = station.whole("code") == _OWN_AUTHORITY
    printed = shows(about, "self-signed" if own else "own-authority" if chain else "unknown-ca")
    return about.verdict(Rung.TLS, "MC250", message, notes=notes, help=ways, shows=printed)


def _wrong_name(station: Told, about: About) -> Verdict:
    names = ", ".join(said(name) for name in station.texts("names")[:6])
    message = f"the certificate of {station.shown('host')} is for another name"
    notes = (f"{about.name} is asked {about.here}", f"it names {names}" if names else "")
    ways = ("write one of these names into its URL", CORRECT_HOST)
    printed = shows(about, "wrong-name")
    kept = ways if names else ways[1:]
    return about.verdict(Rung.TLS, "MC251", message, notes=notes, help=kept, shows=printed)


def _not_today(station: Told, about: About) -> Verdict:
    late = station.text("fault") == "expired"
    edge, now = station.number("until" if late else "since"), station.number("now")
    what = "has expired" if late else "is not valid yet"
    message = f"the certificate of {station.shown('host')} {what}"
    since = f"it {'ended' if late else 'begins'} on {_date(edge)}" if edge is not None else ""
    clock = f"the clock {about.here} says {_date(now)}" if now is not None else ""
    ways = (
        "tell its operator: it needs a new certificate",
        f"if the clock {about.here} is wrong, correct it",
    )
    notes = (f"{about.name} is asked {about.here}", since, clock)
    printed = shows(about, "expired" if late else "not-yet")
    kept = ways if late else ways[::-1]
    return about.verdict(Rung.TLS, "MC252", message, notes=notes, help=kept, shows=printed)


def _plain_port(station: Told, about: About) -> Verdict:
    where = f"{station.shown('host')} port {station.whole('port') or 0}"
    message = f"{where} speaks HTTP without TLS, and the URL of {about.name} begins with `https://`"
    ways = ("write `http://` into its URL, or the port that speaks TLS",)
    return about.verdict(
        Rung.TLS, "MC253", message, help=ways, shows=shows(about, "plain"),
        notes=(f"asked {about.here}, without TLS, it answers in HTTP",),
    )  # fmt: skip


def tls_port(seen: Seen, about: About) -> Verdict:
    """Say that a port wants TLS, as it was seen after a request without."""
    last = seen.first("tcp") or seen.first("dns")
    where = f"{last.shown('host')} port {last.whole('port') or 0}"
    message = f"{where} speaks TLS, and the URL of {about.name} begins with `http://`"
    return about.verdict(
        Rung.TLS, "MC254", message, help=("write `https://` into its URL",),
        shows=shows(about, "tls-port"), notes=(f"a TLS handshake succeeds {about.here}",),
    )  # fmt: skip


def _handshake(station: Told, about: About) -> Verdict:
    fault = station.text("fault")
    what = {
        "reset": "the connection is reset",
        "closed": "the connection is closed",
    }.get(fault, "the two sides find no common ground")
    message = f"no TLS handshake with {station.shown('host')}: {what}"
    inside = about.place == "container" and about.firewall != "none"
    notes: tuple[str, ...] = (
        f"{about.name} is asked {about.here}",
        f"OpenSSL says {station.shown('reason', 80)}" if station.text("reason") else "",
        "a filter that reads the name in the handshake may do that"
        if inside and fault != "handshake"
        else "",
    )
    ways: tuple[str, ...] = (
        "compare host and port of its URL with what the server's own documentation says",
    )
    known = next((row for words, row in _ALERTS if words in station.text("reason")), None)
    if known:
        notes, ways = (*notes, known[0]), (known[1], *ways)
    return about.verdict(
        Rung.TLS, "MC255", message, notes=notes, help=ways, shows=shows(about, "handshake")
    )


_TLS_VERSION = (
    "it knows no version of TLS that is still in use (1.2, 1.3)",
    "tell its operator: the server needs TLS 1.2 or newer",
)
_ALERTS = (  # a word of OpenSSL's reason, what it means, what to do
    ("PROTOCOL_VERSION", _TLS_VERSION),
    ("UNSUPPORTED_PROTOCOL", _TLS_VERSION),
    ("UNRECOGNIZED_NAME", ("it serves no host of that name", CORRECT_HOST)),
)


def _swallowed(station: Told, about: About) -> Verdict:
    where = f"{station.shown('host')} port {station.whole('port') or 0}"
    message = f"{about.name} cannot be reached: no packet comes back from {where} when TLS begins"
    notes = (
        f"asked {about.here}: a connection comes about, then nothing",
        "where small packets pass and big ones do not, a tunnel on the way has a smaller MTU",
    )
    ways = ("try a smaller MTU: `ip link set dev eth0 mtu 1280`", "ask whoever runs the network")
    printed = shows(about, "hang", server=about.name.strip("`"), ms=round(about.patience * 1000))
    return about.verdict(Rung.TCP, "MC246", message, notes=notes, help=ways, shows=printed)


def gave_up(call: Told, seen: Seen, about: About) -> Verdict:
    """Say that the server gave TLS up after the handshake, as one does that wants certificates."""
    station = seen.first("tls") or seen.first("tcp")
    reason = call.text("reason")
    message = f"the server of {about.name} gives the TLS connection up"
    mutual = "CERTIFICATE" in reason
    notes = (
        f"asked {about.here}: {station.shown('host')} port {station.whole('port') or 0}",
        f"OpenSSL says {said(reason, 80)}" if reason else "",
        "it wants a certificate of the client" if mutual else "",
    )
    ways = (
        ("ask its operator for a way in that needs no certificate of the client",)
        if mutual
        else ("compare its URL with what the server's own documentation says",)
    )
    return about.verdict(
        Rung.TLS, "MC255", message, notes=notes, help=ways, shows=shows(about, "handshake")
    )


def _said_by(station: Told) -> tuple[str, ...]:
    names = ", ".join(said(name) for name in station.texts("names")[:4])
    issuer = station.shown("issuer")
    return (f"it is issued by {issuer}" if issuer else "", f"it names {names}" if names else "")


def _date(seconds: float | None) -> str:
    try:
        moment = dt.datetime.fromtimestamp(seconds or 0, dt.UTC)
    except (ValueError, OverflowError, OSError):
        return "a day that no calendar has"
    return moment.strftime("%Y-%m-%d")
