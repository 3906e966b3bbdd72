"""An attacker and a user in the container: what gets out, what must not, what must work."""
