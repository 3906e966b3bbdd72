"""What a link needs of the world, and whom it works for: sockets, timers, an owner.

Nothing here runs.  The bridge's world is ``loop.py``; the gateway has one of its own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.request import Request
    from mcpconf.bridge.trouble import Trouble

    Pairs = Iterable[tuple[str, str]]

    class Timer(Protocol):
        """Something that will happen, unless it is cancelled."""

        def cancel(self) -> None: ...

    class Transport(Protocol):
        """An open byte stream, given by the reactor.  Writing never blocks."""

        def write(self, data: bytes, /) -> None: ...
        def close(self) -> None: ...
        def mark(self) -> None:
            """A new request begins here."""

        def undelivered(self) -> bool:
            """Whether it is proven that nothing since the mark has reached the other side."""

        def alive(self) -> bool:
            """Whether the other side has not closed it, as far as this machine knows by now."""

    class Stream(Protocol):
        """What the reactor tells about one connection; ``failed`` is instead of ``opened``."""

        def opened(self, transport: Transport, /) -> None: ...
        def data(self, data: bytes, /) -> None: ...
        def closed(self) -> None: ...
        def failed(self, trouble: Trouble, /) -> None: ...

    class Reactor(Protocol):
        """Sockets and timers; single-threaded, it only ever calls back."""

        def now(self) -> float: ...
        def after(self, seconds: float, call: Callable[[], None], /) -> Timer: ...
        def connect(self, endpoint: Endpoint, stream: Stream, /) -> None: ...

    class Owner(Protocol):
        """Whom a link works for."""

        def deliver(self, line: bytes, request: Request | None, /) -> None:
            """The server sent a request or notification, on this request's stream if any."""

        def answered(self, request: Request, line: bytes, /) -> None: ...
        def failed(self, request: Request, trouble: Trouble, /) -> None: ...
        def accepted(self, request: Request, /) -> None: ...
        def headers(self, request: Request, /) -> Pairs:
            """Further headers for this one; the same object as before where nothing changed."""

        def refused(self, request: Request, status: int, challenge: str, /) -> bool:
            """401 or 403 came.  True: the owner calls ``again`` or ``give_up`` later."""

        def reopened(self) -> None:
            """The session was lost and there is a new one: what is known may be old."""
