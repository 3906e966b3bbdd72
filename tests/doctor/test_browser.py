"""The picture and the page in a real browser: light, dark, narrow, and without a network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcpconf.report import drawing
from tests.doctor import samples
from tests.doctor.browser import PACKAGE, Page, browser, program

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

SETS = {
    "mixed": samples.MIXED,
    "hostile": samples.hostile(),
    "none": (),
    "one": samples.MIXED[:1],
    "thirty": (samples.MIXED * 3)[:30],
}

# What of the texts is too faint: the colour of each against what lies behind it (WCAG 2.1, 1.4.3).
CONTRAST = """(() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const part = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const solid = c => c.length === 3 || c[3] === 1;
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length && solid(c)) return c;
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  };
  const below = text => {
    const box = text.getBoundingClientRect();
    const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
    let found = null;
    for (const e of document.querySelectorAll('rect, circle')) {
      const r = e.getBoundingClientRect();
      if (r.left <= x && x <= r.right && r.top <= y && y <= r.bottom) found = e;
    }
    return rgb(getComputedStyle(found).fill);
  };
  const faint = [];
  let worst = 99;
  const svg = document.documentElement.tagName === 'svg';
  for (const e of document.querySelectorAll(svg ? 'text' : 'body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const r = ratio(rgb(svg ? style.fill : style.color), svg ? below(e) : behind(e));
    worst = Math.min(worst, r);
    if (r < 4.5) faint.push([e.textContent.slice(0, 40), r]);
  }
  return {faint, worst};
})()"""

# What sticks out of what it is in, and what of the page sticks out of the window.
OVERFLOW = """(() => {
  const out = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) out.push(['page', wide]);
  for (const e of document.querySelectorAll('.box, .server, td, th, li, p, h1, h3')) {
    if (e.closest('.hidden')) continue;
    if (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
      out.push([e.className || e.tagName, e.textContent.slice(0, 40), e.scrollWidth, e.clientWidth]);
  }
  const boxes = [...document.querySelectorAll('.box, .way .symbol, .server > p, .server > h3')];
  for (const chain of document.querySelectorAll('.server')) {
    const parts = boxes.filter(b => chain.contains(b)).map(b => [b, b.getBoundingClientRect()]);
    for (const [i, [a, p]] of parts.entries())
      for (const [b, q] of parts.slice(i + 1))
        if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1)
          out.push(['overlap', a.textContent.slice(0, 30), b.textContent.slice(0, 30)]);
  }
  return out;
})()"""

# The same of the SVG: each text in the box or row it was laid out for, none over another.
SVG_OVERFLOW = """(() => {
  const out = [];
  const all = document.documentElement.getBoundingClientRect();
  const rects = [...document.querySelectorAll('text')].filter(t => t.textContent)
    .map(t => [t, t.getBoundingClientRect()]);
  for (const [t, r] of rects) {
    if (r.right > all.right || r.left < all.left || r.bottom > all.bottom) out.push(['outside', t.textContent]);
    const box = t.parentElement.querySelector(':scope > rect.box');
    if (box) {
      const b = box.getBoundingClientRect();
      if (r.left < b.left || r.right > b.right || r.top < b.top || r.bottom > b.bottom)
        out.push(['out of its box', t.textContent]);
    }
  }
  for (const [i, [t, p]] of rects.entries())
    for (const [u, q] of rects.slice(i + 1))
      if (p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 3 && q.top < p.bottom - 3)
        out.push(['overlap', t.textContent, u.textContent]);
  return out;
})()"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if program() is None and "CI" not in os.environ:
        pytest.skip(f"there is no browser: apt-get install {PACKAGE}")
    with browser(tmp_path_factory.mktemp("browser")) as tab:
        yield tab


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for name, found in SETS.items():
        drawn = samples.chains(found)
        (folder / f"{name}.svg").write_text(drawing.svg(drawn, "shop"))
        (folder / f"{name}.html").write_text(
            drawing.page(
                drawn, samples.CHECKS, "shop", ("mcpconf 0.1.0", "for Claude Code 2.1.328")
            )
        )
    return folder


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("name", SETS)
def test_the_page_is_readable(
    page: Page, files: Path, name: str, width: int, *, dark: bool
) -> None:
    page.show(files / f"{name}.html", width=width, dark=dark)
    assert page.run("getComputedStyle(document.body).backgroundColor") == (
        "rgb(15, 19, 24)" if dark else "rgb(255, 255, 255)"
    )
    assert page.run("document.querySelectorAll('article.server h3').length") == len(SETS[name])
    assert page.run(OVERFLOW) == []
    contrast = page.run(CONTRAST)
    assert contrast["faint"] == [], contrast["worst"]
    _nothing_left_or_complained(page)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", SETS)
def test_the_svg_is_readable(page: Page, files: Path, name: str, *, dark: bool) -> None:
    page.show(files / f"{name}.svg", width=1040, dark=dark)
    assert page.run("document.documentElement.tagName") == "svg"
    assert page.run("document.querySelectorAll('g.row').length") == len(SETS[name])
    assert page.run(SVG_OVERFLOW) == []
    contrast = page.run(CONTRAST)
    assert contrast["faint"] == [], contrast["worst"]
    _nothing_left_or_complained(page)


def test_the_page_is_a_document_for_screen_readers(page: Page, files: Path) -> None:
    page.show(files / "mixed.html", width=1280, dark=False)
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    roles = [n["role"]["value"] for n in nodes if not n["ignored"]]
    for role in ("main", "banner", "heading", "list", "listitem", "article", "table", "rowheader"):
        assert role in roles, role
    named = [n for n in nodes if n["role"]["value"] == "article" and n.get("name", {}).get("value")]
    assert len(named) >= len(samples.MIXED)
    words = page.run("document.body.innerText")
    for word in ("works", "breaks here", "not reached", "not looked at"):
        assert word in words


def test_colour_is_never_alone(page: Page, files: Path) -> None:
    """Each mark has a symbol of its own, and lines and borders another pattern."""
    page.show(files / "mixed.html", width=1280, dark=False)
    styles = page.run(
        """Object.fromEntries(['works', 'remark', 'broken', 'unseen', 'beyond'].map(m => {
          const box = document.querySelector('.box.' + m);
          return [m, getComputedStyle(box).borderTopStyle + box.querySelector('.symbol').textContent];
        }))"""
    )
    assert len(set(styles.values())) == 5, styles
    page.show(files / "mixed.svg", width=1040, dark=False)
    dashes = page.run(
        """['works', 'remark', 'broken', 'unseen', 'beyond'].map(m =>
          getComputedStyle(document.querySelector('.box.' + m)).strokeDasharray)"""
    )
    assert len(set(dashes)) == 5, dashes


def test_it_can_be_printed(page: Page, files: Path) -> None:
    page.show(files / "mixed.html", width=800, dark=True, media="print")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run(CONTRAST)["faint"] == []
    assert page.printed().startswith(b"%PDF")


def test_a_picture_in_a_page_is_a_picture(page: Page, files: Path, tmp_path: Path) -> None:
    """The SVG is shown by ``<img>`` as well, where no script and no link works."""
    (tmp_path / "mixed.svg").write_bytes((files / "mixed.svg").read_bytes())
    text = (tmp_path / "mixed.svg").read_text()
    coded = text.replace("%", "%25").replace("#", "%23").replace('"', "%22").replace("\n", "%0A")
    (tmp_path / "holds.html").write_text(f'<img alt="ways" src="data:image/svg+xml,{coded}">')
    page.show(tmp_path / "holds.html", width=1040, dark=False)
    assert page.run("document.images[0].naturalWidth") == 1000


def _nothing_left_or_complained(page: Page) -> None:
    assert page.requests == []
    assert page.complaints == []
