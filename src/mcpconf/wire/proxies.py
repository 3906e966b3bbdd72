"""Which proxy the client takes for a URL (fact 55)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


_PROXY_NAMES = "https_proxy HTTPS_PROXY http_proxy HTTP_PROXY all_proxy ALL_PROXY".split()


def proxy_variable(environ: Mapping[str, str]) -> str:
    """The variable that names the proxy; "" where none does."""
    return next((name for name in _PROXY_NAMES if environ.get(name)), "")


def chosen_proxy(host: str, port: int, environ: Mapping[str, str]) -> str:
    """One proxy for all schemes, loopback included; "" for none.  ``host`` is ASCII."""
    proxy = environ.get(proxy_variable(environ), "")
    spared = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").lower()
    for item in spared.replace(",", " ").split():
        below = item.startswith(".") and f".{host}".endswith(item)
        if below or item in {"*", host, f"{host}:{port}"}:
            return ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"
