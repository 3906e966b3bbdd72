"""What a server asks its client during a call, and what becomes of the call if the answer is lost.

A server that asks (sampling, elicitation, roots) waits with the call until it is answered, and an
answer has a meaning only in the session in which the question came.  If that session is lost in
between, the server may wait for ever: then the call fails instead of hanging.  (MCP 2025-11-25,
Streamable HTTP: a server's requests come on the stream of the call that they relate to.)
"""

from __future__ import annotations

from mcpconf.bridge.text import is_id
from mcpconf.bridge.trouble import Trouble, may_have_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.link import Link
    from mcpconf.bridge.request import Request

_MOST = 1000  # questions without an answer; a server that asks more has forgotten the first


class Questions:
    """Which call each of the server's own requests belongs to."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._open: dict[tuple[bool, object], Request] = {}

    def asked(self, call: Request, identity: object) -> None:
        """The server asks something on the stream of ``call``."""
        if not is_id(identity) or identity is None or call.stream or not call.wants_answer:
            return
        while len(self._open) >= _MOST:
            del self._open[next(iter(self._open))]
        self._open[isinstance(identity, str), identity] = call

    def answers(self, answer: Request) -> None:
        """The client answers: from now on the message knows its call."""
        answer.about = self._open.pop(answer.key, None)

    def out_of_session(self, answer: Request) -> bool:
        """Whether the session in which an answer has a meaning is over."""
        about = answer.about
        return about is not None and about.session != self._link.heads.session

    def lost(self, answer: Request, trouble: Trouble | None = None) -> None:
        """An answer does not reach the server, so the call that waits for it has no end."""
        call, answer.about = answer.about, None
        self._link.forget(answer)
        if call is not None and not call.answered and not call.cancelled:
            cause = trouble or Trouble("session-lost", "its session was lost during the call")
            self._link.fail(call, may_have_run(cause))
