"""The gate of strict mode as text: HAProxy (2.4 and later) looks at the name inside TLS and HTTP.

The packet filter redirects what goes to ports 443 and 80 here.  The gate reads the name that the
client asks for (SNI, ``Host``), looks for it in the lists of the port, and connects to where the
client wanted to go; it decrypts nothing.  Its own user reaches the addresses of listed names only,
so a listed name does not lead to another address either.

What two programs could read differently is refused, for an address may serve other names too: a
first message of TLS in several records, whose heads HAProxy takes for a part of it; a name with
anything but letters, digits, ``-``, ``_`` and dots.  A server that asks for the first message again
(HelloRetryRequest, RFC 8446, 4.1.3) would get one that nobody looks into; it is cut there.  With
Encrypted Client Hello the outer name counts.

* IPv4: HAProxy asks the kernel for the destination before the redirection (``SO_ORIGINAL_DST``).
* IPv6: HAProxy cannot ask that, in any version.  The gate resolves the name that it has checked,
  through our resolver and over TCP, so that an answer may be long.

What it refuses stands in the ring ``refused`` (64 KiB; the oldest lines go first).  ``show events
refused`` on the socket gives one line each, after ``<N>`` or nothing::

    1764112345123 name PR 203.0.113.7 443 www.example.com

milliseconds of Unix time; why; how the connection ended (HAProxy's two letters); where it was to go
(``::1``: not known, IPv6); the port; the name in lower case, with ``?`` for what no name holds, or
``-``.  Why is one of

=========  ================================================================================
``name``   the name is not listed for the port, or is none
``none``   no name, or several
``form``   no TLS on 443, or in pieces; on 80 a request for a proxy (``GET http://…``)
``again``  the server wanted the first message of TLS again
``loop``   it came to the gate itself, or leads back to this container
``lost``   the name is listed and does not resolve (IPv6)
``-``      the gate refused nothing.  With ``SC``, nobody answered, or the packet filter refused
           the address (and wrote it down).  With ``PR``, it was no valid HTTP on port 80.
=========  ================================================================================
"""

from __future__ import annotations

from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Policy
from mcpconf.firewall.site import STUB, Site

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

GATE_RING = "refused"
_SIX = 6  # the id of the sockets for IPv6

_GLOBAL = """\
global
  nbthread 1
  maxconn 2000
  no strict-limits
  user {user}
  group {group}
  .if version_atleast(3.2)
  dns-accept-family ipv4,ipv6
  .endif
  stats socket {socket} mode 600 level admin

defaults
  log ring@refused format raw local0
  option dontlognull
  option dontlog-normal
  option tcpka
  retries 0
  timeout connect 60s
  timeout client 24h
  timeout server 24h
  timeout tunnel 24h
  timeout http-request 60s
  timeout http-keep-alive {idle}s

ring refused
  format raw
  maxlen 400
  size 65536
"""

_RESOLVERS = """
resolvers stub
  nameserver stub tcp@{stub}:53
  accepted_payload_size 8192
  resolve_retries 2
  timeout resolve 1s
  timeout retry 2s
  hold valid 1s
"""

_TLS = """
frontend tls
  mode tcp
{binds}
  log-format "%[date(0,ms)] %[var(sess.why)] %ts %[dst] 443 %[var(sess.name)]"
  tcp-request inspect-delay 15s
  acl hello req.ssl_hello_type 1
  acl odd req.ssl_sni -m reg [^A-Za-z0-9._-]
  acl odd req.ssl_sni,hex -m sub 00
  acl whole var(sess.record),sub(sess.hello) eq 0
  acl listed var(sess.name),map_str({names}) -m found
  acl listed var(sess.name),map_end({wild}) -m found
  tcp-request content set-var(sess.why) str(form) unless hello
  tcp-request content reject unless hello
  tcp-request content set-var(sess.record) req.payload(3,2),hex,hex2i
  tcp-request content set-var(sess.hello) req.payload(6,3),hex,hex2i,add(4)
  tcp-request content set-var(sess.why) str(form) unless whole
  tcp-request content reject unless whole
  tcp-request content set-var(sess.why) str(loop) if {{ dst 127.0.0.0/8 }}
  tcp-request content reject if {{ dst 127.0.0.0/8 }}
  tcp-request content set-var(sess.name) req.ssl_sni,{sni}
  tcp-request content set-var(sess.why) str(none) unless {{ var(sess.name) -m found }}
  tcp-request content reject unless {{ var(sess.name) -m found }}
  tcp-request content set-var(sess.why) str(name) if odd || !listed
  tcp-request content reject if odd || !listed
{resolve}  default_backend original_tls

backend original_tls
  mode tcp
  tcp-response inspect-delay 24h
  acl speaks res.len gt 0
  acl tls res.payload(0,1),hex -m str 16
  acl some res.len gt 42
  acl short res.payload(3,2),hex,hex2i lt 38
  acl again res.payload(11,32),hex -m str {retry}
  .if version_atleast(2.5)
  tcp-response content set-log-level silent
  .endif
  tcp-response content accept if speaks !tls
  tcp-response content set-var(sess.why) str(again) if some again || some short
  .if version_atleast(2.5)
  tcp-response content set-log-level info if some again || some short
  .endif
  tcp-response content reject if some again || some short
  tcp-response content accept if some
  tcp-response content reject if speaks
  server original 0.0.0.0:0
"""

_RESOLVE_TLS = """\
  acl six so_id 6
  tcp-request content do-resolve(sess.to,stub,ipv6) var(sess.name) if six
  tcp-request content set-var(sess.why) str(lost) if six !{ var(sess.to) -m found }
  tcp-request content set-var(sess.why) str(loop) if six { var(sess.to) -m ip 127.0.0.0/8 ::1 }
  tcp-request content reject if { var(sess.why) -m found }
  tcp-request content set-dst var(sess.to) if six
  tcp-request content set-dst-port int(443) if six
"""

_HTTP = """
frontend web
  mode http
{binds}
  option http-no-delay
  log-format "%[date(0,ms)] %[var(txn.why)] %ts %[dst] 80 %[var(txn.name)]"
  acl listed var(txn.name),map_str({names}) -m found
  acl listed var(txn.name),map_end({wild}) -m found
  acl plain req.fhdr(host) -m reg ^[A-Za-z0-9._-]+(:[0-9]+)?$
  acl zero_byte req.fhdr(host),hex -m sub 00
  acl refused var(txn.why) -m found
  acl websocket req.fhdr(upgrade) -i -m str websocket
  acl one_upgrade req.fhdr_cnt(upgrade) eq 1
  http-request set-var(txn.name) req.fhdr(host),{host}
  http-request set-var(txn.why) str(name) if zero_byte || !plain || !listed
  http-request set-var(txn.why) str(none) unless {{ req.fhdr_cnt(host) eq 1 }}
  http-request set-var(txn.why) str(form) unless {{ url_beg / }}
  http-request set-var(txn.why) str(loop) if {{ dst 127.0.0.0/8 }}
{resolve}  http-request deny deny_status 403 content-type text/plain string "{refusal}" if refused
  http-request del-header upgrade unless websocket one_upgrade
  http-request del-header http2-settings
  http-response set-log-level silent
  http-error status 503 content-type text/plain string "{unreachable}"
  default_backend original_web

backend original_web
  mode http
  option http-no-delay
  http-reuse never
  server original 0.0.0.0:0
"""

_RESOLVE_HTTP = """\
  acl six so_id 6
  http-request do-resolve(txn.to,stub,ipv6) var(txn.name) if six !refused
  http-request set-var(txn.why) str(lost) if six !refused !{ var(txn.to) -m found }
  http-request set-var(txn.why) str(loop) if six { var(txn.to) -m ip 127.0.0.0/8 ::1 }
  http-request set-dst var(txn.to) if six !refused
  http-request set-dst-port int(80) if six !refused
"""

_REFUSAL = r"The firewall of this container does not let this request out: mcpconf-fw blocked\n"
_UNREACHABLE = r"The gate of this container's firewall does not reach that address.\n"
# Lower case and without one last dot; what no name holds, a log line could not hold either.
_SNI = "lower,regsub([^a-z0-9._-],?,g),regsub([.]$,)"
_HOST = f"regsub(:[0-9]+$,),{_SNI}"
_RETRY = "CF21AD74E59A6111BE1D8C021E65B891C2A211167ABB8C5E079E09E2C8A8339C"  # RFC 8446, 4.1.3


def gate_config(policy: Policy, site: Site, paths: Paths) -> str:
    """The configuration.  The lists are in :func:`gate_maps`; of the policy it has the grace.

    An address that has left the sets is not reached anew, so idle requests do not last as long.
    """
    assert site.gate
    head = _GLOBAL.format(
        user=site.gate.name,
        group=site.gate.group,
        socket=paths.gate_socket,
        idle=max(
            1, min(600, policy.grace // 2)
        ),  # an address that left the sets is not reached anew
    )
    tls = _TLS.format(
        binds=_binds(site, site.gate_tls),
        names=paths.gate_names(443),
        wild=paths.gate_wild(443),
        sni=_SNI,
        resolve=_RESOLVE_TLS if site.ipv6 else "",
        retry=_RETRY,
    )
    web = _HTTP.format(
        binds=_binds(site, site.gate_http, " proto h1"),  # never HTTP/2
        names=paths.gate_names(80),
        wild=paths.gate_wild(80),
        host=_HOST,
        resolve=_RESOLVE_HTTP if site.ipv6 else "",
        refusal=_REFUSAL.replace(" ", r"\ "),
        unreachable=_UNREACHABLE,
    )
    return head + (_RESOLVERS.format(stub=STUB) if site.ipv6 else "") + tls + web


def _binds(site: Site, port: int, more: str = "") -> str:
    lines = [f"  bind 127.0.0.1:{port}{more}"]
    lines += [f"  bind [::1]:{port} v6only id {_SIX}{more}"] if site.ipv6 else []
    return "\n".join(lines)


def gate_maps(policy: Policy, paths: Paths) -> dict[str, str]:
    """The lists, by their paths: the names of each port, and the ends of names."""
    return {
        where: "".join(f"{key} 1\n" for key in keys)
        for port in (443, 80)
        for where, keys in (
            (paths.gate_names(port), _names(policy, port, wild=False)),
            (paths.gate_wild(port), _names(policy, port, wild=True)),
        )
    }


def _names(policy: Policy, port: int, *, wild: bool) -> list[str]:
    return [
        f".{row.domain.name}" if wild else row.domain.name
        for row in policy.names
        if row.port == port and row.domain.wild is wild
    ]
