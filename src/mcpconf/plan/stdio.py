"""A server that is a process: in the container where it can run there, else on the host.

On the host means through the gateway, and that gives the container a process on the user's
machine: it takes the user's trust in exactly this entry.  In the container its secrets stay
outside unless the user's policy lets them in: the entry then refers to a variable of the
container instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcpconf.commands import understand
from mcpconf.findings import Finding
from mcpconf.model import Classified, Json, Reason, Stdio, Text
from mcpconf.names import quote
from mcpconf.origin import Origin
from mcpconf.plan.process import Case, inside, needs, remarks
from mcpconf.plan.terms import Planned, Terms, behind_gateway, nothing, shell_word
from mcpconf.secret import harmless, mask_args, random_looking, secret_name


def lower(classified: Classified, terms: Terms) -> Planned:
    """Plan a stdio server."""
    stdio = classified.server.transport
    assert isinstance(stdio, Stdio)
    # From the safe form: whatever is said or decided about a command holds no variable's secret.
    invocation = understand(stdio.command.safe(), [a.safe() for a in stdio.args])
    known = terms.catalogue.package(invocation.package)
    case = Case(classified, stdio, invocation, known, terms)
    why = _host_only(case)
    if why:
        return _on_host(case, why)
    return _in_container(case)


# --- on the host ------------------------------------------------------------------------------


def _host_only(case: Case) -> str:
    """Why the server cannot run in the container; "" if it can."""
    route = case.terms.policy_of(case.server).route
    if route == "gateway" or case.terms.trusts(case.server):
        return "you want it on the host"
    if route == "direct":
        return ""
    if case.known and case.known.host_only:
        return case.known.host_only
    if case.invocation.runner in ("docker", "podman"):
        return "it is a Docker container, and the container has no Docker"
    return _program_fault(case)


def _program_fault(case: Case) -> str:
    """Why the container cannot start this program; "" if it can."""
    invocation, site = case.invocation, case.terms.site
    program = invocation.program
    also = case.terms.policy.project_commands if case.server.cloned else frozenset()
    if program in site.programs or program in also:
        return _script_fault(invocation.script, site.roots)
    if invocation.was_path:
        return "" if inside(program, site.roots) else "its command is a path of the host"
    if "/" in program or "\\" in program:
        return "its command lies outside the project" if program.startswith(("~", "../")) else ""
    return f"the container has no {quote(mask_args([program])[0][0])}"


def _script_fault(script: str, roots: tuple[str, ...]) -> str:
    if script.startswith("/") and not inside(script, roots) and "." in script:
        return "it is a file outside the project"
    return ""


def _on_host(case: Case, why: str) -> Planned:
    if case.terms.trusts(case.server):
        reason = Reason("route.host-only", "it runs on the host, because you trusted it")
        return behind_gateway(case.classified, case.terms, (reason,))
    lapsed = case.terms.trusted_before(case.server)
    head = "the entry has changed since you trusted it" if lapsed else "it can only run on the host"
    finding = Finding(
        "MC065" if lapsed else "MC060",
        f"{case.name} is left out: {head}" + ("" if lapsed else ", and you have not trusted it"),
        case.server.origin.at("command"),
        (why, "through the gateway the container would get a process on your machine"),
        (f"look at the entry, then: mcpconf trust {shell_word(case.server.name)}",),
    )
    return nothing(case.classified, f"{why}, and it is not trusted to run on the host", finding)


# --- in the container -------------------------------------------------------------------------


def _in_container(case: Case) -> Planned:
    literal = [i for i, (_, is_secret) in enumerate(_masked(case)) if is_secret]
    lets_in = case.terms.policy_of(case.server).secrets == "container"
    if literal and not lets_in:
        return _secret_argument(case, literal[0])
    env, kept, let_in = _env(case, lets_in=lets_in)
    hidden = [n for a in case.stdio.args for n in a.variables if f"${{{n}}}" in a.safe()]
    if lets_in:
        let_in += [f"argument {i + 1}" for i in literal]
        let_in += hidden
    else:
        kept += [n for n in hidden if n not in kept]
    findings = (*remarks(case), *_about_kept(case, kept), *_about_let_in(case, let_in))
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
        needs=tuple(needs(case)),
        runners=(case.invocation.runner,) if case.invocation.runner else (),
        findings=findings,
    )


def _masked(case: Case) -> list[tuple[str, bool]]:
    return mask_args([a.safe() for a in case.stdio.args])


def _secret_argument(case: Case, index: int) -> Planned:
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


def _command(case: Case) -> str:
    if case.invocation.was_path and case.invocation.program in case.terms.site.programs:
        return case.invocation.program
    unwrapped = case.invocation.words[0] if case.invocation.words else ""
    return unwrapped or case.stdio.command.safe()


def _args(case: Case, *, lets_in: bool) -> list[Json]:
    """The arguments, those that the wrapper (``cmd /c``) took off left out."""
    texts = [a.reveal() if lets_in else a.safe() for a in case.stdio.args]
    kept = len(case.invocation.words) - 1
    return [*texts[len(texts) - kept :]] if kept else []


def _env(case: Case, *, lets_in: bool) -> tuple[dict[str, Json], list[str], list[str]]:
    """The entry's variables, and the names of those kept on the host and of those let in."""
    env: dict[str, Json] = {}
    kept: list[str] = []
    let_in: list[str] = []
    for name, text in case.stdio.env.items():
        if name == "PATH":
            continue
        value = text.reveal()
        if _may_enter(case, name, text):
            env[name] = value
        elif lets_in:
            env[name] = value
            let_in.append(name)
        else:
            env[name] = _reference(name)
            if value:
                kept.append(name)
    return env, kept, let_in


def _may_enter(case: Case, name: str, text: Text) -> bool:
    """Tell whether a variable's value may stand in the container's file."""
    value = text.reveal()
    if text.missing or text.safe() != value:
        return False
    in_project = inside(value, case.terms.site.roots) and not secret_name(name)
    return harmless(name, value) or (in_project and not random_looking(value))


def _reference(name: str) -> str:
    """A variable of the container, empty where it is not set there."""
    usable = name.isascii() and name.replace("_", "a").isalnum() and not name[:1].isdigit()
    return f"${{{name}:-}}" if usable else ""


def _about_kept(case: Case, names: list[str]) -> Iterator[Finding]:
    if not names:
        return
    listed = ", ".join(map(quote, names))
    word = shell_word(case.server.name)
    yield Finding(
        "MC022",
        f"{case.name} runs in the container without {listed}, which stays on the host",
        _place(case, names[0]),
        ("its entry refers to the container's own variable, which is empty unless you set it",),
        (
            f"run it on the host instead, with its secrets: mcpconf trust {word}",
            f'or let them in: `secrets = "container"` below `[servers.{word}]` in mcpconf.toml',
        ),
    )


def _place(case: Case, name: str) -> Origin:
    return case.server.origin.at(*(("env", name) if name in case.stdio.env else ("args",)))


def _about_let_in(case: Case, names: list[str]) -> Iterator[Finding]:
    if names:
        yield Finding(
            "MC024",
            f"{', '.join(map(quote, names))} of {case.name} goes into the container",
            _place(case, names[0]),
            ("your mcpconf.toml says so",),
            ('remove `secrets = "container"` there',),
        )
