"""What comes back: answers, streams, statuses, and what each means for its request."""

from __future__ import annotations

from mcpconf.bridge.request import stop_timer
from mcpconf.bridge.text import (
    ANSWER,
    ANSWERS,
    CHECKED,
    NO_ANSWER,
    compact,
    error_line,
    identity_in,
    is_sound,
    messages,
    one_line,
    parsed,
)
from mcpconf.bridge.trouble import MAY_HAVE_RUN, Trouble, refusal, said_by_gateway
from mcpconf.bridge.verdict import Exchange, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.connection import Connection
    from mcpconf.bridge.events import Event
    from mcpconf.bridge.link import Link
    from mcpconf.bridge.request import Request


class Replies:
    """Hands answers to the link's owner, and what is none to whoever can mend it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def begun(self, connection: Connection) -> None:
        """The head of a response is there."""
        request = connection.request
        if request is None:
            return
        if request.method == "initialize" and connection.status == 200:  # noqa: PLR2004
            session = connection.headers.get(b"mcp-session-id", b"").decode("latin-1")
            self._link.heads.session = session if session and session.isprintable() else None
            self._link.heads.forget()
        if request.stream and connection.streaming:
            self._link.listening.begun()

    def event(self, request: Request, event: Event) -> None:
        """One event of a stream."""
        request.heard = True
        if event.id is not None:
            request.event_id = event.id or None
        if event.retry is not None:
            request.pause = event.retry
        if event.kind == b"endpoint":
            self._link.listening.endpoint(request, event.data)
        elif event.data and event.kind == b"message":
            self._message(request, one_line(event.data))

    def _message(self, request: Request, line: bytes) -> None:
        """One message: the answer to this request or another, or the server's own."""
        found = ANSWER.match(line, 0, 512)
        if found is None or len(line) <= CHECKED:
            message = parsed(line)
            if not message:
                self._batch(request, line)
                return
            if "method" in message:
                self._link.questions.asked(request, message.get("id"))
                self._link.owner.deliver(line, None if request.stream else request)
                return
            identity = message.get("id")
            if not ANSWERS & message.keys():
                line = error_line(identity, NO_ANSWER, "the server's answer is empty")
        elif is_sound(line):
            identity = identity_in(found[1])
        else:
            return
        target = self._link.find(identity)
        if target is not None:
            self._answer(target, line)

    def _batch(self, request: Request, line: bytes) -> None:
        """Several messages in one event (2025-03-26), or nothing that a client could read."""
        if line.lstrip().startswith(b"["):
            for message in messages(line) or ():
                self._message(request, compact(message))

    def ended(self, connection: Connection) -> None:
        """A response is complete."""
        request, status, headers = connection.request, connection.status, connection.headers
        streamed, text = connection.streaming, connection.take_text()
        self._link.pool.release(connection)
        if request is None:
            return
        request.connection = None
        stop_timer(request)
        if request.stream:
            self._link.listening.over(request, status, streamed=streamed)
        elif streamed:
            self.stream_over(request, "its stream ended before the answer")
        elif self._link.listening.old and status < 300:  # noqa: PLR2004
            if not request.wants_answer:
                self._accept(request)  # the answer to a request comes on the stream
        else:
            session = request.session is not None
            exchange = Exchange(
                request, status, headers, text, self._link.endpoint, session=session
            )
            self._judged(request, exchange)

    def _judged(self, request: Request, exchange: Exchange) -> None:  # noqa: C901  a table
        verdict = judge(exchange)
        kind, value = verdict.kind, verdict.value
        if kind == "answer":
            self._answer(request, value)
        elif kind == "accepted":
            self._accept(request)
        elif kind == "messages":
            self._several(request, value)
        elif kind == "refused":
            if not self._link.owner.refused(request, *value):
                self._link.fail(request, refusal(value[0]))
        elif kind == "lost":
            self._session_lost(request)
        elif kind == "elsewhere":
            self._link.heads.path = value
            self._link.heads.forget()
            self._link.submit(request)
        elif kind == "busy":
            request.pause = value[0] if value[0] is not None else request.pause
            self._link.delivery.retry(request, value[1])
        elif kind == "failed" or not self._link.listening.try_old(request, value):
            self._link.fail(request, value)

    def _several(self, request: Request, lines: list[bytes]) -> None:
        for line in lines:
            self._message(request, line)
        if not request.answered:
            self._link.fail(request, Trouble("not-mcp", "its JSON is no answer to the request"))

    def _session_lost(self, request: Request) -> None:
        if request.resuming:
            text = "its session was lost during the call" + MAY_HAVE_RUN
            self._link.fail(request, Trouble("session-lost", text))
        else:
            self._link.session.lost(request)

    def stream_over(self, request: Request, why: str) -> None:
        """A stream ended; without the answer it is taken up again, if it can be."""
        if request.answered or request.cancelled:
            self._link.forget(request)
        elif not request.wants_answer:
            self._accept(request)
        elif request.event_id is not None and request.version is None:
            request.attempts = 0 if not request.resuming else request.attempts
            request.resuming = True
            if request.heard:  # a stream that only ends is not taken up for ever
                request.deadline = max(
                    request.deadline, self._link.reactor.now() + self._link.patience
                )
                request.heard = False
            self._link.delivery.retry(request, Trouble("protocol", why + MAY_HAVE_RUN, retry=True))
        elif self._link.delivery.may_repeat(request):
            self._link.delivery.retry(request, Trouble("protocol", why, retry=True))
        else:
            self._link.fail(request, Trouble("protocol", why + MAY_HAVE_RUN))

    def _answer(self, request: Request, line: bytes) -> None:
        if request.answered:
            return  # on another stream
        trouble = said_by_gateway(line)
        if trouble is not None and (trouble.retry or request is self._link.session.opening):
            self._gateway_says(request, trouble)
            return
        request.answered = True
        self._link.trouble = self._link.trouble if trouble is not None else None
        self._link.settle(request)
        if request.method == "tools/list":
            self._link.tools.learn(line)
        if request is self._link.session.opening:
            if not request.own:
                self._link.owner.answered(
                    request, line
                )  # before what waited for the session is sent
            self._link.session.opened(request, line)
        elif not request.own or request.tag is not None:
            self._link.owner.answered(request, line)

    def _gateway_says(self, request: Request, trouble: Trouble) -> None:
        """Our gateway is there, and the server behind it is not."""
        self._link.detach(request)
        if trouble.retry:
            self._link.delivery.retry(request, trouble)
        else:
            self._link.fail(request, trouble)

    def _accept(self, request: Request) -> None:
        self._link.session.greet(request)
        if not request.own:
            self._link.owner.accepted(request)
