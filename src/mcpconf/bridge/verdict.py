"""What a complete response that is no stream means for its request.  Pure: it only looks."""

from __future__ import annotations

import re

from mcpconf.bridge.endpoint import same_origin_path
from mcpconf.bridge.text import (
    ANSWER,
    CHECKED,
    compact,
    identity_in,
    is_sound,
    messages,
    one_line,
    parsed,
    plain,
)
from mcpconf.bridge.trouble import MAY_HAVE_RUN, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mcpconf.bridge.endpoint import Endpoint
    from mcpconf.bridge.request import Request
    from mcpconf.bridge.responses import Headers
    from mcpconf.bridge.text import Message

_SESSION = re.compile(rb"session", re.IGNORECASE)
_ELSEWHERE = frozenset((301, 302, 307, 308))  # nothing was done: the message may go there instead
_BUSY = frozenset((429, 502, 503))
_MOST_HOPS = 5
_LONGEST_WAIT = 5.0  # seconds


class Verdict:
    """``kind`` is one of the words below; ``value`` is what comes with it.

    ============== ============================================================
    ``accepted``   a notification or response was taken
    ``answer``     bytes: the answer, as the server wrote it
    ``messages``   list: several, or an answer that has to be looked for
    ``refused``    (status, challenge): 401 or 403
    ``lost``       the session is not known any more, and nothing was done
    ``elsewhere``  path: of the same server
    ``busy``       (seconds or None, Trouble)
    ``old``        Trouble: perhaps it speaks only the transport of 2024-11-05
    ``failed``     Trouble
    ============== ============================================================
    """

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: Any = None) -> None:  # noqa: ANN401  see the table
        self.kind = kind
        self.value = value


class Exchange:
    """A request and what came back for it; ``session``: whether it was sent within one."""

    __slots__ = ("endpoint", "headers", "request", "session", "status", "text")

    def __init__(  # noqa: PLR0913  a response has these parts
        self, request: Request, status: int, headers: Headers, text: bytes, endpoint: Endpoint,
        *, session: bool
    ) -> None:  # fmt: skip
        self.request = request
        self.status = status
        self.headers = headers
        self.text = text
        self.endpoint = endpoint
        self.session = session and request.version is None and request.method != "initialize"


def judge(exchange: Exchange) -> Verdict:
    """Say what a response means."""
    status, request = exchange.status, exchange.request
    if status < 300:  # noqa: PLR2004
        return _success(request, exchange.headers, exchange.text)
    if status in (401, 403):
        challenge = exchange.headers.get(b"www-authenticate", b"").decode("latin-1")
        return Verdict("refused", (status, challenge))
    if exchange.session and _is_lost(exchange):
        return Verdict("lost")
    if status in _BUSY:
        wait = exchange.headers.get(b"retry-after", b"")
        pause = min(float(wait), _LONGEST_WAIT) if wait.isdigit() else None
        return Verdict("busy", (pause, Trouble("http-status", _says(status), retry=True)))
    return _redirect(exchange) or _error(request, exchange.text) or _status(exchange)


def _success(request: Request, headers: Headers, text: bytes) -> Verdict:
    if not request.wants_answer:
        return Verdict("accepted")
    if not text or text.isspace():
        return Verdict("failed", Trouble("not-mcp", "it answers without content"))
    line = one_line(text)
    if _is_answer(line, request):
        return Verdict("answer", line)
    several = messages(line)
    if several is not None and len(several) == 1 and _answers(several[0], request):
        return Verdict("answer", line)  # a large one with its keys in another order
    if several is not None:
        return Verdict("messages", [compact(m) for m in several])
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    what = plain(kind.decode("latin-1"), 40) or "something without a type"
    return Verdict("failed", Trouble("not-mcp", f"it answers with {what} instead of JSON-RPC"))


def _is_answer(line: bytes, request: Request) -> bool:
    """Whether a text is the answer; a large one is not parsed for that."""
    if len(line) <= CHECKED:
        return _answers(parsed(line), request)
    found = ANSWER.match(line, 0, 512)
    return found is not None and same_id(found[1], request) and is_sound(line)


def same_id(text: bytes, request: Request) -> bool:
    """Whether an answer's id, as written, is that of the request: ``1`` is not ``"1"``."""
    identity = identity_in(text)
    return isinstance(identity, str) == isinstance(request.id, str) and identity == request.id


def _answers(message: Message, request: Request) -> bool:
    identity = message.get("id")
    same = isinstance(identity, str) == isinstance(request.id, str) and identity == request.id
    return same and "method" not in message and ("result" in message or "error" in message)


def _is_lost(exchange: Exchange) -> bool:
    if exchange.status == 404:  # noqa: PLR2004
        return True
    return exchange.status == 400 and _SESSION.search(exchange.text, 0, 4096) is not None  # noqa: PLR2004


def _redirect(exchange: Exchange) -> Verdict | None:
    """Within the origin only: messages and credentials go nowhere else."""
    if exchange.status // 100 != 3:  # noqa: PLR2004
        return None
    request = exchange.request
    request.hops += 1
    location = exchange.headers.get(b"location", b"").decode("latin-1")
    path = same_origin_path(exchange.endpoint, location)
    if path is not None and exchange.status in _ELSEWHERE and request.hops <= _MOST_HOPS:
        return Verdict("elsewhere", path)
    where = "in a circle" if path is not None else "to another server"
    text = f"it redirects {where} (HTTP {exchange.status})"
    return Verdict("failed", Trouble("redirected", text))


def _error(request: Request, text: bytes) -> Verdict | None:
    """A status with a JSON-RPC error: that is the answer, under the request's id."""
    message = parsed(text)
    error = message.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return None
    if not request.wants_answer:
        return Verdict("accepted")
    if message.get("id") == request.id:
        return Verdict("answer", one_line(text))
    return Verdict("answer", compact({"jsonrpc": "2.0", "id": request.id, "error": error}))


def _status(exchange: Exchange) -> Verdict:
    request, status = exchange.request, exchange.status
    trouble = Trouble("http-status", _says(status))
    if request.resuming:
        return Verdict("failed", Trouble("session-lost", trouble.text + MAY_HAVE_RUN))
    if request.method == "initialize" and status in (400, 404, 405):
        return Verdict("old", trouble)
    if not request.wants_answer:
        return Verdict("accepted")
    return Verdict("failed", trouble)


def _says(status: int) -> str:
    if status == 404:  # noqa: PLR2004
        return "there is no MCP endpoint at its path (HTTP 404)"
    return f"it answers HTTP {status}"
