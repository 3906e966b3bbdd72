"""What a route comes to on this machine, now: the values themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn


class Resolved:
    """A route with its secrets put in.  It never prints itself and cannot be copied to a file.

    A plain class on purpose: ``dataclasses.asdict`` and ``json.dumps`` cannot open it.

    Attributes:
        url: where the server is; "" for a process.
        headers: what is added to each request, in the order of the entry.
        command, args: the process to start; "" and () for a URL.
        env: the whole environment of that process.
        unset: names of variables that are not set: the client leaves their ``${NAME}`` in the
            text (fact 39), and so does this.  Headers and URLs with such a one are refused.
        digest_ok: always true.  An entry that differs raises ``stale-route`` instead.

    """

    __slots__ = ("args", "command", "env", "headers", "unset", "url")

    digest_ok = True

    def __init__(  # noqa: PLR0913  a record, given by keywords
        self,
        *,
        url: str = "",
        headers: tuple[tuple[str, str], ...] = (),
        command: str = "",
        args: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
        unset: tuple[str, ...] = (),
    ) -> None:
        self.url = url
        self.headers = headers
        self.command = command
        self.args = args
        self.env = env or {}
        self.unset = unset

    def with_headers(self, headers: Mapping[str, str]) -> Resolved:
        """Return the same with some headers more; they replace those of the same name (fact 46)."""
        names = {name.lower() for name in headers}
        kept = tuple(h for h in self.headers if h[0].lower() not in names)
        return Resolved(url=self.url, headers=(*kept, *headers.items()), unset=self.unset)

    @property
    def authorizes(self) -> bool:
        """Whether an Authorization header is configured: then no login is tried (fact 50)."""
        return any(name.lower() == "authorization" for name, _ in self.headers)

    def __repr__(self) -> str:
        return "Resolved(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a resolved route stays in memory")
