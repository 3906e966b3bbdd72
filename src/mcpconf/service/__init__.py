"""The gateway as a service of this user: one process, started, asked, and ended from outside.

The gateway itself (``gateway/``) binds what it is told and serves.  Around it stand: where it may
listen, the lock that makes it the only one, and the words it is asked in over its control socket.
"""
