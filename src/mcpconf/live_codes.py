"""The codes of ``explain --live`` and ``doctor``: causes that show only when one looks."""

from __future__ import annotations

from mcpconf.rule import Rule, Severity

_E, _W = Severity.ERROR, Severity.WARNING

LIVE: dict[str, Rule] = {
    "MC200": Rule(
        _E,
        "the container has another sync than the host",
        "The container has another sync than the host.",
    ),
    "MC201": Rule(
        _E,
        "no file of servers in the container",
        "No file of servers in the container.",
    ),
    "MC202": Rule(
        _E,
        "the container engine does not answer",
        "The container engine does not answer.",
    ),
    "MC203": Rule(
        _E,
        "the container has no bridge",
        "The container has no bridge.",
    ),
    "MC204": Rule(
        _W,
        "a program in the container is of another version",
        "A program in the container is of another version.",
    ),
    "MC205": Rule(
        _E,
        "the container cannot read its way to the gateway",
        "The container cannot read its way to the gateway.",
    ),
    "MC207": Rule(
        _E,
        "a command is not there",
        "A command is not there.",
    ),
    "MC208": Rule(
        _E,
        "a command may not be executed",
        "A command may not be executed.",
    ),
    "MC209": Rule(
        _E,
        "a server ends as soon as it starts",
        "A server ends as soon as it starts.",
    ),
    "MC210": Rule(
        _E,
        "a server says nothing",
        "A server says nothing.",
    ),
    "MC211": Rule(
        _E,
        "a server writes something else than MCP to its output",
        "A server writes something else than MCP to its output.",
    ),
    "MC215": Rule(
        _E,
        "the gateway does not run",
        "The gateway does not run.",
    ),
    "MC216": Rule(
        _W,
        "the gateway runs with older settings",
        "The gateway runs with older settings.",
    ),
    "MC217": Rule(
        _E,
        "the gateway is out of the container's reach",
        "The gateway is out of the container's reach.",
    ),
    "MC218": Rule(
        _E,
        "the gateway hangs",
        "The gateway hangs.",
    ),
    "MC219": Rule(
        _E,
        "the gateway does not know the server",
        "The gateway does not know the server.",
    ),
    "MC220": Rule(
        _E,
        "the gateway has another text of the entry",
        "The gateway has another text of the entry.",
    ),
    "MC221": Rule(
        _E,
        "a secret is not there when the gateway needs it",
        "A secret is not there when the gateway needs it.",
    ),
    "MC222": Rule(
        _E,
        "a headersHelper does not work",
        "A headersHelper does not work.",
    ),
    "MC223": Rule(
        _E,
        "a server wants a login",
        "A server wants a login.",
    ),
    "MC224": Rule(
        _E,
        "a login has expired and cannot be renewed",
        "A login has expired and cannot be renewed.",
    ),
    "MC225": Rule(
        _E,
        "a login does not go far enough",
        "A login does not go far enough.",
    ),
    "MC226": Rule(
        _E,
        "the gateway refuses the container's token",
        "The gateway refuses the container's token.",
    ),
    "MC230": Rule(
        _E,
        "the firewall is shut for a host",
        "The firewall is shut for a host.",
    ),
    "MC231": Rule(
        _E,
        "the firewall has not taken up the last sync",
        "The firewall has not taken up the last sync.",
    ),
    "MC232": Rule(
        _E,
        "the firewall could not be put in force",
        "The firewall could not be put in force.",
    ),
    "MC233": Rule(
        _E,
        "the container has no firewall",
        "The container has no firewall.",
    ),
    "MC234": Rule(
        _E,
        "the firewall is shut for a port",
        "The firewall is shut for a port.",
    ),
    "MC240": Rule(
        _E,
        "a name does not exist",
        "A name does not exist.",
    ),
    "MC241": Rule(
        _E,
        "the resolver does not answer",
        "The resolver does not answer.",
    ),
    "MC242": Rule(
        _E,
        "a name has an address that it must not have",
        "A name has an address that it must not have.",
    ),
    "MC245": Rule(
        _E,
        "nothing listens at an address",
        "Nothing listens at an address.",
    ),
    "MC246": Rule(
        _E,
        "packets get no answer",
        "Packets get no answer.",
    ),
    "MC247": Rule(
        _E,
        "there is no way to an address",
        "There is no way to an address.",
    ),
    "MC248": Rule(
        _E,
        "a proxy is in the way",
        "A proxy is in the way.",
    ),
    "MC249": Rule(
        _E,
        "a connection is cut",
        "A connection is cut.",
    ),
    "MC250": Rule(
        _E,
        "a certificate is not trusted",
        "A certificate is not trusted.",
    ),
    "MC251": Rule(
        _E,
        "a certificate is for another name",
        "A certificate is for another name.",
    ),
    "MC252": Rule(
        _E,
        "a certificate is not valid today",
        "A certificate is not valid today.",
    ),
    "MC253": Rule(
        _E,
        "TLS is spoken to a plain port",
        "TLS is spoken to a plain port.",
    ),
    "MC254": Rule(
        _E,
        "plain HTTP is spoken to a TLS port",
        "Plain HTTP is spoken to a TLS port.",
    ),
    "MC255": Rule(
        _E,
        "the TLS handshake fails",
        "The TLS handshake fails.",
    ),
    "MC260": Rule(
        _E,
        "a server wants credentials, and none are configured",
        "A server wants credentials, and none are configured.",
    ),
    "MC262": Rule(
        _E,
        "a server refuses the configured Authorization",
        "A server refuses the configured Authorization.",
    ),
    "MC263": Rule(
        _E,
        "a server refuses a configured key",
        "A server refuses a configured key.",
    ),
    "MC264": Rule(
        _E,
        "a server forbids access",
        "A server forbids access.",
    ),
    "MC266": Rule(
        _E,
        "a server's login cannot be used by Claude Code",
        "A server's login cannot be used by Claude Code.",
    ),
    "MC267": Rule(
        _E,
        "a server refuses to register clients",
        "A server refuses to register clients.",
    ),
    "MC268": Rule(
        _E,
        "there is no MCP endpoint at a URL",
        "There is no MCP endpoint at a URL.",
    ),
    "MC269": Rule(
        _E,
        "a server refuses the request",
        "A server refuses the request.",
    ),
    "MC270": Rule(
        _W,
        "a server is asked too often",
        "A server is asked too often.",
    ),
    "MC271": Rule(
        _E,
        "a server is broken",
        "A server is broken.",
    ),
    "MC272": Rule(
        _E,
        "a web page answers instead of a server",
        "A web page answers instead of a server.",
    ),
    "MC273": Rule(
        _E,
        "a redirect loses the request",
        "A redirect loses the request.",
    ),
    "MC274": Rule(
        _E,
        "a redirect loses the credentials",
        "A redirect loses the credentials.",
    ),
    "MC275": Rule(
        _E,
        "redirects go in a circle",
        "Redirects go in a circle.",
    ),
    "MC276": Rule(
        _E,
        "an answer is empty",
        "An answer is empty.",
    ),
    "MC277": Rule(
        _E,
        "what answers is not MCP",
        "What answers is not MCP.",
    ),
    "MC278": Rule(
        _E,
        "a server accepts and does not answer",
        "A server accepts and does not answer.",
    ),
    "MC279": Rule(
        _E,
        "a server of the new transport is configured as the old one",
        "A server of the new transport is configured as the old one.",
    ),
    "MC280": Rule(
        _E,
        "a server of the old transport is configured as the new one",
        "A server of the old transport is configured as the new one.",
    ),
    "MC281": Rule(
        _E,
        "a protocol version is not known to Claude Code",
        "A protocol version is not known to Claude Code.",
    ),
    "MC282": Rule(
        _E,
        "a server refuses the handshake",
        "A server refuses the handshake.",
    ),
    "MC283": Rule(
        _E,
        "a server does not tell its tools",
        "A server does not tell its tools.",
    ),
    "MC284": Rule(
        _E,
        "a server wants credentials for its tools",
        "A server wants credentials for its tools.",
    ),
    "MC285": Rule(
        _W,
        "a server is slow to start",
        "A server is slow to start.",
    ),
    "MC286": Rule(
        _E,
        "a server takes longer than Claude Code waits",
        "A server takes longer than Claude Code waits.",
    ),
    "MC290": Rule(
        _W,
        "Claude Code remembers that a server wanted a login",
        "Claude Code remembers that a server wanted a login.",
    ),
    "MC291": Rule(
        _W,
        "Claude Code remembers a login without a token",
        "Claude Code remembers a login without a token.",
    ),
    "MC293": Rule(
        _E,
        "a stored login is no longer found",
        "A stored login is no longer found.",
    ),
    "MC294": Rule(
        _W,
        "a server does not know how newer clients ask",
        "A server does not know how newer clients ask.",
    ),
    "MC295": Rule(
        _W,
        "a proxy takes what is meant for this machine",
        "A proxy takes what is meant for this machine.",
    ),
    "MC296": Rule(
        _W,
        "hanging servers keep others from starting",
        "Hanging servers keep others from starting.",
    ),
    "MC297": Rule(
        _E,
        "an empty Authorization switches the login off",
        "An empty Authorization switches the login off.",
    ),
    "MC299": Rule(
        _E,
        "no known cause",
        "No known cause.",
    ),
}
