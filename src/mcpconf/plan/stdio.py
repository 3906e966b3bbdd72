"""A server that is a process: in the container where it can run there, else on the host.

On the host means through the gateway, and that gives the container a process on the user's
machine: it takes the user's trust in exactly this entry.  In the container its secrets stay
outside unless the user's policy lets them in: the entry then refers to a variable of the
container instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mcpconf.commands import Invocation, understand
from mcpconf.findings import Finding
from mcpconf.locality import local_reason
from mcpconf.model import Classified, Json, Reason, Server, Stdio
from mcpconf.names import quote
from mcpconf.plan.terms import Need, Planned, Terms, behind_gateway, nothing
from mcpconf.readers.catalogue import Known
from mcpconf.secret import harmless, mask_args, secret_name
from mcpconf.urls import hosts_in_text

_HOST_PATHS = ("/Users/", "/home/", "/root/", "/mnt/", "/Volumes/", "/opt/homebrew/")


class _Case(NamedTuple):
    """One stdio server on its way through the plan."""

    classified: Classified
    stdio: Stdio
    invocation: Invocation
    known: Known | None
    terms: Terms

    @property
    def server(self) -> Server:
        return self.classified.server

    @property
    def name(self) -> str:
        return quote(self.server.name)


def lower(classified: Classified, terms: Terms) -> Planned:
    """Plan a stdio server."""
    stdio = classified.server.transport
    assert isinstance(stdio, Stdio)
    invocation = understand(stdio.command.reveal(), [a.reveal() for a in stdio.args])
    known = terms.catalogue.package(invocation.package)
    case = _Case(classified, stdio, invocation, known, terms)
    why = _host_only(case)
    if why:
        return _on_host(case, why)
    return _in_container(case)


# --- on the host ------------------------------------------------------------------------------


def _host_only(case: _Case) -> str:
    """Why the server cannot run in the container; "" if it can."""
    policy = case.terms.policy.of(case.server.name)
    site = case.terms.site
    if policy.route == "gateway" or _is_trusted(case):
        return "you want it on the host"
    if policy.route == "direct":
        return ""
    if case.known and case.known.host_only:
        return case.known.host_only
    invocation = case.invocation
    if invocation.runner in ("docker", "podman"):
        return "it is a Docker container, and the container has no Docker"
    program = invocation.program
    if program in site.programs:
        return _script_fault(invocation.script, site.roots)
    if invocation.was_path:
        return "" if _inside(program, site.roots) else "its command is a path of the host"
    if "/" in program or "\\" in program:
        return "" if not program.startswith(("~", "../")) else "its command lies outside the project"
    return f"the container has no {quote(program)}"


def _script_fault(script: str, roots: tuple[str, ...]) -> str:
    if script.startswith("/") and not _inside(script, roots) and "." in script:
        return "it is a file outside the project"
    return ""


def _inside(path: str, roots: tuple[str, ...]) -> bool:
    below = tuple(root.rstrip("/") + "/" for root in roots)
    return ".." not in path.split("/") and f"{path}/".startswith(below)


def _is_trusted(case: _Case) -> bool:
    return any(
        t.name == case.server.name and t.digest == case.server.digest
        for t in case.terms.policy.trust
    )


def _on_host(case: _Case, why: str) -> Planned:
    if _is_trusted(case):
        reason = Reason("route.host-only", "it runs on the host, because you trusted it")
        return behind_gateway(case.classified, case.terms, (reason,))
    at = case.server.origin.at("command")
    lapsed = any(t.name == case.server.name for t in case.terms.policy.trust)
    code, head = ("MC065", "trust has lapsed") if lapsed else ("MC060", "it can only run on the host")
    finding = Finding(
        code,
        f"{case.name} is left out: {head}, and you have not trusted it",
        at,
        (why, "through the gateway the container would get a process on your machine"),
        (f"look at the entry, then: mcpconf trust {shell_word(case.server.name)}",),
    )
    return nothing(case.classified, f"{why}, and it is not trusted to run on the host", finding)


def shell_word(name: str) -> str:
    """A name as one may paste it into a shell; NAME where that is not plain."""
    plain = name and all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    return name if plain and not name.startswith("-") else "NAME"


# --- in the container -------------------------------------------------------------------------


def _in_container(case: _Case) -> Planned:
    literal = [i for i, (_, is_secret) in enumerate(_masked(case)) if is_secret]
    lets_in = case.terms.policy.of(case.server.name).secrets == "container"
    if literal and not lets_in:
        return _secret_argument(case, literal[0])
    findings = tuple(_remarks(case, lets_in=lets_in))
    env, about_env = _env(case, lets_in=lets_in)
    entry: dict[str, Json] = {
        "type": "stdio",
        "command": _command(case),
        "args": _args(case, lets_in=lets_in),
        **({"env": env} if env else {}),
        **case.server.options,
    }
    because = Reason("entry.command", "the command itself runs in the container")
    return Planned(
        case.classified,
        entry,
        (because,),
        needs=tuple(_needs(case)),
        runners=(case.invocation.runner,) if case.invocation.runner else (),
        findings=(*findings, *about_env),
    )


def _masked(case: _Case) -> list[tuple[str, bool]]:
    return mask_args([a.safe() for a in case.stdio.args])


def _secret_argument(case: _Case, index: int) -> Planned:
    finding = Finding(
        "MC023",
        f"{case.name} is left out: its argument {index + 1} looks like a secret",
        case.server.origin.at("args", index),
        ("whatever runs in the container can read its arguments",),
        (
            "write `${NAME}` there, and the value into your environment",
            f"or let it run on the host: mcpconf trust {shell_word(case.server.name)}",
        ),
    )
    return nothing(case.classified, "an argument holds a secret, which stays on the host", finding)


def _command(case: _Case) -> str:
    if case.invocation.was_path and case.invocation.program in case.terms.site.programs:
        return case.invocation.program
    unwrapped = case.invocation.words[0] if case.invocation.words else ""
    return unwrapped or case.stdio.command.safe()


def _args(case: _Case, *, lets_in: bool) -> list[Json]:
    """The arguments, those that the wrapper (``cmd /c``) took off left out."""
    texts = [a.reveal() if lets_in else a.safe() for a in case.stdio.args]
    kept = len(case.invocation.words) - 1
    return [*texts[len(texts) - kept :]] if kept else []


def _env(case: _Case, *, lets_in: bool) -> tuple[dict[str, Json], list[Finding]]:
    env: dict[str, Json] = {}
    kept: list[str] = []
    let_in: list[str] = []
    for name, text in case.stdio.env.items():
        if name == "PATH":
            continue
        value = text.reveal()
        if harmless(name, value) and not text.missing and text.safe() == value:
            env[name] = value
        elif lets_in:
            env[name] = value
            let_in.append(name)
        else:
            env[name] = _reference(name)
            kept.append(name)
    return env, [*_about_kept(case, kept), *_about_let_in(case, let_in)]


def _reference(name: str) -> str:
    """A variable of the container, empty where it is not set there."""
    usable = name.isascii() and name.replace("_", "a").isalnum() and not name[:1].isdigit()
    return f"${{{name}:-}}" if usable else ""


def _about_kept(case: _Case, names: list[str]) -> Iterator[Finding]:
    if not names:
        return
    listed = ", ".join(map(quote, names))
    word = shell_word(case.server.name)
    yield Finding(
        "MC022",
        f"{case.name} runs in the container without {listed}, which stays on the host",
        case.server.origin.at("env", names[0]),
        ("its entry refers to the container's own variable, which is empty unless you set it",),
        (
            f"run it on the host instead, with its secrets: mcpconf trust {word}",
            f'or let them in: `[servers.{word}] secrets = "container"` in your mcpconf.toml',
        ),
    )


def _about_let_in(case: _Case, names: list[str]) -> Iterator[Finding]:
    if names:
        yield Finding(
            "MC024",
            f"{', '.join(map(quote, names))} of {case.name} goes into the container",
            case.server.origin.at("env", names[0]),
            ("your mcpconf.toml says so",),
            ('remove `secrets = "container"` there',),
        )


def _remarks(case: _Case, *, lets_in: bool) -> Iterator[Finding]:
    """What may go wrong inside, although the server can start there."""
    del lets_in
    origin = case.server.origin
    for i, arg in enumerate(case.stdio.args):
        value = arg.reveal()
        if _is_host_path(value, case.terms.site.roots, case.terms.site.home):
            yield Finding(
                "MC063",
                f"argument {i + 1} of {case.name} is a path outside the project",
                origin.at("args", i),
                ("it does not exist in the container",),
                ("move it into the project, or trust the server to run on the host",),
            )
        if any(local_reason(host) for host, _ in hosts_in_text(value)):
            yield _names_host(case, f"argument {i + 1}", ("args", i))
    for name, text in case.stdio.env.items():
        if any(local_reason(host) for host, _ in hosts_in_text(text.reveal())):
            yield _names_host(case, f"the variable {quote(name)}", ("env", name))
    if "PATH" in case.stdio.env or (case.invocation.was_path and case.invocation.runner):
        text = f"{case.name} starts with the container's own programs, not with the host's"
        yield Finding("MC069", text, origin.at("command"), help=("nothing to do, if it works",))
    if case.known and case.known.any_host:
        text = f"{case.name} wants to reach any host ({case.known.any_host})"
        yield Finding("MC064", text, origin, help=("open hosts one by one: mcpconf allow HOST",))
    yield from _committed(case)


def _names_host(case: _Case, what: str, steps: tuple[str | int, ...]) -> Finding:
    return Finding(
        "MC062",
        f"{what} of {case.name} names this machine, and in the container that is the container",
        case.server.origin.at(*steps),
        help=(
            "use the name by which the container knows the service",
            f"or let the server run on the host: mcpconf trust {shell_word(case.server.name)}",
        ),
    )


def _is_host_path(value: str, roots: tuple[str, ...], home: str) -> bool:
    if not value.startswith(("/", "~/")) or "\n" in value or _inside(value, roots):
        return False
    return value.startswith((*_HOST_PATHS, home.rstrip("/") + "/", "~/")) or value == home


def _committed(case: _Case) -> Iterator[Finding]:
    if case.server.scope.value != "project":
        return
    for name, text in case.stdio.env.items():
        if secret_name(name) and not text.variables and text.reveal().strip():
            yield Finding(
                "MC020",
                f"{quote(name)} of {case.name} stands in the project's file",
                case.server.origin.at("env", name),
                ("everybody with the repository can read it",),
                ("write `${NAME}` there, and the value into your environment",),
            )


def _needs(case: _Case) -> Iterator[Need]:
    """The hosts that the server talks to: known ones, and those that its texts name."""
    if case.known:
        text = f"the catalogue says that {case.known.title} needs it"
        for host, port in case.known.hosts:
            if not local_reason(host):
                yield Need(host, port, Reason("egress.catalogue", text))
    origin = case.server.origin
    texts = [(("args", i), t) for i, t in enumerate(case.stdio.args)]
    texts += [(("env", n), t) for n, t in case.stdio.env.items()]  # type: ignore[misc]
    for steps, value in texts:
        for host, port in hosts_in_text(value.reveal()):
            if not local_reason(host):
                reason = Reason("egress.argument", f"{case.name} names it", origin.at(*steps))
                yield Need(host, port, reason)
