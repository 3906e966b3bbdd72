"""A message on its way to the server, and which of them may be sent twice."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcpconf.bridge.connection import Connection
    from mcpconf.bridge.reactor import Timer
    from mcpconf.bridge.text import Message


META = "io.modelcontextprotocol/"
LISTS = frozenset(("tools/list", "prompts/list", "resources/list", "resources/templates/list"))
# What may be asked twice without harm.  Everything else may have happened.
REPEATABLE = LISTS | frozenset(
    (
        "initialize", "server/discover", "ping", "prompts/get", "resources/read",
        "completion/complete", "logging/setLevel", "resources/subscribe",
        "resources/unsubscribe", "subscriptions/listen", "notifications/initialized",
        "notifications/cancelled", "notifications/progress", "notifications/roots/list_changed",
    )
)  # fmt: skip


class Request:
    """A message on its way to the server: a request, a notification, a response, or a stream.

    ``version`` is the protocol revision that the message itself names (2026-07-28 on), else None:
    then it belongs to the session.  ``own`` marks what the link or its owner asks for itself.
    """

    __slots__ = (
        "about", "answered", "attempts", "cancelled", "connection", "deadline", "event_id", "haste",
        "heard", "hops", "id", "line", "losses", "method", "own", "params", "pause", "resuming",
        "sent", "session", "stream", "tag", "timer", "version",
    )  # fmt: skip

    def __init__(
        self, line: bytes, message: Message, deadline: float, *, own: bool = False
    ) -> None:
        self.line = line
        self.id: str | int | float | None = message.get("id")
        method = message.get("method")
        self.method: str | None = method if isinstance(method, str) else None
        params = message.get("params")
        self.params: Message = params if isinstance(params, dict) else {}
        meta = self.params.get("_meta")
        version = meta.get(META + "protocolVersion") if isinstance(meta, dict) else None
        self.version: str | None = version if isinstance(version, str) else None
        self.own = own
        self.deadline = deadline
        self.haste = float("inf")  # another, while it is certain that it did not arrive
        self.stream = False
        self.attempts = 0
        self.hops = 0
        self.losses = 0  # of sessions, on its way
        self.session: str | None = None  # in which it was sent
        self.sent = False
        self.answered = False
        self.cancelled = False
        self.resuming = False
        self.heard = False  # an event, since its stream was opened
        self.event_id: bytes | None = None
        self.pause: float | None = None
        self.connection: Connection | None = None
        self.timer: Timer | None = None
        self.about: Request | None = None  # of an answer: the call in which the server asked
        self.tag: Any = None  # the owner's

    @property
    def wants_answer(self) -> bool:
        return self.method is not None and self.id is not None

    @property
    def key(self) -> tuple[bool, object]:
        """Tell ``1`` from ``"1"``: the two are different ids."""
        return isinstance(self.id, str), self.id


def stop_timer(request: Request) -> None:
    """Nothing will happen to it by itself any more."""
    if request.timer is not None:
        request.timer.cancel()
        request.timer = None
