"""A project's running containers, and the firewall's program in them, through the engine's own.

Which engine: ``$MCPCONF_ENGINE``, else ``docker`` or ``podman``, the first that knows such a
container.  An engine that hangs is given up on, and what a container says is handed on as text, to
be made harmless by whoever prints it.
"""
