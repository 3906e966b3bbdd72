"""Diagnoses to draw and to print: one of each way, some broken, some with hostile names."""

from __future__ import annotations

from mcpconf.diagnosis.checks.check import Check, State
from mcpconf.diagnosis.model import Diagnosis, Remedy, Rung, Shows, Step, Verdict
from mcpconf.findings import Finding
from mcpconf.origin import Origin, Source
from mcpconf.report.chain import Chain, Drawn, chain

FILE = Source("/home/dev/shop/.mcp.json", '{\n "mcpServers": {\n  "linear": {}\n }\n}\n')
HOSTILE = (
    '</text><script>alert(1)</script>"><img src=x onerror=alert(2)>',
    "\u202egnp.exe",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "a" * 200,
    "W" * 200,
    "漢字" * 60,
    "🦊🧨 emoji",
    "{{ 7*7 }} {% for x in y %}",
    "]]> --> &amp; &#x3c;",
    "\x1b[2J\x00\x07 bell",
    "",
    "one two " * 25,
)


def step(rung: Rung, place: str = "host", *, ok: bool | None = True) -> Step:
    return Step(rung, place, f"looked at {rung.name}", "it came back", ok, 1.5)


def verdict(rung: Rung, code: str, message: str, **more: object) -> Verdict:
    finding = Finding(
        code,
        message,
        Origin(FILE, ("mcpServers", "linear")),
        ("a fact that belongs to it",),
        ("mcpconf sync",),
    )
    shows = Shows("✘ Failed to connect — ECONNREFUSED: Unable to connect", "failed")
    return Verdict(rung, finding, shows, Remedy("mcpconf sync", ("sync",), safe=True), **more)


def works(
    name: str, way: str = "gateway", *, start: str = "shop-claude", tools: int = 3
) -> Diagnosis:
    return Diagnosis(name, start, way, (step(Rung.CONFIG), step(Rung.TOOLS)), (), tools, (), 0.41)


def breaks(
    name: str, rung: Rung, code: str, message: str, way: str = "gateway", *more: Verdict
) -> Diagnosis:
    found = (verdict(rung, code, message), *more)
    steps = (step(Rung.CONFIG), step(rung, ok=False))
    return Diagnosis(name, "shop-claude", way, steps, found, None, (), 2.0)


MIXED: tuple[Diagnosis, ...] = (
    works("context7"),
    works("playwright", "container"),
    works("docs", "direct", tools=1),
    breaks("linear", Rung.GATEWAY, "MC215", "the gateway does not run"),
    breaks("sentry", Rung.TLS, "MC250", "`mcp.sentry.example` shows a certificate that nobody trusts"),
    breaks(
        "github",
        Rung.AUTH,
        "MC262",
        "the server refuses the configured Authorization (HTTP 401)",
        "gateway",
        verdict(Rung.CLIENT, "MC290", "Claude Code remembers that `github` wanted a login"),
    ),
    breaks("wiki", Rung.FIREWALL, "MC230", "the firewall is shut for `wiki.example`", "direct"),
    breaks("db", Rung.COMMAND, "MC207", "`dbhub` is not in the container", "container"),
    breaks("bridge", Rung.BRIDGE, "MC203", "the container has no `mcpconf-bridge`"),
    breaks("pending", Rung.CONFIG, "MC031", "`pending` waits for your approval", "nowhere"),
    breaks("nocontainer", Rung.CONTAINER, "MC201", "the container has no mcp.json"),
    breaks("slow", Rung.TOOLS, "MC285", "`slow` takes 4 s to start")._replace(tools=9),
    Diagnosis(
        "unseen", "host", "container", (step(Rung.CONFIG), step(Rung.COMMAND, ok=None)), (), None,
        ("it starts in the container, and none runs",),
    ),
)  # fmt: skip

PLAN = {
    "context7": Drawn("http", "mcp.context7.com"),
    "sentry": Drawn("oauth", "mcp.sentry.example"),
    "github": Drawn("http", "api.githubcopilot.example"),
    "docs": Drawn("http", "docs.example", bridged=False),
    "wiki": Drawn("http", "wiki.example"),
}

CHECKS = (
    Check("installation", State.OK, "mcpconf 0.1.0, editable, Python 3.11.7"),
    Check(
        "permissions",
        State.WARN,
        "`.claude.json`: others may read it (mode 0644)",
        (Finding("MC133", "others may read it (mode 0644)", Origin(FILE), (), ("chmod go-rwx x",)),),
    ),
    Check(
        "gateway",
        State.FAIL,
        "the gateway does not run, and 3 servers are behind it",
        (Finding("MC215", "the gateway does not run, and 3 servers are behind it", None, (), ("mcpconf gateway start",)),),
        (Remedy("mcpconf gateway start", ("gateway", "start"), safe=True),),
    ),
    Check("container", State.UNKNOWN, "none of this project runs; looked from the host"),
)  # fmt: skip


def chains(found: tuple[Diagnosis, ...] = MIXED) -> list[Chain]:
    return [chain(d, PLAN.get(d.server, Drawn())) for d in found]


def hostile() -> tuple[Diagnosis, ...]:
    """Each hostile name on a way, with itself as message, help and place."""
    found = []
    for number, name in enumerate(HOSTILE):
        way = ("gateway", "direct", "container", "nowhere")[number % 4]
        cause = verdict(Rung.TCP, "MC245", f"nothing listens at {name}")
        finding = cause.finding._replace(
            notes=(name,), help=(name,), origin=Origin(Source(f"/srv/{name}"))
        )
        cause = cause._replace(finding=finding, shows=Shows(name, name))
        tried = Step(Rung.TCP, name, name, name, ok=False)
        found.append(Diagnosis(name, name, way, (tried,), (cause,), None, (name,), 1.0))
    return tuple(found)
