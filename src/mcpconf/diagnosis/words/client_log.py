"""The client's logs (fact 57): what really went wrong, also where 2.1.197 prints no reason.

One file a start of Claude Code, one JSON object a line.  2.1.197 writes URLs and the values of
headers in clear text: nothing of a log is shown but the one error, masked.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mcpconf.compiler import Compilation
from mcpconf.diagnosis.words import texts
from mcpconf.diagnosis.words.said import Said, phrase_of, read
from mcpconf.errors import Usage
from mcpconf.explain import Explanation, Line
from mcpconf.names import quote

_TAIL = 1 << 20  # bytes that are looked at: the last ones
_MOST_INPUT = 1 << 26  # bytes of standard input
_PIECE = 1 << 16
_LONGEST_PATH = 4096
_ENDINGS = (".jsonl", ".log", ".txt")
_FOLDER = "mcp-logs-"

_BEGINS = ("Initializing ", "Starting connection ")
_REASON = re.compile(r"^(?:Connection failed|Server rejected|Connection error: |Failed to fetch)")
_STATUS = re.compile(r"\(code: ([45][0-9][0-9]),")
_ASKED = "Authentication required for "
_LATER = "Connection error: "
_WELL = "Successfully connected"


class Record(NamedTuple):
    """One line of a log."""

    text: str
    time: str = ""
    error: bool = False


class Log(NamedTuple):
    """What a log says of the last attempt: ``reason`` is the true error, None if it went well."""

    reason: Record | None
    server: str = ""  # as in the folder's name: other characters than letters and digits are -
    cwd: str = ""
    client: str = ""
    well: bool = False


def is_file(question: str) -> bool:
    """Whether a question names a file or a folder of logs, or is ``-``."""
    if question == "-":
        return True
    try:
        return (
            _is_path(question)
            and "\0" not in question
            and len(question) < _LONGEST_PATH
            and Path(question).exists()
        )
    except OSError:
        return False


def is_missing(question: str) -> bool:
    """Whether a question can only be meant as a file, which is not there."""
    begins = question.startswith((os.sep, f".{os.sep}", f"..{os.sep}", f"~{os.sep}"))
    return (begins or question.endswith(_ENDINGS)) and not is_file(question)


def _is_path(question: str) -> bool:
    return os.sep in question or question.endswith(_ENDINGS)


def load(question: str) -> tuple[str, str]:
    """Read the end of a log, or standard input; returns the text and a name for it.

    Raises Usage for what is no regular file, or cannot be read.
    """
    if question == "-":
        return _from_pipe(), "standard input"
    path = Path(question)
    if path.is_dir():
        path = _newest(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}", help=_HELP) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Usage(f"{path} is not a regular file", help=_HELP)
        file.seek(max(0, status.st_size - _TAIL))
        return _decoded(file.read(_TAIL)), str(path.absolute())


_HELP = "give a file of ~/.cache/claude-cli-nodejs/PROJECT/mcp-logs-NAME/, or - for standard input"


def _from_pipe() -> str:
    kept, total = b"", 0
    while total < _MOST_INPUT and (piece := sys.stdin.buffer.read(_PIECE)):
        kept, total = (kept + piece)[-_TAIL:], total + len(piece)
    return _decoded(kept)


def _newest(folder: Path) -> Path:
    """The newest log in a folder of one server, or in the folders of a project's servers."""
    try:
        files = [*folder.glob("*.jsonl"), *folder.glob(f"{_FOLDER}*/*.jsonl")]
        return max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
    except (OSError, ValueError) as error:
        raise Usage(f"{folder} holds no log of Claude Code", help=_HELP) from error


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "")


# --- reading ----------------------------------------------------------------------------------


def parse(text: str, name: str = "") -> Log | None:
    """What a log says; None if no line of the text is one of a log."""
    found = [_record(line) for line in text.splitlines() if line.startswith("{")]
    lines = [pair for pair in found if pair]
    if not lines:
        return None
    records = [record for record, _ in lines]
    cwd = next((c for _, more in reversed(lines) if isinstance(c := more.get("cwd"), str)), "")
    folder = Path(name).parent.name if name else ""
    server = folder.removeprefix(_FOLDER) if folder.startswith(_FOLDER) else ""
    client = re.search(r"claude-code/([0-9]{1,3}(?:\.[0-9]{1,6}){2})", text)
    last = _last_attempt(records)
    reason = _reason(last)
    well = reason is None and any(r.text.startswith(_WELL) for r in last)
    return Log(reason, server, cwd, client[1] if client else "", well)


def _record(line: str) -> tuple[Record, Mapping[str, object]] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    said = value.get("error", value.get("debug"))
    if not isinstance(said, str):
        return None
    at = value.get("timestamp")
    return Record(said, at if isinstance(at, str) else "", "error" in value), value


def _last_attempt(records: Sequence[Record]) -> list[Record]:
    begins = [n for n, r in enumerate(records) if r.text.startswith(_BEGINS[0])]
    begins = begins or [n for n, r in enumerate(records) if r.text.startswith(_BEGINS[1])]
    return list(records[begins[-1] if begins else 0 :])


def _reason(records: Sequence[Record]) -> Record | None:
    """The record that says most about the failure, if there was one."""
    login = next((r for r in records if r.text.startswith(_ASKED)), None)
    if login:
        return login._replace(text=f"{login.text.rstrip('.')} after HTTP {_refusal(records)}")
    status = next((m[1] for r in records if (m := _STATUS.search(r.text))), "")
    final = [r for r in records if r.error and _REASON.match(r.text)]
    final = final or [r for r in records if _REASON.match(r.text)]
    if final:
        said = final[-1]
        if said.text.startswith(_LATER):  # the handshake was over
            return said._replace(text=f"tools fetch failed — {said.text.removeprefix(_LATER)}")
        hidden = "Error POSTing to endpoint" in said.text and status
        return said._replace(text=f"HTTP {status}: {said.text}") if hidden else said
    errors = [r for r in records if r.error and not r.text.startswith("Server stderr")]
    return errors[-1] if errors and not any(r.text.startswith(_WELL) for r in records) else None


def _refusal(records: Sequence[Record]) -> str:
    """401 or 403: only the lines before tell them apart."""
    posting = any("Error POSTing to endpoint" in r.text for r in records)
    refused = any("nauthorized" in r.text or "is deferred" in r.text for r in records)
    return "403" if posting and not refused else "401"


# --- explaining -------------------------------------------------------------------------------


def explain_log(log: Log, name: str, known: texts.Known) -> Explanation:
    """The true error of the last attempt, and what it means."""
    lines = [Line("file", name)]
    if log.client:
        lines.append(Line("client", f"Claude Code {log.client}"))
    if log.cwd:
        lines.append(Line("started in", quote(log.cwd, 200).strip("`")))
    names = servers(log, known.compiled)
    if log.reason is None:
        text = "the last attempt went well" if log.well else "it names no error of a connection"
        return Explanation(name, "log", (*lines, Line("error", text)))
    error = _one_line(log.reason)
    lines.append(Line("error", texts.shown(error, known.compiled)))
    if log.reason.time:
        lines.append(Line("at", quote(log.reason.time).strip("`")))
    said = _said(error, names[0] if names else log.server)
    return Explanation(name, "log", (*lines, *texts.lines_of([said], "", known)))


def heard(home: str, cwd: str, name: str) -> texts.Heard | None:
    """The error in the newest log of a server of this project; None if there is none."""
    slugs = [re.sub(r"[^a-zA-Z0-9]", "-", text) for text in (cwd, name)]
    for base in (".cache", "Library/Caches"):
        folder = Path(home, base, "claude-cli-nodejs", slugs[0], _FOLDER + slugs[1])
        if folder.is_dir():
            with suppress(Usage):
                log = parse(*load(str(folder)))
                if log and log.reason:
                    return texts.Heard(quote(log.reason.time).strip("`"), _one_line(log.reason))
    return None


def _one_line(record: Record) -> str:
    return " ".join(record.text.partition("\n    at ")[0].split())


def _said(error: str, server: str) -> Said:
    found = read(error)
    return (found[0] if found else Said(error, phrase_of(error)))._replace(name=server)


def servers(log: Log, compiled: Compilation) -> tuple[str, ...]:
    """The configured servers whose log this can be."""
    names = dict.fromkeys(r.server.name for r in compiled.survey.resolved)
    return tuple(n for n in names if re.sub(r"[^a-zA-Z0-9]", "-", n) == log.server)


def nothing(name: str) -> Explanation:
    """The answer for a file in which nothing is known."""
    return Explanation(name, "", (Line("nothing", "no line of it is known"), Line("help", _HELP)))


def missing(name: str) -> Explanation:
    """The answer for a file that is not there."""
    return Explanation(
        name, "", (Line("nothing", f"there is no file {quote(name)}"), Line("help", _HELP))
    )
