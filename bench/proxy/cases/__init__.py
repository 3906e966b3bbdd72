"""The scenarios, by subject; importing this registers them in `rig.ALL`."""

from cases import (
    front,
    hostile,
    http_faults,
    modern,
    once,
    passthrough,
    process,
    start,
    stdio_faults,
    transports,
)

MODULES = (
    *(passthrough, modern, transports, start, http_faults, once),
    *(stdio_faults, process, front, hostile),
)
