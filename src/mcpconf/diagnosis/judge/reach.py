"""Names, connections and proxies: what keeps a request from being sent at all."""

from __future__ import annotations

from ipaddress import ip_address

from mcpconf.diagnosis.judge.report import CORRECT_HOST, About, Seen, Told, said, took
from mcpconf.diagnosis.judge.tls import gave_up, judge_tls, tls_port
from mcpconf.diagnosis.model import Rung, Shows, Verdict
from mcpconf.diagnosis.shows import shows

_PRIVATE = ("if it is a name of a private network, connect to that network first",)
_CORRECT_PORT = "start the server, or correct the port in its URL"
_LOGIN_STATUS = 407


def judge_reach(seen: Seen, about: About) -> list[Verdict]:
    """Judge the station that failed below HTTP; [] where none did."""
    for name, judge in (
        ("proxy", _proxy),
        ("dns", _name),
        ("tcp", _connection),
        ("tls", judge_tls),
    ):
        station = seen.broken(name)
        if station and seen.stopped == name:
            sunk = _sunk(seen, about) if name in ("tcp", "tls") else None
            return [_led(sunk or judge(station, seen, about), seen)]
    call = seen.main
    if call.fault == "tls-port":
        return [tls_port(seen, about)]
    if call.fault == "tls-alert":
        return [gave_up(call, seen, about)]
    return [_cut(seen, about)] if call.fault in ("reset", "closed", "cut") else []


def _led(verdict: Verdict, seen: Seen) -> Verdict:
    """Add that a redirect has led to where it breaks."""
    hops = seen.main.hops
    if not hops:
        return verdict
    note = f"a redirect (HTTP {hops[-1].whole('status')}) has led to {hops[-1].shown('to', 120)}"
    found = verdict.finding
    return verdict._replace(finding=found._replace(notes=(note, *found.notes)))


# --- names ------------------------------------------------------------------------------------


def _name(station: Told, seen: Seen, about: About) -> Verdict:
    del seen
    host, fault = station.shown("host"), station.text("fault")
    asked = tuple(_resolver(one) for one in station.parts("servers"))
    notes = (f"asked {about.here}", *asked)
    printed = shows(about, "no-name", host=station.shown("host").strip("`"))
    codes = {one.text("rcode") for one in station.parts("servers")}
    if fault == "no-name" or (codes and codes <= {"NXDOMAIN"}):
        message = f"{about.name} cannot be reached: the name {host} does not exist"
        private = (CORRECT_HOST, *_PRIVATE)
        return about.verdict(Rung.DNS, "MC240", message, notes=notes, help=private, shows=printed)
    message = f"{about.name} cannot be reached: no resolver answers for {host}"
    wait = took(station.number("ms"))
    late = f"nothing came back within {wait}" if fault == "timeout" and wait else ""
    ways = (f"see whether other names work {about.here}: `getent hosts example.com`",)
    return about.verdict(Rung.DNS, "MC241", message, notes=(*notes, late), help=ways, shows=printed)


def _resolver(one: Told) -> str:
    address, rcode = one.shown("address", 50), one.text("rcode")
    if not rcode:
        return f"the resolver {address} does not answer"
    return f"the resolver {address} answers {said(rcode, 12)}"


# --- connections ------------------------------------------------------------------------------


def _connection(station: Told, seen: Seen, about: About) -> Verdict:
    del seen
    fault = station.text("fault")
    tries = station.parts("tries")
    where = f"{station.shown('host')} port {station.whole('port') or 0}"
    notes = (
        f"asked {about.here}",
        *(_attempt(one) for one in tries[:4]),
        *_allowed(about),
    )
    code, message, ways = _CONNECTIONS.get(fault, _CONNECTIONS["unreachable"])
    return about.verdict(
        Rung.TCP,
        code,
        f"{about.name} cannot be reached: {message} {where}",
        notes=notes,
        help=ways,
        shows=_printed(fault, about),
    )


_CONNECTIONS = {
    "refused": ("MC245", "nothing listens at", (_CORRECT_PORT,)),
    "timeout": (
        "MC246",
        "no packet comes back from",
        (
            "connect to the network that it belongs to (a VPN?)",
            "ask its operator whether the address from which you come is let in",
            "correct the host and port in its URL",
        ),
    ),
    "unreachable": (
        "MC247",
        "there is no way to",
        ("see what this place can reach: `ip route`, `ip -6 route`", CORRECT_HOST),
    ),
    "forbidden": (
        "MC247",
        "this machine forbids connections to",
        ("look for a packet filter or a sandbox on this machine",),
    ),
}


def _printed(fault: str, about: About) -> Shows | None:
    if fault == "timeout":
        return shows(about, "hang", server=_plain(about), ms=round(about.patience * 1000))
    return shows(about, "refused" if fault == "refused" else "failed")


def _plain(about: About) -> str:
    return about.name.strip("`")


def _attempt(one: Told) -> str:
    word, address = one.text("errno"), one.shown("address", 50)
    if word == "PENDING":
        return ""
    if word == "ETIMEDOUT":
        return f"{address}: no answer"
    return f"{address}: {said(word, 20).strip('`')} after {took(one.number('ms')) or '0 ms'}"


def _allowed(about: About) -> tuple[str, ...]:
    if about.place == "container" and about.firewall == "open":
        return ("the container's firewall lets it through",)
    if about.place == "container" and not about.firewall:
        return ("what the container's firewall does is not known",)
    return ()


def _sunk(seen: Seen, about: About) -> Verdict | None:
    """A name that leads nowhere, as a blocking resolver answers; None where it does not."""
    dns, tcp = seen.first("dns"), seen.broken("tcp") or seen.first("tcp")
    host = dns.text("host").rstrip(".")
    near = host == "localhost" or host.endswith((".localhost", ".local", ".internal"))
    addresses = [one.text("address") for one in tcp.parts("tries")]
    lost = addresses and all(map(_is_nowhere, addresses))
    if dns.flag("literal") is not False or near or "." not in host or not lost:
        return None
    message = (
        f"{about.name} cannot be reached: the name {dns.shown('host')} leads to"
        f" {said(addresses[0], 50)}, which is this machine itself or nobody"
    )
    notes = (f"asked {about.here}", *(_attempt(one) for one in tcp.parts("tries")[:4]))
    ways = ("look for the name in /etc/hosts, and for a filter in the resolver", CORRECT_HOST)
    printed = _printed(tcp.text("fault"), about)
    return about.verdict(Rung.DNS, "MC242", message, notes=notes, help=ways, shows=printed)


def _is_nowhere(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _cut(seen: Seen, about: About) -> Verdict:
    call = seen.main
    what = "is reset" if call.fault == "reset" else "is closed"
    when = "within its answer" if call.status else "when the request has been sent"
    message = f"{about.name} does not answer: the connection {what} {when}"
    inside = about.place == "container" and about.firewall != "none"
    notes = (
        f"asked {about.here}: {_what(call)}",
        "a filter that reads the name in the handshake may do that" if inside else "",
    )
    ways = (
        "look into the server's own log, or that of the proxy before it",
        "compare its URL with what the server's own documentation says",
    )
    return about.verdict(
        Rung.TCP, "MC249", message, notes=notes, help=ways, shows=shows(about, "closed")
    )


def _what(call: Told) -> str:
    return f"{said(call.text('method'), 10).strip('`')} after {took(call.number('ms')) or '0 ms'}"


# --- proxies ----------------------------------------------------------------------------------


def _proxy(station: Told, seen: Seen, about: About) -> Verdict:
    del seen
    fault, status = station.text("fault"), station.whole("status")
    where = f"{station.shown('host')} port {station.whole('port') or 0}"
    variable = station.shown("variable", 20) or said(about.proxy) or "`HTTPS_PROXY`"
    why = {
        "no-name": "its name does not exist",
        "no-answer": "its name cannot be looked up",
        "refused": "nothing listens there",
        "timeout": "it does not answer",
        "login": "it wants a user name and a password (HTTP 407)",
        "status": f"it answers HTTP {status} instead of opening a way",
        "not-http": "what answers there is no HTTP proxy",
        "closed": "it closes the connection",
    }.get(fault, "no connection to it comes about")
    message = f"{about.name} cannot be reached: the proxy {where} is in the way: {why}"
    notes = (
        f"{variable} names it; Claude Code takes it for every URL, for this machine's own too",
    )
    ways = (f"correct {variable}", "or name the server's host in `NO_PROXY`")
    if status == _LOGIN_STATUS:
        ways = (f"write user and password into {variable}", ways[1])
    refused = fault in ("refused", "no-name", "no-answer")
    printed = shows(about, "refused" if refused else "failed")
    return about.verdict(Rung.TCP, "MC248", message, notes=notes, help=ways, shows=printed, at=())
