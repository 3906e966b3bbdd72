"""``mcpconf gateway run``: the gateway in the foreground.

Start-up time counts here, so this is reached without the command line's libraries, and reads its
few options by hand (``__main__``).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mcpconf import __version__
from mcpconf.contract import GATEWAY, is_token
from mcpconf.errors import Usage
from mcpconf.gateway.options import Address, Options
from mcpconf.model import Text
from mcpconf.readers.places import Places, find_places
from mcpconf.service import listen, only

TOKEN_VARIABLE = "MCPCONF_GATEWAY_TOKEN"  # noqa: S105  a name
_TAKES_A_VALUE = ("--listen", "--port", "--config", "--home")


class Run(NamedTuple):
    """What the command line asks for."""

    home: Path | None = None
    listen: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    config: Path | None = None


def main(argv: Sequence[str]) -> int:
    """Run the gateway with the words that follow ``gateway run``."""
    return run(parsed(argv))


def parsed(argv: Sequence[str]) -> Run:
    """Read the options: ``--name value`` and ``--name=value``."""
    given: dict[str, list[str]] = {name: [] for name in _TAKES_A_VALUE}
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in given:
            raise Usage(f"`gateway run` does not know {word!a}", help="mcpconf gateway run --help")
        if not equals:
            value = next(words, "")
        if not value:
            raise Usage(f"{name} wants a value", help="mcpconf gateway run --help")
        given[name].append(value)
    return Run(
        home=_last(given["--home"]),
        listen=tuple(given["--listen"]),
        ports=tuple(map(_port, given["--port"])),
        config=_last(given["--config"]),
    )


def _last(values: list[str]) -> Path | None:
    return Path(values[-1]).absolute() if values else None


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text[:6]) < 65536:  # noqa: PLR2004
        return int(text)
    raise Usage(f"--port {text!a} is not a port", help="a number from 0 to 65535; 0: a free one")


def run(asked: Run) -> int:
    """Serve until the end; returns the exit code."""
    gc.enable()  # `__main__` switches it off, for commands that end soon
    places = find_places(asked.home)
    if asked.config is not None:
        return _serve(stand_alone(asked, places))
    options = of_the_user(asked, places)
    with only.only_one(places.gateway):
        return _serve(options)


def of_the_user(asked: Run, places: Places) -> Options:
    """The one gateway of this user, for all projects."""
    wanted = listen.wanted(places)
    chosen = listen.asked(asked.listen, asked.ports)
    return Options(
        state=places.state,
        listen=chosen.addresses or listen.addresses(wanted),
        version=__version__,
        socket=chosen.socket or places.gateway / only.SOCKET,
        control=places.gateway / only.CONTROL,
        decisions=places.gateway / "decisions.jsonl",
        hosts=listen.known_as(wanted),
    )


def stand_alone(asked: Run, places: Places) -> Options:
    """The servers of one file, as the project ``default``."""
    assert asked.config is not None
    if not asked.config.is_file():
        raise Usage(f"--config {str(asked.config)!a} is not a file")
    chosen = listen.asked(asked.listen, asked.ports)
    default = () if chosen.socket else (Address(listen.LOOPBACK, GATEWAY.port),)
    return Options(
        state=places.state,
        listen=chosen.addresses or default,
        version=__version__,
        socket=chosen.socket,
        hosts=(GATEWAY.host, "mcpconf-gateway"),
        config=asked.config,
        token=_token(),
    )


def _token() -> Text:
    """The token of the stand-alone project: given, or made and shown once."""
    given = os.environ.pop(TOKEN_VARIABLE, "")  # children of the gateway need not have it
    if given and not is_token(given):
        raise Usage(
            f"{TOKEN_VARIABLE} is not a token: 32 to 128 letters, digits, `-` and `_`",
            help="unset it, and one is made and shown",
        )
    if given:
        return Text(given)
    import secrets  # noqa: PLC0415  8 ms

    made = secrets.token_urlsafe(32)
    sys.stderr.write(f"token: {made}\n")
    sys.stderr.flush()
    return Text(made)


def _serve(options: Options) -> int:
    from mcpconf.gateway.server import serve  # noqa: PLC0415  what is wrong above needs no server

    return serve(options)
