"""Checks of the programs on the host: mcpconf itself, Claude Code, the gateway."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import mcpconf
from mcpconf.clients import CLIENTS
from mcpconf.diagnosis.checks.check import Check, Given, State, judged
from mcpconf.diagnosis.model import Remedy
from mcpconf.errors import Failure
from mcpconf.findings import Finding
from mcpconf.names import quote
from mcpconf.service import control, only
from mcpconf.service.listen import not_listened_on

_PATIENCE = 5.0  # seconds, for a program to say its version
_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){1,3}[-+.0-9A-Za-z]{0,40}")
_TOOLS = (("/pipx/", "pipx"), ("/uv/tools/", "uv tool"))


# --- mcpconf itself ---------------------------------------------------------------------------


def installation(given: Given) -> Check:
    """Version, how it is installed, and whether a shell would start the same one."""
    about = f"mcpconf {mcpconf.__version__}, {installed_how()}, Python {platform.python_version()}"
    found = shutil.which("mcpconf", path=given.environ.get("PATH"))
    if found is None:
        return Check("installation", State.OK, f"{about}; not on the PATH")
    if _is_this_one(found):
        return Check("installation", State.OK, about)
    return judged_installation(about, found, version_of(found))


def judged_installation(about: str, found: str, version: str) -> Check:
    """Compare with the program that a shell finds: pure."""
    if version == mcpconf.__version__:
        return Check("installation", State.OK, f"{about}; the PATH has another copy of it")
    says = f"is version {version}" if version else "does not say its version"
    text = f"the mcpconf that the PATH finds {says}, and this one is {mcpconf.__version__}"
    finding = Finding(
        "MC130",
        text,
        notes=(f"the PATH finds {quote(found, 200)}; this one runs in {quote(sys.prefix, 200)}",),
        help=("see all of them with `type -a mcpconf`, and remove those you do not want",),
    )
    return judged("installation", about, finding)


def installed_how() -> str:
    """One clause: editable, one file, or by whom it was installed."""
    package = Path(mcpconf.__file__).parent
    if any(p.is_file() for p in package.parents):
        return "one file"
    with suppress(metadata.PackageNotFoundError, ValueError, AttributeError):
        installed = metadata.distribution("mcpconf")
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        if origin.get("dir_info", {}).get("editable"):
            return "editable"
        for sign, tool in _TOOLS:
            if sign in str(package):
                return f"installed by {tool}"
        by = (installed.read_text("INSTALLER") or "").strip()
        return f"installed by {by}" if by.isalnum() else "installed"
    return "run from its sources"


def _is_this_one(found: str) -> bool:
    here = {os.path.realpath(sys.argv[0]), os.path.realpath(Path(sys.prefix, "bin", "mcpconf"))}
    return os.path.realpath(found) in here


def version_of(program: str) -> str:
    """What a program says with ``--version``; "" where it says nothing that is one."""
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(  # noqa: S603  a list of words, no shell
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            cwd="/",
        )
        return version_in(done.stdout.decode(errors="replace"))
    return ""


def version_in(text: str) -> str:
    """The first version in a text, "" if there is none: pure."""
    found = _VERSION.search(text[:200])
    return found.group() if found else ""


# --- Claude Code ------------------------------------------------------------------------------


def claude(given: Given) -> Check:
    """The version on this machine, and whether the answers are for it."""
    program = shutil.which("claude", path=given.environ.get("PATH"))
    asked = given.configuration.request.client.version
    if program is None:
        return Check("Claude Code", State.OK, f"not on this machine; answers are for {asked}")
    version = version_of(program)
    if not version:
        return Check("Claude Code", State.UNKNOWN, "`claude --version` does not say its version")
    return judged_claude(version, asked)


def judged_claude(version: str, asked: str) -> Check:
    """Compare the version that is there with the one that is answered for: pure."""
    if version == asked:
        return Check("Claude Code", State.OK, f"{version}, which mcpconf knows")
    if version in CLIENTS:
        finding = Finding(
            "MC131",
            f"Claude Code is {version} here, and the answers are for {asked}",
            help=(f"mcpconf doctor --client {version}",),
        )
        return judged("Claude Code", "", finding)
    known = ", ".join(CLIENTS)
    text = f"{version}, taken for {asked} (mcpconf knows {known})"
    return Check("Claude Code", State.OK, text)


# --- the gateway ------------------------------------------------------------------------------


def gateway(given: Given) -> Check:
    """Whether it runs where it is needed, answers, and is of this version."""
    needed = len(given.compiled.plan.routes.routes)
    directory = given.places.gateway
    if only.running(directory) is None:
        return judged_absence(needed)
    try:
        about = control.ask(directory, "GET", "/status", timeout=2.0)["gateway"]
        version, listen = str(about["version"]), [str(a) for a in about["listen"]]
    except (control.NoAnswer, Failure) as error:
        return judged_silence(str(error))
    except (KeyError, TypeError):
        return judged_silence("what answers on its control socket is not the gateway")
    return judged_gateway(version, listen, not_listened_on(given.places, listen))


def judged_absence(needed: int) -> Check:
    """No gateway runs; that matters where servers are behind it: pure."""
    if not needed:
        return Check("gateway", State.OK, "not running, and no server needs it")
    servers = f"{needed} server{' is' if needed == 1 else 's are'}"
    finding = Finding(
        "MC215",
        f"the gateway does not run, and {servers} behind it",
        help=("mcpconf gateway start",),
    )
    start = Remedy("mcpconf gateway start", ("gateway", "start"), safe=True)
    return judged("gateway", "", finding, remedy=start)


def judged_silence(why: str) -> Check:
    """One runs and does not answer: pure."""
    finding = Finding(
        "MC218",
        f"the gateway does not answer on its control socket: {why}",
        help=("mcpconf gateway stop && mcpconf gateway start",),
    )
    return judged("gateway", "", finding)


def judged_gateway(version: str, listen: list[str], missing: tuple[str, ...]) -> Check:
    """One runs and answers: pure."""
    again = "mcpconf gateway stop && mcpconf gateway start"
    found = []
    if version != mcpconf.__version__:
        text = f"the gateway is of mcpconf {quote(version)}, and this is {mcpconf.__version__}"
        found.append(Finding("MC216", text, help=("mcpconf gateway start    (it is exchanged)",)))
    if missing:
        text = f"the gateway does not listen on {', '.join(missing)}, where containers look for it"
        found.append(Finding("MC216", text, help=(again,)))
    ports = [address for address in listen if not address.startswith("unix:")]
    where = ", ".join(map(quote, ports)) or "its socket only"
    return judged("gateway", f"runs, version {version}, listens on {where}", *found)
