"""The nouns: what a server is, where it may be written, what became of it, and why.

Everything here is a frozen value.  Text from the user's files lives in :class:`Text`, which never
prints itself: somebody has to decide what may be shown (``secret.py``) or where it may go
(``plan``) before a character of it leaves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple, NewType

from mcpconf.origin import Origin

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

ServerId = NewType("ServerId", str)
"""A server's name where text meets syntax: ``[a-z0-9-]{1,40}``.  Minted only by :func:`mint`."""


BRIDGE = "mcpconf-bridge"
"""The command of the bridge in the container; its arguments are ids and URLs without secrets."""


class Scope(Enum):
    """Where a server is defined.  ``value`` is the word that people and JSON see."""

    USER = "user"
    PROJECT = "project"
    LOCAL = "local"
    DYNAMIC = "dynamic"  # --mcp-config
    MANAGED = "managed"  # /etc/claude-code/managed-mcp.json; the client says "enterprise"
    PLUGIN = "plugin"
    CONNECTOR = "connector"  # claude.ai


class State(Enum):
    """What became of one definition.  ``ACTIVE`` means: the client would start it."""

    ACTIVE = "active"
    PENDING = "pending"
    REJECTED = "rejected"
    DISABLED = "disabled"
    DENIED = "denied"
    SHADOWED = "shadowed"
    SKIPPED = "skipped"


class Kind(Enum):
    """How a server is reached, which decides how it gets into the container."""

    STDIO = "stdio"
    HTTP = "http"
    OAUTH = "oauth"
    LOCALHOST = "localhost"


class Text:
    """A string of the configuration: as it is written, and as the client expands it.

    A plain class on purpose: ``dataclasses.asdict`` and ``json.dumps`` cannot open it, and its
    ``repr`` shows no value.  ``variables`` are the names it refers to, ``missing`` those among
    them that are unset and have no default (their ``${X}`` stays in the text).
    """

    __slots__ = ("_expanded", "_safe", "_written", "missing", "variables")

    def __init__(
        self,
        written: str,
        expanded: str | None = None,
        *,
        safe: str | None = None,
        variables: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
    ) -> None:
        self._written = written
        self._expanded = written if expanded is None else expanded
        self._safe = self._expanded if safe is None else safe
        self.variables = variables
        self.missing = missing

    def __repr__(self) -> str:
        return "Text(***)"

    def reveal(self) -> str:
        """Return the expanded value.  It may be a secret: only for ``--reveal`` and decisions."""
        return self._expanded

    def safe(self) -> str:
        """Return the expanded value, but with ``${NAME}`` for variables that hold secrets.

        Secrets that stand in the file itself are still in it: ``secret.py`` masks those.
        """
        return self._safe

    def reveal_written(self) -> str:
        """Return the value as it stands in the file.  It may be a secret as well."""
        return self._written


class Opaque:
    """A JSON value that can be told from others and cannot be looked at."""

    __slots__ = ("_value",)

    def __init__(self, value: Json) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Opaque(***)"

    def digest(self) -> str:
        """Return the sha256 of the canonical JSON, as hex."""
        canonical = json.dumps(self._value, sort_keys=True, separators=(",", ":"))
        return sha256_hex(canonical)


class Stdio(NamedTuple):
    """A server that the client starts: a command, not a shell line."""

    command: Text
    args: tuple[Text, ...] = ()
    env: Mapping[str, Text] = {}


class Remote(NamedTuple):
    """A server that the client connects to.  ``type`` is ``http``, ``sse`` or ``ws``."""

    type: str
    url: Text
    headers: Mapping[str, Text] = {}
    headers_helper: Text | None = None
    oauth: bool = False  # the entry has an ``oauth`` object

    @property
    def authorization(self) -> bool:
        """Whether an Authorization header is configured: then the client never tries OAuth."""
        return any(name.lower() == "authorization" for name in self.headers)


class Server(NamedTuple):
    """One entry, as the user wrote it.

    ``raw`` is the entry's JSON, kept for its digest only.
    """

    name: str
    scope: Scope
    origin: Origin
    transport: Stdio | Remote
    raw: Opaque
    options: Mapping[str, Json] = {}  # timeout, alwaysLoad

    @property
    def id(self) -> ServerId:
        return mint(self.name)

    @property
    def digest(self) -> str:
        """Identify the entry's text, so that a user's trust holds for what they saw, no more.

        It is the sha256 of the entry's canonical JSON, as hex.
        """
        return self.raw.digest()

    @property
    def cloned(self) -> bool:
        """Whether it came with the project or a plugin, so that others may change it."""
        return self.scope in (Scope.PROJECT, Scope.PLUGIN)

    def depends_on_variables(self) -> bool:
        """Whether variables take part in what is reached: 2.1.328 then asks the allow list (23)."""
        transport = self.transport
        if isinstance(transport, Remote):
            texts = (transport.url, *transport.headers.values())
        else:
            texts = (transport.command, *transport.args)
        return any(text.variables for text in texts)

    def endpoint(self) -> tuple[str, ...]:
        """What the server is, whatever its name: its URL, or its command and arguments."""
        if isinstance(self.transport, Remote):
            return (self.transport.url.reveal(),)
        return (self.transport.command.reveal(), *(a.reveal() for a in self.transport.args))


class Skipped(NamedTuple):
    """An entry that the client drops: it has no transport, and it hides nothing."""

    name: str
    scope: Scope
    origin: Origin
    because: str

    @property
    def id(self) -> ServerId:
        return mint(self.name)


class Reason(NamedTuple):
    """Why something was decided.  ``rule`` is a stable id, documented in docs/rules.md."""

    rule: str
    text: str
    origin: Origin | None = None


class Resolved(NamedTuple):
    """One definition and what became of it."""

    server: Server | Skipped
    state: State
    because: Reason
    shadows: tuple[Resolved, ...] = ()


class Classified(NamedTuple):
    """A server that is in force, its kind, and the evidence.

    ``remote`` is what it connects to in the end: its own transport, or the server that its command
    only wraps; None for a server that runs as a process.
    """

    server: Server
    kind: Kind
    because: Reason
    remote: Remote | None = None


_ID_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_ID_LENGTH, _DIGEST_LENGTH = 40, 16  # 64 bits: nobody finds a second name for a given id


def mint(name: str) -> ServerId:
    """Make the id of a server's name: the name itself where it is plain, else a slug and a digest.

    The same name always gives the same id, whatever else is configured, and two names never share
    one: a plain name that looks like slug-and-digest gets a digest of its own.
    """
    plain = 0 < len(name) <= _ID_LENGTH and _ID_CHARACTERS.issuperset(name)
    if plain and name[0] != "-" and name[-1] != "-" and not _ends_in_digest(name):
        return ServerId(name)
    slug = "".join(c if c in _ID_CHARACTERS else "-" for c in name[:200].lower())
    slug = "-".join(part for part in slug.split("-") if part)[: _ID_LENGTH - _DIGEST_LENGTH - 1]
    digest = sha256_hex(name)[:_DIGEST_LENGTH]
    return ServerId(f"{slug.strip('-') or 'server'}-{digest}")


def sha256_hex(text: str) -> str:
    """Return the sha256 of a text's UTF-8, as hex."""
    from hashlib import sha256  # noqa: PLC0415  3 ms that `list` as a table does not need

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _ends_in_digest(name: str) -> bool:
    tail = name.rpartition("-")[2]
    return len(tail) == _DIGEST_LENGTH and all(c in "0123456789abcdef" for c in tail)


def normalised(name: str) -> str:
    """The name as it appears in tool names: all but ``[a-zA-Z0-9_-]`` becomes ``_`` (fact 11)."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c in "_-") else "_" * _utf16_length(c) for c in name
    )


def _utf16_length(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1  # noqa: PLR2004  JavaScript counts UTF-16 units


def javascript_order(names: Iterable[str]) -> list[str]:
    """Order keys as JavaScript objects do: integers first, ascending (fact 14)."""
    names = list(names)
    integers = [n for n in names if _is_index(n)]
    if not integers:
        return names
    return sorted(integers, key=int) + [n for n in names if not _is_index(n)]


def _is_index(name: str) -> bool:
    return (
        name.isascii()
        and name.isdigit()
        and (name == "0" or name[0] != "0")
        and len(name) <= 10  # noqa: PLR2004
        and int(name) < 2**32 - 1
    )
