"""The client's start: it is answered in time, whatever the server does.

Quick servers answer themselves.  For one that is late, the client gets what the server said last
time; where there is no last time, the client waits as long as it would have waited anyway and then
gets an honest introduction.  The server is tried on behind that, and what differs is announced.
"""

from __future__ import annotations

import os

from mcpconf.bridge.request import Request
from mcpconf.bridge.text import compact, error_line, parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.conversation import Bridge
    from mcpconf.bridge.reactor import Timer
    from mcpconf.bridge.text import Message
    from mcpconf.bridge.trouble import Trouble

ANSWER_WITHIN = 1.2  # seconds until the client is answered from memory
_AT_LEAST = 0.2  # seconds that a server has for each answer
_START = 5.0  # seconds; after that, the client is no longer starting
_PROBE_WITHIN = 2.0  # seconds until server/discover is refused; Claude Code waits 2.7
_SOONEST, _LATEST = 1.0, 15.0  # seconds between attempts at what somebody has to mend
_FALL_BACK = -32601
_DEFAULT_VERSION = "2025-11-25"


class Start:
    """Answers ``server/discover`` and ``initialize``.

    ``away``: the client was answered and the server was not seen yet.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._timer: Timer | None = None
        self._answered = False
        self._made_up = False
        self._pause = _SOONEST
        self._trying = False
        self._began: float | None = None
        self._probe: Request | None = None  # that was answered without the server
        self.away = False

    @property
    def absent(self) -> bool:
        """Whether the client was answered without the server, which has not answered yet."""
        return self.away or (self._probe is not None and not self._probe.answered)

    def left(self) -> float:
        """Seconds that a server which is known has for an answer: all of a start's have 1.2.

        ``claude -p`` waits two seconds for its servers, with all that they are asked in a start.
        """
        now = self._bridge.loop.now()
        if self._began is None:
            self._began = now
        since = now - self._began
        return ANSWER_WITHIN if since > _START else max(_AT_LEAST, ANSWER_WITHIN - since)

    def initialize(self, line: bytes, message: Message) -> None:
        """The client begins."""
        bridge = self._bridge
        self._answered = self._made_up = self.away = False
        request = bridge.send(line, message)
        request.deadline = float("inf")
        if bridge.target.endpoint is None:  # only a sync mends that
            self._without_server(request)
            self._try_later()
        if not self._answered:
            left = self.left()
            wait = left if "initialize" in bridge.memory else patience_of_client()
            self._timer = bridge.loop.after(wait, lambda: self._without_server(request))

    def answered(self, line: bytes) -> None:
        """The server answered initialize."""
        self._bridge.memory.keep("initialize", line)
        if self._answered:
            self.arrived()
            return
        self._answered = True
        self._stop_timer()
        self._bridge.write(line)

    def failed(self, request: Request, trouble: Trouble) -> None:
        """It will not be answered: for good, or until somebody mends it."""
        self._stop_timer()
        mends = self._bridge.target.gateway or trouble.retry
        if not self._answered and not mends and "initialize" not in self._bridge.memory:
            self._answered = True
            self._bridge.error(request.id, trouble)
            return
        self._bridge.link.away(trouble)
        self._without_server(request)
        self._try_later()

    def arrived(self) -> None:
        """The server is there, after the client was answered without it."""
        self._pause = _SOONEST
        if self.away:
            self.away = False
            made_up, self._made_up = self._made_up, False
            self._bridge.lists.compare(unknown=made_up)

    def _without_server(self, request: Request) -> None:
        if self._answered:
            return
        self._answered = self.away = True
        self._stop_timer()
        known = self._bridge.memory.recall("initialize", request.id)
        self._made_up = known is None
        self._bridge.write(_no_newer(known, request) if known else self._introduction(request))

    def _introduction(self, request: Request) -> bytes:
        """What can honestly be said of a server that was never seen."""
        target = self._bridge.target
        why = self._bridge.link.trouble or target.trouble
        if target.endpoint is None:  # nobody knows where it is
            why = target.trouble
        text = f"{target.name} has not answered yet" + (
            f": {self._bridge.cause(why)}" if why else ""
        )
        if why is not None and why.said:  # the gateway has found the words
            text = why.text
        changes = {"listChanged": True}
        result = {
            "protocolVersion": request.params.get("protocolVersion", _DEFAULT_VERSION),
            "capabilities": {"tools": changes, "prompts": changes, "resources": changes},
            "serverInfo": {"name": target.name, "version": "not reached"},
            "instructions": f"{text}. What it offers is announced as soon as it answers.",
        }
        return compact({"jsonrpc": "2.0", "id": request.id, "result": result})

    # what is tried behind the client's back

    def _try_later(self) -> None:
        if not self._trying:
            self._trying = True
            self._bridge.loop.after(self._pause, self._try)
            self._pause = min(self._pause * 2, _LATEST)

    def _try(self) -> None:
        self._trying = False
        if self.away:
            self._bridge.look_again()
            self._bridge.link.reopen()
            self._try_later()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # the probe of 2026-07-28

    def discover(self, line: bytes, message: Message) -> None:
        """Pass the probe on; a server that only knew initialize last time is not asked again."""
        memory = self._bridge.memory
        known = "server/discover" in memory
        if "initialize" in memory and not known:
            self.refuse_probe(message.get("id"))
            return
        left = self.left()
        request = self._bridge.send(line, message)
        wait = left if known else _PROBE_WITHIN
        self._bridge.loop.after(wait, lambda: self._probe_late(request))

    def _probe_late(self, request: Request) -> None:
        if request.answered or request.tag == "late":
            return
        known = self._bridge.memory.recall("server/discover", request.id)
        if known is not None:
            request.tag = "late"
            self._probe = request
            self._bridge.write(known)
        else:
            self._bridge.link.abandon(request)
            self.refuse_probe(request.id)

    def refuse_probe(self, identity: object) -> None:
        """At once, so that the client falls back to initialize."""
        text = "this server is asked with initialize"
        self._bridge.write(error_line(identity, _FALL_BACK, text))


def _no_newer(line: bytes, request: Request) -> bytes:
    """What the server said, in the revision that the client asks for if that is older."""
    wanted = request.params.get("protocolVersion")
    message = parsed(line)
    if not isinstance(wanted, str) or str(message["result"].get("protocolVersion")) <= wanted:
        return line
    message["result"]["protocolVersion"] = wanted
    return compact(message)


def patience_of_client() -> float:
    """How long a first start may wait: the client's MCP_TIMEOUT (ms; 30 s), less a margin."""
    text = os.environ.get("MCP_TIMEOUT", "")
    patience = int(text) / 1000 if text.isdigit() and len(text) < 9 else 30.0  # noqa: PLR2004
    return max(0.5, min(patience - 0.5, patience * 0.85))
