"""A server that is started when it is needed, and again when it has crashed.

It is a process, or what answers on a WebSocket.  The client does not notice a crash but for the
calls that were under way: they get an error at once.  The next message starts the server anew; it
is told the client's own ``initialize`` again, its log level and its subscriptions; then the message
goes out.  A server that keeps crashing is left alone for longer and longer (``Backoff``), and that
is said at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mcpconf.gateway import messages
from mcpconf.gateway.conversation import AGAIN, Conversation
from mcpconf.gateway.ports import Message, Owner
from mcpconf.gateway.source import Missing
from mcpconf.gateway.trouble import Trouble, trouble

if TYPE_CHECKING:
    from mcpconf.gateway.service import Service

_INITIALIZE_PATIENCE = 120.0  # seconds for the answer to initialize: some servers install first
_LONGEST_WAIT = 3.0  # seconds of back-off for which a message is held
_MOST_HELD = 1000


class Talk(Protocol):
    """A server that has been started: lines in; lines out and its end come by callback."""

    def write(self, line: bytes) -> bool:
        """False: it does not take what it was sent before."""

    def stop(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


Start = Callable[[Callable[[bytes], None], Callable[[Trouble], None]], Talk]
"""Starts a server; raises Missing, OSError or ValueError where that is not possible."""


class Revival:
    """One owner's conversation with a server."""

    shares_ids = True
    probe_patience = 1.0
    hasty = False  # nobody knows how long a process takes to start

    def __init__(self, service: Service, owner: Owner, start: Start) -> None:
        self._service = service
        self._start_server = start
        self._owner = owner
        self._loop = service.loop
        self._talk: Talk | None = None
        self._ready = False
        self._held: list[tuple[bytes, Message, bytes | None]] = []
        self._pending: dict[bytes, str] = {}
        self._asked: set[bytes] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._answered = False
        self._closed = False
        self._conversation = Conversation()

    # --- to the server --------------------------------------------------------------------

    def send(self, line: bytes, message: Message, key: bytes | None) -> None:
        if self._closed:
            return
        if self._ready and self._talk is not None:
            self._write(line, message, key)
            return
        if len(self._held) >= _MOST_HELD:
            if key is not None:
                self._owner.failed(key, trouble("server-silent", delivered=False))
            return
        self._held.append((line, message, key))
        if self._talk is None and self._timer is None:
            self._start_soon()

    def _write(self, line: bytes, message: Message, key: bytes | None) -> None:
        assert self._talk is not None
        self._conversation.hear(line, message, key)
        if key is not None:
            self._pending[key] = message["method"]
        elif "method" not in message:
            answered = messages.key_of(message["id"])
            if answered not in self._asked:
                return  # the question of a server that is no more
            self._asked.discard(answered)
        if not self._talk.write(messages.one_line(line)) and key is not None:
            self._pending.pop(key)
            self._owner.failed(
                key,
                trouble("server-silent", "the server does not read its input", delivered=False),
            )

    def abandon(self, key: bytes) -> None:
        self._held = [item for item in self._held if item[2] != key]
        method = self._pending.pop(key, None)
        if self._talk is not None and self._ready and method not in {None, "initialize"}:
            self._talk.write(
                b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":'
                + key
                + b',"reason":"the client has gone"}}'
            )

    # --- its life -------------------------------------------------------------------------

    def _start_soon(self) -> None:
        wait = self._service.backoff.wait(self._loop.time())
        if wait > _LONGEST_WAIT:
            text = f"the server keeps exiting; it is started again in {wait:.0f} s at the earliest"
            self._fail_held(trouble("server-exited", text, retry=True, delivered=False))
        elif wait:
            self._timer = self._loop.call_later(wait, self._start)
        else:
            self._start()

    def _start(self) -> None:
        self._timer = None
        if self._closed:
            return
        try:
            talk = self._start_server(self._line, self._ended)
        except Missing as missing:
            self._fail_held(trouble(missing.code, missing.text, retry=missing.retry))
            return
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "its command cannot be run"
            self._fail_held(trouble("spawn-failed", f"the server could not be started: {reason}"))
            return
        self._talk, self._began, self._answered = talk, self._loop.time(), False
        self._service.starting()
        again = self._conversation.again()
        if again is None:
            self._open()
        else:
            talk.write(again)
            self._timer = self._loop.call_later(_INITIALIZE_PATIENCE, self._silent)

    def _open(self) -> None:
        """The server may be told what waits."""
        self._ready = True
        held, self._held = self._held, []
        for line, message, key in held:
            self._write(line, message, key)

    def _silent(self) -> None:
        self._timer = None
        text = f"the server did not answer initialize within {_INITIALIZE_PATIENCE:.0f} s"
        self._fail_held(trouble("server-silent", text, delivered=False))
        if self._talk is not None:
            self._talk.stop()

    def _ended(self, cause: Trouble) -> None:
        self._talk = None
        now = self._loop.time()
        self._ready = False
        self._asked.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed:
            return
        self._service.backoff.died(now, now - self._began, answered=self._answered)
        pending, self._pending = self._pending, {}
        for key in pending:
            self._owner.failed(key, cause)
        self._fail_held(cause._replace(delivered=False))

    def _fail_held(self, cause: Trouble) -> None:
        held, self._held = self._held, []
        for _, _, key in held:
            if key is not None:
                self._owner.failed(key, cause)

    # --- from the server ------------------------------------------------------------------

    def _line(self, line: bytes) -> None:
        peeked = messages.answer_id(line)
        if peeked is not None and peeked[0] in self._pending:
            self._answer(peeked[0], line)
        elif line.strip():
            self._parsed(line)

    def _answer(self, key: bytes, line: bytes) -> None:
        method = self._pending.pop(key)
        if not self._answered:
            self._answered = True
            self._service.backoff.lives()
        if method == "initialize":
            self._conversation.result = line
        self._owner.answered(key, line)

    def _parsed(self, line: bytes) -> None:
        try:
            message = messages.read(line)
        except messages.NotJsonRpc:
            self._service.garbage()
            return
        if "method" in message:
            if "id" in message and len(self._asked) < _MOST_HELD:
                self._asked.add(messages.key_of(message["id"]))
            self._owner.deliver(line, None)
            return
        key = messages.key_of(message["id"])
        if key == AGAIN:
            self._greeted(message)
        elif key in self._pending:
            self._answer(key, line)

    def _greeted(self, message: Message) -> None:
        """The new server has answered initialize."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if "result" not in message:
            self._fail_held(trouble("server-exited", "the server does not take the session again"))
            if self._talk is not None:
                self._talk.stop()
            return
        assert self._talk is not None
        self._answered = True
        for replayed in self._conversation.replayed():
            self._talk.write(replayed)
        changed = self._conversation.differs(message)
        self._open()
        if changed:
            self._owner.restarted()

    def pause(self) -> None:
        if self._talk is not None:
            self._talk.pause()

    def resume(self) -> None:
        if self._talk is not None:
            self._talk.resume()

    def close(self) -> None:
        self._closed = True
        self._held.clear()
        self._pending.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._talk is not None:
            self._talk.resume()
            self._talk.stop()
