"""The door to ``firewall …``, whose verbs are loaded when one is wanted; and its word in a sync."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from mcpconf.cli import options as o
from mcpconf.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcpconf.readers.around import Target
    from mcpconf.readers.inputs import Configuration
    from mcpconf.write import Change

_KNOWN_WITHIN = 1.0  # seconds, for a sync to find out whether a container runs
_TAKEN_WITHIN = 3.0  # seconds more, for its firewall to have what was written


def firewall(context: typer.Context) -> None:
    """The container's firewall: what it would be, whether it holds, what it blocked."""
    from typer.main import get_command

    from mcpconf.cli.firewall_verbs import firewall as verbs

    get_command(verbs).main(args=context.args, prog_name=context.command_path)


def follows(configuration: Configuration, target: Target, changes: Sequence[Change]) -> None:
    """Wait a little for running containers to take a changed egress.json up; say which have."""
    changed = any(c.name == "egress.json" and c.kind.value == "update" for c in changes)
    if not changed:
        return
    from mcpconf.containers import running, uptake
    from mcpconf.report import firewall as shown

    with suppress(Failure, OSError):
        written = os.readlink(target.container / "current")
        found = running.running(o.place_of(configuration, target), os.environ, _KNOWN_WITHIN)
        shown.taken_up(
            (container.name, known)
            for container, known in uptake.wait_for(written, found, _TAKEN_WITHIN).items()
        )


def register(app: typer.Typer) -> None:
    """Add the command."""
    passes = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],  # the verbs have their own
    }
    app.command("firewall", context_settings=passes)(firewall)
