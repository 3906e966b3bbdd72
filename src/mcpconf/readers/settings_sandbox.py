"""The ``sandbox`` of a settings file.

How the members of ``credentials`` go together the client checks more closely than this.
"""

from __future__ import annotations

from mcpconf.readers.settings_shapes import (
    Members,
    boolean,
    each,
    enum,
    filled,
    list_of,
    number,
    object_of,
    record,
    tagged,
    text,
    texts,
)

_texts = list_of(text)
_variable = texts(
    "a variable's name",
    lambda v: v.isascii() and v.isidentifier(),
)
_NETWORK: Members = {
    **each(_texts, "allowedDomains deniedDomains allowUnixSockets"),
    **each(boolean, "allowManagedDomainsOnly allowAllUnixSockets allowLocalBinding"),
    **each(number("a number"), "httpProxyPort socksProxyPort"),
    "allowMachLookup": list_of(
        texts("a string with `*` at its end only", lambda v: "*" not in v[:-1])
    ),
    "tlsTerminate": record(each(filled, "caCertPath caKeyPath")),
}
_FILES: Members = {
    **each(_texts, "allowWrite denyWrite denyRead allowRead"),
    "allowManagedReadPathsOnly": boolean,
}
_denied_file = record({}, {"path": filled, "mode": enum("deny")})
_denied_variable = record({}, {"name": _variable, "mode": enum("deny")})
_MASK: Members = {
    "extract": text,
    "onExtractNoMatch": enum("warn", "deny", "error"),
    "decode": enum("jwt"),
    "maskClaims": _texts,
    "injectHosts": _texts,
}
_masked_file = record({**_MASK, "maskDuplicates": boolean}, {"path": filled})
_SANDBOX: Members = {
    **each(
        boolean,
        """enabled failIfUnavailable autoAllowBashIfSandboxed allowUnsandboxedCommands
        enableWeakerNestedSandbox enableWeakerNetworkIsolation allowAppleEvents""",
    ),
    "network": record(_NETWORK),
    "filesystem": record(_FILES),
    "credentials": record({"files": list_of(_denied_file), "envVars": list_of(_denied_variable)}),
    "ignoreViolations": object_of(_texts),
    "excludedCommands": _texts,
    "ripgrep": record({"args": _texts}, {"command": text}),
}
_NEW_CREDENTIALS: Members = {
    "files": list_of(tagged("mode", {"deny": record({}, {"path": filled}), "mask": _masked_file})),
    "envVars": list_of(
        tagged(
            "mode",
            {"deny": record({}, {"name": _variable}), "mask": record(_MASK, {"name": _variable})},
        )
    ),
    "allowPlaintextInject": boolean,
    "awsPairs": list_of(
        record({"sessionTokenVar": _variable}, each(_variable, "accessKeyIdVar secretAccessKeyVar"))
    ),
    "sigv4": record(each(enum("deny", "passthrough"), "streaming presigned sigv4a")),
}
_NEW_SANDBOX: Members = {
    "network": record({**_NETWORK, "strictAllowlist": boolean}),
    "filesystem": record({**_FILES, "disabled": boolean}),
    "credentials": record(_NEW_CREDENTIALS),
    "windows": record({"backend": enum("sandboxuser", "mxc")}),
    "allowNestedUserNamespaces": boolean,
}

old_sandbox = record(_SANDBOX)
sandbox = record({**_SANDBOX, **_NEW_SANDBOX})
