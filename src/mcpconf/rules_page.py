"""docs/rules.md, made from the tables: ``python -m mcpconf.rules_page [--check] FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from mcpconf.codes import RULES
from mcpconf.reasons import REASONS

_HEAD = """\
# Findings and reasons

Made from `src/mcpconf/codes.py` and `src/mcpconf/reasons.py` by `make docs`; do not edit.

`mcpconf explain CODE` prints the same. An **error** costs you something, a **warning** may, a
**note** only tells. Where an error *blocks*, nothing is written until it is gone; otherwise
everything else goes on.

## Findings
"""


def rules_markdown() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    for code, rule in RULES.items():
        blocks = ", blocks" if rule.blocks else ""
        parts.append(f"### {code}: {rule.title}\n\n*{rule.severity.value}{blocks}*. {rule.story}\n")
    parts.append("## Reasons\n\nEvery decision carries one; `explain` prints it.\n")
    parts.append("| reason | means |\n|---|---|")
    rows = "\n".join(f"| `{name}` | {text} |" for name, text in REASONS.items())
    return "\n".join(parts) + "\n" + rows + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` compare it; returns an exit code."""
    path = Path(arguments[-1])
    text = rules_markdown()
    if "--check" not in arguments:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path} is not what the tables say; `make docs` writes it anew\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
