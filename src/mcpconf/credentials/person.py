"""The person at the terminal: what they are shown, and what they may paste."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, TypeVar

from mcpconf.credentials.loopback import Answer, Callback, read_answer

Show = Callable[[str], None]
Ask = Callable[[], str | None]
Browse = Callable[[str], bool]
_T = TypeVar("_T")


class Person(NamedTuple):
    """The three ways to talk to somebody.

    ``show`` takes one line.  ``ask`` waits for a line and returns it, None if nobody will type
    one; it is called in a thread of its own.  ``browse`` opens an address and tells if it could.
    """

    show: Show
    ask: Ask
    browse: Browse


def open_browser(url: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Open a browser that has a window; one inside the terminal would be in the way."""
    graphical = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    if sys.platform != "darwin" and not any(environ.get(name) for name in graphical):
        return False
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


async def browse(person: Person, url: str) -> bool:
    """Open the browser; some of them return only when they are closed."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[bool] = loop.create_future()

    def run() -> None:
        try:
            outcome = person.browse(url)
        except Exception:  # noqa: BLE001  a browser that fails is no browser
            outcome = False
        _settle(loop, opened, outcome)

    threading.Thread(target=run, daemon=True).start()
    done, _ = await asyncio.wait([opened], timeout=2.0)
    return opened.result() if done else True


async def pasted(person: Person, callback: Callback) -> Answer:
    """Wait for a code, or the whole address that the browser was sent to, to be pasted."""
    loop = asyncio.get_running_loop()
    while True:
        line: asyncio.Future[str | None] = loop.create_future()
        threading.Thread(target=_read_line, args=(loop, person.ask, line), daemon=True).start()
        text = await line
        if text is None:
            return await callback.answer  # nobody there: the browser has to do it
        if not text.strip():
            continue
        answer = read_pasted(text, callback.state)
        if callback.is_ours(answer) and (answer.code or answer.error):
            return answer
        person.show("that belongs to another login, or is not all of it; paste the whole address")


def read_pasted(text: str, state: str) -> Answer:
    """Read what was pasted.

    A bare code has no state.  It is taken for this login's, as the person has fetched it; PKCE
    makes a code of another login worthless.
    """
    text = text.strip().strip("'\"<>")
    _, mark, query = text.partition("?")
    query = query if mark else text
    if "code=" in query or "error=" in query:
        return read_answer(query.partition("#")[0])
    is_code = text.isascii() and not any(c in text for c in " ?&")
    return Answer(code=text, state=state) if is_code and "://" not in text else Answer()


def _read_line(loop: asyncio.AbstractEventLoop, ask: Ask, line: asyncio.Future[str | None]) -> None:
    try:
        text = ask()
    except (EOFError, OSError, ValueError):
        text = None
    _settle(loop, line, text)


def _settle(loop: asyncio.AbstractEventLoop, future: asyncio.Future[_T], value: _T) -> None:
    def settle() -> None:
        if not future.done():
            future.set_result(value)

    with suppress(RuntimeError):  # the loop is over: somebody else was faster
        loop.call_soon_threadsafe(settle)
