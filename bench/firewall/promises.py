"""What was promised, and whether the figures keep it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

APPLY = {20: 0.3, 200: 0.3, 2000: 0.4, 10000: 1.0}  # seconds for so many names
RELOAD = 0.4  # seconds
REQUESTS = 5000
WINDOW = 50  # milliseconds
WEIGHT = {"default": 8.0, "strict": 25.0}  # MB
DNS = 0.3  # milliseconds a query
REQUEST = 1.0  # milliseconds a new request, in strict mode
BANDWIDTH = 0.9
UNTOUCHED = 0.97  # of the bandwidth, in default mode: nothing but noise


class Line(NamedTuple):
    """One promise: what was measured, and whether it is good enough."""

    text: str
    kept: bool


def lines(mode: str, found: dict[str, Any]) -> Iterator[Line]:
    """Every promise about what was measured of a mode."""
    for count, figures in found.get("apply", {}).items():
        took = figures.get("median_s")
        limit = APPLY[int(count)]
        kept = took is not None and took <= limit
        yield Line(f"apply {count} names: {took} s (<= {limit})", kept)
    if reload := found.get("reload"):
        text = f"reload at 2,000 names: {reload['alone_s']} s (<= {RELOAD})"
        yield Line(text, reload["alone_s"] <= RELOAD and not reload["refused"])
        text = f"{reload['failed']} of {reload['requests']} requests failed (>= {REQUESTS}, none)"
        yield Line(text, not reload["failed"] and reload["requests"] >= REQUESTS)
        yield Line(f"{reload['leaked']} forbidden answers while reloading", not reload["leaked"])
    if window := found.get("window"):
        text = f"closed after {window['median_ms']} ms (<= {WINDOW}), most {window['max_ms']}"
        yield Line(text, window["median_ms"] <= WINDOW)
        yield Line(f"{window['after']} forbidden answers later", not window["after"])
    if kills := found.get("kill"):
        text = f"{kills['kills']} kills: {kills['open']} open, {kills['dead']} without a firewall"
        yield Line(text, not kills["open"] and not kills["dead"])
    if weight := found.get("weight"):
        text = f"programs weigh {weight['total_mb']} MB (<= {WEIGHT[mode]})"
        yield Line(text, weight["total_mb"] <= WEIGHT[mode])
    yield from _costs(mode, found.get("cost", {}))


def _costs(mode: str, cost: dict[str, float]) -> Iterator[Line]:
    if not cost:
        return
    added = cost["added_dns_ms"]
    yield Line(f"a query costs {added} ms (<= {DNS})", added <= DNS)
    added = cost["added_request_ms"]
    limit = REQUEST + DNS
    if mode == "strict":
        yield Line(
            f"a new HTTPS request costs {added} ms (<= {limit} with its query)", added <= limit
        )
    share = cost["share_of_bandwidth"]
    least = BANDWIDTH if mode == "strict" else UNTOUCHED
    yield Line(f"bandwidth: {share:.0%} (>= {least:.0%})", share >= least)
