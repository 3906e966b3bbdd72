"""What engines really wrote, in ``data/``; each file's name says which version."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent / "data"
DNS_WRITTEN = 1795645920.0
"""When dnsmasq wrote the last line of its log, which it did in Newfoundland's time (UTC-3:30)."""


def recorded(name: str) -> str:
    return (DATA / name).read_text()
