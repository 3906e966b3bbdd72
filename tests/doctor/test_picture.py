"""The picture's layout and text: where a way breaks, what is escaped, and that nothing is missing."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.diagnosis.model import Diagnosis, Rung
from mcpconf.report import drawing, safe
from mcpconf.report.chain import Drawn, Mark, chain
from mcpconf.report.picture import WIDTH, columns, layout, wrapped
from tests.doctor import samples

SVG = "{http://www.w3.org/2000/svg}"


PLAIN = Drawn()


def marks(diagnosis: Diagnosis, about: Drawn = PLAIN) -> str:
    """The way in signs: ``v`` works, ``!`` remark, ``X`` breaks, ``?`` unseen, ``-`` beyond."""
    signs = dict(zip(Mark, "v!X?-", strict=True))
    return "".join(signs[part.mark] for part in chain(diagnosis, about).parts)


@pytest.mark.parametrize(
    ("rung", "way", "expected"),
    [
        (Rung.CONFIG, "nowhere", "vX-"),
        (Rung.CONFIG, "gateway", "vX-----"),
        (Rung.CONTAINER, "gateway", "X------"),
        (Rung.BRIDGE, "gateway", "vvX----"),
        (Rung.FIREWALL, "gateway", "vvvX---"),
        (Rung.GATEWAY, "gateway", "vvvvX--"),
        (Rung.ROUTE, "gateway", "vvvvX--"),
        (Rung.SECRET, "gateway", "vvvvX--"),
        (Rung.DNS, "gateway", "vvvvvX-"),
        (Rung.TCP, "gateway", "vvvvvX-"),
        (Rung.TLS, "gateway", "vvvvvX-"),
        (Rung.HTTP, "gateway", "vvvvvvX"),
        (Rung.AUTH, "gateway", "vvvvvvX"),
        (Rung.MCP, "gateway", "vvvvvvX"),
        (Rung.TOOLS, "gateway", "vvvvvvX"),
        (Rung.COMMAND, "gateway", "vvvvvvX"),
        (Rung.BRIDGE, "direct", "vvX--"),
        (Rung.FIREWALL, "direct", "vvvX-"),
        (Rung.TLS, "direct", "vvvX-"),
        (Rung.AUTH, "direct", "vvvvX"),
        (Rung.COMMAND, "container", "vvX"),
        (Rung.FIREWALL, "container", "vvX"),
        (Rung.DNS, "container", "vvX"),
    ],
)
def test_a_way_breaks_where_its_rung_is(rung: Rung, way: str, expected: str) -> None:
    assert marks(samples.breaks("x", rung, "MC299", "why", way)) == expected


@pytest.mark.parametrize("way", ["gateway", "direct", "container", "nowhere"])
@pytest.mark.parametrize("rung", list(Rung))
def test_every_rung_has_a_place_on_every_way(rung: Rung, way: str) -> None:
    found = marks(samples.breaks("x", rung, "MC299", "why", way))
    assert found.count("X") == 1
    assert set(found.partition("X")[0]) <= {"v"}
    assert set(found.partition("X")[2]) <= {"-"}


def test_what_works_is_green_to_its_end() -> None:
    assert marks(samples.works("a")) == "vvvvvvv"
    assert marks(samples.works("a", "direct")) == "vvvvv"
    assert marks(samples.works("a", "direct"), Drawn(bridged=False)) == "vvv"
    assert marks(samples.works("a", "container")) == "vvv"


def test_a_remark_does_not_break_a_way_that_works() -> None:
    slow = samples.breaks("x", Rung.TOOLS, "MC285", "slow")._replace(tools=2)
    assert marks(slow) == "vvvvvv!"
    poisoned = samples.breaks("x", Rung.CLIENT, "MC290", "it remembers")._replace(tools=2)
    assert marks(poisoned) == "!vvvvvv"
    orphaned = samples.breaks("x", Rung.CLIENT, "MC293", "no login")._replace(tools=2)
    assert marks(orphaned) == "Xvvvvvv"


def test_what_nobody_looked_at_is_not_green() -> None:
    assert marks(samples.MIXED[-1]) == "vv?"
    nothing = Diagnosis("x", "host", "gateway", (), (), None, ("no time",))
    assert marks(nothing) == "???????"


@pytest.mark.parametrize("count", [0, 1, 30])
def test_the_svg_is_xml_whatever_the_number(count: int) -> None:
    found = samples.chains((samples.MIXED * 3)[:count])
    root = ET.fromstring(drawing.svg(found, "shop"))
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f"{SVG}g[@class='row']")) == count
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title described")
    described = root.findtext(f"{SVG}desc") or ""
    for one in found:
        assert f"{one.server}: " in described
    texts = " ".join(root.itertext())
    assert ("no server is configured here" in texts) is (count == 0)


def test_hostile_names_stay_texts() -> None:
    found = samples.chains(samples.hostile())
    svg, page = drawing.svg(found, samples.HOSTILE[0]), drawing.page(found, (), "\u202ex", ("<b>",))
    root = ET.fromstring(svg)
    assert {e.tag.removeprefix(SVG) for e in root.iter()} <= {
        "svg", "title", "desc", "style", "rect", "text", "g", "path", "circle",
    }  # fmt: skip
    for text in (svg, page):
        assert "<script" not in text
        assert "<img" not in text
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "49" not in re.findall(r"\{\{.*?\}\}|>49<", text)
    assert "{{ 7*7 }}" in page
    assert "&lt;b&gt;" in page


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    page = drawing.page(samples.chains(), samples.CHECKS, "shop", ())
    assert "default-src 'none'" in page
    assert not re.search(r"<script|\bon[a-z]+=|@import|url\(", page)
    assert re.findall(r"(?:src|href)=\"([^\"]*)", page) == ["data:,"]


def test_everything_lies_within_the_picture() -> None:
    rows = layout(samples.chains((*samples.MIXED, *samples.hostile())))
    for row, following in pairwise(rows):
        assert row.y + row.height < following.y
    for row in rows:
        boxes = row.boxes
        for left, right in pairwise(boxes):
            assert left.x + left.width < right.x
        for line in row.lines:
            assert line.x + line.length <= WIDTH
            assert row.y <= line.y <= row.y + row.height
        for box in boxes:
            for line in box.lines:
                assert line.x + line.length <= box.x + box.width - 2
                assert box.y < line.y < box.y + box.height


@given(st.text(max_size=400), st.integers(4, 60), st.integers(1, 5))
def test_wrapped_lines_fit(text: str, width: int, most: int) -> None:
    shown = safe(text)
    lines = wrapped(shown, width, most)
    assert 1 <= len(lines) <= most
    assert all(columns(line) <= width for line in lines)
    if columns(shown) <= width:
        assert lines == [shown.strip(" ")] or "  " in shown or shown != shown.strip(" ")
