"""Asking the running gateway, over the Unix socket that only this user may open."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from mcpconf.errors import Failure
from mcpconf.service.only import CONTROL

_PATIENCE = 5.0  # seconds
_LONGEST = 64 * 1024 * 1024  # bytes of an answer


class _Unix(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class NoAnswer(Exception):  # noqa: N818  not an error: there may be no gateway
    """No gateway answers.  The message says what was met, in one clause."""


def ask(gateway: Path, method: str, path: str, timeout: float = _PATIENCE) -> Any:  # noqa: ANN401
    """Ask the gateway whose directory this is; returns its JSON document, None if it has none.

    Raises:
        NoAnswer: none runs, or it does not answer in time.
        Failure: it answers, and refuses.

    """
    body = _answer(gateway, method, path, timeout)
    try:
        return json.loads(body) if body.strip() else None
    except ValueError:
        raise NoAnswer("what answers on its control socket is not the gateway") from None


def read(gateway: Path, path: str, timeout: float = _PATIENCE) -> str:
    """What it has to read as text: ``/metrics``, ``/stderr/…``.  Raises as :func:`ask` does."""
    return _answer(gateway, "GET", path, timeout).decode("utf-8", "replace")


def _answer(gateway: Path, method: str, path: str, timeout: float) -> bytes:
    connection = _Unix(gateway / CONTROL, timeout)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read(_LONGEST)
    except FileNotFoundError:
        raise NoAnswer("it is not running") from None
    except ConnectionRefusedError:
        raise NoAnswer("it has gone and left its socket") from None
    except TimeoutError:
        raise NoAnswer(f"it did not answer within {timeout:g} seconds") from None
    except (OSError, HTTPException) as error:
        raise NoAnswer(f"its control socket cannot be used: {_words(error)}") from None
    finally:
        connection.close()
    if answer.status >= 300:  # noqa: PLR2004
        raise Failure(f"the gateway refused {method} {path} with HTTP {answer.status}")
    return body


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def poke(gateway: Path) -> bool:
    """Let a running gateway look at the routes now; False if none runs.

    It looks by itself within a second, so it does not matter if it has no time for this.
    """
    try:
        ask(gateway, "POST", "/reload", timeout=1.0)
    except NoAnswer:
        return False
    except Failure:
        return True
    return True
