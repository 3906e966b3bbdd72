"""What counts as a secret, and how a text is shown without it.

The rule is closed by default: a header's value is a secret, a variable's value is one unless it is
recognisably harmless (``true``, ``8080``, ``production``, a plain URL), and of a URL everything
that could be a key: user information, query values, path segments that look random.  Taking a
harmless value for a secret costs a detour through the gateway; the reverse costs the secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise

from mcpconf.model import BRIDGE, Json, Remote, Server, Stdio, Text

MASK = "***"

_SECRET_WORDS = frozenset(
    "token tokens secret secrets key keys apikey password passwd passphrase passcode pass pwd "
    "auth authorization authentication bearer credential credentials cred creds pat jwt session "
    "cookie signature sig private dsn certificate cert webhook otp code nonce salt hash access "
    "license licence".split()
)
_HARMLESS_WORDS = frozenset(
    "true false yes no on off none null auto default all any production prod development dev test "
    "testing staging local debug info notice warn warning error fatal trace verbose silent quiet "
    "json text plain pretty stdio http https sse ws streamable stream utf-8 utf8 utc c posix "
    "c.utf-8 en_us.utf-8 always never node python read write readonly read-only".split()
)
_COMMON_VARIABLES = frozenset(
    "HOME USER LOGNAME PWD PATH TMPDIR TEMP TMP SHELL LANG LANGUAGE TERM HOSTNAME EDITOR "
    "CLAUDE_PROJECT_DIR CLAUDE_PLUGIN_ROOT WORKSPACE WORKSPACE_DIR PROJECT_DIR PROJECT_ROOT".split()
)
_HEADER_FLAGS = frozenset({"-H", "--header", "--headers", "-u", "--user"})
_VARIABLE_FLAGS = frozenset({"-e", "--env"})
_SHORT_NUMBER = 6
_SHORTEST_KEY = 12  # characters; below that nothing looks random enough to tell


@cache
def _pattern(which: str) -> re.Pattern[str]:
    return re.compile(
        {
            # APIKey, api_key, x-api-key, exaApiKey → api key
            "words": r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+",
            "prefix": r"(?:sk|pk|rk|ghp|gho|ghu|ghs|ghr|glpat|xox[abeoprs]|ntn|lin_api|sntrys|AKIA|"
            r"ASIA|AIza|ya29|eyJ|hf|npm|pypi|dop|shpat|sq0|figd|secret|key|tok|whsec|dckr|tvly|fc|"
            r"ctx7sk|pplx|phx|phc|sbp|vercel|nfp|gsk|xai|r8|lsv2|BSA)[-_.A-Za-z0-9]*",
            "uuid": r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
            # what WHATWG takes for the start of a URL: any slashes behind the web's own schemes
            "scheme": r"\s*(?:(?:[Hh][Tt][Tt][Pp][Ss]?|[Ww][Ss]{1,2}):[/\\]*|[A-Za-z][A-Za-z0-9+.-]*://)",
            "url": r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'<>]+",
            "plain-url": r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.\[\]:_-]+(?:/[^?#@\s]*)?",
            "host": r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,80}\.[A-Za-z]{2,20})?(?::\d{1,5})?",
            "reference": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
            "domain": r"[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)*\.[a-z]{2,12}",
            "assignment": r"(--?[A-Za-z][\w.-]*|[A-Za-z][\w.-]*)([=:]\s*)(.+)",
        }[which],
        re.ASCII | (re.DOTALL if which == "assignment" else 0),
    )


def secret_name(name: str) -> bool:
    """Tell whether a variable, flag, header or query key names a credential."""
    words = [w.lower() for w in _pattern("words").findall(name)]
    if _SECRET_WORDS.intersection(words):
        return True
    joined = "".join(words)
    return any(w in joined for w in ("apikey", "token", "secret", "password", "credential"))


def random_looking(text: str) -> bool:
    """Tell whether a text looks like a key: a known prefix, a UUID, or long and mixed."""
    if len(text) < _SHORTEST_KEY:
        return False
    if _pattern("uuid").search(text):
        return True
    if any(c.isdigit() for c in text) and _pattern("prefix").fullmatch(text):
        return True
    return any(_random_word(word) for word in re.split(r"[^A-Za-z0-9+=_]+", text))


def _random_word(word: str) -> bool:
    digits = sum(c.isdigit() for c in word)
    letters = sum(c.isalpha() for c in word)
    if len(word) >= 16 and digits >= 2 and letters:  # noqa: PLR2004
        return True
    turns = sum(a.islower() and b.isupper() for a, b in pairwise(word))
    return len(word) >= 24 and (turns >= 4 or len(word) >= 40)  # noqa: PLR2004


def harmless(name: str, value: str) -> bool:
    """Tell whether a variable's value may be seen by whatever runs in the container."""
    if secret_name(name):
        return False
    if value.strip().lower() in _HARMLESS_WORDS or not value.strip():
        return True
    if value.isascii() and value.lstrip("-").isdigit() and len(value) <= _SHORT_NUMBER:
        return True
    if "://" in value:
        return bool(_pattern("plain-url").fullmatch(value)) and not random_looking(value)
    upper = name.upper()
    if upper.endswith(("HOST", "URL", "URI", "ENDPOINT", "DOMAIN", "SERVER", "REGION", "LOCALE")):
        return bool(_pattern("host").fullmatch(value)) and not random_looking(value)
    return False


def hides(name: str, value: str, *, written: bool = False) -> bool:
    """Tell whether the value of ``${name}`` is hidden wherever it turns up.

    ``written`` is for a default, which stands in the file for everybody to see: it is hidden only
    where the name or its look says that it is a credential.
    """
    if name in _COMMON_VARIABLES:
        return False
    if secret_name(name) or random_looking(value):
        return True
    is_place = value.startswith(("/", "./", "../", "~/")) or _pattern("domain").fullmatch(value)
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


def mask_url(url: str) -> str:
    """Mask whatever in a URL could be a key.  A text that is no URL is masked like an argument.

    It is split as the client's parser splits (``https:host`` is a URL to it), and a password that
    was not percent-encoded is hidden with all that it drags along.
    """
    found = _pattern("scheme").match(url)
    if not found and url.lower().startswith("localhost:"):
        return mask_url(f"x://{url}")[4:]  # the client connects to it without a scheme (fact 31)
    if not found:
        return _mask_random(url)
    start, rest = found.group(), url[found.end() :]
    cut = min((i for i in map(rest.find, "/?#\\") if i >= 0), default=len(rest))
    behind_colon = rest[:cut].rpartition("]")[2].partition(":")[2]
    if "@" in rest[cut:] and behind_colon and not behind_colon.isdigit():
        return f"{start}{MASK}@{mask_url('x://' + rest.rpartition('@')[2])[4:]}"
    rest, _, fragment = rest.partition("#")
    rest, question, query = rest.partition("?")
    authority, slash, path = rest[:cut], rest[cut : cut + 1], rest[cut + 1 :]
    user, at, host = authority.rpartition("@")
    masked_user = MASK if user or at else ""
    path = "/".join(MASK if random_looking(p) else p for p in path.split("/"))
    query = "&".join(map(_mask_pair, query.split("&"))) if question else ""
    return (
        f"{start}{masked_user}{at}{host}{slash}{path}{question}{query}"
        f"{'#' + MASK if fragment else ''}"
    )


def _mask_pair(pair: str) -> str:
    key, equals, value = pair.partition("=")
    if not equals:
        return MASK if random_looking(key) else key
    return pair if harmless(key, value) and "/" not in value else f"{key}={MASK}"


def url_has_secret(url: Text) -> bool:
    """Tell whether a URL carries something that must not enter the container."""
    return url.safe() != url.reveal() or shown_url(url) != url.reveal()


def shown_args(args: tuple[Text, ...]) -> list[str]:
    """Arguments for people, with whatever could be a key masked."""
    return [shown for shown, _ in mask_args([a.safe() for a in args])]


def mask_args(args: list[str]) -> list[tuple[str, bool]]:
    """Return each argument as it may be shown, and whether a literal secret was masked in it.

    A value is masked after a flag that names a credential (``--api-key X``, ``--api-key=X``,
    ``API_KEY=X``, ``--header "Authorization: X"``), in URLs, and where it looks random.
    """
    result: list[tuple[str, bool]] = []
    flag = ""
    for arg in args:
        masked = arg if only_references(arg) else _mask_after(flag, arg)
        result.append((masked, masked != arg))
        flag = arg if arg.startswith("-") and "=" not in arg else ""
    return result


def _mask_after(flag: str, arg: str) -> str:
    """Mask an argument that follows ``flag`` ("" if it follows none)."""
    if flag in _HEADER_FLAGS or flag in _VARIABLE_FLAGS:
        sign = ":" if flag in _HEADER_FLAGS else "="
        name, found, value = arg.partition(sign)
        if not found:
            return _mask_arg(arg)
        plain = flag in _VARIABLE_FLAGS and harmless(name, value)
        return arg if plain or only_references(value) else f"{name}{sign}{MASK}"
    if flag and secret_name(flag) and not arg.startswith("--"):
        return MASK
    return _mask_arg(arg)


def only_references(text: str) -> bool:
    """Tell whether a text says nothing but ``${NAME}``, perhaps after ``Bearer`` or a label."""
    if "${" not in text:
        return False
    rest = _pattern("reference").sub("", text).lower()
    words = {w for w in re.split(r"[^a-z0-9]+", rest) if w}
    return words <= {"bearer", "basic", "token", "authorization", "x", "api", "key"}


def _mask_arg(arg: str) -> str:
    if _pattern("scheme").match(arg) or arg.lower().startswith("localhost:"):
        return mask_url(arg)
    if "://" in arg:
        return _pattern("url").sub(lambda found: mask_url(found.group()), arg)
    assignment = _pattern("assignment").fullmatch(arg)
    if assignment and not arg.startswith(("/", "./", "@")):
        name, sign, value = assignment.groups()
        if not only_references(value) and (secret_name(name) or random_looking(value)):
            return f"{name}{sign}{MASK}"
    return _mask_random(arg)


def _mask_random(text: str) -> str:
    return MASK if random_looking(text) else text


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
            "command": transport.command.reveal()
            if reveal
            else _mask_arg(transport.command.safe()),
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
