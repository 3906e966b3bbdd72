"""What the judges start from: a compilation of a house, and evidence that is easily changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcpconf import __version__
from mcpconf.clients import CLIENTS, NEWEST
from mcpconf.compiler import Compilation, compile_project
from mcpconf.diagnosis.evidence import Gateway, Heard, Host, Written
from mcpconf.diagnosis.judge import config as judge_config
from mcpconf.readers.inputs import Request
from mcpconf.readers.places import find_places
from mcpconf.readers.surroundings import look_around
from mcpconf.readers.target import find_target
from mcpconf.readers.world import read_configuration
from mcpconf.service.handshake import Outcome
from mcpconf.survey import survey


def compiled(house: Any, env: Mapping[str, str] | None = None, client: str = NEWEST) -> Compilation:
    """Compile a house in this process, with nothing of the surroundings."""
    managed = Path(house.root / "managed")
    request = Request(house.home, house.project, env or {}, CLIENTS[client], managed=managed)
    configuration = read_configuration(request)
    places = find_places(house.home)
    target = find_target(configuration.cwd, configuration.key, places)
    around = look_around(configuration, places)
    return compile_project(survey(configuration), around, target)


def gateway(found: Compilation, **more: Any) -> Gateway:
    """A gateway that runs and knows everything."""
    rows = {r.server: {"server": r.server, "state": "idle"} for r in found.plan.routes.routes}
    return Gateway(pid=7, version=__version__, listen=("127.0.0.1:8811",), rows=rows)._replace(
        **more
    )


def written(found: Compilation, **more: Any) -> Written:
    """A sync that has just been done."""
    servers = {p.classified.server.name: p.entry for p in found.plan.servers if p.entry is not None}
    routes = {r.server: r for r in found.plan.routes.routes}
    return Written(servers=servers, routes=routes, bridge_path="/x/bridge.json")._replace(**more)


def heard(code: str = "", message: str = "", tools: int | None = None, **more: Any) -> Heard:
    """A handshake that failed with a code, or that gave tools."""
    return Heard("host", Outcome(tools, code, message, **more), 0.2)


def host(found: Compilation, name: str, **more: Any) -> Host:
    """All is well with one server, but for what is given."""
    planned = judge_config.planned_of(name, found)
    assert planned is not None
    unset = judge_config.unset_variable(name, found)
    whole = Host(planned, gateway(found), written(found), unset=unset)
    return whole._replace(**more)


def codes(verdicts: Any) -> list[str]:
    return [v.finding.code for v in verdicts]
