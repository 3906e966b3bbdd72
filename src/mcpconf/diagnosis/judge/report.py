"""A report of the wire as the judges read it: it may come from a container, so it is hostile.

Whatever has another shape than ``mcpconf.wire`` writes counts as not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mcpconf.diagnosis.model import Remedy, Rung, Shows, Verdict
from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.origin import Origin

COMPARE = "compare its URL with what the server's own documentation says"
CORRECT_HOST = "correct the host in its URL"
_MOST = 200  # stations, and elements of lists in them


class About(NamedTuple):
    """What is known of the server beside the report.

    Attributes:
        server: its name, as written.
        origin: its entry; "url" and "headers" below it are where to change something.
        url: its URL as it may be shown.
        place: where the report comes from: "host" or "container".
        through_gateway: in use, the gateway asks it, not the client.
        type: "http" or "sse", as configured.
        headers: names of the headers that went out with "configured".
        keys: those of them that look like credentials; None: all but Authorization.
        helper: a headersHelper has made some of them.
        signed_in: one of them is the token of a stored login.
        has_login: the gateway keeps a login of its own for it, which was not sent.
        sign_in: the command with which one signs in, "" where there is none.
        client: the version of Claude Code.
        patience: seconds that it waits for a server (MCP_TIMEOUT).
        container: the container's name, where the report comes from one.
        firewall: what the container's firewall says of host and port: "open", "closed" (that is
            judged elsewhere, so nothing is said of names and connections), "none", "" unknown.
        proxy: the variable that names the proxy (``HTTPS_PROXY``), "" if none does.

    """

    server: str
    origin: Origin | None = None
    url: str = ""
    place: str = "host"
    through_gateway: bool = False
    type: str = "http"
    headers: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None
    helper: bool = False
    signed_in: bool = False
    has_login: bool = False
    sign_in: str = ""
    client: str = "2.1.328"
    patience: float = 30.0
    container: str = ""
    firewall: str = ""
    proxy: str = ""

    @property
    def name(self) -> str:
        return quote(self.server)

    @property
    def has_authorization(self) -> bool:
        return any(name.lower() == "authorization" for name in self.headers)

    @property
    def key_headers(self) -> tuple[str, ...]:
        """The headers that are a key, beside Authorization."""
        known = self.headers if self.keys is None else self.keys
        return tuple(name for name in known if name.lower() != "authorization")

    @property
    def old_client(self) -> bool:
        """Whether the client is one of before the stateless era."""
        numbers = tuple(int(part) for part in self.client.split(".") if part.isdigit())
        return numbers < (2, 1, 300)

    @property
    def here(self) -> str:
        """Where the questions were asked, as a clause."""
        if self.place == "container":
            return f"inside {quote(self.container)}" if self.container else "inside the container"
        return "on this machine"

    def at(self, *steps: str) -> Origin | None:
        return self.origin.at(*steps) if self.origin else None

    def verdict(  # noqa: PLR0913  the parts of a verdict
        self,
        rung: Rung,
        code: str,
        message: str,
        *,
        notes: tuple[str, ...] = (),
        help: tuple[str, ...] = (),  # noqa: A002  as the finding calls it
        shows: Shows | None = None,
        at: tuple[str, ...] = ("url",),
        remedy: Remedy | None = None,
    ) -> Verdict:
        """Put a verdict together; empty notes are left out."""
        kept = tuple(note for note in notes if note)
        return Verdict(rung, Finding(code, message, self.at(*at), kept, help), shows, remedy)


class Told:
    """A report, or one station of it: every look at it gives the type that was asked for."""

    __slots__ = ("_given",)

    def __init__(self, given: object) -> None:
        self._given: Mapping[str, Any] = given if isinstance(given, Mapping) else {}

    def text(self, key: str) -> str:
        """A short text, as it is; it needs :meth:`shown` to be printed."""
        value = self._given.get(key)
        return value if isinstance(value, str) else ""

    def shown(self, key: str, limit: int = 100) -> str:
        """A text in backticks, harmless; "" where there is none."""
        return said(self.text(key), limit)

    def number(self, key: str) -> float | None:
        value = self._given.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value if abs(value) < 1e12 else None  # noqa: PLR2004

    def whole(self, key: str) -> int | None:
        value = self.number(key)
        return int(value) if value is not None else None

    def flag(self, key: str) -> bool | None:
        value = self._given.get(key)
        return value if isinstance(value, bool) else None

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._given.get(key)
        listed = value[:_MOST] if isinstance(value, list) else []
        return tuple(text for text in listed if isinstance(text, str))

    def parts(self, key: str) -> tuple[Told, ...]:
        value = self._given.get(key)
        listed = value[:_MOST] if isinstance(value, list) else []
        return tuple(Told(part) for part in listed if isinstance(part, Mapping))

    def part(self, key: str) -> Told:
        return Told(self._given.get(key))

    def __bool__(self) -> bool:
        return bool(self._given)


class Call(Told):
    """One request, as it was told."""

    __slots__ = ()

    @property
    def ok(self) -> bool:
        return self.flag("ok") is True

    @property
    def status(self) -> int:
        return self.whole("status") or 0

    @property
    def fault(self) -> str:
        return self.text("fault")

    @property
    def hops(self) -> tuple[Told, ...]:
        return self.parts("hops")

    @property
    def says(self) -> tuple[str, ...]:
        """What it says about itself, as a note; nothing where it says nothing."""
        text = self.part("error").text("message") or self.text("excerpt")
        return (f"it says {said(text)}",) if text else ()

    @property
    def dropped(self) -> bool:
        """Whether a redirect took the Authorization away."""
        return any("authorization" in map(str.lower, hop.texts("dropped")) for hop in self.hops)

    @property
    def lost(self) -> Told:
        """The first redirect that made a GET of the POST."""
        if self.text("call") == "stream":
            return Told(None)
        return next((hop for hop in self.hops if hop.text("method") == "GET"), Told(None))


class Seen:
    """A whole report."""

    def __init__(self, report: object) -> None:
        whole = Told(report)
        self.stations = whole.parts("stations")
        self.answer = whole.part("answer")
        self.sent = whole.parts("sent")
        self.works = self.answer.flag("works") is True
        self.stopped = self.answer.text("stopped")
        self.seconds = self.answer.number("seconds") or 0.0

    def of(self, name: str) -> Iterator[Told]:
        return (station for station in self.stations if station.text("station") == name)

    def broken(self, name: str) -> Told:
        """The station of this name that failed; nothing where none did."""
        return next((s for s in self.of(name) if s.flag("ok") is False), Told(None))

    def first(self, name: str) -> Told:
        return next(self.of(name), Told(None))

    def call(self, name: str, *, configured: bool = True) -> Call:
        """The last request of this name, with the configured headers or without."""
        way = "configured" if configured else "nothing"
        found = [s for s in self.of("call") if s.text("call") == name and s.text("with") == way]
        return Call(found[-1]._given) if found else Call(None)  # noqa: SLF001  of its own kind

    def sent_as(self, name: str) -> Told:
        """The shape of a header that was sent; nothing where it was not."""
        return next((h for h in self.sent if h.text("name").lower() == name), Told(None))

    @property
    def unset(self) -> tuple[tuple[str, str], ...]:
        """Headers that went out with a variable in them literally, and the variable."""
        return tuple((h.text("name"), v) for h in self.sent for v in h.texts("unset"))

    @property
    def main(self) -> Call:
        """The request at which the conversation ended."""
        found = self.call(self.stopped)
        return found or self.call("initialize") or self.call("stream") or self.call("discover")


def said(text: str, limit: int = 100) -> str:
    """Foreign text in backticks, harmless; "" for none."""
    return quote(text, limit) if text else ""


def took(ms: float | None) -> str:
    """A duration for a person; "" where it is not known."""
    if ms is None:
        return ""
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"  # noqa: PLR2004
