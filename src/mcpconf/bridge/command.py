"""The command line of the bridge."""

from __future__ import annotations

import gc
import os
import re
import selectors
import socket
import sys

from mcpconf.bridge.conversation import Bridge
from mcpconf.bridge.endpoint import parse_endpoint
from mcpconf.bridge.itself import copy_itself
from mcpconf.bridge.memory import Memory
from mcpconf.bridge.target import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_GARBAGE = 20_000  # objects; a message makes few cycles, and looking for them costs time

USAGE = """\
usage: mcpconf-bridge NAME [--config FILE]     through the gateway
       mcpconf-bridge --url URL                directly: http://, https:// or unix:/SOCKET:/PATH
       mcpconf-bridge --compile FILE           a copy that starts fast with this machine's Python

Stands between an MCP client (stdio) and a server (HTTP).
  --config FILE   where the gateway is (default /etc/mcpconf/bridge.json, $MCPCONF_BRIDGE_CONFIG)
  --cache DIR     what servers said last time (default ~/.cache/mcpconf/bridge); "" keeps nothing
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the bridge; returns the exit code: 0 when the client left, 2 for wrong words."""
    words = list(sys.argv[1:] if words is None else words)
    if words[:1] == ["--compile"] and len(words) == 2:  # noqa: PLR2004
        return copy_itself(words[1])
    if {"--help", "-h"} & {*words}:
        sys.stdout.write(USAGE)
        return 0
    options = _options(words)
    if options is None:
        sys.stderr.write(USAGE)
        return 2
    name, url, config, cache = options
    try:
        target = Target(name or parse_endpoint(url).host, url, config)
    except ValueError as fault:
        sys.stderr.write(f"mcpconf-bridge: {fault}\n")
        return 2
    target.load()
    path = os.path.join(cache, _slug(target.identity) + ".json") if cache else ""
    bridge = Bridge(target, Memory(path))
    _on_signals(bridge)
    gc.set_threshold(_GARBAGE)
    bridge.run()
    return 0


def _options(words: list[str]) -> tuple[str, str, str, str] | None:
    values = {
        "--url": "",
        "--config": os.environ.get("MCPCONF_BRIDGE_CONFIG") or "/etc/mcpconf/bridge.json",
        "--cache": _default_cache(),
    }
    name = ""
    while words:
        word = words.pop(0)
        if word in values and words:
            values[word] = words.pop(0)
        elif not word.startswith("-") and not name:
            name = word
        else:
            return None
    if "://" in name or name.startswith("unix:"):
        if values["--url"]:
            return None
        name, values["--url"] = "", name
    if bool(name) == bool(values["--url"]):
        return None
    return name, values["--url"], values["--config"], values["--cache"]


def _default_cache() -> str:
    cache = os.environ.get("MCPCONF_BRIDGE_CACHE")
    if cache is not None:
        return cache
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "mcpconf", "bridge")


def _slug(text: str) -> str:
    """A file name for a server: readable, and another one for every text."""
    from zlib import crc32  # noqa: PLC0415

    shown = re.sub(r"[^A-Za-z0-9]+", "-", text.partition("?")[0])[:60].strip("-")
    return f"{shown}-{crc32(text.encode('utf-8', 'replace')):08x}"


def _on_signals(bridge: Bridge) -> None:
    """Claude Code ends its servers with SIGINT."""
    import signal  # noqa: PLC0415

    here, there = socket.socketpair()
    os.set_blocking(there.fileno(), False)
    signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)

    def come(mask: int) -> None:
        del mask
        here.recv(64)
        bridge.leave()

    bridge.loop.watch(here.fileno(), selectors.EVENT_READ, come)
    bridge.loop.keep(there)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _noted)


def _noted(number: int, frame: object) -> None:
    """The wake-up descriptor has it."""
