"""How something is run in a container, so that nothing of the agent's runs in its place.

An engine looks a bare name up in the image's PATH, whose first directories may belong to the
agent, and hands on the image's environment, in which loaders, shells and interpreters find more
such directories.  So what an engine runs is always ``/bin/sh`` with a script that never changes,
in ``/``, with a PATH of the system's directories and empty variables; all else is positional.
Whoever only reads is nobody; the firewall's program is root, and gets no environment at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcpconf.containers.running import Container

PROGRAM = "mcpconf-fw"
NOBODY, ROOT = "65534:65534", "0:0"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
PLACES = tuple(
    f"{folder}/{PROGRAM}"
    for folder in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
)
"""Where the program may be; the first one that is there counts."""

NOT_THERE, NOT_ROOTS = 127, 97  # what ``_CHECKED`` leaves with
NO_FILE = 3  # what ``_READ`` leaves with

EMPTY = """
BASH_ENV BASHOPTS CDPATH ENV GCONV_PATH GLIBC_TUNABLES LD_AUDIT LD_LIBRARY_PATH LD_PRELOAD LOCPATH
NLSPATH PERL5LIB PERL5OPT PS4 PYTHONHOME PYTHONINSPECT PYTHONPATH PYTHONPLATLIBDIR
PYTHONPYCACHEPREFIX PYTHONSTARTUP PYTHONUSERBASE PYTHONWARNINGS SHELLOPTS XTABLES_LIBDIR
""".split()

# The places, `--`, and the program's words.  A link is no program: its owner says nothing.
_CHECKED = """\
found=
while [ "$1" != -- ]; do
  [ -n "$found" ] || { [ ! -e "$1" ] && [ ! -L "$1" ]; } || found=$1
  shift
done
shift
[ -n "$found" ] || exit 127
file() {
  set -f
  set -- $(ls -ldn "$1")
  case "$3/$1" in 0/-????-??-*) ;; *) exit 97 ;; esac
}
folder() {
  set -f
  set -- $(ls -ldn "$1/.")
  case "$3/$1/$4" in
    0/d????-??-*/* | 0/d???????-*/0 | 0/d???????-*/50) ;; # staff is 50, as Debian has it
    *) exit 97 ;;
  esac
}
file "$found"
above=$(cd -P "${found%/*}" && pwd -P) || exit 97
while folder "$above" && [ -n "$above" ]; do above=${above%/*}; done
exec env -i PATH="$PATH" HOME=/ "$found" "$@"
"""
_READ = """\
[ -e "$1" ] || exit 3
exec cat "$@"
"""
_READ_STATE = """\
[ -e "$1" ] || exit 3
cat "$1" && readlink /proc/self/ns/net && exec cat /proc/1/stat
"""


def program(container: Container, words: Sequence[str]) -> list[str]:
    """The firewall's program, as root, if it is root's alone and where only root can put it."""
    return _command(container, ROOT, _CHECKED, PROGRAM, [*PLACES, "--", *words])


def read(container: Container, path: str) -> list[str]:
    """The text of a file that everybody may read."""
    return _command(container, NOBODY, _READ, "cat", [path])


def read_state(container: Container, path: str) -> list[str]:
    """``state.json``, the network's number and the first process: what it is compared with."""
    return _command(container, NOBODY, _READ_STATE, "state", [path])


def _command(
    container: Container, user: str, script: str, name: str, words: Sequence[str]
) -> list[str]:
    given = [f"PATH={PATH}", "HOME=/", *(f"{variable}=" for variable in EMPTY)]
    options = ["-u", user, "-w", "/", *(o for variable in given for o in ("-e", variable))]
    shell = ["/bin/sh", "-c", script, name]
    return [container.engine, "exec", *options, container.name, *shell, *words]
