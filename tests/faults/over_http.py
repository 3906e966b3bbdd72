"""Faults of remote servers on this machine: sockets, TLS, HTTP, OAuth, MCP.  A few homes for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.faults import certificates as tls
from tests.faults.far import PAGE, Script
from tests.faults.scene import Fault, Scene, http
from tests.parity.loopback import closed_port

Entry = Callable[[Scene], dict[str, Any]]
BEARER = {"Authorization": "Bearer wrong-but-well-formed"}
KEY = {"X-Api-Key": "wrong"}
_ADMITS = ("Authorization", "Bearer right")
_ADMITS_KEY = ("X-Api-Key", "right")


def server(
    path: str = "/mcp",
    *,
    context: Any = None,
    kind: str = "http",
    scheme: str = "",
    headers: Any = None,
    **script: Any,
) -> Entry:
    """An entry whose server follows a script."""

    def entry(scene: Scene) -> dict[str, Any]:
        base = scene.serve(Script(**script), tls=context() if context else None)
        if scheme:
            base = f"{scheme}://{base.partition('://')[2]}"
        return {"type": kind, "url": base + path, **({"headers": headers} if headers else {})}

    return entry


def bare(kind: str) -> Entry:
    return lambda scene: http(f"http://{scene.bare(kind)}/mcp")


def nobody(_: Scene) -> dict[str, Any]:
    return http(f"{closed_port()}/mcp")


def led_away(headers: Any = None, **script: Any) -> Entry:
    """A server that leads to another one, of another origin, by 307."""

    def entry(scene: Scene) -> dict[str, Any]:
        other = scene.serve(Script(**script))
        first = scene.serve(Script(moved=(307, f"{other}/mcp")))
        return http(f"{first}/", **({"headers": headers} if headers else {}))

    return entry


def moved_to_a_page(scene: Scene) -> dict[str, Any]:
    page = scene.serve(Script(status=200, body=PAGE, type="text/html"))
    return http(f"{scene.serve(Script(moved=(302, f'{page}/login')))}/mcp")


def moved_to_tls(scene: Scene) -> dict[str, Any]:
    secure = scene.serve(Script(), tls=tls.good())
    return http(f"{scene.serve(Script(moved=(301, f'{secure}/mcp')))}/mcp")


def _status(status: int, code: str, how: str = "", **more: Any) -> Fault:
    return Fault(
        f"status-{status}",
        f"the server answers {status}",
        how or f"HTTP server, every request {status}",
        code,
        server(status=status, **more),
        row="404" if status == 404 else "4xx-5xx",
    )


CONNECTION = (
    Fault("refused", "nothing listens", "a port that is closed", "MC245", nobody, row="refused"),
    Fault("reset", "connections are reset", "a socket that sends RST", "MC249", bare("reset")),
    Fault(
        "closed",
        "connections are closed without an answer",
        "a socket that closes",
        "MC249",
        bare("close"),
    ),
    Fault(
        "cut",
        "the answer to initialize is cut off",
        "HTTP server that hangs up",
        "MC249",
        server(on="initialize", cut=True),
    ),
    Fault(
        "silent-socket",
        "the port accepts and is silent",
        "a socket that never answers",
        "MC278",
        bare("silent"),
        row="hangs",
    ),
    Fault(
        "hangs",
        "the server accepts requests and does not answer",
        "HTTP server that sleeps",
        "MC278",
        server(hang=True),
        row="hangs",
    ),
    Fault(
        "ssh", "an SSH server is at the port", "a socket with SSH's greeting", "MC277", bare("ssh")
    ),
    Fault(
        "slow",
        "the server takes 3 s to start",
        "HTTP server, 3 s before initialize",
        "MC285",
        server(on="initialize", delay=3.0),
        row="slow",
    ),
)
TLS = (
    Fault(
        "self-signed",
        "its certificate is self-signed",
        "TLS server, self-signed",
        "MC250",
        server(context=tls.self_signed),
        row="self-signed",
    ),
    Fault(
        "unknown-authority",
        "a company's authority signed its certificate",
        "TLS server, a CA of its own",
        "MC250",
        server(context=tls.of_an_unknown_authority),
    ),
    Fault(
        "wrong-name",
        "its certificate is for another name",
        "TLS server, trusted CA, another name",
        "MC251",
        server(context=tls.for_another_name),
        row="wrong-name",
    ),
    Fault(
        "expired",
        "its certificate has expired",
        "TLS server, trusted CA, two days ago",
        "MC252",
        server(context=tls.expired),
    ),
    Fault(
        "not-yet-valid",
        "its certificate is not valid yet (or the clock is wrong)",
        "TLS server, trusted CA, from the day after tomorrow",
        "MC252",
        server(context=tls.not_yet),
    ),
    Fault(
        "https-to-plain",
        "`https://` to a plain port",
        "HTTP server, https in the URL",
        "MC253",
        server(scheme="https"),
        row="https-to-plain",
    ),
    Fault(
        "http-to-tls",
        "`http://` to a TLS port",
        "TLS server, http in the URL",
        "MC254",
        server(context=tls.good, scheme="http"),
        row="http-to-tls",
    ),
    Fault(
        "client-certificate",
        "the server wants a certificate of the client",
        "TLS server that verifies its clients",
        "MC255",
        server(context=tls.wants_a_certificate),
    ),
)
AUTH = (
    Fault(
        "401",
        "401, no OAuth metadata, nothing configured",
        "HTTP server, 401; metadata 404",
        "MC260",
        server(wants=_ADMITS),
        row="401-no-metadata",
    ),
    Fault(
        "401-empty-metadata",
        "401, the metadata URLs answer with an empty body",
        "HTTP server, 401; metadata 200, empty",
        "MC260",
        server(wants=_ADMITS, oauth="empty"),
        row="401-no-metadata",
    ),
    Fault(
        "401-page-metadata",
        "401, the metadata URLs answer with HTML",
        "HTTP server, 401; metadata 200, HTML",
        "MC260",
        server(wants=_ADMITS, oauth="page"),
        row="401-no-metadata",
    ),
    Fault(
        "401-broken-metadata",
        "401, the metadata URLs answer 500",
        "HTTP server, 401; metadata 500",
        "MC260",
        server(wants=_ADMITS, oauth="broken"),
        row="401-no-metadata",
    ),
    Fault(
        "wrong-key",
        "401, a wrong X-Api-Key",
        "HTTP server that wants another key",
        "MC263",
        server(wants=_ADMITS_KEY, headers=KEY),
        row="401-no-metadata",
    ),
    Fault(
        "wrong-key-oauth",
        "a wrong X-Api-Key on a server with OAuth",
        "the same, with OAuth metadata",
        "MC263",
        server(wants=_ADMITS_KEY, headers=KEY, oauth="full"),
        row="key-oauth",
    ),
    Fault(
        "wants-login",
        "401, OAuth metadata and registration",
        "OAuth server",
        "MC223",
        server(wants=_ADMITS, oauth="full"),
        row="401-oauth",
    ),
    Fault(
        "no-registration",
        "401, metadata without registration",
        "OAuth server without registration endpoint",
        "MC266",
        server(wants=_ADMITS, oauth="unregistered"),
        row="401-no-registration",
    ),
    Fault(
        "wrong-token",
        "401, Authorization configured",
        "HTTP server that wants another token",
        "MC262",
        server(wants=_ADMITS, headers=BEARER),
        row="401-authorization",
    ),
    Fault(
        "wrong-token-oauth",
        "401, Authorization configured, OAuth metadata",
        "OAuth server that wants another token",
        "MC262",
        server(wants=_ADMITS, headers=BEARER, oauth="full"),
        row="401-authorization",
    ),
    Fault(
        "empty-authorization",
        "401, an empty Authorization, OAuth metadata",
        "OAuth server, `Authorization` is empty",
        "MC297",
        server(wants=_ADMITS, headers={"Authorization": "${EMPTY:-}"}, oauth="full"),
        row="401-authorization",
    ),
    Fault(
        "led-away",
        "a redirect to another origin drops Authorization",
        "HTTP server, 307 to another one that wants it",
        "MC274",
        led_away(BEARER, wants=("Authorization", BEARER["Authorization"])),
        row="redirect-drops",
    ),
    Fault(
        "403",
        "403, nothing configured",
        "HTTP server, 403",
        "MC264",
        server(wants=_ADMITS, refusal=403),
        row="403",
    ),
    Fault(
        "403-oauth",
        "403 on a server with OAuth",
        "OAuth server, 403",
        "MC264",
        server(wants=_ADMITS, refusal=403, oauth="full"),
        row="403",
    ),
    Fault(
        "403-page",
        "403 and a page of a web application firewall",
        "HTTP server, 403, HTML",
        "MC264",
        server(status=403, body=PAGE, type="text/html"),
        row="403",
    ),
    Fault(
        "403-authorization",
        "403, Authorization configured",
        "HTTP server, 403",
        "MC264",
        server(wants=_ADMITS, refusal=403, headers=BEARER),
        row="403-authorization",
    ),
    Fault(
        "narrow-token",
        "403 insufficient_scope, Authorization configured",
        "HTTP server, 403 with the scope that it wants",
        "MC225",
        server(wants=_ADMITS, scope="admin", headers=BEARER),
    ),
    Fault(
        "tools-401",
        "tools/list 401, Authorization configured",
        "HTTP server, 401 for tools/list only",
        "MC284",
        server(on="tools/list", wants=_ADMITS, headers=BEARER),
        row="tools-401",
    ),
    Fault(
        "tools-401-oauth",
        "tools/list 401, OAuth metadata",
        "OAuth server, 401 for tools/list only",
        "MC284",
        server(on="tools/list", wants=_ADMITS, oauth="full"),
        row="tools-401",
    ),
)
ANSWERS = (
    *(_status(status, "MC269") for status in (400, 402, 405, 406, 415)),
    _status(404, "MC268"),
    _status(410, "MC268"),
    _status(429, "MC270"),
    *(
        _status(status, "MC271", body=b"upstream is away", type="text/plain")
        for status in (500, 502, 503)
    ),
    Fault(
        "page",
        "a web page with 200",
        "HTTP server, HTML",
        "MC272",
        server(status=200, body=PAGE, type="text/html"),
        row="page",
    ),
    Fault(
        "login-page",
        "a redirect to a login page",
        "HTTP server, 302 to a page of another origin",
        "MC272",
        moved_to_a_page,
        row="page",
    ),
    Fault(
        "text",
        "a text with 200",
        "HTTP server, text/plain",
        "MC277",
        server(status=200, body=b"It works!", type="text/plain"),
        row="page",
    ),
    Fault(
        "other-json",
        "JSON that is not JSON-RPC",
        'HTTP server, `{"status": "ok"}`',
        "MC277",
        server(status=200, body=b'{"status": "ok"}'),
    ),
    Fault(
        "empty",
        "200 without a body",
        "HTTP server, no body",
        "MC276",
        server(status=200, body=b"", type=""),
        row="empty",
    ),
    Fault(
        "no-content",
        "204",
        "HTTP server, 204",
        "MC276",
        server(status=204, body=b"", type=""),
        row="empty",
    ),
    Fault(
        "slash",
        "301 to the same path with a slash",
        "HTTP server, 301",
        "",
        server(moved=(301, "/mcp/")),
        row="moved",
    ),
    Fault(
        "found",
        "302 to another path",
        "HTTP server, 302",
        "",
        server("/", moved=(302, "/mcp")),
        row="moved",
    ),
    Fault(
        "to-https",
        "301 from http to https",
        "HTTP server, 301 to a TLS server",
        "MC273",
        moved_to_tls,
        row="moved",
    ),
    Fault(
        "circle",
        "redirects in a circle",
        "HTTP server, 307 to itself",
        "MC275",
        server("/a", moved=(307, "/a?b")),
    ),
    Fault(
        "sse-on-http",
        "type sse, a server of the new transport",
        "HTTP server without streams",
        "MC279",
        server(kind="sse"),
        row="sse-on-http",
    ),
    Fault(
        "http-on-sse",
        "type http, a server of the old transport",
        "HTTP server with streams only",
        "",
        server(old=True),
        row="http-on-sse",
    ),
    Fault(
        "version",
        "a protocol version that nobody knows",
        "HTTP server, 1999-01-01",
        "MC281",
        server(version="1999-01-01"),
        row="version",
    ),
    Fault(
        "no-initialize",
        "initialize is answered with an error",
        "HTTP server, JSON-RPC error",
        "MC282",
        server(on="initialize", error="licence expired"),
    ),
    Fault(
        "no-tools",
        "tools/list is answered with an error",
        "HTTP server, JSON-RPC error",
        "MC283",
        server(on="tools/list", error="the database is away"),
        row="tools-fail",
    ),
    Fault(
        "tools-500",
        "tools/list is answered with 500",
        "HTTP server, 500 for tools/list only",
        "MC283",
        server(on="tools/list", status=500),
        row="tools-fail",
    ),
)
_HOMES = 8  # what is alike is apart, so that not all of a home wait
FAULTS = tuple(
    replace(fault, home=f"http-{number % _HOMES}")
    for number, fault in enumerate((*CONNECTION, *TLS, *AUTH, *ANSWERS))
)
