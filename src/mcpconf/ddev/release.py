"""Makes the add-on's release: ``python -m mcpconf.ddev.release DEST.tar.gz [mcpconf.pyz]``.

One top-level directory, as ``ddev add-on get`` wants it; the same files give the same bytes.  An
archive of mcpconf is put in as well, and the command that finds mcpconf learns its hash.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

from mcpconf._resources import data

TOP = "ddev-mcpconf"
FINDER = "commands/host/claude-mcp"
_ARCHIVE = "mcpconf/mcpconf.pyz"
_NO_HASH = b"PYZ_SHA256=     #"
_LISTED = b"  - docker-compose.mcpconf.yaml\n"
_NOT_SHIPPED = (".github", "tests", ".gitattributes")


def release(addon: Path, archive: Path | None = None) -> bytes:
    """Return the tarball.  Raises ValueError where a name cannot exist everywhere."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in sorted(_contents(addon, archive).items()):
            if ":" in name or b"\r\n" in content:
                raise ValueError(f"{name} cannot be shipped: a colon, or line ends of Windows")
            entry = tarfile.TarInfo(f"{TOP}/{name}")
            entry.size = len(content)
            entry.mode = 0o755 if name.startswith("commands/") else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _contents(addon: Path, archive: Path | None) -> dict[str, bytes]:
    found = {
        path.relative_to(addon).as_posix(): path.read_bytes()
        for path in addon.rglob("*")
        if path.is_file() and path.relative_to(addon).parts[0] not in _NOT_SHIPPED
    }
    if archive is not None:
        content = b"#!/usr/bin/env python3\n#ddev-generated\n" + _without_first_line(archive)
        digest = hashlib.sha256(content).hexdigest().encode()
        found[_ARCHIVE] = content
        found[FINDER] = found[FINDER].replace(_NO_HASH, b"PYZ_SHA256=" + digest + b" #")
        install = found["install.yaml"]
        found["install.yaml"] = install.replace(_LISTED, _LISTED + f"  - {_ARCHIVE}\n".encode(), 1)
    return found


def _without_first_line(archive: Path) -> bytes:
    """A zip file may have any text before it; the line that starts it is written anew."""
    content = archive.read_bytes()
    return content.partition(b"\n")[2] if content.startswith(b"#!") else content


if __name__ == "__main__":
    destination, *archives = map(Path, sys.argv[1:])
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(release(data("addon", "ddev"), next(iter(archives), None)))
