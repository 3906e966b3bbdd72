"""mcpconf: your MCP servers inside the firewalled container in which Claude Code runs."""

__version__ = "0.1.0"
