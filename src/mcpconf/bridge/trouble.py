"""What can go wrong on the way to a server: values, and how they are said."""

from __future__ import annotations

import errno
import os

from mcpconf.bridge.text import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcpconf.bridge.endpoint import Endpoint


class Trouble:
    """Why a message could not be delivered or answered.

    ``code`` is one of a closed list (docs/architecture.md), ``text`` the cause in one clause.
    ``retry``: the server may only be late.  ``delivered``: False is a proof that it never arrived.
    ``said`` is the error line of a gateway that says so, which is worded for the user already.
    """

    __slots__ = ("code", "delivered", "retry", "said", "text")

    def __init__(
        self,
        code: str,
        text: str,
        *,
        retry: bool = False,
        delivered: bool | None = None,
        said: bytes = b"",
    ) -> None:
        self.code = code
        self.said = said
        self.text = text
        self.retry = retry
        self.delivered = delivered

    def __repr__(self) -> str:
        return f"Trouble({self.code!r}, {self.text!r})"


class Malformed(Exception):  # noqa: N818  it says what the bytes are
    """The other side does not speak HTTP or MCP.  ``trouble`` says how."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.trouble = Trouble(code, text)


_BEGINNING = 4096  # bytes in which a gateway has said that it is one
MAY_HAVE_RUN = "; the call may have run, so it was not sent again"


def may_have_run(trouble: Trouble) -> Trouble:
    """The same trouble for a call that was delivered before it came."""
    if trouble.text.endswith(MAY_HAVE_RUN):
        return trouble
    return Trouble(trouble.code, trouble.text + MAY_HAVE_RUN)


def refusal(status: int) -> Trouble:
    """401 or 403 without anybody who could sign in."""
    if status == 401:  # noqa: PLR2004
        return Trouble("refused-login", "it wants a login (HTTP 401 Unauthorized)")
    return Trouble("refused-login", "it refuses access (HTTP 403 Forbidden)")


def of_gateway(trouble: Trouble) -> str:
    """The same in the words of somebody who can mend the gateway; its own words stay."""
    if trouble.said:
        return trouble.text
    if trouble.code in ("unreachable", "dns", "timeout"):
        return f"no gateway answers ({trouble.text}); run `mcpconf gateway start` on the host"
    if trouble.code != "refused-login":
        return trouble.text
    if "403" in trouble.text:
        return f"the gateway: {trouble.text}; run `mcpconf gateway logs` on the host"
    return "the gateway refuses the token in bridge.json; run `mcpconf sync` on the host"


def unreachable(endpoint: Endpoint, error: int) -> Trouble:
    """No address could be connected to: say how that failed."""
    reasons = {
        errno.ECONNREFUSED: "nothing listens there (connection refused)",
        errno.ETIMEDOUT: "no answer; something on the way drops the packets",
        errno.EHOSTUNREACH: "no route, or a firewall refuses it",
        errno.ENETUNREACH: "there is no network",
        errno.EACCES: "a firewall refuses it",
        errno.EPERM: "a firewall refuses it",
        errno.ENOENT: "its socket is not there",
    }
    why = reasons.get(error) or (os.strerror(error) if error else "it has no address")
    return Trouble("unreachable", f"{endpoint}: {why}", retry=True, delivered=False)


def said_by_gateway(line: bytes) -> Trouble | None:
    """The trouble that a gateway of ours puts in the place of an answer, if this is one."""
    if line.find(b'"mcpconf"', 0, _BEGINNING) < 0:
        return None
    error = parsed(line).get("error")
    data = error.get("data") if isinstance(error, dict) else None
    found = data.get("mcpconf") if isinstance(data, dict) else None
    if not isinstance(error, dict) or not isinstance(found, dict):
        return None
    delivered = False if found.get("delivered") is False else None
    retry = found.get("retry") is True and delivered is False
    return Trouble(
        str(found.get("code")),
        str(error.get("message")),
        retry=retry,
        delivered=delivered,
        said=line,
    )
