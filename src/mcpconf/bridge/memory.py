"""What the server said last time, for a start at which it is late."""

from __future__ import annotations

import json
import os

from mcpconf.bridge.request import LISTS, Request
from mcpconf.bridge.text import compact, parsed

REMEMBERED = LISTS | {"initialize", "server/discover"}
_MEMORY_LIMIT = 8 * 1024 * 1024


class Memory:
    """The answers to initialize and the lists, kept for a start at which the server is late.

    One file a server, in the user's cache.  It is nobody's truth: a damaged one counts as none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._answers: dict[str, str] = {}
        self._written: dict[str, str] = {}
        self._read()

    def _read(self) -> None:
        if not self._path:
            return
        try:
            with open(self._path, encoding="utf-8") as file:
                text = file.read(_MEMORY_LIMIT + 1)
            document = json.loads(text)
            answers = document["answers"] if document.get("version") == 1 else {}
            self._answers = {k: v for k, v in answers.items() if parsed(str(v).encode())}
        except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
            self._answers = {}
        self._written = dict(self._answers)

    def __contains__(self, question: str) -> bool:
        return question in self._answers

    @staticmethod
    def question(request: Request) -> str | None:
        """What a request asks, whatever its id; None where answers are not kept."""
        if request.method not in REMEMBERED:
            return None
        if request.method in LISTS:
            cursor = request.params.get("cursor")
            era = request.version or ""
            return f"{request.method} {era} {json.dumps(cursor)}"
        return request.method

    def keep(self, question: str, line: bytes) -> bool:
        """Remember an answer; returns whether it differs from the one before."""
        message = parsed(line)
        if not isinstance(message.get("result"), dict):
            if question == "server/discover":  # it does not speak that any more
                self._answers.pop(question, None)
            return False
        text = json.dumps(message["result"], separators=(",", ":"))
        changed = self._answers.get(question) != text
        self._answers[question] = text
        return changed

    def recall(self, question: str, identity: object) -> bytes | None:
        """The answer of last time, under a new id; it never claims to be fresh."""
        text = self._answers.get(question)
        if text is None:
            return None
        result = parsed(text.encode())
        if "ttlMs" in result:
            result["ttlMs"] = 0
        return compact({"jsonrpc": "2.0", "id": identity, "result": result})

    def save(self) -> None:
        """Write what changed; whoever cannot write has a slower start, nothing else."""
        if not self._path or self._answers == self._written:
            return
        text = json.dumps({"version": 1, "answers": self._answers})
        if len(text) > _MEMORY_LIMIT:
            return
        temporary = f"{self._path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, self._path)
        except OSError:
            return
        self._written = dict(self._answers)
