"""What counts as a secret, and how a text is shown without it.

The rule is closed by default: a header's value is a secret, a variable's value is one unless it is
recognisably harmless (``true``, ``8080``, ``production``, a plain URL), and of a URL everything
that could be a key: user information, query values, path segments that look random.  Taking a
harmless value for a secret costs a detour through the gateway; the reverse costs the secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcpconf.credential import harmless, only_references, pattern, random_looking, secret_name
from mcpconf.masking import MASK, mask_arg, mask_args, mask_url
from mcpconf.model import BRIDGE, Json, Remote, Server, Stdio, Text

__all__ = [
    "MASK",
    "harmless",
    "has_secret",
    "hides",
    "mask_args",
    "mask_entry",
    "mask_url",
    "only_references",
    "random_looking",
    "secret_name",
    "shown",
    "shown_args",
    "shown_url",
    "tainted",
    "url_has_secret",
]

_COMMON_VARIABLES = frozenset(
    "HOME USER LOGNAME PWD PATH TMPDIR TEMP TMP SHELL LANG LANGUAGE TERM HOSTNAME EDITOR "
    "CLAUDE_PROJECT_DIR CLAUDE_PLUGIN_ROOT WORKSPACE WORKSPACE_DIR PROJECT_DIR PROJECT_ROOT".split()
)


def hides(name: str, value: str, *, written: bool = False) -> bool:
    """Tell whether the value of ``${name}`` is hidden wherever it turns up.

    ``written`` is for a default, which stands in the file for everybody to see: it is hidden only
    where the name or its look says that it is a credential.
    """
    if name in _COMMON_VARIABLES:
        return False
    if secret_name(name) or random_looking(value):
        return True
    is_place = value.startswith(("/", "./", "../", "~/")) or pattern("domain").fullmatch(value)
    return not (written or is_place or harmless(name, value))


def tainted(headers: Mapping[str, Text], env: Mapping[str, Text]) -> frozenset[str]:
    """Variables that feed a secret field: they stay hidden in the entry's other fields too."""
    names = {v for text in headers.values() for v in text.variables}
    for name, text in env.items():
        if not harmless(name, text.reveal()):
            names.update(text.variables)
    return frozenset(names - _COMMON_VARIABLES)


# --- showing ----------------------------------------------------------------------------------


def shown_url(url: Text) -> str:
    """A URL for people: user information, query values and random path segments masked."""
    return mask_url(url.safe())


def url_has_secret(url: Text) -> bool:
    """Tell whether a URL carries something that must not enter the container."""
    return url.safe() != url.reveal() or shown_url(url) != url.reveal()


def shown_args(args: tuple[Text, ...]) -> list[str]:
    """Arguments for people, with whatever could be a key masked."""
    return [shown for shown, _ in mask_args([a.safe() for a in args])]


def mask_entry(entry: Mapping[str, Json]) -> dict[str, Json]:
    """A container's entry for people: the secrets that a policy lets in are masked."""
    masked: dict[str, Json] = dict(entry)
    args, env, headers, url = (entry.get(k) for k in ("args", "env", "headers", "url"))
    if isinstance(args, list) and entry.get("command") != BRIDGE:
        masked["args"] = [shown for shown, _ in mask_args([str(a) for a in args])]
    if isinstance(env, dict):
        masked["env"] = {
            k: v if harmless(k, str(v)) or only_references(_plain(str(v))) else MASK
            for k, v in env.items()
        }
    if isinstance(headers, dict):
        masked["headers"] = dict.fromkeys(headers, MASK)
    if isinstance(url, str):
        masked["url"] = mask_url(url)
    return masked


def _plain(text: str) -> str:
    """``${NAME:-}`` without its empty default."""
    return text.replace(":-}", "}")


def shown(server: Server, *, reveal: bool = False) -> dict[str, object]:
    """A server's transport for ``list --format json``: fields that do not apply are null."""
    transport = server.transport
    if isinstance(transport, Stdio):
        args = [a.reveal() for a in transport.args] if reveal else shown_args(transport.args)
        return {
            "type": "stdio",
            "command": transport.command.reveal() if reveal else mask_arg(transport.command.safe()),
            "args": args,
            "env": _values(transport.env, reveal=reveal),
            "url": None,
            "headers": None,
        }
    return {
        "type": transport.type,
        "command": None,
        "args": None,
        "env": None,
        "url": transport.url.reveal() if reveal else shown_url(transport.url),
        "headers": _values(transport.headers, reveal=reveal),
    }


def _values(texts: Mapping[str, Text], *, reveal: bool) -> dict[str, str]:
    return {k: v.reveal() if reveal else MASK for k, v in texts.items()}


def has_secret(transport: Remote) -> bool:
    """Tell whether reaching a remote server takes something that stays on the host."""
    return bool(
        transport.headers or transport.headers_helper is not None or url_has_secret(transport.url)
    )
