"""What a list of tools says about sending their calls: mirrored arguments, and harmless ones."""

from __future__ import annotations

from mcpconf.bridge.text import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.text import Message

_LONGEST_HEADER = 64
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Tools:
    """``mirrored``: tool → argument → header (2026-07-28); ``harmless``: may be called twice."""

    __slots__ = ("harmless", "mirrored")

    def __init__(self) -> None:
        self.mirrored: dict[str, dict[str, str]] = {}
        self.harmless: set[str] = set()

    def learn(self, line: bytes) -> None:
        """Look at an answer to tools/list, if there is anything in it to learn."""
        if b"x-mcp-header" not in line and b"Hint" not in line:
            return
        result = parsed(line).get("result")
        tools = result.get("tools") if isinstance(result, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict) and isinstance(tool.get("name"), str):
                self._learn(tool["name"], tool)

    def _learn(self, name: str, tool: Message) -> None:
        schema = tool.get("inputSchema")
        properties = schema.get("properties") if isinstance(schema, dict) else None
        self.mirrored[name] = {
            argument: kind["x-mcp-header"]
            for argument, kind in (properties if isinstance(properties, dict) else {}).items()
            if isinstance(kind, dict) and _is_header(kind.get("x-mcp-header"))
        }
        hints = tool.get("annotations")
        repeatable = isinstance(hints, dict) and (
            hints.get("readOnlyHint") is True or hints.get("idempotentHint") is True
        )
        (self.harmless.add if repeatable else self.harmless.discard)(name)


def _is_header(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _LONGEST_HEADER and TOKEN.issuperset(name)
