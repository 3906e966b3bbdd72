"""The other engines: ulogd2 records what is refused, HAProxy is the gate of strict mode."""

from __future__ import annotations

import os
import socket
from functools import partial

from mcpconf.firewall.compile import Compiled
from mcpconf.firewall.gatelists import gate_reload_commands, tell_gate
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.process import end, pid_of, wait_for
from mcpconf.firewall.recorder import recorder_config
from mcpconf.firewall.run import find, run
from mcpconf.firewall.state import read_file, write_file

_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
_STARTS_WITHIN = 0.5  # seconds
_ANSWER = 1 << 16  # bytes read at once


class EngineError(Exception):
    """An engine does not start or does not take its new list."""


def recorder_pid(paths: Paths) -> int:
    return pid_of(paths.packets_pid, paths.packets_conf)


def end_recorder(paths: Paths) -> bool:
    return end(paths.packets_pid, paths.packets_conf)


def start_recorder(paths: Paths) -> str:
    """Start the recorder where it does not run; returns why it cannot, "" if it runs."""
    if recorder_pid(paths):
        return ""
    if not find("ulogd"):
        return "ulogd2 is not there, so refused attempts are not written down"
    folder = plugin_folder()
    if not folder:
        return "ulogd2's plug-ins are not there, so refused attempts are not written down"
    write_file(paths.packets_conf, recorder_config(paths, folder))
    os.close(os.open(paths.packets, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o640))
    done = run(["ulogd", "-d", "-c", paths.packets_conf, "-p", paths.packets_pid])
    if wait_for(lambda: bool(recorder_pid(paths)), _STARTS_WITHIN):  # its exit code is always 0
        return ""
    return f"the recorder did not start, so refused attempts are not written down: {done.words}"


def plugin_folder() -> str:
    """Where ulogd's plug-ins for NFLOG and JSON are; "" where one is missing."""
    for base in _LIBRARIES:
        for folder in (f"{base}/ulogd", *_subfolders(base)):
            if os.path.exists(f"{folder}/ulogd_output_JSON.so"):
                return folder
    return ""


def _subfolders(base: str) -> list[str]:
    try:
        return [f"{base}/{name}/ulogd" for name in sorted(os.listdir(base)) if "-linux-" in name]
    except OSError:
        return []


def gate_pid(paths: Paths) -> int:
    return pid_of(paths.gate_pid, paths.gate_conf)


def end_gate(paths: Paths) -> bool:
    return end(paths.gate_pid, paths.gate_conf)


def bring_gate(paths: Paths, compiled: Compiled) -> bool:
    """Give the gate that runs its new lists; False where it does not run, or not as it should.

    Raises OSError.
    """
    old = {path: read_file(path) for path in compiled.gate}
    same = gate_pid(paths) and read_file(paths.gate_conf) == compiled.gate_config
    for path, text in compiled.gate.items():
        write_file(path, text)
    commands = gate_reload_commands(old, compiled.gate) if same else []
    return bool(same) and not tell_gate(commands, partial(_said, paths))


def start_gate(paths: Paths, compiled: Compiled) -> None:
    """Start the gate anew: streams of one that ran end.  Raises EngineError, OSError."""
    end_gate(paths)
    write_file(paths.gate_conf, compiled.gate_config)
    done = run(["haproxy", "-D", "-f", paths.gate_conf, "-p", paths.gate_pid])
    if done.code:
        raise EngineError(f"the gate did not start: {done.words}")


def _said(paths: Paths, command: str) -> str:
    """What the gate answers to a command; a text that is no answer where it does not."""
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(5)
            door.connect(paths.gate_socket)
            door.sendall(command.encode())
            door.shutdown(socket.SHUT_WR)
            parts = []
            while part := door.recv(_ANSWER):
                parts.append(part)
            return b"".join(parts).decode("ascii", "replace")
    except OSError as error:
        return f"no answer: {error}"
