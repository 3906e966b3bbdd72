"""What it costs while it is in force: a query, a request, and the bandwidth.

All containers run at once and are measured in turn, so that a noisy machine moves them together;
of a turn counts what the machine could do while it was not busy with others: the lower quartile of
times, the best of three downloads.  Of the turns, the median of the differences.
"""

from __future__ import annotations

import contextlib
import json
import re
import statistics
import subprocess
from collections.abc import Iterator

from bench.firewall.speed import Figures
from tests.netns.lab.container import DOCKER, PYTHON
from tests.netns.lab.lab import Kind
from tests.netns.redteam.candidate import Candidate, Commands
from tests.netns.redteam.suite import Suite

# Docker's rules for its resolver make every container track its connections.
NONE = Candidate("no firewall", Commands("iptables -t nat -A OUTPUT -d 127.0.0.11 -j RETURN"))
_NAMES = [f"d{number}.bulk.test" for number in range(200)]
_SIZE = 100 << 20
_QUERIES, _REQUESTS = 40, 15  # in a turn
_MODULE = [*PYTHON, "-m", "bench.firewall.client"]


class Client:
    """A client in a container of its own behind one firewall."""

    def __init__(self, candidate: Candidate) -> None:
        """Make the container and apply the firewall."""
        self.name = candidate.name
        self._suite = Suite(candidate, Kind(docker_dns=False))
        self._suite.applied(["allowed.test", *_NAMES])
        lab = self._suite.lab
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = lab.start(_MODULE, DOCKER, text=True, **pipes)
        text = lab.force("cat /etc/resolv.conf")
        found = re.search(r"^nameserver (\S+)", text, re.MULTILINE)
        self.server = found[1] if found else ""

    def ask(self, **order: object) -> list[float]:
        """What the client measured."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        found: list[float] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End client and container."""
        self._process.communicate()
        self._suite.close()


def cost(candidates: list[Candidate], turns: int) -> Figures:
    """``{NAME: {dns_ms, request_ms, mb_s, …}}``; ``added_`` and ``share_`` against no firewall."""
    with contextlib.ExitStack() as ending:
        clients = [Client(candidate) for candidate in (NONE, *candidates)]
        for client in clients:
            ending.callback(client.close)
        for client in clients:  # once for nothing
            _turn(client, 0)
        rows = [{client.name: _turn(client, n) for client in clients} for n in range(turns)]
    return {client.name: dict(_summary(rows, client.name)) for client in clients}


def _turn(client: Client, number: int) -> dict[str, float]:
    start = number * _QUERIES % len(_NAMES)
    names = _NAMES[start : start + _QUERIES]
    dns = client.ask(what="dns", server=client.server, names=names)
    requests = client.ask(what="https", name="allowed.test", count=_REQUESTS)
    bandwidth = [client.ask(what="bytes", name="allowed.test", size=_SIZE)[0] for _ in range(3)]
    return {
        "dns_ms": statistics.quantiles(dns)[0],
        "request_ms": statistics.quantiles(requests)[0],
        "mb_s": max(bandwidth),
    }


def _summary(rows: list[dict[str, dict[str, float]]], name: str) -> Iterator[tuple[str, float]]:
    for key in ("dns_ms", "request_ms", "mb_s"):
        yield key, round(statistics.median(row[name][key] for row in rows), 3)
    for key in ("dns_ms", "request_ms"):
        added = [row[name][key] - row[NONE.name][key] for row in rows]
        yield f"added_{key}", round(statistics.median(added), 3)
    shares = [row[name]["mb_s"] / row[NONE.name]["mb_s"] for row in rows]
    yield "share_of_bandwidth", round(statistics.median(shares), 3)
