"""The codes of ``explain --live`` and ``doctor``: causes that show only when one looks."""

from __future__ import annotations

from mcpconf.rule import Rule, Severity

_E, _W = Severity.ERROR, Severity.WARNING

LIVE: dict[str, Rule] = {
    "MC200": Rule(
        _E,
        "the container has another sync than the host",
        "A running container keeps what the last sync wrote when it was looked at: an entry "
        "that was added or edited since then is missing there, or has its old text. Claude Code "
        "shows nothing of that, the server is absent or is reached as it was. `mcpconf sync` "
        "writes anew; a container that copied the files at its start has to be started again.",
    ),
    "MC201": Rule(
        _E,
        "no file of servers in the container",
        "Claude Code in the container reads its servers from a file that a sync writes on the "
        "host and a mount carries in. The sync has never run for this project, the mount is "
        "missing, or `/etc/claude-code/managed-mcp.json` there does not lead to it. `claude mcp "
        "list` says that no servers are configured. `mcpconf sync`, then start the container "
        "again.",
    ),
    "MC202": Rule(
        _E,
        "the container engine does not answer",
        "What is in the container can only be looked at through its engine (Docker or Podman), "
        "and that gave no answer, or it refuses this user. Servers may work all the same. Start "
        "the engine, or ask from inside the container.",
    ),
    "MC203": Rule(
        _E,
        "the container has no bridge",
        "Servers that run on the host, or need a secret, are reached through the program "
        "`mcpconf-bridge` in the container, and it is not there, may not be executed, or finds "
        "no python3. Claude Code says `ENOENT: Executable not found in $PATH`, or `Connection "
        "closed`. Build the image anew with mcpconf's feature or layer in it.",
    ),
    "MC204": Rule(
        _W,
        "a program in the container is of another version",
        "Host and container have different versions of mcpconf's programs. They understand each "
        "other over several versions, and a fault that is mended on one side may still be there "
        "on the other. Build the image anew, or install the same version on the host.",
    ),
    "MC205": Rule(
        _E,
        "the container cannot read its way to the gateway",
        "The bridge needs `/etc/mcpconf/bridge.json`, which says where the gateway is and holds "
        "the project's token. It is missing, not readable for the user that runs Claude Code, "
        "or of a shape that this bridge does not know. Claude Code says `Connected · tools "
        "fetch failed`, because the bridge greets it before it asks. `mcpconf sync` writes the "
        "file.",
    ),
    "MC207": Rule(
        _E,
        "a command is not there",
        "The command of the entry is not found where the server starts: misspelt, not installed "
        "there, or not in the PATH that Claude Code has (an editor or a service often has a "
        "shorter one than your shell). Claude Code says `ENOENT: Executable not found in "
        "$PATH`. Install it in that place, or write the whole path.",
    ),
    "MC208": Rule(
        _E,
        "a command may not be executed",
        "The file of the command is there and may not be executed: it lacks the permission, "
        "lies on a file system mounted `noexec`, or is for another machine. Claude Code says "
        "`EACCES: permission denied, posix_spawn`. `chmod +x`, or name its interpreter as the "
        "command.",
    ),
    "MC209": Rule(
        _E,
        "a server ends as soon as it starts",
        "The process ends before it has answered the handshake: a missing argument, variable or "
        "package, a crash, a program that is no server. Claude Code says `CONNECTION_CLOSED: "
        "Connection closed`, and the reason, if there is one, is in what the process wrote to "
        "its error output. Start the command by hand in the same place and read it.",
    ),
    "MC210": Rule(
        _E,
        "a server says nothing",
        "The process runs and answers nothing: it waits for something (a login, a lock, the "
        "network), or is a program that reads its input to the end first. Claude Code gives up "
        "after 30 seconds (`connection timed out after 30000ms`), a `-p` session shows "
        "`pending`. Start the command by hand, and see what it waits for.",
    ),
    "MC211": Rule(
        _E,
        "a server writes something else than MCP to its output",
        "Over a local server's standard output go messages of MCP, one a line, and nothing "
        "else. This one prints a banner, a log or progress there, and Claude Code waits for an "
        "answer between until it times out. Let it write such things to standard error, or "
        "switch them off (`--quiet`, `LOG_LEVEL`).",
    ),
    "MC215": Rule(
        _E,
        "the gateway does not run",
        "Servers that run on the host or need a secret are reached through the gateway, a "
        "process of yours on the host, and none runs. Claude Code in the container says "
        "`Connected · tools fetch failed`, or that no gateway answers. `mcpconf gateway start` "
        "starts it; `mcpconf sync --start-gateway` does so where it is needed.",
    ),
    "MC216": Rule(
        _W,
        "the gateway runs with older settings",
        "The gateway read its settings when it started, and they have changed since: the "
        "addresses to listen on, or the version of the program. It goes on with the old ones. "
        "`mcpconf gateway stop`, then `mcpconf gateway start`.",
    ),
    "MC217": Rule(
        _E,
        "the gateway is out of the container's reach",
        "The gateway runs, and what the container sends to its address does not arrive: another "
        "address than the one it listens on, a firewall of the host (ufw, firewalld) on the "
        "bridge's network, or a container without that network. Claude Code sees the bridge "
        "wait (`tools fetch failed — Request timed out`). The finding says which address was "
        "tried.",
    ),
    "MC218": Rule(
        _E,
        "the gateway hangs",
        "A process of the gateway is there and does not answer its control socket or its "
        "connections. That is a fault of the program or of the machine (no memory, no file "
        "descriptors). `mcpconf gateway logs` may say why; stop it and start it again.",
    ),
    "MC219": Rule(
        _E,
        "the gateway does not know the server",
        "The gateway has no route of this name for this project: the last sync was without the "
        "server, or its files were refused because others could write to them. Claude Code gets "
        "the gateway's error for each call. `mcpconf sync`, and if that does not help, what the "
        "finding says of the files.",
    ),
    "MC220": Rule(
        _E,
        "the gateway has another text of the entry",
        "The gateway acts only on the text that you synced: whoever edits an entry afterwards, "
        "perhaps from inside the container, gets no secret and no process for it. The entry "
        "differs now from what was synced. Look at it with `mcpconf plan`, then `mcpconf sync`.",
    ),
    "MC221": Rule(
        _E,
        "a secret is not there when the gateway needs it",
        "The gateway puts secrets in when it connects, from the variables of the shell that "
        "started it, from settings or from files. One of them is not there for it, so it asks "
        "nothing rather than send `${NAME}`; or it was changed, and the gateway keeps the old one. "
        "Set it and start the gateway again in a shell that has it, or put it into `env` of your "
        "user settings.",
    ),
    "MC222": Rule(
        _E,
        "a headersHelper does not work",
        "`headersHelper` is a command that prints the headers as a JSON object. It failed, took "
        "too long, or printed something else, and without its headers the server is not asked. "
        "Run the command by hand in the directory of the project.",
    ),
    "MC223": Rule(
        _E,
        "a server wants a login",
        "The server answers 401 and tells where to sign in, so this is the one case in which "
        "Claude Code's `Needs authentication` means what it says. Behind the gateway `mcpconf "
        "gateway login NAME` signs in once for all containers; a server that Claude Code "
        "reaches itself is signed in to with `/mcp`.",
    ),
    "MC224": Rule(
        _E,
        "a login has expired and cannot be renewed",
        "There is a stored login; its token has expired, and the server refused to renew it: "
        "the grant was withdrawn, the client removed, or it lay unused for too long. Claude "
        "Code says `Needs authentication`, or fails with the words of the authorization server. "
        "Sign in again.",
    ),
    "MC225": Rule(
        _E,
        "a login does not go far enough",
        "The server takes the login and answers that this call needs a right (scope) that the "
        "login does not have. Claude Code shows it as 403, or as a failing call. Sign in again, "
        "and grant what is asked for.",
    ),
    "MC226": Rule(
        _E,
        "the gateway refuses the container's token",
        "Each project has a token with which its container speaks to the gateway. The one in "
        "the container is not the one that the gateway knows: it was made anew, or removed, "
        "since the last sync. `mcpconf sync`, and start the container again if it holds copies "
        "of the files.",
    ),
    "MC230": Rule(
        _E,
        "the firewall is shut for a host",
        "The firewall of the container opens the hosts of the plan and no other; every other "
        "name resolves to 198.18.0.1, where nothing listens. Claude Code says `ECONNREFUSED`, "
        "programs say that the connection was refused. If the host is wanted: `mcpconf allow "
        "HOST`, then `mcpconf sync`.",
    ),
    "MC231": Rule(
        _E,
        "the firewall has not taken up the last sync",
        "A sync has opened or closed something, and the firewall in the container still works "
        "with the list before it: its keeper does not run, or the container does not see the "
        "host's files. What is new is refused until then. `mcpconf firewall refresh`, or start "
        "the container again.",
    ),
    "MC232": Rule(
        _E,
        "the firewall could not be put in force",
        "The rules of the container's firewall are not those that mcpconf wants: a part is "
        "missing, was taken away, or could not be loaded (a missing capability, a kernel "
        "without a module). It stays shut rather than open where that was possible. `mcpconf "
        "firewall status` names the part.",
    ),
    "MC233": Rule(
        _E,
        "the container has no firewall",
        "No firewall of mcpconf is in force in the container, so whatever runs in it reaches "
        "everything that the host reaches. Servers work; nothing holds back the rest. See "
        "docs/firewall.md for how it is put in.",
    ),
    "MC234": Rule(
        _E,
        "the firewall is shut for a port",
        "The host is open, and this port of it is not: rows are for one port. Claude Code says "
        "`ECONNREFUSED`. `mcpconf allow HOST --port N`.",
    ),
    "MC240": Rule(
        _E,
        "a name does not exist",
        "The resolver says that the name does not exist (NXDOMAIN), or that it has no address. "
        "Claude Code says `ENOTFOUND`, 2.1.197 in its log only `Unable to connect`. Mostly the "
        "name is misspelt, or belongs to a private network (VPN) that is not connected.",
    ),
    "MC241": Rule(
        _E,
        "the resolver does not answer",
        "Questions for a name get no answer, or the resolver reports a failure of its own "
        "(SERVFAIL). Then no other name works either. Look at `/etc/resolv.conf` where the "
        "server is reached from, at the VPN, and in the container at `mcpconf firewall status`.",
    ),
    "MC242": Rule(
        _E,
        "a name has an address that it must not have",
        "A name of the internet resolves to an address of this machine, of a private network or "
        "of cloud metadata. The firewall and the gateway do not follow it there: that is how a "
        "name is turned against the machine that asks (DNS rebinding). If the address is meant, "
        "write a name or a peer for it that says so.",
    ),
    "MC245": Rule(
        _E,
        "nothing listens at an address",
        "The machine is there and says that nothing listens on that port (connection refused). "
        "Claude Code says `ECONNREFUSED`, and says the same of a dead proxy (MC248) and of a "
        "host that the firewall does not list (MC230). Start the server, or correct the port.",
    ),
    "MC246": Rule(
        _E,
        "packets get no answer",
        "The connection is asked for and nothing comes back: a firewall on the way drops "
        "packets, or the machine is off. Claude Code waits 30 seconds and says `connection "
        "timed out`; the session shows `pending` meanwhile. Ask whoever runs the network "
        "between, or connect to the VPN first.",
    ),
    "MC247": Rule(
        _E,
        "there is no way to an address",
        "This place has no route to the address, or something on the way said so at once: no "
        "IPv6 where the name has only an IPv6 address, a VPN that is not connected, a firewall "
        "that rejects. Claude Code says `EHOSTUNREACH` or `ENETUNREACH`.",
    ),
    "MC248": Rule(
        _E,
        "a proxy is in the way",
        "`HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY` is set, and that proxy is not there, wants "
        "a login, or refuses the host. Claude Code reports its fault as the server's: "
        "`ECONNREFUSED`, `HTTP 407`, `HTTP 403`. Correct the proxy, or name the host in "
        "`NO_PROXY`.",
    ),
    "MC249": Rule(
        _E,
        "a connection is cut",
        "The connection is made and closed in the middle of an answer, or before one. Claude "
        "Code says `ECONNRESET: The socket connection was closed unexpectedly`. A server that "
        "crashes, a load balancer without a server behind it, or a middlebox that dislikes what "
        "it sees.",
    ),
    "MC250": Rule(
        _E,
        "a certificate is not trusted",
        "The certificate is signed by an authority that is not trusted here: a company's own, "
        "one made by the server itself, or that of a proxy which opens TLS. Claude Code says "
        "`UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `SELF_SIGNED_CERT_IN_CHAIN` or "
        "`DEPTH_ZERO_SELF_SIGNED_CERT`. `NODE_EXTRA_CA_CERTS=FILE` adds an authority; Claude "
        "Code and the gateway both read it.",
    ),
    "MC251": Rule(
        _E,
        "a certificate is for another name",
        "The certificate is good, for other names than the one in the URL: an alias, an address "
        "instead of a name, or another server behind a shared address. Claude Code says "
        "`ERR_TLS_CERT_ALTNAME_INVALID`. Write one of the names that the finding lists.",
    ),
    "MC252": Rule(
        _E,
        "a certificate is not valid today",
        "By the clock of the place that asks, the certificate has expired or is not valid yet. "
        "Claude Code says `CERT_HAS_EXPIRED`. It is the operator's to renew; look at your own "
        "clock first if several servers say so.",
    ),
    "MC253": Rule(
        _E,
        "a plain port is spoken to in TLS",
        "The URL begins with `https` and the port answers without TLS. Claude Code says "
        "`EPROTO: The TLS handshake failed`, 2.1.197 `unknown certificate verification error`. "
        "Write `http`, or the port that speaks TLS.",
    ),
    "MC254": Rule(
        _E,
        "plain HTTP is spoken to a TLS port",
        "The URL begins with `http` and the port expects TLS, so it hangs up or answers 400. "
        "Claude Code says `ECONNRESET: The socket connection was closed unexpectedly`. Write "
        "`https`.",
    ),
    "MC255": Rule(
        _E,
        "the TLS handshake fails",
        "Both sides speak TLS and do not agree: versions or ciphers that one of them no longer "
        "has, or a client certificate is wanted, which Claude Code cannot give. Claude Code "
        "says `EPROTO`. The finding says at which step it broke.",
    ),
    "MC260": Rule(
        _E,
        "a server wants credentials, and none are configured",
        "The server answers 401 and offers no login, and the entry sends no credential. Claude "
        "Code looks for a login, does not find one, and reports that instead: `Dynamic Client "
        "Registration rejected (HTTP 404)`, `Unexpected end of JSON input`, `JSON Parse error`; "
        "it never says 401. Get a key from the operator and put it into `headers` as `${NAME}`.",
    ),
    "MC262": Rule(
        _E,
        "a server refuses the configured Authorization",
        "The server answers 401 to the Authorization header that is configured: the token is "
        "expired, mistyped, for another server or another account. Claude Code says `Server "
        "rejected the configured Authorization header (HTTP 401)` and does not try a login "
        "then. Renew the token; without the header Claude Code would sign in, if the server "
        "offers that.",
    ),
    "MC263": Rule(
        _E,
        "a server refuses a configured key",
        "The server answers 401, and the entry has a key in another header than Authorization. "
        "Claude Code does not count that as a credential: it says `Needs authentication` where "
        "the server has a login too, else `Dynamic Client Registration rejected`. Signing in "
        "does not help, a right key does; look at the header's name as well.",
    ),
    "MC264": Rule(
        _E,
        "a server forbids access",
        "The server answers 403. Without an Authorization header Claude Code shows every 403 as "
        "`Needs authentication`, with one as `Server rejected the configured Authorization "
        "header (HTTP 403)`. The reason is mostly another: an address filter, a web firewall "
        "that dislikes the request, a wrong path, an account without this product. What the "
        "server says stands in the finding.",
    ),
    "MC266": Rule(
        _E,
        "a server's login cannot be used by Claude Code",
        "The server wants a login, and its authorization server takes no unknown clients (its "
        "metadata has no `registration_endpoint`). Claude Code says `Incompatible auth server: "
        "does not support dynamic client registration`. Ask the operator for a client id, and "
        "put it into the entry's `oauth`; or use a token in `headers`, if there are any.",
    ),
    "MC267": Rule(
        _E,
        "a server refuses to register clients",
        "The server wants a login, and its authorization server refuses to register Claude Code: "
        "2.1.197 counts it as failed, 2.1.328 says `Needs authentication`, and the sign-in ends "
        "there. mcpconf never registers a client only to find out; it knows this from a "
        "`mcpconf gateway login` that was refused, or from a text. Ask the operator for a client "
        "id.",
    ),
    "MC268": Rule(
        _E,
        "there is no MCP endpoint at a URL",
        "The host answers, and has nothing at this path (404). Claude Code says `MCP endpoint "
        "not found`. Often `/mcp` or `/sse` at the end is missing or too much, or the product "
        "moved; the operator's page has the URL.",
    ),
    "MC269": Rule(
        _E,
        "a server refuses the request",
        "The server understands the request and refuses it (400, 402, 405, 406, 410, 415, …). "
        "Claude Code says `HTTP NNN: Error POSTing to endpoint` and the first words of the "
        "answer. 402 is a bill, 410 a server that has been closed, 405 a path that takes no "
        "POST.",
    ),
    "MC270": Rule(
        _W,
        "a server is asked too often",
        "The server asks for a pause (429). Claude Code says `HTTP 429: Error POSTing to "
        "endpoint`. Each session connects anew, so many sessions or a short limit are enough; "
        "wait, or use a key with a higher limit.",
    ),
    "MC271": Rule(
        _E,
        "a server is broken",
        "The server, or a proxy before it, answers 5xx. Claude Code says `HTTP NNN: Error "
        "POSTing to endpoint`. It is not yours to mend: look at the operator's status page, or "
        "at its log if it is yours.",
    ),
    "MC272": Rule(
        _E,
        "a web page answers instead of a server",
        "The answer is a web page with a good status: the URL is that of a site, or something "
        "on the way (a sign-in page, a company's proxy, a hotel) answers in its place. Claude "
        "Code says `Unexpected content type: text/html`. Open the URL in a browser from the "
        "same place.",
    ),
    "MC273": Rule(
        _E,
        "a redirect loses the request",
        "The URL redirects (a missing slash at the end, http to https), and after 301, 302 or "
        "303 Claude Code asks again with GET and without its message. The server answers that "
        "with 405: `HTTP 405: Error POSTing to endpoint`. Write the URL to which it leads. The "
        "gateway follows no redirect to another origin at all.",
    ),
    "MC274": Rule(
        _E,
        "a redirect loses the credentials",
        "The URL redirects to another origin (http to https counts), and Claude Code leaves out "
        "Authorization there, so the server answers 401: `Server rejected the configured "
        "Authorization header`. The token may be good. Write the URL to which it leads. Other "
        "headers are sent on, also to an origin that you did not name.",
    ),
    "MC275": Rule(
        _E,
        "redirects go in a circle",
        "Each redirect leads to the next and the first comes again. Claude Code says "
        "`TooManyRedirects: The response redirected too many times`. Mostly two rules of a web "
        "server undo each other (http to https behind a proxy that speaks http).",
    ),
    "MC276": Rule(
        _E,
        "an answer is empty",
        "The status is good, and the answer has no content (204, or 200 with nothing). Claude "
        "Code says `Unexpected content type: null`. Something answers there that is no MCP "
        "server, or the path is for notifications only.",
    ),
    "MC277": Rule(
        _E,
        "what answers is not MCP",
        "An answer comes with a good status, and it is not MCP: another type, JSON of another "
        "API, a stream that never says what was asked. Claude Code says "
        "`CLIENT_HTTP_UNEXPECTED_CONTENT`, or prints a list of `invalid_union`. Compare the URL "
        "with the operator's page.",
    ),
    "MC278": Rule(
        _E,
        "a server accepts and does not answer",
        "The connection is made, the request is taken, and no answer comes. Claude Code gives "
        "up after 30 seconds (`connection timed out after 30000ms`), a `-p` session shows "
        "`pending`. The server hangs, or a proxy before it holds the answer back (buffering of "
        "event streams).",
    ),
    "MC279": Rule(
        _E,
        "a server of the new transport is configured as the old one",
        'The entry says `"type": "sse"`, the transport of 2024, and the server speaks the one '
        'of 2025. Claude Code says `SSE error: Non-200 status code (405)`. Write `"type": '
        '"http"`.',
    ),
    "MC280": Rule(
        _E,
        "a server of the old transport is configured as the new one",
        'The entry says `"type": "http"`, and the server speaks only the transport of 2024. '
        '2.1.328 tries that by itself and connects, 2.1.197 fails. Write `"type": "sse"` and '
        "the URL of its stream, often with `/sse` at the end.",
    ),
    "MC281": Rule(
        _E,
        "a protocol version is not known to Claude Code",
        "The server answers the handshake with a version of MCP that Claude Code does not know. "
        "Claude Code says `Server's protocol version is not supported`. Update the older of the "
        "two.",
    ),
    "MC282": Rule(
        _E,
        "a server refuses the handshake",
        "The server answers the handshake with an error of its own, and Claude Code shows its "
        "number and text (`-32603: …`). The connection is good; what is missing is in that "
        "text: a licence, a project, an argument, a right.",
    ),
    "MC283": Rule(
        _E,
        "a server does not tell its tools",
        "The handshake went well, and the question for the tools failed. Claude Code says "
        "`Connected · tools fetch failed`, and the session has the server without tools. The "
        "server's own text says why, if it has one.",
    ),
    "MC284": Rule(
        _E,
        "a server wants credentials for its tools",
        "The handshake needs no credential and the list of tools does (401). Claude Code says "
        "`Needs authentication` if Authorization is configured or the server offers a login, "
        "else `Connected · tools fetch failed`; the session counts it as connected and has no "
        "tool of it. As with MC260 to MC263, a right credential mends it.",
    ),
    "MC285": Rule(
        _W,
        "a server is slow to start",
        "The server answers, later than the two seconds that `claude -p` waits. `claude mcp "
        "list` says Connected, the session shows `pending`, and its first request has none of "
        "the tools. `MCP_CONNECTION_NONBLOCKING=0` with `MCP_CONNECT_TIMEOUT_MS=30000` waits, "
        "and so does `alwaysLoad: true` in the entry.",
    ),
    "MC286": Rule(
        _E,
        "a server takes longer than Claude Code waits",
        "The server answers, later than the limit: 30 seconds for a connection (`MCP_TIMEOUT`), "
        "`timeout` of the entry or `MCP_TOOL_TIMEOUT` for a call. Claude Code says `connection "
        "timed out after …ms`. A higher limit helps if the server is only slow; `npx` and `uvx` "
        "are slow at their first start, because they download.",
    ),
    "MC290": Rule(
        _W,
        "Claude Code remembers that a server wanted a login",
        "Claude Code keeps a list of servers that once answered 401 or 403, by name alone. For "
        "15 minutes a session reports `needs-auth` without sending a single request, even if "
        "the URL, the header or the project is another by now; `claude mcp list` says Connected "
        "meanwhile. `mcpconf clean NAME` takes the entry out.",
    ),
    "MC291": Rule(
        _W,
        "Claude Code remembers a login without a token",
        "A sign-in was begun and not ended, and Claude Code keeps a login without a token. "
        "Sessions report `needs-auth` and send nothing, for ever; `claude mcp list` says "
        "Connected. `mcpconf clean NAME` takes it out, logins with a token stay.",
    ),
    "MC293": Rule(
        _E,
        "a stored login is no longer found",
        "Stored logins hang on the name, type, URL and headers of the entry, after variables "
        "are put in. One of them was edited, or a variable has another value, so the login that "
        "is there is no longer found: `Needs authentication`. Sign in again, or undo the "
        "change.",
    ),
    "MC294": Rule(
        _W,
        "a server does not know how newer clients ask",
        "2.1.328 asks a server first in the way of the newest protocol. This one does not "
        "answer that at all, so Claude Code waits before it asks in the old way: about three "
        "seconds for a local server, which is `pending` in each short session until `claude mcp "
        "list` has run once. `MCP_PROTOCOL_NEGOTIATION=legacy` asks in the old way at once.",
    ),
    "MC295": Rule(
        _W,
        "a proxy takes what is meant for this machine",
        "Claude Code sends requests for 127.0.0.1 and localhost through `HTTP_PROXY` too, and "
        "the proxy cannot reach what is on your machine. It says `ECONNREFUSED` or what the "
        "proxy answers. Add both names to `NO_PROXY`; only exact names count, or `*`.",
    ),
    "MC296": Rule(
        _W,
        "hanging servers keep others from starting",
        "Claude Code starts three local servers at a time, in the order of the file. Three that "
        "hang keep all later ones waiting for 30 seconds, and a session shows them as "
        "`pending`. mcpconf names this cause for a text; look at the servers that hang first, "
        "or set `MCP_SERVER_CONNECTION_BATCH_SIZE` higher.",
    ),
    "MC297": Rule(
        _E,
        "an empty Authorization switches the login off",
        "The entry has an Authorization header without a value, mostly because a variable in it "
        "is empty. Claude Code counts it as configured, so it tries no login: `Server rejected "
        "the configured Authorization header (HTTP 401)`. Set the variable, or take the header "
        "out to sign in.",
    ),
    "MC299": Rule(
        _E,
        "no known cause",
        "It does not work, and what was seen fits no cause that mcpconf knows. The steps that "
        "were tried are printed with what came back. `mcpconf doctor --report FILE` writes all "
        "of it, without secrets, for an issue.",
    ),
}
