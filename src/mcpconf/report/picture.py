"""Where everything stands in the picture of the ways to all servers.  Pure; `drawing.py` draws.

Text has no width that every machine agrees on, so it is set in a monospaced font, wrapped by
columns, and told how long it is to be (``textLength``).  Every foreign text was made visible from
left to right by ``report.safe``, and jinja2 escapes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from unicodedata import east_asian_width

from mcpconf.diagnosis.model import Verdict
from mcpconf.report import place, safe
from mcpconf.report.chain import Chain, Mark, Part

WIDTH, MARGIN = 1000, 16
_PAD, _GAP = 12, 18
_LINE, _SMALL = 16, 14
_CHAR = 7.3  # a column of 12 px in the widest of the usual monospaced fonts
_ZONE_TOP, _ZONE_BOTTOM = 24, 12
_MOST_LINES = 4
_COLUMNS = 124  # of text below a row
_TITLE_COLUMNS, _TITLE_SIZE = 110, 14

_ZONES = {"container": (16, 416), "host": (448, 236), "there": (700, 284)}
ZONE_NAMES = {"container": "container", "host": "this machine", "there": "where the server is"}
_BOXES = {"claude": (32, 164), "bridge": (252, 164), "gateway": (464, 204), "server": (716, 252)}
_IN_CONTAINER = (252, 164)  # a server that starts there

SYMBOLS = {
    Mark.WORKS: "✓",
    Mark.REMARK: "!",
    Mark.BROKEN: "✕",
    Mark.UNSEEN: "?",
    Mark.BEYOND: "·",
}
CLASSES = {
    Mark.WORKS: "works",
    Mark.REMARK: "remark",
    Mark.BROKEN: "broken",
    Mark.UNSEEN: "unseen",
    Mark.BEYOND: "beyond",
}


class Line(NamedTuple):
    """One line of text at a place; ``length`` is how wide it may be, 0: as wide as it is."""

    x: int
    y: int
    text: str
    kind: str
    length: float = 0.0


class Box(NamedTuple):
    """A box to draw."""

    x: int
    y: int
    width: int
    height: int
    mark: str
    symbol: str
    says: str
    lines: tuple[Line, ...]


class Way(NamedTuple):
    """A link to draw, from left to right, with its symbol in the middle."""

    x: int
    end: int
    y: int
    mark: str
    symbol: str
    says: str


class Zone(NamedTuple):
    """The ground under boxes."""

    x: int
    y: int
    width: int
    height: int
    name: str


class Row(NamedTuple):
    """One server."""

    y: int
    height: int
    says: str
    zones: tuple[Zone, ...]
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    lines: tuple[Line, ...]


# --- text -------------------------------------------------------------------------------------


def columns(text: str) -> int:
    """How many columns a text takes: wide characters take two."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def wrapped(text: str, width: int, most: int = _MOST_LINES) -> list[str]:
    """Break a text into lines of at most ``width`` columns; what is longer ends in ``…``."""
    lines = list(_broken(text, width))
    if len(lines) <= most:
        return lines or [""]
    last = lines[most - 1]
    while columns(last) > width - 1:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]


def _broken(text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        piece = f"{line} {word}" if line else word
        if columns(piece) <= width:
            line = piece
            continue
        if line and columns(word) <= width:
            yield line
            line = word
            continue
        line = piece
        while columns(line) > width:
            cut = 0
            while columns(line[: cut + 1]) <= width:
                cut += 1
            yield line[:cut]
            line = line[cut:]
    if line:
        yield line


def line_at(x: int, y: int, text: str, kind: str) -> Line:
    """A line that is as wide as its columns; titles are larger."""
    width = _CHAR * (_TITLE_SIZE / 12 if kind == "title" else 1)
    return Line(x, y, text, kind, round(columns(text) * width, 1))


# --- the layout of the SVG --------------------------------------------------------------------


def layout(chains: Sequence[Chain]) -> list[Row]:
    """Place everything: pure."""
    rows = []
    y = 72
    for chain in chains:
        row = _row(chain, y)
        rows.append(row)
        y += row.height + _GAP
    return rows


def _row(chain: Chain, y: int) -> Row:
    title = f"{SYMBOLS[chain.mark]} {chain.server}: {outcome(chain)}"
    lines = [
        line_at(MARGIN, y + _LINE * (i + 1), text, "title")
        for i, text in enumerate(wrapped(title, _TITLE_COLUMNS, 3))
    ]
    top = y + _LINE * len(lines) + 10
    inner = top + _ZONE_TOP
    spans = [
        _IN_CONTAINER if part.role == "server" and zone == "container" else _BOXES[part.role]
        for part, zone in zip(chain.boxes, chain.zones, strict=True)
    ]
    texts = [_box_text(p, width) for p, (_, width) in zip(chain.boxes, spans, strict=True)]
    tall = max(len(t) for t in texts) * _LINE + 2 * _PAD
    boxes = tuple(
        _box(part, (x, inner, width, tall), text)
        for part, (x, width), text in zip(chain.boxes, spans, texts, strict=True)
    )
    ways = tuple(
        Way(
            left.x + left.width,
            right.x,
            inner + tall // 2,
            CLASSES[link.mark],
            SYMBOLS[link.mark],
            link.mark.value,
        )
        for link, left, right in zip(chain.links, boxes, boxes[1:], strict=False)
    )
    height = _ZONE_TOP + tall + _ZONE_BOTTOM
    zones = tuple(
        Zone(_ZONES[z][0], top, _ZONES[z][1], height, ZONE_NAMES[z])
        for z in dict.fromkeys(chain.zones)
    )
    below = top + height + 4
    for text, kind in _said(chain):
        below += _LINE
        lines.append(line_at(MARGIN + 4, below, text, kind))
    return Row(y, below + 8 - y, says(chain), zones, boxes, ways, tuple(lines))


def _box_text(part: Part, width: int) -> list[tuple[str, str]]:
    fits = int((width - 2 * _PAD) / _CHAR)
    title = wrapped(part.title, fits - 3, 3)
    detail = wrapped(part.detail, fits, 2) if part.detail else []
    return [*((text, "name") for text in title), *((text, "detail") for text in detail)]


def _box(part: Part, place_: tuple[int, int, int, int], texts: list[tuple[str, str]]) -> Box:
    x, y, width, height = place_
    lines = tuple(
        line_at(x + _PAD, y + _PAD + _LINE * i + 12, text, kind)
        for i, (text, kind) in enumerate(texts)
    )
    mark = part.mark
    return Box(x, y, width, height, CLASSES[mark], SYMBOLS[mark], mark.value, lines)


def outcome(chain: Chain) -> str:
    """How a server does, in a few words."""
    if chain.works:
        return chain.summary
    word = "does not work" if chain.mark is Mark.BROKEN else chain.mark.value
    return f"{word}, {chain.summary}"


def _said(chain: Chain) -> Iterator[tuple[str, str]]:
    for number, verdict in enumerate(chain.verdicts):
        for text, kind in _verdict_lines(verdict, also=number > 0):
            yield from ((line, kind) for line in wrapped(text, _COLUMNS, 3))
    for text in chain.unseen if not chain.verdicts else ():
        yield from ((line, "detail") for line in wrapped(f"not looked at: {safe(text)}", _COLUMNS))


def _verdict_lines(verdict: Verdict, *, also: bool) -> Iterator[tuple[str, str]]:
    finding = verdict.finding
    yield f"{'also ' if also else ''}{finding.code}: {safe(finding.message)}", "verdict"
    if also:
        return
    if finding.origin:
        yield f"at {place(finding.origin)}", "detail"
    for way in finding.help[:2]:
        yield f"→ {safe(way)}", "detail"


def says(chain: Chain) -> str:
    """A row in words, for whoever does not see it."""
    parts = "; ".join(f"{part.title}: {part.mark.value}" for part in chain.boxes)
    found = "; ".join(f"{v.finding.code}, {safe(v.finding.message)}" for v in chain.verdicts)
    return f"{chain.server}: {outcome(chain)}. {parts}." + (f" {found}." if found else "")
