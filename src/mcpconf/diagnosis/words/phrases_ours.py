"""What mcpconf's own programs say inside Claude Code: the bridge and the gateway.

They speak through Claude Code, as the error of a call or behind "tools fetch failed".  The words
are those of ``bridge/trouble.py``, ``bridge/verdict.py``, ``bridge/target.py`` and
``gateway/trouble.py``; tests/diagnosis/test_phrases.py holds them together.
"""

from __future__ import annotations

from mcpconf.diagnosis.words.phrases import Phrase

_BRIDGE = "the bridge in the container says it: "
_GATEWAY = "the gateway on the host says it: "

OURS: tuple[Phrase, ...] = (
    Phrase(
        r"no gateway answers",
        "215 217 218",
        _BRIDGE + "the way ends before the gateway",
    ),
    Phrase(
        r"refuses the token in bridge\.json",
        "226",
        _BRIDGE + "gateway and container were given different tokens",
    ),
    Phrase(
        r"is not there; run `?mcpconf sync`?",
        "201 205 200",
        _BRIDGE + "what a sync writes for it is missing",
    ),
    Phrase(
        r"is not what `?mcpconf sync`? writes",
        "205 204",
        _BRIDGE + "it cannot read what the sync wrote; one of the two is older",
    ),
    Phrase(
        r"its configuration has changed since the last sync|stale-route",
        "220",
        _GATEWAY + "the entry was edited after the last sync",
    ),
    Phrase(
        r"has no such server behind the gateway|unknown-server",
        "219 216",
        _GATEWAY + "its routes do not have that name",
    ),
    Phrase(
        r"a secret that it needs is not there|secret-missing|is not set where the gateway runs",
        "221 021",
        _GATEWAY + "a variable of the entry is empty there",
    ),
    Phrase(r"headershelper|helper-failed", "222", _GATEWAY + "the command gave no headers"),
    Phrase(
        r"the login has expired|login-expired",
        "224",
        _GATEWAY + "the stored login could not be renewed",
    ),
    Phrase(
        r"a login with more rights|step-up",
        "225",
        _GATEWAY + "the login lacks a right that the server asks for",
    ),
    Phrase(
        r"it wants a login|login-needed",
        "223 260",
        "the server answered 401, and the gateway has no login for it",
    ),
    Phrase(
        r"refuses the credentials that are configured|refused-login",
        "262 263 264",
        _GATEWAY + "the server answered 401 or 403 to what is configured",
    ),
    Phrase(r"it refuses access \(http 403", "264", "the server answered 403"),
    Phrase(
        r"its name is not known to the resolver",
        "240 241",
        _GATEWAY + "the name was not found on the host",
    ),
    Phrase(
        r"nothing listens there|nothing answers at its address",
        "245 246 247",
        "no connection came about from where it was tried",
    ),
    Phrase(r"there is no network", "247", "the place has no way out, or none of this kind (IPv6)"),
    Phrase(r"something on the way drops the packets", "246 230", "nothing came back"),
    Phrase(r"a firewall refuses it|no route, or a firewall", "230 247", "it was refused at once"),
    Phrase(
        r"its certificate or its tls is not accepted",
        "250 251 252 255",
        _GATEWAY + "the host does not accept the server's certificate",
    ),
    Phrase(
        r"what answers at its address is not an mcp server|instead of json-rpc",
        "277 272",
        "an answer came, and it is not MCP",
    ),
    Phrase(r"it answers without content", "276", "the status was good, and nothing came with it"),
    Phrase(
        r"redirects to another (?:origin|server)",
        "274 273",
        "it is not followed: configured headers would go to somebody else",
    ),
    Phrase(r"redirects in a circle", "275", "each answer sent it on"),
    Phrase(
        r"there is no mcp endpoint at its path",
        "268",
        "HTTP 404: the host is there, the path is not",
    ),
    Phrase(r"the server has exited|server-exited", "209", _GATEWAY + "its process has ended"),
    Phrase(
        r"the server does not answer|server-silent|it did not answer in time",
        "278 210 286",
        _GATEWAY + "it was reached, and says nothing",
    ),
    Phrase(
        r"writes something else than mcp to its output|server-garbage",
        "211",
        _GATEWAY + "its output is not for messages alone",
    ),
    Phrase(
        r"the server could not be started|spawn-failed",
        "207 208",
        _GATEWAY + "the command of the entry did not start on the host",
    ),
    Phrase(
        r"the gateway is shutting down",
        "215 218",
        _GATEWAY + "it ends; it has to be started again",
    ),
)
