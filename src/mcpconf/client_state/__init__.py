"""What the client remembers of MCP servers and believes too long, and taking that away from it.

Claude Code keeps a list of servers that asked for a login, by name alone, and half-finished logins
without a token.  While one of those stands it reports ``needs-auth`` and sends no request at all,
whatever has changed meanwhile (fact 56).  Nothing else of the client's is touched: no login, no
key that is not known here, not the order of keys, and no byte of what stays.
"""
