"""The door to ``firewall …``, whose verbs are loaded when one is wanted; and its word in a sync."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from mcpconf import report
from mcpconf.cli import options as o
from mcpconf.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcpconf.readers.around import Target
    from mcpconf.readers.inputs import Configuration
    from mcpconf.write import Change

_KNOWN_WITHIN = 1.0  # seconds, for a sync to find out whether a container runs


def firewall(context: typer.Context) -> None:
    """The container's firewall: what it would be, whether it holds, what it blocked."""
    from typer.main import get_command

    from mcpconf.cli.firewall_verbs import firewall as verbs

    get_command(verbs).main(args=context.args, prog_name=context.command_path)


def follows(configuration: Configuration, target: Target, changes: Sequence[Change]) -> None:
    """Say that a running container takes a changed egress.json up, if that is quickly known."""
    changed = any(c.name == "egress.json" and c.kind.value == "update" for c in changes)
    if not changed:
        return
    from time import monotonic

    from mcpconf.containers import program, running

    deadline = monotonic() + _KNOWN_WITHIN
    with suppress(Failure):
        place = o.place_of(configuration, target)
        for container in running.running(place, os.environ, _KNOWN_WITHIN):
            if program.has_firewall(container, deadline - monotonic()):
                who = report.safe(container.name)
                report.say(f"the firewall of the container {who} follows within 2 seconds")


def register(app: typer.Typer) -> None:
    """Add the command."""
    passes = {
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],  # the verbs have their own
    }
    app.command("firewall", context_settings=passes)(firewall)
