"""What looks like a credential: by its name, by its look, and what is harmless."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

_SECRET_WORDS = frozenset(
    "token tokens secret secrets key keys apikey password passwd passphrase passcode pass pwd "
    "auth authorization authentication bearer credential credentials cred creds pat jwt session "
    "cookie signature sig private dsn certificate cert webhook otp code nonce salt hash access "
    "license licence pin mfa totp".split()
)
_HARMLESS_WORDS = frozenset(
    "true false yes no on off none null auto default all any production prod development dev test "
    "testing staging local debug info notice warn warning error fatal trace verbose silent quiet "
    "json text plain pretty stdio http https sse ws streamable stream utf-8 utf8 utc c posix "
    "c.utf-8 en_us.utf-8 always never node python read write readonly read-only restricted "
    "unrestricted full limited".split()
)
_CHOICES = frozenset({"mode", "type", "level", "method", "enabled"})  # --access-mode=restricted
_SHORT_NUMBER = 6
_SHORTEST_KEY = 12  # characters; below that nothing looks random enough to tell


@cache
def pattern(which: str) -> re.Pattern[str]:
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
            # a name with dots, or one label that is a word: db, localhost, eu-west-1
            "host": r"(?:[a-z]{1,20}(?:-[a-z0-9]{1,12}){0,4}|"
            r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,80}\.[A-Za-z]{2,20})?)(?::\d{1,5})?",
            "reference": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
            "domain": r"[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)*\.[a-z]{2,12}",
            "assignment": r"(--?[A-Za-z][\w.-]*|[A-Za-z][\w.-]*)([=:]\s*)([\s\S]+)",
            # a name, its closing quote, the sign: NAME=  "name":  \"name\" :
            "named": r"(?<![\w.-])([\w.-]+)(\\*[\"']?)[ \t]*([=:]+>?)[ \t]*",
            "quote": r"\\*[\"']",
            "value": r"(?:(?i:bearer|basic|token|digest)\s+)?[^\s;&]*",
            "json-value": r"[^\s;&,}\]]*",
            # the words of a shell, and those of any text
            "token": r"(?:\"[^\"\\]*(?:\\[\s\S][^\"\\]*)*\"|'[^']*'|\\.|\S)+",
            "word": r"\S+",
            "joined": r"((--header|--headers|--user|--env)=|(-e)(?=[A-Z_]\w*=)|(-H)(?=[\w-]+:))"
            r"([\s\S]+)",
            "flag": r"--[a-z][a-z0-9-]*(?:=[\s\S]*)?",
            "aws": r"[A-Za-z0-9+][A-Za-z0-9/+]{39}",
            "separator": r"([/\\])",
        }[which],
        re.ASCII,
    )


def words_of(name: str) -> list[str]:
    return [w.lower() for w in pattern("words").findall(name)]


def secret_name(name: str) -> bool:
    """Tell whether a variable, flag, header or query key names a credential."""
    words = words_of(name)
    if _SECRET_WORDS.intersection(words):
        return True
    joined = "".join(words)
    return any(w in joined for w in ("apikey", "token", "secret", "password", "credential"))


def random_looking(text: str) -> bool:
    """Tell whether a text looks like a key: a known prefix, a UUID, or long and mixed."""
    if len(text) < _SHORTEST_KEY:
        return False
    if pattern("uuid").search(text):
        return True
    if any(c.isdigit() for c in text) and pattern("prefix").fullmatch(text):
        return True
    if pattern("aws").fullmatch(text) and _mixed(text):
        return True
    return any(_random_word(word) for word in re.split(r"[^A-Za-z0-9+=_]+", text))


def _random_word(word: str) -> bool:
    digits = sum(c.isdigit() for c in word)
    letters = sum(c.isalpha() for c in word)
    if len(word) >= 16 and digits >= 2 and letters:  # noqa: PLR2004
        return True
    return len(word) >= 24 and (_turns(word) >= 4 or len(word) >= 40)  # noqa: PLR2004


def _turns(word: str) -> int:
    return sum(a.islower() and b.isupper() for a, b in pairwise(word))


def _mixed(text: str) -> bool:
    """Tell a key of 40 characters, which may hold slashes, from a path."""
    cases = any(map(str.islower, text)) and any(map(str.isupper, text))
    return cases and (any(map(str.isdigit, text)) or _turns(text) >= 4)  # noqa: PLR2004


def harmless(name: str, value: str) -> bool:
    """Tell whether a variable's value may be seen by whatever runs in the container."""
    if secret_name(name):
        return words_of(name)[-1] in _CHOICES and value.lower() in _HARMLESS_WORDS
    if value.strip().lower() in _HARMLESS_WORDS or not value.strip():
        return True
    if value.isascii() and value.lstrip("-").isdigit() and len(value) <= _SHORT_NUMBER:
        return True
    if "://" in value:
        return bool(pattern("plain-url").fullmatch(value)) and not random_looking(value)
    upper = name.upper()
    if upper.endswith(("HOST", "URL", "URI", "ENDPOINT", "DOMAIN", "SERVER", "REGION", "LOCALE")):
        return bool(pattern("host").fullmatch(value)) and not random_looking(value)
    return False


def only_references(text: str) -> bool:
    """Tell whether a text says nothing but ``${NAME}``, perhaps after ``Bearer`` or a label."""
    if "${" not in text:
        return False
    rest = pattern("reference").sub("", text).lower()
    words = {w for w in re.split(r"[^a-z0-9]+", rest) if w}
    return words <= {"bearer", "basic", "token", "authorization", "x", "api", "key"}
