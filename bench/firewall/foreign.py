"""Firewalls of others, given by path; nothing of them is kept here."""

from __future__ import annotations

import json
import re
import shlex
import tarfile
from io import BytesIO
from pathlib import Path

from tests.netns.lab.lab import Lab
from tests.netns.redteam.candidate import Candidate, Commands, Policy

_LIST = re.compile(r"for domain in \\\n.*?; do", re.DOTALL)
_AGGREGATE = "command -v aggregate || { echo '#!/bin/sh'; echo cat; } > /usr/local/bin/aggregate"
_DDEV = "/workspace/.ddev/claude"
_QUIET = "#!/bin/bash\nexit 0\n"


class Script(Candidate):
    """One shell script.

    The list of its loop ``for domain in … do`` is replaced by the whitelist; without such a loop
    it has to read ``$RT_WHITELIST``.
    """

    def __init__(self, path: Path) -> None:
        """Read the script."""
        self._place = f"/usr/local/bin/{path.name}"
        super().__init__(path.name, Commands(self._place))
        self._text = path.read_text()

    def install(self, lab: Lab) -> None:
        """Put it into the container, and what it calls where that is missing."""
        lab.force(f"{_AGGREGATE}; chmod 755 /usr/local/bin/aggregate")
        lab.write(self._place, self._text, 0o755)

    def write(self, lab: Lab, entries: list[str], policy: Policy | None = None) -> None:
        """Write the whitelist into the script."""
        super().write(lab, entries, policy)
        words = " \\\n    ".join(shlex.quote(entry) for entry in entries)
        text = _LIST.sub(lambda _: f"for domain in \\\n    {words}; do", self._text, count=1)
        lab.write(self._place, text, 0o755)


class DdevClaude(Candidate):
    """The directory ``claude`` of the DDEV add-on ddev-claude; its own lists are emptied."""

    def __init__(self, path: Path) -> None:
        """Take the directory."""
        apply = f"cd /workspace && {_DDEV}/entrypoint.sh true"
        reload = f"cd /workspace && {_DDEV}/scripts/reload-whitelist.sh"
        super().__init__("ddev-claude", Commands(apply, reload))
        self.env |= {
            "DDEV_APPROOT": "/workspace",
            "CLAUDE_USER": "agent",
            "CLAUDE_HOME": "/home/agent",
        }
        self._path = path

    def install(self, lab: Lab) -> None:
        """Unpack it where DDEV would."""
        packed = BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(self._path, "claude")
        lab.force("mkdir -p /workspace/.ddev; tar -x -C /workspace/.ddev", packed.getvalue())
        lab.write(f"{_DDEV}/config/default-whitelist.json", "[]")
        for script in ("watch-config.sh", "format-block-message.sh"):
            lab.write(f"{_DDEV}/scripts/{script}", _QUIET, 0o755)
        lab.force("chown -R agent /workspace; git config --system --add safe.directory '*'")

    def write(self, lab: Lab, entries: list[str], policy: Policy | None = None) -> None:
        """Write the project's whitelist."""
        super().write(lab, entries, policy)
        lab.write("/workspace/.ddev/ddev-claude/whitelist.json", json.dumps(entries))
