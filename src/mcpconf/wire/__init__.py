"""Asks one server station by station: name, connection, TLS, HTTP, MCP.  Standard library only.

The same program runs on the host, in the process that asks (:func:`ask`), and in a container, given
to its ``python3 -I -`` as text that already holds what to ask (``bundle.program``).  It asks as
Claude Code asks (facts 47 to 55) and tells what came back; it judges nothing
(``diagnosis/judge/wire.py`` does).

**A target** is a JSON object; only ``url`` is needed::

    url          "https://host/mcp", with its secrets
    type         "http" (or "streamable-http"), "sse"; "ws" is told as not looked at
    headers      {name: value}, as they go out
    header_vars  {name: "Bearer ${TOKEN}"}: values with variables that are set where it runs
    proxy        the proxy's URL, "" for none, "env": what the client would choose there (fact 55)
    ca           path of NODE_EXTRA_CA_CERTS; "env": what that variable says there
    roots        path, or PEM text, of more trusted certificates; for a place that has none
    seconds      10.0: everything is over then
    client       "2.1.328": what it calls itself; before 2.1.300 nothing is asked by discover;
                 "NAME/VERSION": another program than the client
    brief        false; true: only what kind of server it is.  It ends with the greeting, begins
                 with ``initialize``, asks no resolver itself, and stays on the URL's own origin;
                 ``works`` and ``tools`` say nothing then
    most         8388608: bytes of an answer that are read
    own_origin   false; true: no configured header follows a redirect to another origin

**A report** is a JSON object.  Every text in it is printable ASCII without backticks; no header's
value, no user name, password or query of a URL, no session's id is in it, nor a piece of one
(``***``), though servers like to repeat them::

    version   1
    sent      [{"name", "length", "scheme": "Bearer" | "Basic" | … | "", "unset": [names of the
              variables that stand in it literally], "looks": "placeholder" | "quoted" |
              "twice" (its scheme) | ""}]: the configured headers, without values
    stations  a list, in the order in which they were passed; see below
    answer    {"works": bool, "tools": int | null, "more": bool, "transport": "http" | "sse" | "",
               "era": "" | "legacy" | "modern", "protocol": text, "server": text, "first_ms": float,
               "stopped": the station or call that failed last on the main path, "" if none,
               "seconds": float, "unseen": [text]}; tools is 0 where it says that it has none: the
              client does not ask such a server either

Each station has ``station``, ``ok`` (true, false, or null: not looked at), ``ms``, ``host`` and
``port`` (of whom it is about), ``fault`` ("" if ok), and:

``proxy``   ``status`` of its answer to CONNECT, or null · ``variable`` that names it, if it was
            looked for there.  Faults: those of dns and tcp, ``refused``
            stands for a proxy that is not there; ``status``: it answered something else than 200;
            ``login``: 407; ``not-http``; ``closed``; ``kind``: no HTTP proxy, not looked at.
``dns``     ``addresses`` [text] · ``literal`` bool: it is an address, nobody was asked ·
            ``servers`` [{address, rcode, ms}]: what each resolver of resolv.conf says itself,
            asked only after a failure; rcode "NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", …,
            "" no answer.  Faults: ``no-name`` (EAI_NONAME, EAI_NODATA), ``no-answer``
            (EAI_AGAIN), ``failed`` (another), ``timeout``.
``tcp``     ``tries`` [{address, errno: "" | "ECONNREFUSED" | "ETIMEDOUT" | …, ms}]; "" is open,
            "PENDING" another address was faster.  Faults, of several the first: ``refused``,
            ``forbidden`` (EACCES, EPERM), ``timeout``, ``unreachable``, ``failed``.
``tls``     ``protocol`` "TLSv1.3" · ``names`` [text], ``since``, ``until`` (Unix seconds or null),
            ``issuer``, ``subject`` of its certificate, also of one that was refused · ``roots``
            int: how many certificates are trusted here; 0: nothing can be verified · ``now`` the
            clock that was used · ``code`` OpenSSL's verify code, ``reason`` its word.  Faults:
            ``self-signed``, ``unknown-ca``, ``expired``, ``not-yet``, ``wrong-name``,
            ``untrusted`` (another), ``plain``: that port speaks HTTP without TLS, ``reset``,
            ``closed``, ``timeout``, ``handshake``.
``call``    one request.  ``call`` "discover", "initialize", "initialized", "tools", "stream" (the
            GET of the old transport), "end" · ``with`` "configured" or "nothing" (the configured
            headers left out) · ``method`` · ``status`` int or null · ``media`` · ``length`` bytes
            read · ``hops`` [{status, method, to: "https://host/path", cross: bool,
            dropped: [header names], relation: "slash" | "https" | "http" | "host" | "same" |
            "path"}], each a redirect that was followed, method is the one used then · ``rpc``
            "result", "error",
            "none" (a body that is no answer), "" (no body) · ``error`` {code, message} or null ·
            ``excerpt`` the first characters of a body that is no answer · ``server``,
            ``retry_after``, ``allow`` headers · ``challenge`` {scheme, error, scope,
            resource_metadata: bool} or null · ``skew`` seconds by which its clock is ahead, or
            null · ``first_ms`` until the answer's head · ``page`` bool: the body is HTML · ``odd``
            what keeps such a body from being one, "compressed", "bom", "other-id", "no-event" (a
            stream that ends without it), "" · ``session`` of initialize: "kept", "odd" (an id
            that HTTP cannot send back), "" (it names none).
            Faults: ``status`` (not 2xx), ``rpc-error``, ``media``, ``empty``, ``not-mcp``,
            ``redirect-loop``, ``redirect-bad`` (no or a strange Location), ``redirect-away`` (to
            another origin, not followed as it was to be brief), ``redirect-inward`` (from the
            world to this machine or its network, not followed either), ``timeout``, ``closed``,
            ``reset``, ``not-http``, ``too-big``, ``tls-port``: it is a TLS port, ``cut``: the body
            ended too early, ``elsewhere``: the old transport's way back leads to another origin,
            ``shape``: a result that the client refuses; ``misfit`` says where, as
            "tools.0.inputSchema", and ``whose`` names the tool, ``protocol``: a version that the
            client does not know, ``unsendable``: a header that HTTP forbids, ``tls-alert``: TLS
            is given up after the handshake, with ``reason``; or ``station``: see the one before.
``oauth``   after a 401: ``documents`` [{which: "resource" | "server" | "openid", url: "https://…",
            status, state: "found" | "absent" | "empty" | "html" | "not-json" | "error" |
            "unreached"}] in the client's order · ``servers`` [origin] that the resource names ·
            ``registration`` true, false, null (no metadata) · ``resource`` the origin of whom the
            metadata of the resource speaks, where that is not this server, so that the client
            refuses it; "".  ok: the client would find a login.
"""

from mcpconf.wire.asking import ask

__all__ = ["ask"]
