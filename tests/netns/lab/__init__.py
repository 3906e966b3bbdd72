"""A container, its host, its neighbours and a small hostile internet, made of namespaces.

Nothing has a name that another lab could have, and nothing outlives the process that asked for it:
the namespaces are anonymous and belong to processes that end when a pipe closes.
"""
