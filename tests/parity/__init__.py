"""Parity: mcpconf against what the real Claude Code concludes from the same files."""
