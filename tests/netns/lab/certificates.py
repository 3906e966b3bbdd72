"""The internet's certificates; one authority for all laboratories of a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import trustme

from tests.netns.lab.zone import CERTIFIED


@cache
def _made() -> tuple[bytes, bytes]:
    authority = trustme.CA(organization_name="laboratory")
    names = [name for name in CERTIFIED if not name.startswith("*.exfil")]
    server = authority.issue_cert(*names)
    return authority.cert_pem.bytes(), server.private_key_and_cert_chain_pem.bytes()


def write_certificates(state: Path) -> None:
    """``ca.pem``, and ``server.pem`` with the key."""
    authority, server = _made()
    (state / "ca.pem").write_bytes(authority)
    (state / "server.pem").write_bytes(server)
