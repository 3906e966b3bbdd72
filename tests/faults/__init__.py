"""Injected faults: what `mcpconf explain NAME --live` says of each, and what Claude Code prints."""
