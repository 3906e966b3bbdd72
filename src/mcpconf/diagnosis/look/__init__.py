"""Looking: the host, the client's memory, and a container.  Decides nothing."""
