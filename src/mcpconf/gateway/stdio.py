"""A server that is a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mcpconf.gateway.child import Child
from mcpconf.gateway.ports import Owner
from mcpconf.gateway.revival import Revival, Talk
from mcpconf.gateway.trouble import Trouble, trouble

if TYPE_CHECKING:
    from mcpconf.gateway.service import Service


def process(service: Service, owner: Owner) -> Revival:
    """The way to a server that the gateway starts itself."""
    return Revival(service, owner, partial(_start, service))


def _start(
    service: Service, line: Callable[[bytes], None], ended: Callable[[Trouble], None]
) -> Talk:
    child: Child

    def told(how: str) -> None:
        service.children.discard(child)
        service.said = child.said or service.said
        ended(trouble("server-exited", f"the server {how} before it answered"))

    child = Child(service.nursery, service.command(), line, told)
    service.children.add(child)
    return child
