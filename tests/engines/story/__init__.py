"""The whole story in a container: what stands in for the world around it."""
