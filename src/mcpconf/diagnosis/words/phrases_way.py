"""What is printed where there was no connection: by Claude Code, and by curl, npm, git and pip."""

from __future__ import annotations

from mcpconf.diagnosis.words.phrases import Phrase

_UNTRUSTED = "the server's certificate is not signed by an authority that this client trusts"

WAY: tuple[Phrase, ...] = (
    # --- TLS --------------------------------------------------------------------------------------
    Phrase(
        r"self_signed|self.signed certificate|unable_to_verify|unable to verify|"
        r"unable_to_get_issuer|unable to get (?:local )?issuer|certificate verify failed"
        r"(?!.*(?:expired|hostname|not valid for))|ssl certificate problem: (?:unable|self)",
        "250",
        _UNTRUSTED,
    ),
    Phrase(
        r"altname_invalid|certificate.*(?:hostname mismatch|not valid for)|"
        r"does not match target host",
        "251",
        "the certificate names other hosts than the URL does",
    ),
    Phrase(
        r"cert_has_expired|cert_not_yet_valid|certificate (?:has expired|is not yet valid)",
        "252 134",
        "by this machine's clock the certificate is not valid",
    ),
    Phrase(
        r"\beproto\b|tls handshake failed|unknown certificate verification error|"
        r"wrong.version.number|ssl_error|sslv3 alert|ssl routines",
        "253 255 248",
        "what answers there does not speak TLS, or none that this client accepts",
    ),
    # --- the way ----------------------------------------------------------------------------------
    Phrase(
        r"could not resolve host|\benotfound|name or service not known|no such host|"
        r"name resolution|nxdomain|temporary failure resolving|failed to lookup address|"
        r"no address associated|eai_again|nodename nor servname",
        "240 230 241",
        "the name was not found; behind mcpconf's firewall only listed names have an address",
    ),
    Phrase(
        r"198\.18\.0\.[0-9]",
        "230",
        "198.18.0.1 is what every name gets that the container's firewall does not list",
    ),
    Phrase(
        r"ehostunreach|enetunreach|no route to host|network is unreachable",
        "247 230",
        "no packet could be sent there, or a router or firewall said no",
    ),
    Phrase(
        r"etimedout|connection timed out|connect timeout|operation timed out|timed out",
        "246 278 248",
        "nothing came back in time: packets are dropped on the way, or the other side is silent",
    ),
    Phrase(
        r"econnreset|socket connection was closed|connection reset|socket hang up|unexpected eof|"
        r"empty reply from server|remote end closed",
        "249 254 248",
        "the other side hung up in the middle",
    ),
    Phrase(
        r"econnrefused|connectionrefused|connection refused|couldn't connect to server|"
        r"failed to establish a new connection|failed to connect to \S+ port",
        "245 248 230 295 215c",
        "that port is shut: nothing listens, or what listens is a dead proxy (HTTP_PROXY "
        "counts for "
        "127.0.0.1 too)",
    ),
    Phrase(
        r"unable to connect\. is the computer able",
        "245 240 248 247 230 295",
        "2.1.197 says this where there was no connection at all: name, port, route or proxy",
    ),
    Phrase(
        r"no matching distribution|could not find a version|packages? (?:not found|is not in this)",
        "230 240",
        "a package was not found: there is none, or its registry is out of reach",
    ),
)
