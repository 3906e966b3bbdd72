"""What looks like a secret in a string, and the string without it.

An argument may be a word, a URL, a shell script or JSON.  It is read in all these ways: a value is
hidden when one reading makes it a credential, and the rest stays, so that a person can judge it.
Everything here takes linear time: the texts are foreign.
"""

from __future__ import annotations

import re

from mcpconf.credential import (
    harmless,
    only_references,
    pattern,
    random_looking,
    secret_name,
    words_of,
)

MASK = "***"

# A segment of a path whose successor is the credential.  "auth" and "session" are too common.
_SEGMENT_WORDS = frozenset(
    "token tokens key keys apikey apikeys secret secrets password passwd pwd pat jwt "
    "credential credentials".split()
)
_ENDPOINTS = frozenset({"", "mcp", "sse"})
_ADDRESSES = frozenset({"url", "uri", "endpoint"})  # --token-url=https://…
_HEADER_FLAGS = frozenset({"-H", "--header", "--headers", "-u", "--user"})
_VARIABLE_FLAGS = frozenset({"-e", "--env"})
_SHELL_FLAGS = frozenset({"-c", "-lc", "-ec", "-ic", "-xc", "-lic", "-Command"})
_BLANK = "".join(map(chr, range(33)))  # what WHATWG strips around a URL
_INSIDE_URL = dict.fromkeys(map(ord, "\t\r\n"))  # … and takes out of it
_AROUND = "\"'`()[]{}<>,;|&$"
_LONGEST_WORD = 20


def mask_url(url: str) -> str:
    """Mask whatever in a URL could be a key.  A text that is no URL is masked like an argument.

    It is split as the client's parser splits (``https:host`` is a URL to it, and so is one with a
    tab in it), and a password that was not percent-encoded is hidden with all that it drags along.
    """
    clean = url.strip(_BLANK).translate(_INSIDE_URL)
    found = pattern("scheme").match(clean)
    if found:
        masked = found.group() + _mask_rest(clean[found.end() :])
    elif clean.lower().startswith("localhost:"):
        masked = _mask_rest(clean)  # the client connects to it without a scheme (fact 31)
    else:
        return mask_arg(url)
    return url if masked == clean else masked


def _is_url(text: str) -> bool:
    clean = text.strip(_BLANK).translate(_INSIDE_URL)
    return bool(pattern("scheme").match(clean)) or clean.lower().startswith("localhost:")


def _mask_rest(rest: str) -> str:
    """Mask a URL's text behind the scheme."""
    cut = min((i for i in map(rest.find, "/?#\\") if i >= 0), default=len(rest))
    behind_colon = rest[:cut].rpartition("]")[2].partition(":")[2]
    if "@" in rest[cut:] and behind_colon and _drags(behind_colon, rest[cut:]):
        return f"{MASK}@{_mask_rest(rest.rpartition('@')[2])}"
    rest, _, fragment = rest.partition("#")
    rest, question, query = rest.partition("?")
    authority, path = rest[:cut], rest[cut:]
    user, at, host = authority.rpartition("@")
    masked_user = MASK if user or at else ""
    host = _mask_assignments(host) if "=" in host else host
    query = "&".join(map(_mask_pair, query.split("&"))) if question else ""
    end = "#" + MASK if fragment else ""
    return f"{masked_user}{at}{host}{_mask_path(path)}{question}{query}{end}"


def _drags(behind_colon: str, behind: str) -> bool:
    """Tell ``me:12/3@host.example`` from ``host:8443/@scope/name``."""
    before, _, after = behind.rpartition("@")
    is_host = pattern("domain").fullmatch(re.split(r"[/:?#\\]", after, maxsplit=1)[0].lower())
    return not behind_colon.isdigit() or bool(is_host and not before.endswith("/"))


def _mask_path(path: str) -> str:
    parts = pattern("separator").split(path)
    names_key = False
    for i, part in enumerate(parts):
        if part in {"", "/", "\\"}:
            continue
        hidden = names_key and part not in _ENDPOINTS and not only_references(part)
        if hidden or random_looking(part):
            parts[i] = MASK
        elif "=" in part:
            parts[i] = _mask_assignments(part)
        names_key = words_of(part)[-1:] != [] and words_of(part)[-1] in _SEGMENT_WORDS
    return "".join(parts)


def _mask_pair(pair: str) -> str:
    key, equals, value = pair.partition("=")
    if not equals:
        plain = not key or (key.isascii() and key.isalpha() and len(key) <= _LONGEST_WORD)
        return key if plain or only_references(key) else MASK
    return pair if harmless(key, value) and "/" not in value else f"{key}={MASK}"


# --- arguments --------------------------------------------------------------------------------


def mask_args(args: list[str]) -> list[tuple[str, bool]]:
    """Return each argument as it may be shown, and whether a literal secret was masked in it.

    A value is masked after a flag that names a credential (``--api-key X``, ``--api-key=X``,
    ``API_KEY=X``, ``--header "Authorization: X"``), in URLs, and where it looks random; and all
    that within a script or JSON as well.
    """
    result: list[tuple[str, bool]] = []
    flag = ""
    for arg in args:
        masked = arg if only_references(arg) else _mask_after(flag, arg)
        result.append((masked, masked != arg))
        flag = _flag(arg)
    return result


def _flag(arg: str) -> str:
    return arg if arg.startswith("-") and "=" not in arg else ""


def _mask_after(flag: str, arg: str) -> str:
    """Mask an argument that follows ``flag`` ("" if it follows none)."""
    if flag in _HEADER_FLAGS or flag in _VARIABLE_FLAGS:
        sign = ":" if flag in _HEADER_FLAGS else "="
        name, found, value = arg.partition(sign)
        if not found:
            return mask_arg(arg)
        plain = flag in _VARIABLE_FLAGS and harmless(name, value)
        return arg if plain or only_references(value) else f"{name}{sign}{MASK}"
    if flag and secret_name(flag) and not pattern("flag").fullmatch(arg):
        return _mask_value(flag, arg)
    return mask_arg(arg, script=flag in _SHELL_FLAGS)


def _mask_value(name: str, value: str) -> str:
    """Mask the value of what names a credential."""
    if only_references(value) or harmless(name, value):
        return value
    if value.startswith("$") and value[1:].isidentifier() and value.isupper():
        return value if secret_name(value) else MASK  # API_KEY=$API_KEY in a script
    if words_of(name)[-1] in _ADDRESSES and _is_url(value) and not _spaced(value):
        return mask_url(value)
    return MASK


def mask_arg(arg: str, *, script: bool = False) -> str:
    """Mask one argument by itself.  In a script a blank ends ``API_KEY=x``."""
    joined = pattern("joined").fullmatch(arg)
    if joined:
        start, *flags, value = joined.groups()
        return start + _mask_after(next(filter(None, flags)), value)
    if _is_url(arg):
        masked = mask_url(arg)
        return _mask_words(_mask_assignments(masked)) if _spaced(masked) else masked
    named = pattern("assignment").fullmatch(arg)
    if named and secret_name(named[1]) and not (script or _is_port(*named.groups())):
        return named[1] + named[2] + _mask_value(named[1], named[3])
    if "://" in arg:
        arg = pattern("url").sub(lambda found: mask_url(found.group()), arg)
    arg = _mask_assignments(arg)
    return _mask_words(arg) if _spaced(arg) else _mask_word(arg)


def _spaced(text: str) -> bool:
    return len(text.split(maxsplit=1)) > 1


def _is_port(name: str, sign: str, value: str) -> bool:
    return "." in name and sign == ":" and value.isdigit()


def _mask_words(text: str, kind: str = "token") -> str:
    """Mask a text word by word, as if each were an argument."""
    parts: list[str] = []
    flag, end = "", 0
    for found in pattern(kind).finditer(text):
        word = found.group()
        parts.append(text[end : found.start()])
        end = found.end()
        if word == "\\":  # the line goes on
            parts.append(word)
            continue
        parts.append(_mask_quoted(flag, word))
        bare = word.strip(_AROUND)
        header_goes_on = flag in _HEADER_FLAGS and bare.endswith(":")
        flag = "--token" if header_goes_on or bare.lower() == "bearer" else _flag(bare)
    return "".join((*parts, text[end:]))


def _mask_quoted(flag: str, word: str) -> str:
    quote = word[0] if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'" else ""
    inner = word[1:-1] if quote else word
    if only_references(inner):
        return word
    takes_value = flag in _HEADER_FLAGS or flag in _VARIABLE_FLAGS or secret_name(flag)
    if _spaced(inner) and not takes_value:
        return f"{quote}{_mask_words(inner, 'word')}{quote}"
    if takes_value:
        return f"{quote}{_mask_after(flag, inner)}{quote}"
    return f"{quote}{mask_arg(inner, script=True)}{quote}"


def _mask_word(word: str) -> str:
    """Mask a word that looks random, or the value in it that does."""
    if word.startswith("//"):
        return f"//{_mask_rest(word[2:])}"
    named = pattern("assignment").fullmatch(word)
    if named and "://" not in word and random_looking(named[3]):
        return word if only_references(named[3]) else f"{named[1]}{named[2]}{MASK}"
    rest = pattern("url").sub("", word) if "://" in word else word
    return MASK if random_looking(rest) else word


# --- assignments ------------------------------------------------------------------------------


def _mask_assignments(text: str) -> str:
    """Mask the values of names of credentials: ``KEY=x;``, ``"key": "x"``, ``a=1&key=x``."""
    parts: list[str] = []
    end = at = 0
    while found := pattern("named").search(text, at):
        at = found.end()
        name, _, sign = found.groups()
        behind_slash = ":" in sign and text[max(found.start() - 1, 0) : found.start()] in {"/", "@"}
        if behind_slash or not secret_name(name):
            continue
        begin, stop = _value(text, found)
        value = text[begin:stop]
        if value and not _is_port(name, sign, value):
            parts += text[end:begin], _mask_value(name, value)
            end = at = stop
    return "".join((*parts, text[end:]))


def _value(text: str, named: re.Match[str]) -> tuple[int, int]:
    """Where the value that follows a name and its sign begins and ends."""
    at = named.end()
    opening = pattern("quote").match(text, at)
    before = text[named.start() - 1] if named.start() else ""
    if opening:
        return opening.end(), _closing(text, opening.end(), opening.group())
    if before in {'"', "'"} and not named[2]:  # "NAME=two words"
        return at, _closing(text, at, before)
    if named[2] and text[at : at + 1] in {"{", "["}:
        return at, len(text)
    value = pattern("json-value" if named[2] else "value").match(text, at)
    return at, value.end() if value else at


def _closing(text: str, begin: int, quote: str) -> int:
    """Where a quoted text ends; ``quote`` holds the backslashes before the mark."""
    depth = len(quote) - 1
    at = text.find(quote[-1], begin)
    while at >= 0:
        start = at
        while start > begin and text[start - 1] == "\\":
            start -= 1
        escaped = at - start
        if escaped <= depth if depth else escaped % 2 == 0:
            return start if depth else at
        at = text.find(quote[-1], at + 1)
    return len(text)
