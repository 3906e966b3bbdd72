"""A call that may have been carried out is never sent again: it may have paid for something."""

import asyncio
import os
from pathlib import Path

from rig import ANY, TO_HTTP, check, must_recover, refused, run, scenario, until
from wire import Gone


async def carried_out_once(r, kind):
    c = await r.client()
    await c.call("echo", {}, timeout=8)
    r.be.ctl(do="clear")
    r.be.ctl(set={"misbehave": {"kind": kind, "on": "tools/call"}})
    try:
        why = await refused(c, "echo", {"pay": 1}, timeout=40)
    except Gone as e:  # the direct client sees the broken connection itself
        check(r.direct, str(e))
        why = ""
    await asyncio.sleep(1.5)
    n = r.be.ctl()["stats"]["calls"]
    check(n == 1, f"carried out {n} times")
    r.be.ctl(set={"misbehave": None})
    if not r.direct:
        r.note = why[:140]
        await must_recover(r, c)


@scenario(*TO_HTTP)
async def carried_out_then_closed(r):
    await carried_out_once(r, "executed_then_closed")


@scenario(*TO_HTTP)
async def carried_out_then_reset(r):
    await carried_out_once(r, "executed_then_reset")


@scenario(*TO_HTTP)
async def carried_out_then_cut(r):
    await carried_out_once(r, "executed_then_cut")


@scenario(*TO_HTTP)
async def carried_out_then_silent(r):
    r.proxied()
    await carried_out_once(r, "executed_then_silent")


@scenario(*ANY)
async def server_dies_in_a_call(r):
    """It wrote its line, then it died: one line in the file, an error, and the next call works."""
    c = await r.client()
    r.proxied()
    path = f"{r.tmp}/lines"
    f = asyncio.ensure_future(refused(c, "append", {"path": path, "then": "exit"}, timeout=40))
    await until(lambda: os.path.exists(path), 5)
    if r.http_server:
        await run(r.be.stop)
        await run(r.be.start)
    r.note = (await f)[:140]
    await asyncio.sleep(1.0)
    n = len(Path(path).read_text().splitlines())
    check(n == 1, f"carried out {n} times")
    await must_recover(r, c)
