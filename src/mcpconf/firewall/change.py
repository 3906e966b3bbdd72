"""One change: from what is in force to another policy, closed first and never open in between.

The first time, the shell at the head of the program has closed everything before Python runs, and
the rules come first, over empty sets.  Then, and at every later time alike:

1. sets, which keep their members
2. the list of names, and a resolver that has it (``dns.py``)
3. in strict mode the gate has its lists (``engines.py``)
4. where less is open than before: members leave, a new epoch begins (``revoke.py``); and once more
   where somebody had them put back until 6
5. the rules of both families, each in one transaction
6. what is not needed any more goes; resolv.conf, the recorder, the keeper

A kill at any moment leaves what was in force, or the closed rules of the first step: what a step
needs was made before it, and what is not needed any more goes last.  An engine that fails in 2 or 3
holds nothing up that 4 and 5 take away.
"""

from __future__ import annotations

import os
import re
import time
from typing import NamedTuple

from mcpconf.firewall.compile import Compiled, at_ports, compile_firewall
from mcpconf.firewall.dns import (
    ResolverError,
    end_other_resolvers,
    end_resolver,
    free_port,
    point_to_us,
    reload_resolvers,
    resolver_ports,
    runs_as,
    start_resolver,
    write_list,
)
from mcpconf.firewall.engines import EngineError, bring_gate, end_gate, start_gate, start_recorder
from mcpconf.firewall.filters import (
    change_members,
    exchange_sets,
    found_rules,
    guarded,
    make_sets,
    remove_old_sets,
    saved_sets,
    set_rules,
)
from mcpconf.firewall.keeper import end_keeper, start_keeper
from mcpconf.firewall.learned import fold
from mcpconf.firewall.look import Tools, has_ipv6, look_at_site
from mcpconf.firewall.nft import nft_revoke_text, nft_text
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Notice, Policy
from mcpconf.firewall.revoke import EPOCHS, narrows, next_epoch, restore_text
from mcpconf.firewall.rules import Hooks
from mcpconf.firewall.run import complain
from mcpconf.firewall.site import Site
from mcpconf.firewall.state import (
    State,
    instance_of_container,
    policy_in_force,
    read_file,
    write_file,
)

_TRIES_OF_PORTS = 4
_LAST_ANSWERS = 0.15  # seconds in which a resolver that goes answers what it has been asked


class Job(NamedTuple):
    """One change: from what is in force (``old``, None at first) to a policy, compiled."""

    policy: Policy
    paths: Paths
    backend: str
    old: State | None
    before: Policy | None
    hooks: tuple[Hooks, Hooks]
    site: Site
    narrower: bool
    compiled: Compiled

    @property
    def nft(self) -> bool:
        return self.backend == "nftables"

    def moved(self, site: Site) -> Job:
        """The same with engines on other ports."""
        compiled = at_ports(self.compiled, self.policy, site, self.backend, self.hooks)
        return self._replace(site=site, compiled=compiled)

    def with_new_sets(self) -> Job:
        """The same, but the sets of nftables are made anew with the rules."""
        text = nft_text(self.policy, self.site, fresh=True)
        return self._replace(compiled=self.compiled._replace(nft=text))


def planned(policy: Policy, tools: Tools, paths: Paths, old: State | None) -> Job:
    """Compile for this container as it is now."""
    before = policy_in_force(paths) if old else None
    interrupted = read_file(paths.changing).strip()
    narrower = before is None or bool(interrupted) or narrows(before, policy)
    found = found_rules(nft=tools.backend == "nftables")
    state = old or State("", dns_port=free_port(), gate_tls=free_port(), gate_http=free_port())
    last = int(interrupted) if interrupted.isdigit() else state.epoch if old else found.epoch
    site = look_at_site(tools, paths, strict=policy.mode == "strict")
    site = site._replace(
        epoch=next_epoch(last or int(time.time()) % EPOCHS) if narrower else last,
        dns_port=state.dns_port,
        gate_tls=state.gate_tls,
        gate_http=state.gate_http,
    )
    compiled = compile_firewall(policy, site, tools.backend, found.hooks)
    return Job(policy, paths, tools.backend, old, before, found.hooks, site, narrower, compiled)


def change(job: Job, policy_file: str, seen: str) -> State:
    """Bring the engines from the old state to the new policy; ``seen`` as for the keeper.

    Raises RefusedError, ResolverError, EngineError, OSError.
    """
    write_file(job.paths.changing, f"{job.site.epoch}\n")
    job = _guarded(job)
    said = [] if job.old else [_closed(job)]
    planned_site = job.site
    job = _with_sets(job)
    fault: Exception | None = None
    try:
        job = _with_engines(job)
    except (ResolverError, EngineError, OSError) as error:
        fault = error
        _end_outdated(job)
    takes_back = job.old is not None and job.narrower
    if takes_back:
        _take_back(job)
    if job.old is not None or job.site != planned_site:
        said.append(_ruled(job))
    _finish(job)
    if takes_back:
        job = _taken_back(job)
    if fault is not None:
        raise fault
    said += [point_to_us(), start_recorder(job.paths), _keep(job, policy_file, seen)]
    said = list(dict.fromkeys(text for text in said if text))
    for text in said:
        complain(text)
    return _state_of(job, policy_file, seen, said)


def _guarded(job: Job) -> Job:
    """The guard is there (``filters.py``), or the rules that it waits for are."""
    hooks = guarded(job.hooks, nft=job.nft)
    return job if hooks == job.hooks else job._replace(hooks=hooks).moved(job.site)


def _closed(job: Job) -> str:
    """The first rules, before anything else: the sets are empty, nobody answers."""
    if job.nft:
        job = job.with_new_sets()
    else:
        make_sets(job.compiled, empty=True)
    return _ruled(job)


def _ruled(job: Job) -> str:
    """The rules are in force; where IPv6 had to be switched off for it, the keeper watches it."""
    said = set_rules(job.compiled, nft=job.nft)
    if said:
        write_file(job.paths.without_ipv6, "")
    elif os.path.exists(job.paths.without_ipv6) and has_ipv6():
        os.unlink(job.paths.without_ipv6)
    return said


def _state_of(job: Job, policy_file: str, seen: str, said: list[str]) -> State:
    folder = os.path.basename(seen)
    return State(
        instance=instance_of_container(),
        backend=job.backend,
        mode=job.policy.mode,
        grace=job.policy.grace,
        dns_port=job.site.dns_port,
        gate_tls=job.site.gate_tls,
        gate_http=job.site.gate_http,
        epoch=job.site.epoch,
        policy=policy_file,
        generation=folder if folder.startswith("gen-") else "",
        since=time.time(),
        notices=(*job.compiled.notices, *(Notice("container", text) for text in said)),
    )


def _with_sets(job: Job) -> Job:
    """The sets of the new policy are there; without members where their time differs."""
    other_time = job.old is not None and job.old.grace != job.policy.grace
    if job.nft and other_time:
        return job.with_new_sets()
    if other_time:
        exchange_sets(job.policy, saved_sets(nft=False))
    make_sets(job.compiled)
    return job


def _with_engines(job: Job) -> Job:
    """The resolver and the gate run with the new lists, perhaps on other ports.

    Raises ResolverError, EngineError, OSError.
    """
    write_list(job.paths, job.compiled)
    reload_resolvers(job.paths, job.compiled)
    if not runs_as(job.paths, job.site.dns_port, job.compiled.dns_config):
        job = _with_resolver(job)
    if job.site.gate and not bring_gate(job.paths, job.compiled):
        job = _with_gate(job)
    return job


def _with_resolver(job: Job) -> Job:
    """Start a resolver on a port that nobody could foresee."""
    for left in reversed(range(_TRIES_OF_PORTS)):
        if job.old is not None or left < _TRIES_OF_PORTS - 1:  # else it was chosen a moment ago
            job = job.moved(job.site._replace(dns_port=free_port()))
        try:
            start_resolver(job.paths, job.site.dns_port, job.compiled, job.site.dns)
        except ResolverError:
            end_resolver(job.paths, job.site.dns_port)
            if not left:
                raise
        else:
            break
    return job


def _with_gate(job: Job) -> Job:
    """Start the gate on ports that nobody could foresee."""
    for left in reversed(range(_TRIES_OF_PORTS)):
        if job.old is not None or left < _TRIES_OF_PORTS - 1:
            job = job.moved(job.site._replace(gate_tls=free_port(), gate_http=free_port()))
        try:
            start_gate(job.paths, job.compiled)
        except EngineError:
            if not left:
                raise
        else:
            break
    return job


def _end_outdated(job: Job) -> None:
    """A resolver that cannot be exchanged would fill the sets as before; none is better."""
    port = job.site.dns_port
    if job.narrower and not runs_as(job.paths, port, job.compiled.dns_config):
        end_resolver(job.paths, port)


def _take_back(job: Job) -> bool:
    """Members leave the sets, and streams lose what let them go on; tell whether any left."""
    text_of = nft_revoke_text if job.nft else restore_text
    saved = saved_sets(nft=job.nft)
    text = text_of(saved, job.before, job.policy, fold(job.paths))
    change_members(text, nft=job.nft)
    return bool(re.search("^del", text, re.MULTILINE))


def _taken_back(job: Job) -> Job:
    """Now nobody fills the sets as before: what came back until here leaves, with its streams."""
    if not _take_back(job):
        return job
    job = job.moved(job.site._replace(epoch=next_epoch(job.site.epoch)))
    write_file(job.paths.changing, f"{job.site.epoch}\n")
    _ruled(job)
    return job


def _finish(job: Job) -> None:
    """What is not needed any more."""
    if not job.site.gate:
        end_gate(job.paths)
    if job.narrower:
        if len(resolver_ports(job.paths)) > 1:
            time.sleep(_LAST_ANSWERS)  # what it puts back meanwhile is taken back again
        end_other_resolvers(job.paths, job.site.dns_port)
    elif len(resolver_ports(job.paths)) > 1:
        write_file(job.paths.draining, "")
    if not job.nft:
        remove_old_sets(job.policy, saved_sets(nft=False))


def _keep(job: Job, policy_file: str, seen: str) -> str:
    if job.old is not None and job.old.policy != policy_file:
        end_keeper(job.paths)
    return start_keeper(job.paths, policy_file, seen)
