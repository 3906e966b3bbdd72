"""The reasons that decisions carry, in their long form for docs/rules.md.

``explain`` prints the decision's own words.
"""

from __future__ import annotations

REASONS: dict[str, str] = {
    # --- why a definition is in force or not
    "scope.wins": "no definition of a higher scope has this name",
    "scope.shadowed": "a definition of a higher scope has this name and replaces this one whole",
    "scope.managed": "managed-mcp.json is exclusive",
    "approval.given": "a settings file that counts approves it",
    "approval.session": "`claude -p` takes every project server that is not rejected",
    "approval.missing": "no settings file that counts approves it",
    "approval.rejected": "a settings file rejects it",
    "policy.denied": "a deny list matches it",
    "policy.not-allowed": "there is an allow list, and nothing in it matches",
    "state.disabled": "it is disabled for this project",
    "entry.skipped": "the entry breaks the schema or bears a reserved name",
    # --- why a kind
    "kind.stdio.command": "the entry has a command",
    "kind.localhost.url": "the URL leads to this machine or its private network",
    "kind.http.authorization": "an Authorization header is configured, so no OAuth is tried",
    "kind.http.probe": "the server answered `initialize` without asking for a login",
    "kind.http.catalogue": "the catalogue says that it needs no OAuth login",
    "kind.http.default": "nothing says that it wants an OAuth login",
    "kind.oauth.declared": "the entry has an `oauth` object",
    "kind.oauth.probe": "the server answered 401 with OAuth metadata",
    "kind.oauth.login": "Claude Code has stored a login for it",
    "kind.oauth.catalogue": "the catalogue says that it wants an OAuth login",
    "kind.wrapped": "the command only wraps a remote server, so it is treated as that server",
    # --- what the container gets
    "entry.bridge": "the bridge in the container connects to it directly",
    "entry.gateway": "the bridge in the container goes through the gateway on the host",
    "entry.plain": "the policy wants a plain HTTP entry",
    "entry.command": "the command itself runs in the container",
    "entry.none": "it is left out of the container",
    # --- why a route
    "route.secret": "the gateway adds the secret, which stays on the host",
    "route.oauth": "the login lives on the host",
    "route.localhost": "it listens on the host",
    "route.transport": "the gateway speaks its old transport",
    "route.host-only": "it runs on the host, because you trusted it",
    "route.policy": "the policy wants it through the gateway",
    # --- why a host is open
    "egress.server": "a server in the container talks to it",
    "egress.argument": "a server's arguments or variables name it",
    "egress.catalogue": "the catalogue says that the server needs it",
}
