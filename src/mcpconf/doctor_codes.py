"""The codes of ``doctor``: what is not in order beside the servers themselves."""

from __future__ import annotations

from mcpconf.rule import Rule, Severity

_E, _W = Severity.ERROR, Severity.WARNING

DOCTOR: dict[str, Rule] = {
    "MC130": Rule(
        _W,
        "another mcpconf is found first",
        "The program that answers is not the one that a shell, a hook or an editor would start by "
        "its name, so two versions write the same files in turn. Remove one of them, or put the "
        "directory of the right one first in PATH.",
    ),
    "MC131": Rule(
        _W,
        "answers are for another version of Claude Code",
        "Versions of Claude Code differ in which files and approvals count. mcpconf answers for "
        "the newest one that it knows, unless you say which with `--client`.",
    ),
    "MC132": Rule(
        _E,
        "others may change a file that is trusted",
        "The file says which programs run and where secrets go. Whoever may write to it decides "
        "that, so only you should. A group that is yours alone, as Debian and Fedora give to every "
        "user, is not counted.",
    ),
    "MC133": Rule(
        _W,
        "others may read a file with secrets",
        "Logins, keys in headers and in variables, or the token of a project's container stand in "
        "it, and every directory above it lets other users of this machine through.",
    ),
    "MC134": Rule(
        _W,
        "clocks differ",
        "Tokens and certificates are valid from one moment to another. Where two clocks differ by "
        "more than a minute, a fresh token counts as one of the future, and a valid one as "
        "expired. A container shares the clock of the machine below it, which for desktop engines "
        "is a virtual one that loses time while the computer sleeps.",
    ),
    "MC135": Rule(
        _W,
        "a bundle of certificates cannot be used",
        "`NODE_EXTRA_CA_CERTS` names a file of certificates in PEM that Claude Code trusts beside "
        "its own. Where it is missing, not readable or empty, Claude Code goes on without it and "
        "says nothing, and each server with a certificate of your own authority fails.",
    ),
    "MC136": Rule(
        _W,
        "git would take generated files in",
        "What a sync writes is of this machine, and part of it is the token of the project's "
        "container. mcpconf's own .gitignore keeps it out; it is gone, or the files were added "
        "by force.",
    ),
    "MC137": Rule(
        _W,
        "the add-on is of another version than mcpconf",
        "The add-on starts mcpconf before the container and brings the container's programs, so "
        "both should be of one version.",
    ),
    "MC138": Rule(
        _W,
        "what is written is not what is planned",
        "Something that a sync reads has changed since the last one: the configuration, "
        "mcpconf.toml, or mcpconf itself. The container goes on with what was written then.",
    ),
}
