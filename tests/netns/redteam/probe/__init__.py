"""The red team's hands inside the container: standard library only, without any privilege."""
