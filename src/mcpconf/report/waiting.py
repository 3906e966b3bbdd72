"""What ``wait`` prints: who is awaited and why, on stderr; then how each did."""

from __future__ import annotations

from collections.abc import Sequence

from mcpconf import report
from mcpconf.service.waiting import Answer


class Progress:
    """Says each thing once: what a server is waited for, and that it is there."""

    def __init__(self, servers: int) -> None:
        self._servers = servers
        self._done = 0
        self._said: dict[str, str] = {}

    def __call__(self, answer: Answer) -> None:
        name = answer.asked.name
        text = _what(answer)
        if answer.state != "waiting":
            self._done += 1
            if self._said.get(name) == text:
                text = answer.state  # the table says it once more
            report.say(f"[{self._done}/{self._servers}] {report.safe(name)}: {report.safe(text)}")
        elif self._said.get(name) != text:
            self._said[name] = text
            report.say(f"waiting for {report.safe(name)}: {report.safe(text)}")


def _what(answer: Answer) -> str:
    if answer.state == "ready":
        tools = answer.outcome.tools
        return f"ready, {tools} tool{'' if tools == 1 else 's'}, {answer.seconds:.1f} s"
    return answer.outcome.message.removeprefix(f"{answer.asked.name}: ")  # the gateway names it


def answers(found: Sequence[Answer]) -> None:
    """Print how each server did."""
    if not found:
        report.say("the container gets no server, so there is nothing to wait for")
        return
    report.table(
        ("server", "way", "state", "what"),
        [(a.asked.name, a.asked.way, a.state, _what(a)) for a in found],
    )


def answers_json(found: Sequence[Answer]) -> dict[str, object]:
    """``wait --format json``."""
    return {
        "version": 1,
        "ready": not any(a.state in ("failed", "late") for a in found),
        "servers": [
            {
                "name": a.asked.name,
                "id": a.asked.server,
                "way": a.asked.way,
                "state": a.state,
                "seconds": round(a.seconds, 3) if a.asked.command else None,
                "tools": a.outcome.tools,
                "code": a.outcome.code or None,
                "message": a.outcome.message or None,
            }
            for a in found
        ],
    }
