"""Random devcontainer.json files: values with comments and layout wherever those may stand."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_BLANKS = ["", "", "", " ", "  ", "\t", "\n", "\n  ", "\r\n\t", "\r", "\n\n"]
_COMMENTS = [
    "// note\n",
    "//\r\n",
    "/* note */",
    "/* a\n b */",
    '// " , } ]\n',
    "/**/",
    "// ünï 🙂\n",
]
_NAMES = [
    "name",
    "image",
    "service",
    "workspaceFolder",
    "forwardPorts",
    "a b",
    "ä",
    'q"',
    "\\",
    "//",
    "🙂",
]
_SCALARS = st.one_of(
    st.sampled_from([0, 1, -2.5, 10**9, True, False, None, "", "x", "a // b", "/* c */", "ü", '"']),
    st.text(max_size=8).filter(lambda t: max(t, default="a") < "\ud800" or max(t) > "\udfff"),
)
trivia = st.lists(st.sampled_from([*_BLANKS, *_COMMENTS]), max_size=3).map("".join)
values = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)
_COMMANDS = st.sampled_from(
    [
        "make setup",
        ["make", "setup"],
        "sudo /usr/local/bin/init-firewall.sh",
        ["sudo", "/usr/local/bin/init firewall/init-firewall.sh"],
        {"a": "iptables -F", "b": "true"},
        {"one": ["sudo", "iptables", "-t", "nat", "-F"]},
        {},
    ]
)
_MOUNT = "source=x,target=/etc/mcpconf,type=bind"
_PROPERTIES: dict[str, st.SearchStrategy[Any]] = {
    "features": st.sampled_from(
        [{}, {"ghcr.io/a/b:1": {}}, {"ghcr.io/x/mcpconf:0": {"mode": "strict"}}]
    ),
    "initializeCommand": st.one_of(_COMMANDS, st.just({"mcpconf": "mine"})),
    "runArgs": st.sampled_from(
        [[], ["--init"], ["--network=host"], ["--add-host=host.docker.internal:1.2.3.4"]]
    ),
    "mounts": st.sampled_from(
        [[], ["source=a,target=/b,type=volume"], [_MOUNT], [{"target": "/etc/mcpconf"}]]
    ),
    "dockerComposeFile": st.sampled_from(["a.yml", ["a.yml", "b.yml"]]),
    "postStartCommand": _COMMANDS,
    "postAttachCommand": _COMMANDS,
    "waitFor": st.sampled_from(["onCreateCommand", "postStartCommand", "initializeCommand"]),
}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A devcontainer.json as a value."""
    found: dict[str, Any] = draw(st.dictionaries(st.sampled_from(_NAMES), values, max_size=3))
    for name in draw(st.lists(st.sampled_from(sorted(_PROPERTIES)), unique=True, max_size=6)):
        found[name] = draw(_PROPERTIES[name])
    return dict(draw(st.permutations(sorted(found.items()))))


@st.composite
def texts(draw: st.DrawFn, value: Any) -> str:
    """A text of a value.  A few layouts are what people have, the others are wild."""
    layout = draw(st.sampled_from(["wild", "two", "four", "tab", "line"]))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    if layout == "wild":
        body = draw(trivia) + draw(_wild(value)) + draw(trivia)
    elif layout == "line":
        body = json.dumps(
            value,
            ensure_ascii=draw(st.booleans()),
            separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
        )
    else:
        indent = {"two": 2, "four": 4, "tab": "\t"}[layout]
        body = _commented(draw, json.dumps(value, ensure_ascii=False, indent=indent)) + draw(
            st.sampled_from(["", "\n"])
        )
        body = body.replace("\n", newline)
    return draw(st.sampled_from(["", "", "\ufeff"])) + body


def _commented(draw: st.DrawFn, text: str) -> str:
    """Comments behind lines, and a comma behind the last item of some."""
    lines = []
    trailing = draw(st.booleans())
    for line, following in zip(text.split("\n"), [*text.split("\n")[1:], ""], strict=True):
        closes = following.strip()[:1] in ("}", "]") and following.strip()
        comma = "," if trailing and closes and line.strip()[-1:] not in ("{", "[", ",") else ""
        comment = draw(st.sampled_from(["", "", "", "  // c", " /* d */", " /* e */ // f"]))
        lines.append(line + comma + comment)
    return "\n".join(lines)


@st.composite
def _wild(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, dict):
        members = [
            f"{_name(draw, k)}{draw(trivia)}:{draw(trivia)}{draw(_wild(v))}"
            for k, v in value.items()
        ]
        return _box(draw, "{}", members)
    if isinstance(value, list):
        return _box(draw, "[]", [draw(_wild(v)) for v in value])
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


def _name(draw: st.DrawFn, key: str) -> str:
    return json.dumps(key, ensure_ascii=draw(st.booleans()))


def _box(draw: st.DrawFn, brackets: str, items: list[str]) -> str:
    inside = ",".join(f"{draw(trivia)}{item}{draw(trivia)}" for item in items)
    comma = f",{draw(trivia)}" if items and draw(st.booleans()) else ""
    return f"{brackets[0]}{inside or draw(trivia)}{comma}{brackets[1]}"
