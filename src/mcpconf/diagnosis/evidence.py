"""What was seen, as values: gathered by ``look_*.py``, judged by ``judge_*.py``.

Nothing here says what is wrong.  What could hold a secret never prints itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from mcpconf.contract import Route
from mcpconf.credentials.login_state import LoginState
from mcpconf.credentials.missing import Missing
from mcpconf.credentials.resolved import Resolved
from mcpconf.diagnosis.model import Remedy, Rung, Verdict
from mcpconf.findings import Finding
from mcpconf.model import Json
from mcpconf.names import quote
from mcpconf.origin import Origin
from mcpconf.plan.terms import Planned, shell_word
from mcpconf.service.handshake import Outcome


class Gateway(NamedTuple):
    """The gateway of this user, as it answers on its control socket.

    ``pid`` is None where none runs, 0 where it is not known.  ``trouble`` says in one clause why it
    does not answer, "" if it does; only then the rest is known.  ``unheard`` are addresses on which
    one would listen that was started now, ``occupied`` those of them on which another program
    listens while none runs; ``rows`` what it knows of this project's servers, by id;
    ``left_out`` why it leaves the project out, as far as its log says.
    """

    pid: int | None = None
    trouble: str = ""
    version: str = ""
    listen: tuple[str, ...] = ()
    unheard: tuple[str, ...] = ()
    occupied: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, Any]] = {}
    left_out: str = ""
    ms: float = 0.0

    @property
    def answers(self) -> bool:
        return self.pid is not None and not self.trouble


class Written(NamedTuple):
    """What the last sync wrote, beside what one would write now.

    ``servers`` are the entries of the container's mcp.json, ``routes`` those of the host's
    routes.json by id; None: there is none.  ``bridge`` is what keeps bridge.json from being used,
    "" if nothing does.  ``blocked`` is why a sync would write nothing.
    """

    servers: Mapping[str, Json] | None = None
    routes: Mapping[str, Route] | None = None
    bridge: str = ""
    bridge_path: str = ""
    blocked: tuple[Finding, ...] = ()
    trouble: str = ""


class Secrets:
    """A route with its secrets put in, or what is missing; and its login.  It never prints itself.

    Attributes:
        resolved: the URL and headers as the gateway would send them; None where that fails.
        missing: why it fails, with the code of a gateway's trouble.
        login: what is known of the login that the gateway would use.
        bearer: whether a stored login's token is among the headers.
        attempt: why the last attempt to sign in failed, "" if none did.

    """

    __slots__ = ("attempt", "bearer", "login", "missing", "resolved")

    def __init__(
        self,
        resolved: Resolved | None = None,
        missing: Missing | None = None,
        login: LoginState = LoginState("none"),  # noqa: B008  a value
        *,
        bearer: bool = False,
        attempt: str = "",
    ) -> None:
        self.resolved = resolved
        self.missing = missing
        self.login = login
        self.bearer = bearer
        self.attempt = attempt

    def __repr__(self) -> str:
        return "Secrets(***)"


class File(NamedTuple):
    """The file of a command that could not be started: the word, and what was seen of it.

    ``kind`` is absent, directory, denied, empty, crlf, interpreter (``needs`` is not there), text
    (that no `#!` begins) or program.
    """

    word: str
    kind: str
    needs: str = ""


class Taken(NamedTuple):
    """How Claude Code takes what a server says in a conversation.

    ``greets``: it answered ``initialize``.  ``call`` is what it was asked when it said something
    that the client refuses, "" if nothing; then ``misfit`` says where in it, as
    "tools.0.inputSchema", and ``whose`` names the tool.
    """

    greets: bool = False
    call: str = ""
    misfit: str = ""
    whose: str = ""


class Heard(NamedTuple):
    """One real handshake: from where, how it went, and how long it took.

    ``probed`` is whether it answers ``server/discover``; None: nobody asked.  ``file`` is that of a
    command that could not be started; ``taken`` what the client makes of it, None: nobody looked.
    """

    place: str  # host, or the container's name
    outcome: Outcome
    seconds: float = 0.0
    probed: bool | None = None
    file: File | None = None
    taken: Taken | None = None

    @property
    def greets(self) -> bool:
        """Whether it answered ``initialize``, as far as that was looked at."""
        return self.taken is not None and self.taken.greets

    @property
    def works(self) -> bool:
        return self.outcome.tools is not None


class Host(NamedTuple):
    """What was seen of the host for one server, as the judges take it.

    ``heard`` is the handshake from this host, None where there was none, ``inside`` the one from
    the container; ``secrets`` is None for a server without a route; ``unset`` the verdict on a
    variable that this shell lacks.
    """

    planned: Planned
    gateway: Gateway
    written: Written
    secrets: Secrets | None = None
    heard: Heard | None = None
    inside: Heard | None = None
    unset: Verdict | None = None

    @property
    def name(self) -> str:
        return quote(self.planned.classified.server.name)

    @property
    def at(self) -> Origin:
        return self.planned.classified.server.origin

    @property
    def sign_in(self) -> Remedy:
        return Remedy(f"mcpconf gateway login {shell_word(self.planned.classified.server.name)}")

    @property
    def works(self) -> bool:
        """Whether the server answers where the traffic starts."""
        there = self.inside or self.heard
        return there is not None and there.works

    @property
    def answers_here(self) -> bool:
        """Whether it answers this host, be it that it does not answer the container."""
        return self.heard is not None and self.heard.works

    @property
    def code(self) -> str:
        """What the gateway or the bridge says is wrong; "" if nothing, or nobody was asked."""
        return self._broken.outcome.code if self._broken else ""

    @property
    def _broken(self) -> Heard | None:
        """The handshake that failed, and whose words count: the host's own before another."""
        if self.works or self.answers_here:
            return None
        return self.heard or self.inside

    @property
    def words(self) -> str:
        """The same in words, without the name before them and the advice behind them."""
        said = self._broken.outcome.message if self._broken else ""
        text = said.removeprefix(f"{self.name.strip('`')}: ")
        for advice in ("; run `mcpconf explain ", "; run `mcpconf sync`, then"):
            text = text.partition(advice)[0]
        if self._broken is not None and self._broken is self.inside and text:
            foreign = text.splitlines()[0][:_LONGEST_FOREIGN].replace("`", "'")
            return f"the bridge there says: {foreign}"  # whoever is in the container may be it
        return text

    def verdict(
        self,
        rung: Rung,
        code: str,
        text: str,
        notes: tuple[str, ...] = (),
        remedy: Remedy | None = None,
    ) -> Verdict:
        """A verdict on the entry; the remedy's command is its help."""
        ways = (remedy.command,) if remedy else ()
        return Verdict(rung, Finding(code, text, self.at, notes, ways), None, remedy)


class Login(NamedTuple):
    """One entry of the client's ``mcpOAuth``: ``NAME|HASH`` of the endpoint, and what it holds."""

    name: str
    hash: str
    token: bool
    discovered: bool = False  # discoveryState.oauthMetadataFound
    rejected: bool = False  # tokenlessRejectedAt


class Remembered(NamedTuple):
    """What Claude Code keeps and believes (fact 56), and what limits it.

    ``needs_auth`` is when a server was found to want a login, by name, in Unix seconds; ``logins``
    are the entries of ``mcpOAuth``; the ``…_file`` are where they stand.  ``log`` is the path of a
    server's newest log, by name.  ``now`` is in Unix seconds.  ``proxy`` is the proxy that the
    client would use for this machine's own servers, as the variable's name; ``dead`` what came of
    a connection to it, "" if it takes one; ``far``: it is not on this machine.
    """

    place: str = "host"
    now: float = 0.0
    needs_auth: Mapping[str, float] = {}
    needs_auth_file: Origin | None = None
    logins: tuple[Login, ...] = ()
    logins_file: Origin | None = None
    log: Mapping[str, str] = {}
    timeout: float = 30.0  # seconds: MCP_TIMEOUT
    at_once: int = 3  # MCP_SERVER_CONNECTION_BATCH_SIZE
    proxy: str = ""
    exempt: tuple[str, ...] = ()  # NO_PROXY
    dead: str = ""
    far: bool = False


class Judged(NamedTuple):
    """What a judge says: causes, of which the lowest rung blocks, and what else to mention."""

    causes: tuple[Verdict, ...] = ()
    mentions: tuple[Verdict, ...] = ()

    def __add__(self, other: object) -> Judged:
        assert isinstance(other, Judged)
        return Judged(self.causes + other.causes, self.mentions + other.mentions)


_LONGEST_FOREIGN = 300  # characters
_CHMOD = re.compile(r"chmod [0-7agorwxu+-]{1,12} (?:'[^'\x00-\x1f]+'|[A-Za-z0-9_@%+=:,./~-]+)")


def chmod(command: str) -> Remedy | None:
    """A command that was taken out of a message, where it is what it says and nothing more."""
    return Remedy(command) if _CHMOD.fullmatch(command) else None


SYNC = Remedy("mcpconf sync", ("sync",), safe=True)
START = Remedy("mcpconf gateway start", ("gateway", "start"), safe=True)
RESTART = Remedy(
    "mcpconf gateway stop && mcpconf gateway start",
    ("gateway", "stop", "&&", "gateway", "start"),
)
