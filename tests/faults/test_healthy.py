"""What works is not suspected: each kind of server, ten times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.credentials.oauth_server import running as oauth_running
from tests.faults import certificates as tls
from tests.faults.asking import Answer, Answers, explained
from tests.faults.far import Script
from tests.faults.over_http import BEARER, server
from tests.faults.scene import Fault, Scene, http, near

TIMES = 10
_KEY = ("X-Api-Key", "right")


def behind_login(scene: Scene) -> dict[str, Any]:
    scene.oauth = scene.ending.enter_context(oauth_running())
    return http(f"{scene.oauth.url}/mcp")


def log_in(scene: Scene, name: str) -> None:
    assert scene.mcpconf("gateway", "login", name, BROWSER="curl -sL %s").code == 0


def trust(scene: Scene, name: str) -> None:
    assert scene.mcpconf("trust", name).code == 0


def helped(scene: Scene) -> dict[str, Any]:
    base = scene.serve(Script(wants=_KEY))
    return http(f"{base}/mcp", headersHelper="""echo '{"X-Api-Key": "right"}'""")


def healthy(name: str, entry: Callable[[Scene], Any], **more: Any) -> Fault:
    return Fault(name, "", "", "", entry, **more)


_TOKEN = ("Authorization", BEARER["Authorization"])
KINDS = (
    healthy("plain", server()),
    healthy("tls", server(context=tls.good)),
    healthy("with-a-key", server(wants=_KEY, headers={"X-Api-Key": "right"})),
    healthy("with-a-token", server(wants=_TOKEN, headers=BEARER)),
    healthy("with-a-variable", server(wants=_KEY, headers={"X-Api-Key": "${KEY}"})),
    healthy("with-a-helper", helped),
    healthy("with-a-login", behind_login, inject=log_in),
    healthy("of-the-old-transport", server("/sse", kind="sse", old=True)),
    healthy("with-slow-tools", server(on="tools/list", delay=0.5)),
    healthy("on-the-host", lambda _: near(""), arrange=trust),
)


def with_key(scene: Scene) -> None:
    scene.env |= {**tls.trusted(scene.root), "KEY": "right"}


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    """All kinds in one home, each asked about on its own, and all by one call, again and again."""
    with Scene(KINDS) as scene:
        with_key(scene)
        scene.build().compile()
        names = [kind.name for kind in KINDS]
        alone = [([name], partial(explained, scene, name)) for name in names]
        together = [
            ([f"{name} {number}" for name in names], partial(explained, scene, *names))
            for number in range(1, TIMES)
        ]
        with Answers([*alone, *together], at_once=1) as asked:
            yield asked


def no_finding(answer: Answer) -> None:
    assert (answer["verdict"], answer["also"], answer["exit"]) == (None, [], 0), answer
    assert (answer["works"], answer["tools"]) == (True, 1), answer


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_finding(kind: Fault, answers: Answers) -> None:
    no_finding(answers[kind.name])


@pytest.mark.parametrize("number", range(1, TIMES))
def test_no_finding_of_the_whole_project(number: int, answers: Answers) -> None:
    """A hundred runs, with those above."""
    for kind in KINDS:
        no_finding(answers[f"{kind.name} {number}"])
