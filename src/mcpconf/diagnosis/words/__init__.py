"""Words of Claude Code and of others, pasted or in a log, and the causes that they can have."""
