"""``explain TEXT``: which causes an error text can have, and about which server it is.  Pure.

In: a text that somebody copied, and the compilation.  Out: an explanation with one line a cause,
the most likely first, without those that the entry rules out.  What cannot be told from the text
alone is told by ``--live``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mcpconf import explain as explaining
from mcpconf.codes import RULES
from mcpconf.compiler import Compilation
from mcpconf.diagnosis.words.phrases import VAGUE
from mcpconf.diagnosis.words.said import Cause, Said, causes, phrase_of, read
from mcpconf.diagnosis.words.tells import TELLS
from mcpconf.diagnosis.words.whom import About, abouts_of, at_place, findings, of_entry, places
from mcpconf.explain import Explanation, Line
from mcpconf.masking import mask_arg
from mcpconf.model import Classified, Remote, Server
from mcpconf.names import quote
from mcpconf.plan.terms import shell_word
from mcpconf.secret import MASK, harmless

_MOST_CAUSES = 8  # lines; the rest is named in one
_MOST_SERVERS = 8
_MOST_HOSTS = 3
_SHORTEST_SECRET = 6
_MOST_TITLES = 6
_CUT = 300
_SUBJECT = 100
_LOOKED_AT = 2000  # characters

_OF_PROGRAMS = frozenset(range(207, 212)) | {294, 296}
_OF_NETWORK = frozenset(range(223, 281)) | {284, 290, 291, 293, 295, 297}
_OF_TLS = frozenset({250, 251, 252, 253, 255})


class Heard(NamedTuple):
    """The true error that the client's log has of a server."""

    time: str
    text: str


def _silent(_: str) -> Heard | None:
    return None


class Known(NamedTuple):
    """What a text is held against; ``log`` gives the last error in a server's log."""

    compiled: Compilation
    kinds: Mapping[int, Classified]
    log: Callable[[str], Heard | None] = _silent


def is_text(question: str) -> bool:
    """Whether a question is rather a text than a name, a host or a code."""
    words = question.split(maxsplit=1)
    return len(words) > 1 or any(c in question for c in "\"'\n\x1b")


def explain_text(question: str, known: Known) -> Explanation | None:
    """Answer a text; None where nothing in it is recognised."""
    said = read(question)
    if not said:
        return None
    lines = tuple(lines_of(said, question, known))
    subject = cut(shown(said[0].line, known.compiled))
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return Explanation(subject + more, "text", lines)


def with_servers(answer: Explanation, question: str, compiled: Compilation) -> Explanation:
    """The answer about a host or URL, and the servers that connect to it."""
    if answer.kind != "host":
        return answer
    abouts = [of_entry(r, Said("", None)) for r in at_place(question, compiled)]
    lines = [
        Line("server", f"{quote(a.name)}: {a.shown}", a.server.origin if a.server else None)
        for a in abouts
    ]
    tell = [Line("tell", _which([a.name for a in abouts], compiled))] if abouts else []
    return answer._replace(lines=(*answer.lines, *lines, *tell))


def concerned(question: str, compiled: Compilation) -> tuple[str, ...]:
    """Names of the servers that a text is about."""
    if not is_text(question) and (there := at_place(question, compiled)):
        return tuple(r.server.name for r in there)
    found = [about.name for said in read(question) for about in abouts_of(said, question, compiled)]
    return tuple(dict.fromkeys(name for name in found if name))


def lines_of(said: Sequence[Said], text: str, known: Known) -> Iterator[Line]:
    """What is to be said of each recognised line."""
    named: list[str] = []
    for one in said[:_MOST_SERVERS]:
        if len(said) > 1:
            yield Line("line", cut(shown(one.line, known.compiled)))
        abouts = abouts_of(one, text, known.compiled)
        named += [about.name for about in abouts if about.server]
        yield from _lines_of_one(one, abouts, known)
    if named or not places(text[:_LOOKED_AT]):
        yield Line("tell", _which(named, known.compiled))
    else:
        yield Line("tell", "whether the firewall did it: mcpconf firewall blocked")


def _lines_of_one(said: Said, abouts: Sequence[About], known: Known) -> Iterator[Line]:
    servers = [(a, a.server) for a in abouts if a.server]
    hosts = {} if servers else _hosts(said.line, known)
    if said.phrase:
        yield Line("means", said.phrase.means)
    for about, server in servers:
        yield Line("server", f"{quote(about.name)}: {about.shown}", server.origin)
    phrase = said.phrase
    heard = known.log(servers[0][0].name) if phrase in VAGUE and len(servers) == 1 else None
    if heard:
        yield Line("its log", f"{heard.time}: {shown(heard.text, known.compiled)}")
        phrase = phrase_of(heard.text)
        if phrase:
            yield Line("means", phrase.means)
    if phrase:
        closed = any(lines[0].label == "closed" for lines in hosts.values() if lines)
        yield from _causes(ranked(causes(phrase), abouts, known.compiled, closed=closed))
    for host, lines in hosts.items():
        yield Line("host", host)
        yield from lines


def ranked(
    possible: Sequence[Cause], abouts: Sequence[About], compiled: Compilation, *, closed: bool
) -> list[str]:
    """The codes that remain, those first that a finding or the whitelist speaks for."""
    fitting = [c for c in possible if any(_fits(c, about) for about in abouts or [About()])]
    if any(about.bridge for about in abouts):
        fitting.sort(key=lambda c: "c" not in c.when)
    left = [c.code for c in fitting]
    seen = {f.code for about in abouts for f in findings(about, compiled)}
    if closed and "MC230" in left:
        seen.add("MC230")
    return list(dict.fromkeys([c for c in left if c in seen] + left))


def _fits(cause: Cause, about: About) -> bool:
    number = int(cause.code[2:])
    conditions = {
        "n": about.authorization is not True,
        "a": about.authorization is not False,
        "k": about.other_headers is not False,
        "h": about.helper is not False,
        "c": about.bridge is not False,
    }
    if not all(conditions[letter] for letter in cause.when):
        return False
    if about.bridge:  # whatever is behind it
        return True
    if about.remote is True and number in _OF_PROGRAMS:
        return False
    if about.remote is False and number in _OF_NETWORK:
        return False
    tls = {True: {254}, False: _OF_TLS, None: set[int]()}[about.tls]
    sse = {True: {280}, False: {279}, None: set[int]()}[about.sse]
    return number not in tls | sse


def _causes(codes: Sequence[str]) -> Iterator[Line]:
    for code in codes[:_MOST_CAUSES]:
        yield Line(code, f"{RULES[code].title}: {TELLS[int(code[2:])]}")
    rest = codes[_MOST_CAUSES:]
    if len(rest) > _MOST_TITLES:
        yield Line("rarer", ", ".join(rest))
    elif rest:
        yield Line("rarer", "; ".join(f"{code} {RULES[code].title}" for code in rest))


def _which(names: Sequence[str], compiled: Compilation) -> str:
    if names:
        commands = (f"mcpconf explain {shell_word(n)} --live" for n in dict.fromkeys(names))
        return f"which of them it is: {'; '.join(commands)}"
    known = dict.fromkeys(r.server.name for r in compiled.survey.resolved)
    shown_names = ", ".join(quote(n) for n in list(known)[:_MOST_SERVERS])
    return "which of them it is: mcpconf explain NAME --live, or all: mcpconf explain --live" + (
        f"; servers: {shown_names}" if shown_names else ""
    )


def _hosts(line: str, known: Known) -> dict[str, tuple[Line, ...]]:
    """What the whitelist says of the hosts that a line names."""
    found = {}
    for host in places(line)[:_MOST_HOSTS]:
        answer = explaining.explain(host, known.compiled, known.kinds)
        if answer.kind == "host":
            found[host] = answer.lines
    return found


# --- showing ----------------------------------------------------------------------------------


def shown(text: str, compiled: Compilation) -> str:
    """A foreign line for people: cut, without what looks like a secret or is one here."""
    for secret in sorted(_secrets(compiled), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return mask_arg(text[: 4 * _CUT])[:_CUT]


def cut(text: str) -> str:
    """A line as a heading."""
    return text if len(text) <= _SUBJECT else text[: _SUBJECT - 1] + "…"


def _secrets(compiled: Compilation) -> set[str]:
    """Configured values of headers and variables, whole and without the scheme before them."""
    values: set[str] = set()
    for resolved in compiled.survey.resolved:
        if not isinstance(resolved.server, Server):
            continue
        transport = resolved.server.transport
        if isinstance(transport, Remote):
            values.update(text.reveal() for text in transport.headers.values())
        else:
            named = transport.env.items()
            values.update(t.reveal() for n, t in named if not harmless(n, t.reveal()))
    values |= {value.partition(" ")[2] for value in values}
    return {v for v in values if len(v) >= _SHORTEST_SECRET}
