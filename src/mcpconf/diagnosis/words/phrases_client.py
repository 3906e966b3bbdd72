"""What Claude Code prints about an entry, a program, HTTP, MCP and logins (see ``phrases``)."""

from __future__ import annotations

from mcpconf.diagnosis.words.phrases import Phrase

_SIGN_IN = (
    "Claude Code got 401 or 403, or remembers that it once did; that a login would help is not said"
)
_NO_LOGIN = (
    "the server answered 401 and offers no login: Claude Code looked for one, and reports how that "
    "failed instead of the 401"
)

CLIENT: tuple[Phrase, ...] = (
    # --- before a connection ---------------------------------------------------------------------
    Phrase(
        r"pending approval|not approved|new mcp servers? found",
        "031 039 030",
        "it stands in `.mcp.json` and nobody has said yes to it; nothing was tried",
    ),
    Phrase(r"✘ rejected|status: rejected", "032", "somebody said no to it; nothing was tried"),
    Phrase(
        r"[⊘◯○] disabled|is disabled — (?:re-)?enable|status: disabled|\"status\": ?\"disabled\"|"
        r"^disabled$",
        "033 067",
        "it is switched off for this project; nothing was tried",
    ),
    Phrase(
        r"blocked by (?:the organization's|enterprise|managed)|not allowed by (?:enterprise|"
        r"policy)",
        "034 036",
        "a policy keeps it off; nothing was tried",
    ),
    Phrase(r"is a reserved mcp server name", "003", "the entry is not loaded"),
    Phrase(
        r"missing environment variables", "021", "`${NAME}` stays as it is and is sent literally"
    ),
    Phrase(r"leading or trailing whitespace", "009", "it is kept as it stands"),
    Phrase(r"defined in multiple scopes", "030", "one of them wins, the others do not count"),
    Phrase(
        r"skipped — |config issue|invalid mcp server config|has a \"url\" but no \"type\"",
        "002 006",
        "the entry breaks the schema and is dropped, as if it were not there",
    ),
    Phrase(r"invalid mcp configuration", "038 001 006", "Claude Code ends over this"),
    Phrase(
        r"no mcp servers? (?:named|found|are configured|configured|loaded)|"
        r"mcp server (?:[^ ]{1,200} )?not found",
        "030 031 032 034 002 001 036",
        "no entry of that name is in force here",
    ),
    # --- programs ---------------------------------------------------------------------------------
    Phrase(
        r"\be404\b|npm err(?:or|!) 404|no matching distribution|not found in the package registry",
        "209",
        "no such package: see the name and the version behind npx or uvx",
    ),
    Phrase(
        r"cannot find module|modulenotfounderror|no module named|err_module_not_found",
        "209",
        "the program was found, and a part of it is not there: see how it is installed",
    ),
    Phrase(
        r"executable not found in \$path|\benoent\b|command not found|no such file or directory",
        "207 203c",
        "the command of the entry is not there, for this user, with this PATH",
    ),
    Phrase(
        r"\beacces\b.*spawn|permission denied, posix_spawn", "208", "the file may not be executed"
    ),
    Phrase(
        r"connection closed|mcp error -32000$|process exited|server disconnected",
        "209 203c 211 271",
        "the other side ended before the handshake was over; why stands in its own output",
    ),
    # --- 401 and 403 ------------------------------------------------------------------------------
    Phrase(
        r"tools fetch failed — (?:dynamic client registration|unauthorized|authentication required"
        r"|(?:streamable http error: )?error posting)",
        "284 283",
        "the handshake went well; the question for the tools was refused, mostly with 401",
    ),
    Phrase(
        r"dynamic client registration rejected \(http 40[45]\)",
        "260n 263k 260a",
        _NO_LOGIN + ". 404 or 405 is the answer to a guess, not to your request",
    ),
    Phrase(
        r"dynamic client registration rejected",
        "267 260",
        "the server wants a login and refuses to register a client for it",
    ),
    Phrase(
        r"unexpected end of json input|json parse error: unexpected eof|"
        r"json parse error: unrecognized token '<'|trying to load oauth metadata",
        "260n 263k 271 272",
        _NO_LOGIN + ": what it answers at `/.well-known/oauth-…` is no metadata",
    ),
    Phrase(
        r"does not support dynamic client registration",
        "266",
        "the server wants a login for which somebody has to give Claude Code a client id",
    ),
    Phrase(
        r"rejected the configured authorization header \(http 403\)",
        "264 262 225",
        "HTTP 403: it may be the token, and as well an address filter or a wrong path",
    ),
    Phrase(
        r"rejected the configured authorization header",
        "262 021 274 297",
        "HTTP 401 although the entry has an Authorization header; no login is tried then",
    ),
    Phrase(
        r"authentication required for http server.*after http 403",
        "264 225",
        "HTTP 403. Claude Code takes it for a wish to sign in; signing in does not mend it",
    ),
    Phrase(
        r"connected · session token rejected",
        "284 224",
        "the handshake went well, the question for the tools was answered 401",
    ),
    Phrase(
        r"insufficient.scope",
        "225",
        "HTTP 403: the login is good, and lacks a right that the server asks for",
    ),
    Phrase(
        r"registration is deferred|unauthorizederror|^(?:error: )?unauthorized\b|"
        r"authentication required for http server.*after http 401",
        "223n 263k 293 224 225 267 222h",
        "HTTP 401, or 403 for want of a right, from a server that offers a login",
    ),
    Phrase(
        r"! needs auth",
        "223n 264n 263k 284 224n 293n 225n 267n 222h",
        _SIGN_IN,
    ),
    Phrase(
        r"needs?.auth|requires? authentication|authentication required|needs you to sign in|"
        r"lost authentication|needs sign.in|not authenticated|not signed in|re-authenticate",
        "223n 264n 290 263k 291n 284 224n 293n 225n 267n 222h",
        _SIGN_IN,
    ),
    # --- HTTP -------------------------------------------------------------------------------------
    Phrase(
        r"mcp endpoint not found|endpoint_not_found|\bhttp 404\b|status code \(404\)",
        "268 279",
        "HTTP 404: the host is there, the path is not",
    ),
    Phrase(
        r"sse error: non-200 status code \(405\)",
        "279",
        'it was asked by the old transport (`"type": "sse"`), and does not speak it',
    ),
    Phrase(
        r"\b(?:http |status code \(|failed \()405\b|method not allowed",
        "273 280 269",
        "HTTP 405: what arrived was a GET, or the path takes no POST; it says nothing of a login",
    ),
    Phrase(
        r"\bhttp 407\b|proxy authentication required|from proxy after connect|proxy tunnel",
        "248",
        "a proxy answered, not the server",
    ),
    Phrase(r"\b(?:http |failed \()429\b|too many requests", "270", "the server asks for a pause"),
    Phrase(
        r"\b(?:http |failed \()5[0-9][0-9]\b|bad gateway|service unavailable|gateway time-?out",
        "271 248",
        "the server, or a proxy before it, has a fault of its own",
    ),
    Phrase(
        r"\b(?:http |failed \()401\b|\b401 unauthorized\b",
        "223 260n 262a 263k 224 293 021 284",
        "HTTP 401: the server wants a login or a key, or refuses the one that it got",
    ),
    Phrase(
        r"\b(?:http |failed \()403\b|\b403 forbidden\b",
        "264 268 262a 263k 225 269",
        "HTTP 403: the server knows what was asked, and forbids it; a login seldom mends that",
    ),
    Phrase(
        r"\b(?:http |failed \()4[0-9][0-9]\b",
        "269 268",
        "the server understood the request and does not want it",
    ),
    Phrase(
        r"unexpected content type: null",
        "276",
        "the status was good, and nothing came with it",
    ),
    Phrase(
        r"unexpected content type: text/html|<!doctype html|unexpected token '?<",
        "272 268",
        "a web page came, often one to sign in, or of a firewall or a hotel",
    ),
    Phrase(
        r"unexpected content type|client_http_unexpected_content",
        "277 272",
        "the status was good, and what came is neither JSON nor a stream of events",
    ),
    Phrase(
        r"toomanyredirects|redirected too many times|too many redirects",
        "275",
        "each answer sent the client on, in a circle",
    ),
    # --- MCP --------------------------------------------------------------------------------------
    Phrase(
        r"connected · no tools",
        "283 284",
        "the handshake went well, and its list of tools is empty",
    ),
    Phrase(
        r"disconnected ·|has disconnected|disconnected mid",
        "209 249 215c 271",
        "it was connected, and the other side ended it; see what it wrote before",
    ),
    Phrase(
        r"sse error: invalid content type",
        "277 279 272",
        "it was asked by the old transport, and answered with something else than a stream",
    ),
    Phrase(
        r"endpoint origin does not match",
        "277",
        "the old transport's stream names another server for the way back",
    ),
    Phrase(
        r"malformed_http_response|malformed http|not valid http|invalid http",
        "277 254",
        "what answers on that port does not speak HTTP",
    ),
    Phrase(
        r"protocol version is not supported",
        "281",
        "the server speaks a version of MCP that this client does not know",
    ),
    Phrase(
        r"invalid_union|invalid input: expected",
        "277",
        "JSON came, and it is not the answer to an MCP request",
    ),
    Phrase(
        r"tool \".*\" timed out",
        "286",
        "the call took longer than MCP_TOOL_TIMEOUT or the entry's `timeout`",
    ),
    Phrase(
        r"connection timed out after|connect_timeout",
        "278 210 211 246 286 218c 215c",
        "there was no answer to the handshake in MCP_TIMEOUT (30 s); it may be slow, silent or far",
    ),
    Phrase(
        r"tools fetch failed — request timed out",
        "215c 217c 205c 218c 283",
        "the handshake went well, the list of tools did not come in 5 s; the bridge of a container "
        "waits longer for its gateway",
    ),
)
