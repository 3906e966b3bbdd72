"""Asks one server station by station: name, connection, TLS, HTTP, MCP.  Standard library only.

The same program runs on the host, in the process that asks, and in a container, given to its
Python as text (``onefile.py``).  It tells what came back at each station and judges nothing.
"""
