"""Who the agent is in a container, and how something is run as the agent, as Claude Code would.

What looks runs with the system's PATH and empty variables (``inside.py``); what is tried for the
agent's sake gets the agent's own environment, and no more rights than the agent has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from mcpconf.containers import inside
from mcpconf.containers.inspection import Inspected
from mcpconf.containers.program import whole
from mcpconf.containers.running import Container
from mcpconf.errors import Failure

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?")
_OURS, _HOME = "agent", "/home/agent"  # templates/ddev/build

# What a login shell of the agent's makes of its PATH, as tools for dev containers ask for it.
_ASKS_PATH = """\
me=$(id -u) shell=
while IFS=: read -r _ _ uid _ _ _ last; do
  [ "$uid" != "$me" ] || { shell=$last; break; }
done </etc/passwd
exec "${shell:-/bin/sh}" "$1" 'printf "\\nmcpconf-path:%s\\n" "$PATH"'
"""
_PROBES = {"loginInteractiveShell": "-lic", "loginShell": "-lc", "interactiveShell": "-ic"}
_LONGEST_PATH = 20_000

_CHANGES_FOLDER = """\
cd -- "$1" 2>/dev/null || cd /
seconds=$2
shift 2
if command -v timeout >/dev/null 2>&1; then exec timeout -k 1 "$seconds" "$@"; fi
exec "$@"
"""


class Agent(NamedTuple):
    """As whom Claude Code runs there, and where.

    ``user`` is what the engine takes, "" for the one as whom the container starts; ``given`` are
    variables that whoever starts Claude Code there sets.  ``probe`` is how its shell is asked for
    its PATH, "" where it is not.
    """

    user: str
    path: str
    folder: str
    given: tuple[str, ...] = ()
    because: str = ""
    probe: str = ""


def agent_of(seen: Inspected, project: str) -> Agent:
    """The agent of a container: pure.

    In a service of ours it is ``agent``; in a dev container its remoteUser, then its
    containerUser; else the one as whom the container starts.
    """
    folder = _folder(seen, project)
    if "MCPCONF_PROJECT" in seen.variables:
        given = (f"HOME={_HOME}", f"USER={_OURS}", f"LOGNAME={_OURS}", "SHELL=/bin/bash")
        return Agent(_OURS, seen.path, folder, given, "the service of mcpconf")
    label = seen.labels.get("devcontainer.metadata", "")
    wanted = _of_metadata(label, "userEnvProbe") or "loginInteractiveShell"
    probe = _PROBES.get(wanted, "") if label else ""
    for key in ("remoteUser", "containerUser"):
        user = _of_metadata(label, key)
        if _NAME.fullmatch(user):
            return Agent(user, seen.path, folder, (), f"{key} of the dev container", probe)
    user = seen.user if _NAME.fullmatch(seen.user) else ""
    return Agent(user, seen.path, folder, (), "the container starts as this user", probe)


def at_home(container: Container, agent: Agent, patience: float) -> Agent:
    """The agent with the PATH that its shell makes, where Claude Code gets that one."""
    if not agent.probe:
        return agent
    shell = ["/bin/sh", "-c", _ASKS_PATH, "path", agent.probe]
    with suppress(Failure):
        _, out, _ = whole(_exec(container, agent.user, agent.given, shell), "", patience)
        path = out.rpartition("\nmcpconf-path:")[2].partition("\n")[0]
        if path.startswith("/") and len(path) < _LONGEST_PATH and path.isprintable():
            return agent._replace(path=path, given=(*agent.given, f"PATH={path}"))
    return agent


def _of_metadata(text: str, key: str) -> str:
    """The last word on a property in the label of a dev container, "" if nobody says."""
    with suppress(ValueError, RecursionError):
        layers = json.loads(text)
        layers = layers if isinstance(layers, list) else [layers]
        said = [layer.get(key) for layer in layers if isinstance(layer, dict)]
        return next((word for word in reversed(said) if isinstance(word, str) and word), "")
    return ""


def _folder(seen: Inspected, project: str) -> str:
    """Where the project's directory is inside: the deepest mount that holds it."""
    best = ""
    found = project
    for inside_, source in seen.mounts.items():
        source = source.rstrip("/")  # noqa: PLW2901
        holds = source and (project == source or project.startswith(f"{source}/"))
        if holds and len(source) > len(best):
            best, found = source, inside_.rstrip("/") + project[len(source) :]
    return found or "/"


def looks(container: Container, agent: Agent, script: str, words: Sequence[str]) -> list[str]:
    """A script of ours as the agent, with nothing of the agent's environment."""
    given = [f"PATH={inside.PATH}", *(f"{variable}=" for variable in inside.EMPTY)]
    return _exec(container, agent.user, given, ["/bin/sh", "-c", script, "look", *words])


def starts(container: Container, agent: Agent, command: Sequence[str], seconds: float) -> list[str]:
    """A command as Claude Code would start it; it ends there after ``seconds`` at the latest."""
    shell = ["/bin/sh", "-c", _CHANGES_FOLDER, "start", agent.folder, f"{seconds:.0f}", *command]
    return _exec(container, agent.user, agent.given, shell, listens=True)


def python(container: Container, words: Sequence[str]) -> list[str]:
    """The container's Python, as nobody, isolated; the program comes on its stdin."""
    given = [f"PATH={inside.PATH}", "HOME=/", *(f"{variable}=" for variable in inside.EMPTY)]
    shell = ["/bin/sh", "-c", 'exec python3 -I "$@"', "python3", "-", *words]
    return _exec(container, inside.NOBODY, given, shell, listens=True)


def python_of_agent(container: Container, agent: Agent, words: Sequence[str]) -> list[str]:
    """The same as the agent, whose environment it sees, by a Python of the system's."""
    shell = ["/bin/sh", "-c", f'PATH={inside.PATH} exec python3 -I "$@"', "python3", "-", *words]
    return _exec(container, agent.user, agent.given, shell, listens=True)


def _exec(
    container: Container,
    user: str,
    given: Sequence[str],
    shell: Sequence[str],
    *,
    listens: bool = False,
) -> list[str]:
    if not container.engine:  # whoever asks is the agent, or may become it
        return ["/usr/bin/env", *given, *shell]
    options = ["-w", "/", *(["-i"] if listens else []), *(["-u", user] if user else [])]
    options += [option for variable in given for option in ("-e", variable)]
    return [container.engine, "exec", *options, container.name, *shell]
