"""``${NAME}`` and ``${NAME:-default}``, as the client expands them (facts 38-45).

One pass, nothing else: no ``$NAME``, no nesting, no escape; the default ends at the first ``}``;
set but empty counts as set; unset without a default stays as it stands.  Header values get a
second pass.  The scan never goes back, so a hostile text costs no more than its length; and one
that would grow beyond ``LONGEST`` stays as it is written.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from mcpconf.model import Text
from mcpconf.origin import Origin
from mcpconf.secret import hides

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
_NEXT = _FIRST | frozenset("0123456789")

# Characters.  Linux takes no argument or variable of more than 128 KiB, servers take 8 KB of URL
# and headers: whatever is longer is no configuration, but a text that doubles and doubles.
LONGEST = 1024 * 1024


class Variables:
    """The variables that expansion sees: layers of ``name → value``, later ones win.

    Args:
        layers: pairs of the values and where they stand (None is the process environment).

    """

    def __init__(self, *layers: tuple[Mapping[str, str], Origin | None]) -> None:
        self._values: dict[str, str] = {}
        self._origins: dict[str, Origin | None] = {}
        self._hides: dict[str, bool] = {}
        for values, origin in layers:
            self._values.update(values)
            self._origins.update(dict.fromkeys(values, origin))

    def beneath(self, values: Mapping[str, str]) -> Variables:
        """The same variables with some more below them."""
        below = Variables((values, None))
        below._values.update(self._values)
        below._origins.update(self._origins)
        return below

    def __repr__(self) -> str:
        return f"Variables({len(self._values)} names)"

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def hides(self, name: str) -> bool:
        """Tell whether the value of a variable that is set may be a secret."""
        if name not in self._hides:
            self._hides[name] = hides(name, self._values[name])
        return self._hides[name]

    def origin(self, name: str) -> Origin | None:
        """Where a variable comes from: a settings file, or None for the environment."""
        origin = self._origins.get(name)
        return origin.at(name) if origin else None


class Reference(NamedTuple):
    """One ``${…}`` of a text: its span, the variable's name and the default, if any."""

    start: int
    end: int
    name: str
    default: str | None

    @property
    def key(self) -> tuple[str, str | None]:
        """What decides what stands in its place."""
        return self.name, self.default


def references(text: str) -> list[Reference]:
    """Find every reference, left to right."""
    found: list[Reference] = []
    last_brace = text.rfind("}")
    at = text.find("${", 0, last_brace + 1)
    while at >= 0:
        reference = _reference(text, at)
        if reference:
            found.append(reference)
        at = text.find("${", reference.end if reference else at + 2, last_brace + 1)
    return found


def _reference(text: str, at: int) -> Reference | None:
    """Read the reference at ``at``, if it is one.  A closing brace is known to follow."""
    start = end = at + 2
    if text[start : start + 1] not in _FIRST:
        return None
    while text[end] in _NEXT:
        end += 1
    name = text[start:end]
    if text[end] == "}":
        return Reference(at, end + 1, name, None)
    if not text.startswith(":-", end):
        return None
    closing = text.index("}", end)
    return Reference(at, closing + 1, name, text[end + 2 : closing])


def expand(
    written: str, variables: Variables, *, passes: int = 1, hidden: Container[str] = ()
) -> Text:
    """Expand a text once, or twice as the client does with header values (fact 41).

    Variables in ``hidden``, and those that may be secrets, stay references in its safe form.  A
    text that would grow beyond ``LONGEST`` stays as written, and what makes it grow is missing.
    """
    if "${" not in written:
        return Text(written)
    text = safe = written
    names: dict[str, None] = {}
    missing: dict[str, None] = {}
    for _ in range(passes):
        found = references(text)
        values = {r.key: _value(r, variables) for r in found}
        names.update(dict.fromkeys(r.name for r in found))
        missing.update(dict.fromkeys(r.name for r in found if values[r.key] is None))
        growth = [_growth(r, values[r.key]) for r in found]
        if len(text) + sum(growth) > max(LONGEST, len(written)):
            growing = (r.name for r, more in zip(found, growth, strict=True) if more > 0)
            missing.update(dict.fromkeys(growing))
            text, safe = written, _without_defaults(written)
            break
        text = _replace(text, found, values)
        visible = references(safe)
        shown = {r.key: r for r in visible}
        safe = _replace(
            safe, visible, {key: _visible(r, variables, hidden) for key, r in shown.items()}
        )
    return Text(written, text, safe=safe, variables=tuple(names), missing=tuple(missing))


def _value(reference: Reference, variables: Variables) -> str | None:
    value = variables.get(reference.name)
    return reference.default if value is None else value


def _growth(reference: Reference, value: str | None) -> int:
    return 0 if value is None else len(value) - (reference.end - reference.start)


def _visible(reference: Reference, variables: Variables, hidden: Container[str]) -> str | None:
    name, default = reference.key
    value = variables.get(name)
    if value is None and default is None:
        return None
    if value is None:
        secret = name in hidden or hides(name, default or "", written=True)
    else:
        secret = name in hidden or variables.hides(name)
    if secret:
        return f"${{{name}}}"  # without its default, which may be the secret itself
    return default if value is None else value


def _without_defaults(written: str) -> str:
    found = references(written)
    return _replace(written, found, {r.key: f"${{{r.name}}}" for r in found})


def _replace(
    text: str, found: Iterable[Reference], values: Mapping[tuple[str, str | None], str | None]
) -> str:
    pieces: list[str] = []
    done = 0
    for reference in found:
        replacement = values[reference.key]
        if replacement is not None:
            pieces += text[done : reference.start], replacement
            done = reference.end
    return "".join((*pieces, text[done:]))
