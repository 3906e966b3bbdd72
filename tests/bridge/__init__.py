"""The bridge and its relay engine."""
