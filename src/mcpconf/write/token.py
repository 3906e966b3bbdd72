"""Making a project's token: once, by the first sync that gives the project a route."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from mcpconf.emit import Reader
from mcpconf.model import Text
from mcpconf.readers.token import TOKEN, read_token
from mcpconf.write.folder import NO_LINK, Folder, Target, explained, opened
from mcpconf.write.lock import locked

_NEW = ".token"


def make_token(target: Target) -> Text:
    """Return the project's token, made if there is none; it stays until the project is removed."""
    there = read_token(target.host)
    if there is not None:
        return there
    with explained(target.host), opened(target, create=True) as folders:
        host = folders[Reader.HOST]
        with locked(host):
            there = read_token(target.host)  # somebody may have been here meanwhile
            return there if there is not None else _make(host)


def _make(host: Folder) -> Text:
    """Write it whole, then give it its name: nobody ever reads half a token."""
    text = secrets.token_urlsafe(32)
    with suppress(FileNotFoundError):
        os.unlink(_NEW, dir_fd=host.fd)
    file = os.open(_NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o600, dir_fd=host.fd)
    try:
        os.write(file, f"{text}\n".encode())
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(_NEW, TOKEN, src_dir_fd=host.fd, dst_dir_fd=host.fd)
    os.fsync(host.fd)
    return Text(text)


def drop_token(host: Folder) -> None:
    """Delete it: the containers that still know it are then shut out."""
    for name in (TOKEN, _NEW):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=host.fd)
