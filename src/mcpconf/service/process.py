"""Starting the gateway in the background, and ending it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import mcpconf
from mcpconf.errors import Failure
from mcpconf.service import only
from mcpconf.service.control import NoAnswer, ask

LOG = "gateway.log"
PATIENCE = 15.0  # seconds, for a start and for an end
_PAUSE = 0.02
_KEPT_LOG = 1024 * 1024  # bytes
_SHOWN_LINES = 10


class NotStarted(Failure):
    """The gateway did not come up; ``words`` is what it said last."""

    def __init__(self, what: str, log: Path, words: tuple[str, ...]) -> None:
        way = "`mcpconf gateway run` runs it in the foreground"
        super().__init__(f"the gateway did not start: {what}", note=f"its log: {log}", help=way)
        self.words = words


class Started(NamedTuple):
    """What became of a start.  ``before`` is the version that ran until now, "" if none did."""

    status: Any
    fresh: bool
    before: str = ""


def start(gateway: Path, home: Path | None) -> Started:
    """Start the gateway unless it runs; one of another version is exchanged.

    Raises:
        NotStarted: it did not come up.

    """
    status = _status(gateway)
    if status is not None:
        version = str(status["gateway"]["version"])
        if version == mcpconf.__version__:
            return Started(status, fresh=False)
        stop(gateway)
        return Started(_launch(gateway, home), fresh=True, before=version)
    if only.running(gateway) is not None:
        _await(lambda: _status(gateway) or (only.running(gateway) is None), PATIENCE)
        status = _status(gateway)
        if status is not None:
            return Started(status, fresh=False)
    return Started(_launch(gateway, home), fresh=True)


def stop(gateway: Path) -> bool:
    """End the gateway if one runs: asked first, then by signals; False if none ran."""
    pid = only.running(gateway)
    if pid is None:
        return False
    for end in (_ask_to_stop, _signal(signal.SIGTERM), _signal(signal.SIGKILL)):
        if end(gateway) and _await(lambda: only.running(gateway) is None, PATIENCE / 3):
            return True
    raise Failure(
        f"the gateway does not end: process {pid or 'unknown'}",
        note=f"it still holds {gateway / only.LOCK}",
        help=f"kill -9 {pid}" if pid else f"see who holds it: lsof {gateway / only.LOCK}",
    )


def _ask_to_stop(gateway: Path) -> bool:
    try:
        ask(gateway, "POST", "/stop", timeout=PATIENCE / 5)
    except (NoAnswer, Failure):
        return False
    return True


def _signal(number: int) -> Callable[[Path], bool]:
    def send(gateway: Path) -> bool:
        pid = only.running(gateway)  # as it is now: it may have been exchanged
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return True

    return send


def _status(gateway: Path) -> Any:  # noqa: ANN401  a JSON document
    try:
        return ask(gateway, "GET", "/status", timeout=PATIENCE / 3)
    except NoAnswer:
        return None


def _launch(gateway: Path, home: Path | None) -> Any:  # noqa: ANN401
    only.prepare(gateway)
    with only.explained(gateway):
        log = _open_log(gateway / LOG)
    try:
        since = os.fstat(log).st_size
        process = subprocess.Popen(  # noqa: S603  ourselves
            [*program(), "gateway", "run", *(["--home", str(home)] if home else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(log)
    status: list[Any] = []

    def up() -> bool:
        status[:] = [_status(gateway)]
        ended = process.poll() is not None and only.running(gateway) is None  # nobody's start
        return status[0] is not None or ended

    _await(up, PATIENCE)
    if not status or status[0] is None:
        raise _did_not_start(gateway / LOG, since, process)
    if status[0]["gateway"]["pid"] != process.pid:  # somebody else's start was faster
        process.terminate()
        process.wait()
    process.returncode = 0  # it outlives this command, which does not wait for it
    return status[0]


def program() -> list[str]:
    """How this very program is started again: installed, in a checkout, or one zip file."""
    package = Path(mcpconf.__file__).parent
    archive = next((p for p in package.parents if p.is_file()), None)
    return [sys.executable, *([str(archive)] if archive else ["-P", "-m", "mcpconf"])]


def _open_log(path: Path) -> int:
    """Open the log to append; one that has grown long is put aside."""
    with suppress(FileNotFoundError):
        if path.stat().st_size > _KEPT_LOG:
            path.replace(path.with_name(f"{LOG}.1"))
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _did_not_start(log: Path, since: int, process: subprocess.Popen[bytes]) -> NotStarted:
    code = process.poll()
    what = f"it ended with {code}" if code is not None else f"no answer after {PATIENCE:g} seconds"
    if code is None:
        process.terminate()
    with log.open("rb") as file:
        file.seek(since)
        said = file.read(_KEPT_LOG).decode("utf-8", "replace").strip()
    return NotStarted(what, log, tuple(said.splitlines()[-_SHOWN_LINES:]))


def _await(done: Callable[[], Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE)
    return True
