"""What takes secrets and persons out of a text that is given away."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.diagnosis.checks.known_secrets import hidden
from mcpconf.diagnosis.checks.scrub import Persons, Scrubber, cleaned
from mcpconf.diagnosis.model import Diagnosis
from tests.doctor import samples

SECRET = "sk-live-4f9a/b+c=d\"e f%20'&<g>"
PERSONS = Persons(
    (("/home/alice", "~"), ("/home/alice/work/shop", "<project>")),
    (("alice", "<user>"), ("alices-laptop", "<machine>"), ("root", "<user>"), ("al", "<user>")),
)


@given(
    st.text(st.characters(codec="utf-8"), min_size=8, max_size=60),
    st.text(max_size=40),
    st.text(max_size=40),
    st.data(),
)
def test_no_piece_of_a_secret_is_left(
    secret: str, before: str, after: str, data: st.DataObject
) -> None:
    secret = secret.strip()
    if len(secret) < 8:
        return
    begin = data.draw(st.integers(0, len(secret) - 8))
    end = data.draw(st.integers(begin + 8, len(secret)))
    text = Scrubber([secret])._without_pieces(f"{before}{secret[begin:end]}{after}")
    pieces = {secret[i : i + 8] for i in range(len(secret) - 7)}
    assert not any(p in part for p in pieces for part in text.split("***"))


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        SECRET[:12] + "…",
        "x" + SECRET[5:],
        quote(SECRET, safe=""),
        SECRET.replace('"', '\\"'),
        f"HTTP 401: bad token {SECRET}!",
    ],
)
def test_a_secret_is_found_however_it_is_written(written: str) -> None:
    said = Scrubber([SECRET])(written)
    assert "***" in said
    assert "live-4f9a" not in said
    assert "9a/b+c=d" not in said


def test_a_short_secret_is_taken_out_as_a_word() -> None:
    clean = Scrubber(["hunter2", "abc"])
    assert clean("hunter2, hunter22 and abc") == "***, hunter22 and abc"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("see /home/alice/work/shop/.mcp.json:3", "see <project>/.mcp.json:3"),
        ("see /home/alice/.claude.json", "see ~/.claude.json"),
        ("/home/alicet and /home/alice", "/home/alicet and ~"),
        ("home-alice-work on alices-laptop.", "home-<user>-work on <machine>."),
        ("malice and root and al", "malice and root and al"),
        ("https://bob:pw@intra.example:8443/mcp?user=bob#x", "https://intra.example:8443/mcp"),
        ("(wss://intra.example/a?b) and http://x.example", "(wss://intra.example/a) and http://x.example"),
        ("/projects/~1home~1alice~1work~1shop/x", "/projects/<project>/x"),
    ],
)  # fmt: skip
def test_persons_paths_and_urls(text: str, said: str) -> None:
    assert Scrubber([], PERSONS)(text) == said


@pytest.mark.parametrize(
    ("text", "masked", "secrets"),
    [
        ("a=b", "a=b", []),
        ("--key=xyz", "--key=***", ["xyz"]),
        ("https://u:p@h/?k=1&l=2", "https://***@h/?k=***&l=***", ["u:p", "1", "2"]),
        ("whole", "***", ["whole"]),
        ("does not fit", "x***", ["does not fit"]),
    ],
)
def test_what_a_mask_hides(text: str, masked: str, secrets: list[str]) -> None:
    assert list(hidden(text, masked)) == secrets


def test_values_are_cleaned_at_any_depth() -> None:
    clean = Scrubber(["linearsecret"], Persons((("/home/dev", "~"),)))
    dirty = samples.breaks("a linearsecret", samples.Rung.TCP, "MC245", "linearsecret is there")
    said = cleaned(dirty, clean)
    assert isinstance(said, Diagnosis)
    assert "linearsecret" not in repr(said)
    origin = said.verdicts[0].finding.origin
    assert origin is not None
    assert origin.source.path == "~/shop/.mcp.json"
    assert origin.position is not None
    assert origin.position.line == 3
    assert said.steps[0].ms == 1.5
    assert repr(clean) == "Scrubber(***)"
