"""What a question of ``explain`` is: a name, a host, a code, a text that was copied, a log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mcpconf.cli import options as o
from mcpconf.cli.compile_commands import compiled_project

if TYPE_CHECKING:
    from mcpconf.cli.live_commands import Where
    from mcpconf.compiler import Compilation
    from mcpconf.diagnosis.words.texts import Known
    from mcpconf.explain import Explanation
    from mcpconf.model import Classified
    from mcpconf.readers.inputs import Configuration


def answer(question: str, known: Known) -> Explanation:
    """Answer it as what it is; a text that nobody knows gets the nearest names."""
    from mcpconf import explain as explaining
    from mcpconf.diagnosis.words import client_log, texts

    if not _is_name(question, known.compiled):
        if client_log.is_file(question):
            return _file(question, known)
        if texts.is_text(question):
            said = texts.explain_text(question, known)
            return said or explaining.explain(question, known.compiled, known.kinds)
    found = explaining.explain(question, known.compiled, known.kinds)
    if not found.found:
        said = texts.explain_text(question, known)
        missing = client_log.missing(question) if client_log.is_missing(question) else found
        return said or missing
    return texts.with_servers(found, question, known.compiled)


def _file(question: str, known: Known) -> Explanation:
    from mcpconf.diagnosis.words import client_log, texts

    text, name = client_log.load(question)
    log = client_log.parse(text, name)
    if log:
        return client_log.explain_log(log, name, known)
    return texts.explain_text(text, known) or client_log.nothing(name)


def known_of(
    configuration: Configuration, compiled: Compilation, kinds: Mapping[int, Classified]
) -> Known:
    """What a text is held against, the logs of this project's servers among it."""
    from functools import partial

    from mcpconf.diagnosis.words import client_log, texts

    home = str(configuration.request.home)
    return texts.Known(compiled, kinds, partial(client_log.heard, home, configuration.cwd))


def names_in(question: str | None, where: Where) -> Sequence[str]:
    """The servers that a question is about, for a look at them; the question if it is none."""
    if question is None:
        return []
    from mcpconf.diagnosis.words import client_log, texts

    if not (texts.is_text(question) or client_log.is_file(question) or {*"./:"} & {*question}):
        return [question]
    looked = o.look(where.home, where.project, where.client, home_mcp_json=where.home_mcp_json)
    compiled, _, _ = compiled_project(*looked, where.out)
    if _is_name(question, compiled):
        return [question]
    if client_log.is_file(question):
        text, name = client_log.load(question)
        log = client_log.parse(text, name)
        found = client_log.servers(log, compiled) if log else texts.concerned(text, compiled)
    else:
        found = texts.concerned(question, compiled)
    return found or _nobody(question)


def _nobody(question: str) -> Sequence[str]:
    from mcpconf.diagnosis.words import client_log, texts
    from mcpconf.errors import Usage

    if texts.is_text(question) or client_log.is_file(question):
        why = "the text names no server of this project"
        raise Usage(
            why, help="name it: mcpconf explain NAME --live, or all: mcpconf explain --live"
        )
    return [question]


def _is_name(question: str, compiled: Compilation) -> bool:
    return any(question in (r.server.name, r.server.id) for r in compiled.survey.resolved)
