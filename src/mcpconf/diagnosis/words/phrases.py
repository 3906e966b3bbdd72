"""What Claude Code, the bridge and common programs print, and which causes that can have.

Each row was printed by 2.1.197 or 2.1.328 for the causes it names (tests/diagnosis/said.json), or
stands in the source of mcpconf.  Numbers are codes without their letters, the most likely first.
A letter behind one is a condition on the entry: ``n`` no Authorization header is configured, ``a``
one is, ``k`` other headers are, ``h`` a headersHelper is, ``c`` it is the bridge of a container.
The first row that fits a line counts, so the exact ones stand first.
"""

from __future__ import annotations

from typing import NamedTuple


class Phrase(NamedTuple):
    """``pattern`` is searched in the line in lower case; ``means`` is what the words really say."""

    pattern: str
    codes: str
    means: str


FAILED = Phrase(
    r"failed to connect|couldn't reconnect|failed to reconnect|connection failed|✘ failed|"
    r"^failed$|not connected|"
    r"\"status\": ?\"failed\"|mcp servers? failed",
    "245 240 260n 262a 263k 268 207 209 278 210 250 271 272 208 211 246 247 248 249 251 "
    "252 253 "
    "254 255 266 267 269 270 273 274 275 276 277 279 280 281 282 286 264a 225a 297a 021 222h 215c "
    "203c 205c",
    "anything may be wrong: 2.1.197 prints no more than this, the reason is in its log",
)

WELL = Phrase(
    r"✔ connected|\"status\": ?\"connected\"",
    "290 291 285 294 296 284",
    "`claude mcp list` connects anew and forgets; a session may still say otherwise",
)

GENERAL: tuple[Phrase, ...] = (
    Phrase(
        r"\"status\": ?\"pending\"|^pending$|still connecting|connecting…|connecting\.\.\.|"
        r"reconnecting",
        "285 278 210 246 286 296 294 215c 205c",
        "it was not done when the session began (a `-p` session waits about 2 s); not yet a "
        "failure",
    ),
    Phrase(
        r"tools fetch failed|failed to fetch tools|couldn't load tools",
        "283 284 215c 217c 205c 218c",
        "the handshake went well, the list of tools did not come",
    ),
    Phrase(
        r"connection failed: $",
        "260n 263k",
        "2.1.197 writes nothing here when the server answered 401 and offers no login",
    ),
    Phrase(
        r"mcp error -3[0-9]{4}|(?:— |failed \()-3[0-9]{4}|\bcode\W+-3[0-9]{4}",
        "282 283",
        "the server answered the handshake with an error of its own; the text behind it is its",
    ),
    FAILED,
    WELL,
)

VAGUE = (FAILED,)  # the client knows more than it says: its log tells
