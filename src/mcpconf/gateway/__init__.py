"""The gateway: MCP servers of the host, behind one port and one Unix socket, for many projects.

What a request goes through::

    front      one connection: bytes in, bytes out, time limits
    http       the request line and the headers, read strictly
    routing    may this one in, and to which server (pure)
    gateway    sessions of the old era, one shared upstream of the new one
    session    whose message is whose
    stdio      a process · link: HTTP · websocket
"""
