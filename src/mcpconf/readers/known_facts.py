"""Reads what is known beside the configuration: the catalogue, stored logins, earlier probes."""

from __future__ import annotations

import time

from mcpconf._resources import data
from mcpconf.origin import Source
from mcpconf.readers.catalogue import Catalogue
from mcpconf.readers.facts import Facts, read_logins, read_probes
from mcpconf.readers.inputs import Configuration
from mcpconf.readers.places import Places
from mcpconf.readers.world import read


def read_facts(configuration: Configuration, places: Places) -> Facts:
    """What is known beside the configuration: the catalogue, stored logins, earlier probes."""
    catalogue = read(data("whitelist", "servers.toml"))
    probes, findings = read_probes(read(places.facts), time.time())
    return Facts(
        catalogue=Catalogue(catalogue) if isinstance(catalogue, Source) else Catalogue(),
        logins=read_logins(configuration.credentials),
        probes=probes,
        findings=findings,
    )
