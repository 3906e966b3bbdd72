"""Asks ``worker.py``, in a process of its own, for what needs the SDK or the keyring.

Importing ``mcp`` takes a second and fifty megabytes, which the gateway does not have.  What is
asked goes in by stdin and comes back by stdout, so no secret is in an argument or a variable.  What
the worker says on stderr is not read: a library may put a token into a traceback.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping

from mcpconf.credentials.missing import Missing
from mcpconf.credentials.spawn import Program, printed_by
from mcpconf.model import Json

LIMIT = 60.0  # seconds
_LARGEST = 1024 * 1024


def command() -> list[str]:
    """The worker's command line.  ``-P``: nothing is imported from the working directory."""
    return [sys.executable, "-P", "-m", "mcpconf.credentials.worker"]


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment: ours, and where this mcpconf is."""
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    paths = filter(None, (here, environ.get("PYTHONPATH", "")))
    return {**environ, "PYTHONPATH": os.pathsep.join(paths)}


async def ask(
    question: Mapping[str, Json], environ: Mapping[str, str], limit: float = LIMIT
) -> dict[str, Json]:
    """Put one question to a worker and return its answer.

    Raises:
        Missing: what the worker says is missing, or that it did not answer.

    """
    program = Program(command(), os.sep, variables(environ), json.dumps(question).encode())
    try:
        printed = await printed_by(program, limit, _LARGEST)
    except TimeoutError:
        raise Missing("timeout", "renewing its login takes too long", retry=True) from None
    except OSError as error:
        text = f"no process can be started to renew its login: {error.strerror}"
        raise Missing("unreachable", text, retry=True) from None
    return read_answer(printed.text)


def read_answer(said: bytes) -> dict[str, Json]:
    """Read what a worker printed.

    Raises:
        Missing: what it says is missing, or that it said nothing that one can read.

    """
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        text = "the process that renews logins failed; `mcpconf gateway login` shows more"
        raise Missing("unreachable", text, retry=True)
    missing = answer.get("missing")
    if isinstance(missing, dict):
        raise Missing(str(missing["code"]), str(missing["text"]), retry=bool(missing["retry"]))
    return answer
