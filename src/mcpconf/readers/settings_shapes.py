"""The vocabulary in which settings_schema.py writes down what the client takes.

A shape says in words what it wants and finds the first fault in a value: where, and what would be
right there.  ``null`` is a value like any other; only a key that is missing is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from sys import float_info
from typing import NamedTuple

from mcpconf.clients import Client
from mcpconf.model import Json
from mcpconf.origin import Pointer

Wrong = tuple[Pointer, str]
"""Where the fault is, and what the client expects there."""

NO_MEMBERS: Members = {}
LARGEST_INTEGER = 2**53 - 1
SPECIAL_SCHEMES = ("http", "https", "ws", "wss", "ftp")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset("0123456789")
_HEX = _DIGITS | frozenset("abcdefABCDEF")
_SCHEME = _LETTERS | _DIGITS | frozenset("+-.")
_NO_HOST = frozenset(" \t\n\r\0#/<>?@[\\]^|%")
_NAME = _LETTERS | _DIGITS | frozenset("_-")


class Shape(NamedTuple):
    """What a value must look like; ``many`` is what a list of such values holds."""

    words: str
    many: str
    find: Callable[[Json, Client], Wrong | None]


Members = Mapping[str, Shape]


def each(shape: Shape, names: str) -> dict[str, Shape]:
    """The same shape for several members."""
    return dict.fromkeys(names.split(), shape)


def simple(words: str, test: Callable[[Json], bool], many: str = "such values") -> Shape:
    """A value without members."""
    wrong: Wrong = (), words
    return Shape(words, many, lambda value, _: None if test(value) else wrong)


def texts(words: str, test: Callable[[str], bool]) -> Shape:
    """A string of a certain kind."""
    return simple(words, lambda v: isinstance(v, str) and test(v), "such strings")


def enum(*words: str) -> Shape:
    """One of these strings."""
    quoted = [f'"{w}"' for w in words]
    said = quoted[0] if len(words) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return texts(said, frozenset(words).__contains__)


def number(words: str, test: Callable[[float], bool] = lambda _: True) -> Shape:
    """A number that JavaScript takes for finite."""
    return simple(words, lambda v: _is_number(v) and test(v))  # type: ignore[arg-type]


def integer(words: str, least: int = -LARGEST_INTEGER) -> Shape:
    """A whole number, at most as large as JavaScript counts exactly.  ``1.0`` is whole."""
    return number(words, lambda v: int(v) == v and least <= v <= LARGEST_INTEGER)


def list_of(item: Shape) -> Shape:
    words = f"a list of {item.many}"

    def find(value: Json, client: Client) -> Wrong | None:
        if not isinstance(value, list):
            return (), words
        return first((i, item.find(v, client)) for i, v in enumerate(value))

    return Shape(words, "lists", find)


def object_of(member: Shape) -> Shape:
    """An object with free keys.  Some clients stumble over JavaScript's ``constructor``."""
    words = "an object" if member is anything else f"an object of {member.many}"

    def find(value: Json, client: Client) -> Wrong | None:
        if not isinstance(value, dict):
            return (), words
        if client.prototype_names and "constructor" in value:
            return (), "an object without `constructor`"
        return first((k, member.find(v, client)) for k, v in value.items() if k != "__proto__")

    return Shape(words, "objects", find)


def record(optional: Members = NO_MEMBERS, needed: Members = NO_MEMBERS) -> Shape:
    """An object with known members; it may have others."""
    words = "an object" + "".join(
        f"{' and' if i else ' with'} `{name}`" for i, name in enumerate(needed)
    )
    members = {**optional, **needed}

    def find(value: Json, client: Client) -> Wrong | None:
        if not isinstance(value, dict) or not needed.keys() <= value.keys():
            return (), words
        return first((k, members[k].find(v, client)) for k, v in value.items() if k in members)

    return Shape(words, "objects", find)


def tagged(tag: str, variants: Members) -> Shape:
    """An object whose member ``tag`` decides what else it must have."""
    kind = enum(*variants)
    words = f"an object with `{tag}`"

    def find(value: Json, client: Client) -> Wrong | None:
        if not isinstance(value, dict) or tag not in value:
            return (), words
        given = value[tag]
        if not isinstance(given, str) or given not in variants:
            return (tag,), kind.words
        return variants[given].find(value, client)

    return Shape(words, "objects", find)


def either(words: str, *shapes: Shape) -> Shape:
    """Whatever one of these takes; the fault is that of the shape that gets furthest."""

    def find(value: Json, client: Client) -> Wrong | None:
        faults = []
        for shape in shapes:
            wrong = shape.find(value, client)
            if wrong is None:
                return None
            faults.append(wrong)
        deepest = max(faults, key=lambda fault: len(fault[0]))
        return deepest if deepest[0] else ((), words)

    return Shape(words, "such values", find)


def nullable(shape: Shape, words: str = "") -> Shape:
    return either(words or f"{shape.words} or null", shape, null)


def first(faults: Iterator[tuple[str | int, Wrong | None]]) -> Wrong | None:
    """The first fault of the members, seen from the container."""
    for step, wrong in faults:
        if wrong:
            return (step, *wrong[0]), wrong[1]
    return None


def _is_number(value: Json) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and -float_info.max <= value <= float_info.max
    )


def _is_url(value: str) -> bool:
    """Whether ``new URL`` takes it, as far as its scheme and its host go."""
    scheme, colon, rest = value.strip().partition(":")
    if not colon or scheme[:1] not in _LETTERS or not _SCHEME.issuperset(scheme):
        return False
    if scheme.lower() not in SPECIAL_SCHEMES:
        return True
    authority = rest.lstrip("/\\").replace("\\", "/")
    for end in "/?#":
        authority = authority.partition(end)[0]
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return "]" in host
    host, _, port = host.partition(":")
    fits = _DIGITS.issuperset(port) and int(port or 0) < 2**16
    return bool(host) and fits and _NO_HOST.isdisjoint(_decoded(host))


def _decoded(host: str) -> str:
    """Without percent-encoding, where that is right."""
    head, *tails = host.split("%")
    codes = (tail[:2] for tail in tails)
    if not all(len(code) == 2 and _HEX.issuperset(code) for code in codes):  # noqa: PLR2004
        return host
    return head + "".join(chr(int(tail[:2], 16)) + tail[2:] for tail in tails)


anything = Shape("a value", "values", lambda _, __: None)
null = simple("null", lambda v: v is None)
boolean = simple("true or false", lambda v: isinstance(v, bool))
switch = nullable(boolean, "true, false or null")
text = simple("a string", lambda v: isinstance(v, str), "strings")
filled = texts("a string that is not empty", bool)
plain_name = texts(
    "a name of letters, digits, `-` and `_`", lambda v: bool(v) and _NAME.issuperset(v)
)
url = texts("a URL", _is_url)
natural = integer("a whole number", 0)
positive = integer("a positive whole number", 1)
