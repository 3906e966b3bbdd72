"""Lists that are late are answered as they were last time; what differs later is announced."""

from __future__ import annotations

from mcpconf.bridge.memory import Memory
from mcpconf.bridge.request import LISTS, META, Request
from mcpconf.bridge.text import compact
from mcpconf.bridge.trouble import said_by_gateway

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.conversation import Bridge
    from mcpconf.bridge.text import Message
    from mcpconf.bridge.trouble import Trouble

_FIRST_PATIENCE = 20.0  # seconds
_SAYS_WHY = 4.0  # Claude Code's `mcp list` waits 5 s, then it only says that (fact 71)
_SIDES = ("tools", "prompts", "resources")


class Lists:
    """tools/list, prompts/list, resources/list and resources/templates/list."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._asked = 0

    def sent(self, request: Request) -> None:
        """The client asks for a list."""
        question = Memory.question(request)
        if question is None or request.answered:
            return
        if question not in self._bridge.memory:
            if self._bridge.start.away:  # the client has just begun: it is worth the wait
                patience = _SAYS_WHY if self._nobody_answers() else _FIRST_PATIENCE
                request.deadline = self._bridge.loop.now() + patience
            return
        gone = self._bridge.start.absent or self._bridge.link.trouble is not None
        wait = 0.0 if gone else self._bridge.start.left()
        self._bridge.loop.after(wait, lambda: self._late(question, request))

    def _nobody_answers(self) -> bool:
        """Whether there is no gateway: somebody has to mend that, and should be told."""
        target, trouble = self._bridge.target, self._bridge.link.trouble
        no_gateway = target.gateway and trouble is not None and not trouble.said
        return target.endpoint is None or no_gateway

    def _late(self, question: str, request: Request) -> None:
        if request.answered or request.cancelled or request.tag == "late":
            return
        known = self._bridge.memory.recall(question, request.id)
        if known is not None:
            request.tag = "late"
            request.deadline = float("inf")  # its answer is still wanted, for the comparison
            self._bridge.write(known)

    def answered(self, question: str, request: Request, line: bytes) -> None:
        """The server answered; the client may have been told something else already."""
        memory = self._bridge.memory
        if said_by_gateway(line) is not None:
            if request.tag is None:
                self._bridge.write(memory.recall(question, request.id) or line)
            return
        changed = memory.keep(question, line)
        if request.tag is None:
            self._bridge.write(line)
        elif changed:
            self._announce((request.method or "").partition("/")[0])

    def failed(self, question: str, request: Request, trouble: Trouble) -> None:
        """It will not be answered now."""
        if request.tag is not None:
            return
        known = self._bridge.memory.recall(question, request.id)
        if known is not None and (trouble.retry or self._bridge.start.away):
            self._bridge.write(known)
        else:
            self._bridge.error(request.id, trouble)

    def compare(self, *, unknown: bool = False) -> None:
        """See whether what the client knows still holds; ``unknown``: it knows nothing yet."""
        if unknown:
            for side in _SIDES:
                self._announce(side)
            return
        for method in sorted(LISTS):
            if f"{method}  null" in self._bridge.memory:
                self._asked += 1
                message = {"jsonrpc": "2.0", "id": f"mcpconf-{self._asked}", "method": method}
                request = self._bridge.link.send(compact(message), message, own=True)
                request.tag = "own"

    def _announce(self, side: str) -> None:
        notice: Message = {"jsonrpc": "2.0", "method": f"notifications/{side}/list_changed"}
        listening = self._bridge.link.subscription()
        if listening is not None:  # 2026-07-28: a notification belongs to a subscription
            notice["params"] = {"_meta": {META + "subscriptionId": listening}}
        self._bridge.write(compact(notice))
