"""The only package that writes artifacts: all of them or none, and only over what we wrote.

The files of one sync belong together: a reader must never see a new ``mcp.json`` with an old
``egress.json``.  The container mounts one directory, so that directory cannot be exchanged, and no
system call renames two files.  Therefore a plain path is a link that never changes, and one link
in the middle is exchanged by one ``rename``::

    container/mcp.json      -> current/mcp.json
    container/egress.json   -> current/egress.json
    container/current       -> gen-d41c07…            the one link that flips
    container/gen-d41c07…/     mcp.json  egress.json

    host/routes.json        -> current/routes.json
    host/manifest.json      -> current/manifest.json
    host/current            -> gen-d41c07…
    host/gen-d41c07…/          routes.json  manifest.json

The other design, temporaries and a journal of renames, needs a recovery before the next read, and
the readers in the container cannot recover anything: their mount is read-only.  Here a kill at any
moment leaves a set that is whole, without repair.  Links are relative, so that they lead to the
same place on both sides of the mount.  A new plain path is linked before the flip (it leads
nowhere yet, which opens as "no such file"), an old one is unlinked after it.

**Readers.**  Resolve ``current`` once, with one ``readlink`` or one open directory, and read the
set below it; two opens of two plain paths may lie on both sides of a flip.  The generation before
stays until the next sync, for whoever just resolved it.

**Both directories.**  They may lie on two file systems, so one rename cannot flip both.  The commit
is the container's flip.  Before it ``host/next`` is made to name the new generation, after it
``next`` is renamed to ``current``.  A reader on the host that wants what belongs to the container's
files follows :func:`in_force`, which is right at every moment; one that reads the plain paths is
behind by that one rename, after a kill until the next command, which makes up for it
(:func:`recover`).  What the container's link says is only compared with ``next``: whoever can
change it can hold back what is being written, and bring back nothing.

**Hostile surroundings.**  The container's directory may lie in a clone.  Below the project every
directory is opened step by step without following links, and everything after that happens
relative to the open directory.  A link that we did not make is never followed: it is a finding.
"""

from mcpconf.write.apply import remove, write
from mcpconf.write.changes import Change, Kind, changes
from mcpconf.write.folder import Target
from mcpconf.write.settle import in_force, recover
from mcpconf.write.token import make_token

__all__ = [
    "Change",
    "Kind",
    "Target",
    "changes",
    "in_force",
    "make_token",
    "recover",
    "remove",
    "write",
]
