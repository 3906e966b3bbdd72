"""Parsing with findings: the one place where they collect while files are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcpconf.clients import Client
from mcpconf.findings import Finding
from mcpconf.json_text import DEEPEST, Document, parse
from mcpconf.origin import Origin, Source
from mcpconf.readers.inputs import Read, Unreadable


@dataclass
class Reading:
    """The one thing with state: findings collect while files are parsed."""

    client: Client
    findings: list[Finding] = field(default_factory=list)

    def add(self, code: str, message: str, origin: Origin | None, *help: str) -> None:  # noqa: A002
        """Add one finding; ``help`` are things to do."""
        self.findings.append(Finding(code, message, origin, help=help))


def parsed(file: Read, reading: Reading, code: str) -> Document | None:
    if file is None:
        return None
    if isinstance(file, Unreadable):
        reading.add(
            "MC007",
            f"the file cannot be read: {file.why}",
            Origin(Source(file.path)),
            "put a readable file there, or remove it",
        )
        return None
    document = parse(file)
    if isinstance(document, Document):
        return document
    reading.add(
        code,
        f"the file is not JSON: {document.message} (line {document.line}, "
        f"column {document.column})",
        Origin(file, line=document.line),
        "write strict JSON: no comments, no trailing commas, UTF-8",
    )
    return None


def report_twice(document: Document, reading: Reading) -> None:
    for key in document.twice:
        reading.add(
            "MC005",
            f"a key is given twice, the last one counts: {key!a}",
            Origin(document.source),
            "delete one of them",
        )
    if document.cut_at:
        reading.add(
            "MC012",
            f"values nested deeper than {DEEPEST} levels are not looked at",
            Origin(document.source, line=document.cut_at),
            "make it flatter: nothing that Claude Code reads there is nested",
        )
