"""Whether a container reaches the gateway, asked there by its own Python; the token stays there."""

from __future__ import annotations

import json

from mcpconf.containers.agent import Agent, python_of_agent
from mcpconf.containers.program import whole
from mcpconf.containers.running import Container
from mcpconf.diagnosis.container_facts import Reach
from mcpconf.errors import Failure
from mcpconf.names import quote

_STATES = frozenset("ok unread name refused silent unreachable other".split())
_MOST = 8  # addresses

_PROGRAM = r"""
import errno, http.client, json, os, signal, socket, stat, sys

seconds = int(sys.argv[1])
said = {"state": "name", "host": "", "port": 0, "addresses": [], "token": None, "words": ""}

def leave(*_):
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(0)

def way():
    fd = os.open("/etc/mcpconf/bridge.json", os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise ValueError
    with os.fdopen(fd, "rb") as file:
        found = json.loads(file.read(100000))
    gateway = found["gateway"]
    said["host"], said["port"] = str(gateway["host"])[:300], int(gateway["port"])
    return found

def connected(found):
    if found.get("socket"):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(3)
        made.connect(found["socket"])
        return made
    known = socket.getaddrinfo(said["host"], said["port"], type=socket.SOCK_STREAM)
    said["addresses"] = list(dict.fromkeys(one[4][0] for one in known))[:8]
    said["state"] = "silent"
    worst = None
    for family, kind, protocol, _, address in known[:8]:
        try:
            made = socket.socket(family, kind, protocol)
            made.settimeout(max(1.0, (seconds - 1) / len(known)))
            made.connect(address)
            return made
        except OSError as error:
            worst = error if worst is None or isinstance(worst, OSError) else worst
    raise worst

def asked(made, path, headers):
    one = http.client.HTTPConnection("localhost", said["port"] or 80)
    one.sock = made
    one.request("GET", path, headers={"Host": "localhost", "Connection": "close", **headers})
    answer = one.getresponse()
    return answer.status, answer.read(2000)

signal.signal(signal.SIGALRM, leave)
signal.alarm(seconds)
try:
    found = way()
    project, token = str(found["project"]), str(found["token"])
except Exception as error:
    said["state"], said["words"] = "unread", type(error).__name__
    leave()
try:
    status, _ = asked(connected(found), "/healthz", {})
    said["state"] = "ok" if status == 200 else "other"
    status, _ = asked(connected(found), "/%s/-/mcp" % project, {"Authorization": "Bearer " + token})
    said["state"] = "ok"
    said["token"] = False if status == 401 else True if status == 404 else None
    if said["token"] is None:
        said["state"], said["words"] = "other", "HTTP %d" % status
except socket.gaierror as error:
    said["state"], said["words"] = "name", str(error.strerror)[:200]
except (TimeoutError, socket.timeout):
    said["state"] = "silent"
except OSError as error:
    states = {errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "silent", errno.ENOENT: "refused"}
    near = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EACCES, errno.EPERM)
    said["state"] = states.get(error.errno, "unreachable" if error.errno in near else "other")
    said["words"] = errno.errorcode.get(error.errno, "")
except Exception as error:
    said["state"], said["words"] = "other", type(error).__name__
leave()
"""


def reach(container: Container, agent: Agent, seconds: int) -> Reach:
    """Ask there.  ``unseen`` where there is no Python, or nothing that can be read is said."""
    command = python_of_agent(container, agent, [str(seconds)])
    who = f"the container {quote(container.name)}"
    try:
        code, out, _ = whole(command, who, seconds + 2.0, _PROGRAM.encode())
    except Failure as why:
        return Reach(words=why.message)
    return read(out) if code == 0 else Reach(words="no python3 there that looks")


def read(out: str) -> Reach:
    """What the program said.  Pure."""
    try:
        said = json.loads(out)
        token, port = said["token"], said["port"]
        return Reach(
            state=said["state"] if said["state"] in _STATES else "unseen",
            host=str(said["host"]),
            port=port if isinstance(port, int) else 0,
            addresses=tuple(map(str, said["addresses"][:_MOST])),
            token=token if isinstance(token, bool) else None,
            words=str(said["words"])[:200],
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return Reach(words="what it says cannot be read")
