"""Asks the real Claude Code about every fault: what it lists, what a session says.

    python -m tests.faults.record [NAME …]

writes said.json beside this file; then `BLESS=1 pytest tests/faults/test_page.py` writes the page.
Needs root and the clients (tests/parity/install_clients.py).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from tests.faults import at_home, certificates, in_container, over_http, over_network
from tests.faults.asking import SAID, note
from tests.faults.networks import Internet
from tests.faults.scene import Fault, Scene
from tests.faults.site import Site
from tests.parity.oracle import VERSIONS

_AT_ONCE = 3
ABSENT = "(absent)"
Make = Callable[[Sequence[Fault]], AbstractContextManager[Scene]]


def main(names: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory() as folder, Internet(Path(folder)) as net:
        plain = partial(Scene)
        far = partial(Scene, inside=net.inside, listen=net.listen)
        jobs = [partial(_record, plain, _of(over_http.FAULTS, names))]
        jobs.append(partial(_record, far, _of(over_network.FAULTS, names)))
        jobs += [partial(_record, far, [f]) for f in _of(over_network.PROXIES, names)]
        jobs += [partial(_record, plain, shared) for shared in _homes(names)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda job: job(), jobs))
    _record_container(_of(in_container.FAULTS, names))
    _record_container(_of(in_container.PLAIN, names), 'http = "plain"')
    _record_changes(names)
    return 0


def _of(faults: Sequence[Fault], names: Sequence[str]) -> list[Fault]:
    return [f for f in faults if f.heard and (not names or f.name in names)]


def _homes(names: Sequence[str]) -> list[list[Fault]]:
    """The faults at home, those of one home together."""
    found: dict[str, list[Fault]] = {}
    for fault in _of(at_home.FAULTS, names):
        found.setdefault(fault.home or fault.name, []).append(fault)
    return list(found.values())


def scenes(make: Make, faults: Sequence[Fault]) -> Iterator[Scene]:
    """A fresh home each time: what one run leaves behind would poison the next."""
    while True:
        with make(faults) as scene:
            scene.env |= certificates.trusted(scene.root)
            yield scene.build()


def _record(make: Make, faults: Sequence[Fault]) -> None:
    if not faults:
        return
    fresh = scenes(make, faults)
    listed = {version: next(fresh).listed(version) for version in VERSIONS}
    sessions = {version: next(fresh).session(version) for version in VERSIONS}
    fresh.close()
    for fault in faults:
        found = {
            "list": {v: listed[v].get(fault.name, ABSENT) for v in VERSIONS},
            "session": {v: sessions[v].get(fault.name, ABSENT) for v in VERSIONS},
        }
        note(SAID, {fault.name: found})
        print(fault.name, found, flush=True)


def _record_container(faults: Sequence[Fault], *top: str) -> None:
    """In the container: the list only, since a session needs an API."""
    if not faults:
        return
    with Site(faults, *top) as site:
        site.build().compile()
        _note_list(site, {fault.name: fault.name for fault in faults})


def _record_changes(names: Sequence[str]) -> None:
    changes = [c for c in in_container.CHANGES if c.fault.heard]
    changes = [c for c in changes if not names or c.fault.name in names]
    if not changes:
        return
    with Site(in_container.HEALTHY) as site:
        site.build().compile()
        for change in changes:
            change.do(site)
            try:
                _note_list(site, {change.server: change.fault.name})
            finally:
                change.undo(site)


def _note_list(site: Site, faults: dict[str, str]) -> None:
    listed = {version: site.listed(version) for version in VERSIONS}
    for server, fault in faults.items():
        found = {"list": {v: listed[v].get(server, ABSENT) for v in VERSIONS}}
        note(SAID, {fault: found})
        print(fault, found, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
