"""One change: from what is in force to another policy, closed first and never open in between.

The first time, the shell at the head of the program has closed everything before Python runs.
Then, and at every later time alike:

1. sets, which keep their members
2. the list of names, and a resolver that has it (``dns.py``)
3. where less is open than before: members leave, a new epoch begins (``revoke.py``)
4. strict mode: the gate has its lists (``engines.py``)
5. the rules of both families, each in one transaction; the first time they come before 2
6. resolv.conf, the recorder, the keeper

A kill at any moment leaves what was in force, or the closed rules of the first step: what a step
needs was made before it, and what is not needed any more goes last.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from mcpconf.firewall.compile import Compiled, compile_firewall
from mcpconf.firewall.dns import (
    end_resolver,
    other_port,
    reload_resolvers,
    resolver_pid,
    runs_as,
    start_resolver,
    write_list,
)
from mcpconf.firewall.engines import bring_gate, end_gate, start_recorder
from mcpconf.firewall.filters import (
    change_members,
    exchange_sets,
    hooks_now,
    make_sets,
    remove_old_sets,
    saved_sets,
    set_rules,
)
from mcpconf.firewall.keeper import end_keeper, start_keeper
from mcpconf.firewall.learned import fold
from mcpconf.firewall.look import RESOLV, Tools, look_at_site
from mcpconf.firewall.nft import nft_revoke_text, nft_text
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.policy import Notice, Policy
from mcpconf.firewall.revoke import narrows, next_epoch, restore_text
from mcpconf.firewall.rules import Hooks
from mcpconf.firewall.run import complain
from mcpconf.firewall.site import Site, rewritten_resolv
from mcpconf.firewall.state import (
    State,
    instance_of_container,
    policy_in_force,
    read_file,
    write_file,
)


class Job(NamedTuple):
    """One change: from what is in force (``old``, None at first) to a policy, compiled."""

    policy: Policy
    paths: Paths
    backend: str
    old: State | None
    hooks: tuple[Hooks, Hooks]
    site: Site
    narrower: bool
    compiled: Compiled

    @property
    def nft(self) -> bool:
        return self.backend == "nftables"

    def at(self, dns_port: int) -> Job:
        """The same with the resolver on another port."""
        site = self.site._replace(dns_port=dns_port)
        compiled = compile_firewall(self.policy, site, self.backend, self.hooks)
        return self._replace(site=site, compiled=compiled)

    def with_new_sets(self) -> Job:
        """The same, but the sets of nftables go with the rules: their time differs."""
        text = nft_text(self.policy, self.site, fresh=True)
        return self._replace(compiled=self.compiled._replace(nft=text))


def planned(policy: Policy, tools: Tools, paths: Paths, old: State | None) -> Job:
    """Compile for this container as it is now."""
    before = policy_in_force(paths) if old else None
    narrower = before is None or os.path.exists(paths.changing) or narrows(before, policy)
    state = old or State("")
    hooks = (Hooks(), Hooks()) if tools.backend == "nftables" else hooks_now()
    strict = policy.mode == "strict"
    site = look_at_site(tools, paths, strict=strict, dns_port=state.dns_port)
    site = site._replace(epoch=next_epoch(state.epoch) if narrower and old else state.epoch)
    compiled = compile_firewall(policy, site, tools.backend, hooks)
    job = Job(policy, paths, tools.backend, old, hooks, site, narrower, compiled)
    if not resolver_pid(paths, site.dns_port) or runs_as(paths, site.dns_port, compiled.dns_config):
        return job
    return job.at(other_port(site.dns_port))


def change(job: Job, policy_file: str, seen: str) -> State:
    """Bring the engines from the old state to the new policy; ``seen`` as for the keeper."""
    write_file(job.paths.changing, "")  # who finds it does not know what had come into force
    if job.old is not None:
        job = _prepare(job, job.old)
    else:
        make_sets(job.compiled)
    said = [set_rules(job.compiled, nft=job.nft)]
    if job.old is None:
        write_list(job.paths, job.compiled)
        _begin(job)
    else:
        _finish(job, job.old)
    said += [_point(), start_recorder(job.paths), _keep(job, policy_file, seen)]
    said = [text for text in said if text]
    for text in said:
        complain(text)
    return State(
        instance=instance_of_container(),
        backend=job.backend,
        mode=job.policy.mode,
        grace=job.policy.grace,
        dns_port=job.site.dns_port,
        epoch=job.site.epoch,
        policy=policy_file,
        since=time.time(),
        notices=(*job.compiled.notices, *(Notice("container", text) for text in said)),
    )


def _prepare(job: Job, old: State) -> Job:
    """Everything that comes before new rules."""
    if job.nft and old.grace != job.policy.grace:
        job = job.with_new_sets()
    else:
        if old.grace != job.policy.grace:
            exchange_sets(job.policy, saved_sets(nft=False))
        make_sets(job.compiled)
    write_list(job.paths, job.compiled)
    reload_resolvers(job.paths, job.compiled)
    _begin(job)
    if job.narrower:
        text_of = nft_revoke_text if job.nft else restore_text
        text = text_of(saved_sets(nft=job.nft), job.policy, fold(job.paths))
        change_members(text, nft=job.nft)
    return job


def _begin(job: Job) -> None:
    """The engines that answer: the resolver, and in strict mode the gate."""
    port = job.site.dns_port
    if not resolver_pid(job.paths, other_port(port)):
        end_resolver(job.paths, other_port(port))  # its pid file, if it died
    if not runs_as(job.paths, port, job.compiled.dns_config):
        start_resolver(job.paths, port, job.compiled, job.site.dns)
    if job.site.gate:
        bring_gate(job.paths, job.compiled)


def _finish(job: Job, old: State) -> None:
    """What is not needed any more."""
    if not job.site.gate:
        end_gate(job.paths)
    if old.dns_port != job.site.dns_port:
        write_file(job.paths.draining, f"{old.dns_port}\n")
    if not job.nft:
        remove_old_sets(job.policy, saved_sets(nft=False))


def _point() -> str:
    """Let resolv.conf point to our resolver; in place, for engines mount this very file."""
    text = read_file(RESOLV)
    new = rewritten_resolv(text)
    if text == new:
        return ""
    try:
        with open(RESOLV, "r+b") as file:  # the new text holds the old one, so it is longer
            file.write(new.encode())
            file.truncate()
    except OSError as error:
        return f"{RESOLV} cannot be written ({error.strerror}), so questions are redirected only"
    return ""


def _keep(job: Job, policy_file: str, seen: str) -> str:
    if job.old is not None and job.old.policy != policy_file:
        end_keeper(job.paths)
    return start_keeper(job.paths, policy_file, seen)
