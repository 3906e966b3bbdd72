"""What a server's command line really starts: which runner, which package, which program.

``npx -y exa-mcp-server``, ``cmd /c npx exa-mcp-server`` and ``/opt/homebrew/bin/npx
exa-mcp-server@1.2`` are one thing: the npm package ``exa-mcp-server``, run by ``npx``.  The table
of runners says how each spells its options; nothing else looks at a command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Runner(NamedTuple):
    """How one runner is used: the ecosystem it fetches from and the options that take a value.

    ``package_options`` name the package themselves (``--from``, ``-p``); ``verbs`` are the words
    that stand between the runner and the package (``pnpm dlx``).
    """

    ecosystem: str
    value_options: frozenset[str] = frozenset()
    package_options: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NPM = _words("--registry --prefix -C --workspace -w --cache --loglevel -c --call")
_UV = _words(
    "--python --with --with-editable --with-requirements --index --index-url --default-index "
    "--extra-index-url --env-file --directory --project --cache-dir --refresh-package -i -f -w"
)
_DOCKER = _words(
    "-e --env --env-file -v --volume --mount --name --network --net -p --publish -w --workdir "
    "-u --user -l --label --entrypoint --platform --add-host --cpus -m --memory --shm-size "
    "--cap-add --cap-drop --security-opt --tmpfs --hostname -h --pull --restart --gpus --dns "
    "--log-driver --ulimit --device --ipc --pid --runtime --cidfile"
)

RUNNERS: Mapping[str, Runner] = {
    "npx": Runner("npm", _NPM, _words("-p --package")),
    "bunx": Runner("npm", frozenset(), _words("-p --package")),
    "npm": Runner("npm", _NPM, _words("-p --package"), ("exec", "x")),
    "pnpm": Runner("npm", _NPM, _words("--package"), ("dlx", "exec")),
    "yarn": Runner("npm", frozenset(), _words("-p --package"), ("dlx",)),
    "bun": Runner("npm", frozenset(), frozenset(), ("x",)),
    "uvx": Runner("pypi", _UV | {"-p"}, _words("--from")),
    "uv": Runner("pypi", _UV | {"-p"}, _words("--from"), ("tool", "run")),
    "pipx": Runner("pypi", _words("--python --pip-args --index-url"), _words("--spec"), ("run",)),
    "docker": Runner("docker", _DOCKER, frozenset(), ("container", "run")),
    "podman": Runner("docker", _DOCKER, frozenset(), ("container", "run")),
}
_INTERPRETERS = frozenset(
    "node python python3 sh bash dash zsh deno php ruby java dotnet perl tsx go cargo".split()
)


class Invocation(NamedTuple):
    """A command line, understood.

    ``program`` is the bare name of what is started (``npx``), ``was_path`` whether it was given as
    an absolute path, ``package`` is ``npm:NAME``, ``pypi:NAME``, ``docker:IMAGE`` or "", ``rest``
    the arguments behind the package, ``script`` the file an interpreter is given, or "".
    """

    program: str
    words: tuple[str, ...]
    was_path: bool = False
    runner: str = ""
    package: str = ""
    rest: tuple[str, ...] = ()
    script: str = ""


def understand(command: str, args: Sequence[str]) -> Invocation:
    """Read a command line.  What is not understood keeps its program and arguments."""
    command, args = _unwrapped(command, list(args))
    program = _bare(command)
    known = program in RUNNERS or program in _INTERPRETERS
    was_path = command != program and command.replace("\\", "/").startswith(("/", "C:/", "c:/"))
    is_path = "/" in command or "\\" in command
    if is_path and not (was_path and known):
        return Invocation(command, (command, *args), was_path=was_path)
    if program in RUNNERS:
        return _of_runner(program, args, was_path=was_path)
    script = next((a for a in args if not a.startswith("-")), "") if known else ""
    if program in ("python", "python3") and args[:1] == ["-m"]:
        script = ""
    return Invocation(program, (program, *args), was_path=was_path, script=script)


def _unwrapped(command: str, args: list[str]) -> tuple[str, list[str]]:
    """Take off ``cmd /c`` and ``env``, which only start something else."""
    name = _bare(command)
    if name == "cmd" and len(args) > 1 and args[0].lower() == "/c":
        return args[1], args[2:]
    if name == "env" and args and not args[0].startswith("-") and "=" not in args[0]:
        return args[0], args[1:]
    return command, args


def _bare(command: str) -> str:
    name = command.replace("\\", "/").rpartition("/")[2]
    for ending in (".cmd", ".exe", ".bat"):
        name = name.removesuffix(ending)
    return name


def _of_runner(program: str, args: Sequence[str], *, was_path: bool) -> Invocation:
    runner = RUNNERS[program]
    words = (program, *args)
    package, rest = _package(runner, list(args))
    if runner.verbs and not (args and any(a in runner.verbs for a in args)):
        package, rest = "", ()
    if program == "uv" and "tool" not in args and "--from" not in args:
        package, rest = "", ()  # `uv run FILE` runs a file of the project
    return Invocation(
        program,
        words,
        was_path=was_path,
        runner=program,
        package=f"{runner.ecosystem}:{_unversioned(package)}" if package else "",
        rest=rest,
    )


def _package(runner: Runner, args: list[str]) -> tuple[str, tuple[str, ...]]:
    named = ""
    verbs = set(runner.verbs)
    i = 0
    while i < len(args):
        arg = args[i]
        option, equals, value = arg.partition("=")
        if option in runner.package_options:
            named = named or (value if equals else "".join(args[i + 1 : i + 2]))
            i += 1 if equals else 2
        elif arg in runner.value_options:
            i += 2
        elif arg in verbs:
            verbs.discard(arg)
            i += 1
        elif arg.startswith("-"):
            i += 1
        else:
            return named or arg, tuple(args[i + 1 :])
    return named, ()


def _unversioned(package: str) -> str:
    """Take off versions, extras and tags: ``@scope/name@1``, ``name[x]==1``, ``image:tag``."""
    scope = "@" if package.startswith("@") else ""
    name = package.removeprefix("@").partition("@")[0]
    for mark in ("[", "==", ">=", "<=", "~=", ">", "<"):
        name = name.partition(mark)[0]
    if not scope and ":" in name.rpartition("/")[2]:
        name = name.rpartition(":")[0]
    return (scope + name).strip().lower()
