"""Which proxy the client takes for a URL (fact 55)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def chosen_proxy(host: str, port: int, environ: Mapping[str, str]) -> str:
    """One proxy for all schemes, loopback included; "" for none.  ``host`` is ASCII."""
    names = [f"{scheme}_proxy" for scheme in ("https", "http", "all")]
    proxy = next((p for n in names if (p := environ.get(n) or environ.get(n.upper()))), "")
    spared = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower()
    for item in spared.replace(",", " ").split():
        below = item.startswith(".") and f".{host}".endswith(item)
        if below or item in {"*", host, f"{host}:{port}"}:
            return ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"
