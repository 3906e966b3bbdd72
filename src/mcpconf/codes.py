"""The table of finding codes: severity, title, the long story, whether a sync must stop.

Codes have three digits and are never reused.  ``mcpconf explain CODE`` prints from here, and
docs/rules.md is made from it.
"""

from __future__ import annotations

from mcpconf.doctor_codes import DOCTOR
from mcpconf.live_codes import LIVE
from mcpconf.rule import Rule, Severity

__all__ = ["RULES", "Rule", "Severity"]

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

RULES: dict[str, Rule] = {
    # --- 001-019: files and entries -----------------------------------------------------------
    "MC001": Rule(
        _E,
        "a file is not valid JSON",
        "Claude Code wants strict JSON: no comments, no trailing commas, UTF-8. A broken "
        "`.mcp.json` or settings file counts as absent, the others still count. A broken "
        "`~/.claude.json` stops Claude Code itself (2.1.197 even replaces it by an empty one), so "
        "see MC010 for that file.",
    ),
    "MC002": Rule(
        _E,
        "an entry is not a server",
        "The entry breaks the schema, so Claude Code drops it, and only it: a definition of the "
        "same name in a lower scope takes its place. A remote server needs `type` (`http`, `sse` "
        "or `ws`) and `url`; a local one needs `command`. Wrong types anywhere in the entry drop "
        "it as well.",
    ),
    "MC003": Rule(
        _E,
        "a name is reserved",
        "Claude Code keeps some names for servers of its own (`workspace`, `claude-in-chrome`, "
        "`computer-use`, `Claude Preview`, in newer versions `Claude Browser`) and does not load "
        "yours. Rename the entry.",
    ),
    "MC004": Rule(
        _E,
        "a name holds characters that could be taken for something else",
        "Control characters, line breaks, quotes and invisible characters in a server's name are "
        "never put into the container's files: the entry is left out there. Rules, paths and logs "
        "use an id that mcpconf makes from the name, so that a name cannot become a rule, a path "
        "or an escape sequence.",
    ),
    "MC005": Rule(
        _W,
        "a key is given twice",
        "JSON parsers keep the last one in silence, and so does Claude Code. Delete the other.",
    ),
    "MC006": Rule(
        _E,
        "a file has the wrong shape",
        "The document or one of its parts is not what Claude Code expects there (an object of "
        "servers under `mcpServers`), so it reads nothing from it.",
    ),
    "MC007": Rule(
        _E,
        "a file could not be read",
        "It is not a regular file, too large (2 MiB for `.mcp.json`), not readable, a loop of "
        "links, or it changed each time it was read. It counts as absent, the others still count.",
    ),
    "MC008": Rule(
        _W,
        "two names have one form in tool names",
        "Everything but letters, digits, `_` and `-` becomes `_` in tool names. Two servers with "
        "one form both connect, but the tools of the second are dropped.",
    ),
    "MC009": Rule(
        _W,
        "a value has white space around it",
        "Claude Code keeps it (HTTP trims it in headers). It is nearly always a slip of the paste.",
    ),
    "MC010": Rule(
        _E,
        "Claude Code's own configuration is broken",
        "`~/.claude.json` holds your user and local servers. While it cannot be parsed Claude Code "
        "does not start, and 2.1.197 replaces it by defaults, so mend it or restore a copy from "
        "`~/.claude/backups/` first. Nothing is written meanwhile: the container keeps its files.",
        blocks=True,
    ),
    "MC011": Rule(
        _N,
        "a file that looks like configuration is not read",
        "Claude Code reads user servers from `~/.claude.json` and project servers from `.mcp.json` "
        "in the launch directory and its parents. It reads `~/.mcp.json` only as the `.mcp.json` "
        "of a parent directory. `--home-mcp-json` takes it in as user servers.",
    ),
    "MC012": Rule(
        _W,
        "a file is nested very deeply",
        "Nothing that MCP needs is deep. What lies below the limit counts as `null`, the rest of "
        "the file counts as always.",
    ),
    # --- 020-029: expansion and secrets -------------------------------------------------------
    "MC020": Rule(
        _W,
        "a secret stands in a file of the project",
        "What is committed is read by everybody with the repository. Put `${NAME}` there and the "
        "value into your environment or your user settings.",
    ),
    "MC021": Rule(
        _W,
        "a variable is not set",
        "Claude Code leaves `${NAME}` in place and uses it literally, so the server usually "
        "answers 401. Settings `env` beats the shell; project settings do not take part.",
    ),
    "MC022": Rule(
        _W,
        "a server's secret stays on the host",
        "The server runs in the container, and its secret does not go there: the entry refers to "
        "a variable of the container instead, which is empty unless you set it. Run the server on "
        'the host with `mcpconf trust NAME`, or let its secrets in with `secrets = "container"` '
        "for that server in your own mcpconf.toml.",
    ),
    "MC023": Rule(
        _E,
        "a server cannot run in the container without a secret in its arguments",
        "A literal secret in `args` cannot be replaced by a variable that you would recognise, so "
        "the server is left out. Write it as `${NAME}`, or trust the server to run on the host.",
    ),
    "MC024": Rule(
        _W,
        "a secret goes into the container",
        "Your policy says so. Whatever runs in the container can read it, and can send it to every "
        "host that is open.",
    ),
    # --- 030-039: scopes, approval, policy ----------------------------------------------------
    "MC030": Rule(
        _W,
        "another definition won",
        "Per name the order is --mcp-config, local, project, user; the winner replaces the other "
        "whole. Within the project the nearest `.mcp.json` wins. Stored logins hang on the "
        "endpoint, so they do not carry over.",
    ),
    "MC031": Rule(
        _W,
        "a project server waits for your approval",
        "Claude Code asks before it starts a server from `.mcp.json`; `claude -p` does not ask. "
        "The container is never asked, so only approved servers go there. Run `claude` on the host "
        "and answer, or add the name to `enabledMcpjsonServers` in your user settings.",
    ),
    "MC032": Rule(
        _N,
        "a project server is rejected",
        "`disabledMcpjsonServers` in any settings file rejects it, and beats every approval. Esc "
        "in the approval dialog writes all names there.",
    ),
    "MC033": Rule(
        _N,
        "a server is disabled for this project",
        "`disabledMcpServers` of the project in `~/.claude.json`, as `/mcp` writes it.",
    ),
    "MC034": Rule(
        _W,
        "policy denies a server",
        "`deniedMcpServers`, or an `allowedMcpServers` list that does not name it. The lists of "
        "all settings files count, those of an untrusted project too, and they filter after the "
        "merge: a lower definition does not come back.",
    ),
    "MC035": Rule(
        _W,
        "a settings file is ignored",
        "A syntax error or a wrong type in any key makes Claude Code drop the whole file in "
        "silence: approvals, rejections and variables in it do not count.",
    ),
    "MC036": Rule(
        _N,
        "managed servers are exclusive",
        "`/etc/claude-code/managed-mcp.json` exists, so Claude Code loads nothing else.",
    ),
    "MC037": Rule(
        _E,
        "a managed file is broken",
        "2.1.328 keeps the door shut (no servers, or it does not start); 2.1.197 goes on without "
        "the file. Ask whoever manages this machine.",
        blocks=True,
    ),
    "MC038": Rule(
        _E,
        "the session's options contradict the configuration",
        "With `managed-mcp.json` Claude Code refuses --mcp-config and --strict-mcp-config; a "
        "missing or unparsable --mcp-config ends it too.",
        blocks=True,
    ),
    "MC039": Rule(
        _N,
        "an approval does not count",
        "Approvals in the project's own settings count only in a folder you trusted, and those in "
        "`~/.claude.json` are moved to settings.local.json at the next start, where the same rule "
        "applies.",
    ),
    # --- 040-049: writing ---------------------------------------------------------------------
    "MC040": Rule(
        _E,
        "a generated file was changed by hand",
        "mcpconf overwrites only what it wrote. Move your change to mcpconf.toml, then delete the "
        "file or give it back with `mcpconf sync --force`.",
        blocks=True,
    ),
    "MC041": Rule(
        _E,
        "a file stands where a generated one belongs",
        "It was not written by mcpconf, so it is not overwritten. Move it, or hand it over with "
        "`mcpconf sync --force`.",
        blocks=True,
    ),
    # --- 060-079: classification and plan -----------------------------------------------------
    "MC060": Rule(
        _W,
        "a server can only run on the host",
        "Its command is a path of the host, Docker, or a program that the container does not "
        "have; or it came with a project and has a headersHelper, which is a command as well. "
        "Through the gateway it gives the container a process on your host, so it waits for "
        "`mcpconf trust NAME`.",
    ),
    "MC061": Rule(
        _E,
        "a URL cannot be used",
        "Claude Code does not check URLs when it loads them and fails when it connects. Such a "
        "server is left out.",
    ),
    "MC062": Rule(
        _W,
        "an argument names this machine",
        "Inside the container `localhost` is the container. Use the name by which the container "
        "knows the service (in DDEV `db`), or trust the server to run on the host.",
    ),
    "MC063": Rule(
        _W,
        "an argument names a path outside the project",
        "Only the project is in the container, at the same path as on the host.",
    ),
    "MC064": Rule(
        _N,
        "a server wants to reach arbitrary hosts",
        "The firewall stays shut: it reaches only what is on the list. Open hosts one by one with "
        "`mcpconf allow HOST`.",
    ),
    "MC065": Rule(
        _W,
        "an entry has changed since you trusted it",
        "It acts on your host: it runs there, or has a route that adds secrets or reaches local "
        "servers. You trusted another text under this name, or the last sync carried another text "
        "of a project's server. Whoever works in the container can change the project's files, so "
        "the entry is left out until you look at it and trust it again.",
    ),
    "MC066": Rule(
        _W,
        "a header cannot be sent",
        "The name or the value holds characters that HTTP does not allow; Claude Code fails when "
        "it connects.",
    ),
    "MC067": Rule(
        _N,
        "a server is switched off by mcpconf.toml",
        'Its `route` is "off".',
    ),
    "MC068": Rule(
        _N,
        "claude.ai connectors are not carried into the container",
        "Connectors hang on a claude.ai login and live on Anthropic's side; Claude Code lists them "
        "only while signed in that way, and not beside managed servers. mcpconf names those that "
        "were seen once. Plugins are different: their servers are planned like any other, under "
        "the name `plugin:PLUGIN:NAME`.",
    ),
    "MC069": Rule(
        _W,
        "a command of the host's environment was changed for the container",
        "An absolute path to a well-known runner (`/opt/homebrew/bin/npx`) became its plain name, "
        "a `PATH` of the host was left out.",
    ),
    "MC070": Rule(
        _N,
        "the project approves its own servers",
        "You trusted the folder, so Claude Code lets the project's `.claude/settings.json` approve "
        "servers of its `.mcp.json`. Whoever can change both files can add a server that way: look "
        "at the plan before you sync, or approve in your own settings only.",
    ),
    "MC071": Rule(
        _W,
        "a server wants a host beside the container",
        "It names a service of the container's own networks (in DDEV `db`) or a private address. "
        "The firewall keeps those closed until you say which one and which port: `mcpconf allow "
        "--peer db --port 3306`.",
    ),
    # --- 080-099: mcpconf.toml and whitelists -------------------------------------------------
    "MC080": Rule(
        _E,
        "mcpconf.toml is broken",
        "It is not valid TOML, or a key or value in it is unknown. A policy that is half "
        "understood is worse than none, so nothing is written until it is right.",
        blocks=True,
    ),
    "MC081": Rule(
        _E,
        "a whitelist entry is not a host",
        "An entry is a name (`api.example.com`), a wildcard one level above it "
        "(`*.example.com`, never directly under a public suffix), an address or a small network. "
        "No URL, port, path or blank. The row is left out, the others count.",
    ),
    "MC082": Rule(
        _W,
        "the project asks for more than you approved",
        "A project file came with a clone, so it can only make things tighter. What it asks for "
        "beyond that waits for you: `mcpconf allow HOST` or an entry in your own mcpconf.toml.",
    ),
    "MC083": Rule(
        _W,
        "a row has no reason",
        "Every open host says `why`, so that the next reader can close it.",
    ),
    "MC084": Rule(
        _W,
        "a host looks like another",
        "The name has letters outside ASCII, which can imitate others. It is opened in its ASCII "
        "form; look at both.",
    ),
    "MC085": Rule(
        _W,
        "mcpconf.toml names a server that does not exist",
        "No server of that name was found, so the lines have no effect.",
    ),
    "MC086": Rule(
        _W,
        "mcpconf.toml names a stack that does not exist",
        "Stacks are the files in `whitelist/stacks`. An unknown name opens nothing.",
    ),
    "MC087": Rule(
        _E,
        "the gateway may not listen on every address",
        "`0.0.0.0` and `::` stand for every network this machine is in: the office, a café, a VPN. "
        "The gateway adds your secrets to what it is asked, so it listens on loopback, on Docker's "
        "own bridge, and on addresses that `gateway_listen` in your mcpconf.toml names one by one.",
    ),
    # --- 100-109: facts and probes ------------------------------------------------------------
    "MC100": Rule(
        _N,
        "the cached facts are unreadable",
        "They are made anew by `mcpconf probe`; nothing depends on them but the evidence.",
    ),
    "MC101": Rule(
        _W,
        "a server did not answer the probe",
        "mcpconf asked it from the host and got no MCP answer. That says nothing yet about the "
        "container, but a server that the host cannot reach will not be reached from inside.",
    ),
    # --- 110-119: the client's own state -------------------------------------------------------
    "MC110": Rule(
        _E,
        "a state file of the client is broken",
        "`mcpconf clean` takes entries out of `mcp-needs-auth-cache.json` and `.credentials.json` "
        "and leaves every other byte alone, so it has to understand the file first. Nothing was "
        "written, to neither of them.",
    ),
    # --- 120-129: DDEV ------------------------------------------------------------------------
    "MC120": Rule(
        _W,
        "the container of Claude Code is not closed",
        "In a service of somebody else, or in DDEV's web container, mcpconf can put its servers "
        "and no more: whoever is root there can take any firewall away, and `web` gives root to "
        "everybody. The service `claude` of mcpconf's own add-on is closed.",
    ),
    "MC121": Rule(
        _W,
        "a file of secrets is not masked",
        "`.env` files of the project are covered by an empty file in the container. This one "
        "could not be.",
    ),
    "MC122": Rule(
        _E,
        "network_mode in a compose file of DDEV",
        "DDEV joins every service to its own networks, and breaks off where one has "
        "`network_mode`. Nothing of mcpconf is written into `.ddev` while that is so.",
    ),
    "MC123": Rule(
        _W,
        "a DDEV configuration can switch mcpconf's hooks off",
        "`override_config: true` makes the lists of a file replace those of the files before it "
        "instead of adding to them, so `ddev start` may not sync any more.",
    ),
    "MC124": Rule(
        _W,
        "a command of the add-on is gone",
        "Removing an add-on that lists the whole folder `commands/host` as its own deletes the "
        "commands of all others. Install mcpconf's again.",
    ),
    "MC125": Rule(
        _W,
        "a setting of the add-on is not usable",
        "`.ddev/.env.mcpconf` holds names of images, versions and packages. What is not one is "
        "left out, so that nothing else can get into a build.",
    ),
    "MC126": Rule(
        _W,
        "a compose file of DDEV is left aside",
        "It cannot be read, or is not YAML, so mcpconf does not know whether it has a service for "
        "Claude Code. DDEV itself will say more.",
    ),
    "MC127": Rule(
        _W,
        "the gateway may be out of reach of containers",
        "How a container reaches the host depends on the engine. mcpconf chose the way that "
        "usually works with yours; on this one something may be missing.",
    ),
    # --- 130-139: what surrounds the servers (doctor) -------------------------------------------
    **DOCTOR,
    # --- 200-299: what shows only when one looks (explain --live, doctor) -----------------------
    **LIVE,
}
