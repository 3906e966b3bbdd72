"""A house with a gateway of its own and real servers; and an engine that runs things right here."""

from __future__ import annotations

from tests.service.conftest import gateway, home, port, serve

__all__ = ["gateway", "home", "port", "serve"]
