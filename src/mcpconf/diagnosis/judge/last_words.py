"""What a program wrote last, without what looks like a secret; and what that means.  Pure."""

from __future__ import annotations

import re

from mcpconf.diagnosis.container_terms import hidden
from mcpconf.names import quote

_SHOWN = 3  # lines
_NOISE = re.compile(
    r"complete log of this run|^npm (error|ERR!)\s*$|^npm notice|^\[notice\]|^\s*at |^\s*\^+\s*$"
    r"|^Node\.js v|--help' for more information"
)
_MEANS = (
    (
        re.compile(r"\bE404\b|No matching distribution|not found in the package registry"),
        "no such package: see name and version in its arguments",
    ),
    (
        re.compile(r"Cannot find module|ModuleNotFoundError|No module named|ImportError"),
        "a part of it is not there: see how it is installed",
    ),
    (
        re.compile(r"(?i)not a tty|/dev/tty|requires a terminal|isatty"),
        "it wants a terminal, and a server has none (leave `-t` out of `docker run -it`)",
    ),
    (
        re.compile(r"EBADENGINE|[Uu]nsupported engine|requires Node|Node\.js version"),
        "it wants another version of Node",
    ),
    (
        re.compile(r"(?i)cannot connect to the docker daemon|error during connect"),
        "the container engine does not run, or does not let you in",
    ),
    (
        re.compile(
            r"(?s)npm (error|ERR!).*\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT)\b"
            r"|[Ee]rror sending request for url|Failed to fetch:"
        ),
        "it does not reach the registry from which it is installed",
    ),
    (re.compile(r"\bEACCES\b|[Pp]ermission denied"), "it may not read or write something there"),
    (
        re.compile(r"\bMODULE_NOT_FOUND\b|No such file or directory|\bENOENT\b"),
        "a file is not there: see whether it is at the same path where the server starts",
    ),
)
_WAITS = (
    (
        re.compile(r"(?i)pass(word|phrase)\b[^\n]*:\s*$|username[^\n]*:\s*$|login:\s*$"),
        "it asks for a password on a terminal, and has none",
    ),
    (
        re.compile(r"(?i)ok to proceed|\[y/n\]|\(y/n\)|\(yes/no"),
        "it asks a question and waits for the answer: let it ask nothing, as `npx -y` does",
    ),
    (
        re.compile(r"(?i)(running|listening|serving|started|server)\b[^\n]*(https?://|\bport\b)"),
        "it serves HTTP and not its input: start it for stdio, or give its entry the URL",
    ),
)


def said(words: str) -> tuple[str, ...]:
    """The last lines that say something, without what looks like a secret."""
    lines = [line.strip() for line in words.splitlines()]
    told = [line for line in lines if line and not _NOISE.search(line)] or [x for x in lines if x]
    npm = [line for line in told if line.startswith(("npm error", "npm ERR!"))]
    kept = npm[:_SHOWN] or told[-_SHOWN:]  # npm's advice comes last, a traceback's cause too
    return tuple(f"it said: {quote(hidden(line), 160)}" for line in kept)


def means(words: str) -> tuple[str, ...]:
    """What its last words mean, where that is known."""
    return next(((text,) for pattern, text in _MEANS if pattern.search(words)), ())


def waits(words: str) -> tuple[str, ...]:
    """What a program waits for that says nothing on its output, where its last words tell."""
    return next(((text,) for pattern, text in _WAITS if pattern.search(words)), ())
