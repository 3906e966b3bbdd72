"""Looks at the container: what is there, what is missing, and how its resolver is set up."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import NamedTuple

from mcpconf.firewall.paths import Paths
from mcpconf.firewall.run import SYSTEM_PATH, Running, find, run, start
from mcpconf.firewall.site import Site, User, read_hosts, read_resolv, read_routes
from mcpconf.firewall.state import read_file

RESOLV = "/etc/resolv.conf"
HOSTS = "/etc/hosts"
ADDRESSES6 = "/proc/net/if_inet6"
_CONF6 = "/proc/sys/net/ipv6/conf"

_NET_ADMIN, _NET_RAW = 12, 13
_TRUSTED = (0, 50)  # groups: root, and staff, which Debian gives /usr/local
_OLDEST_DNSMASQ = (2, 86)
_DNS_USERS = ("mcpconf-dns", "dnsmasq")
_GATE_USERS = ("mcpconf-gate", "haproxy")
_PACKAGES = {
    "iptables-restore": "iptables",
    "ip6tables-restore": "iptables",
    "ipset": "ipset",
    "dnsmasq": "dnsmasq-base",
    "ulogd": "ulogd2 and ulogd2-json",
    "haproxy": "haproxy",
    "nft": "nftables",
}
_ONLY_INITIAL = "/proc/sys/net/core/dev_weight"  # the kernel shows it in the initial namespace only


class RefusedError(Exception):
    """The firewall cannot be put into force here; the message says why, ``helps`` what mends it."""

    def __init__(self, message: str, *helps: str) -> None:
        super().__init__(message)
        self.helps = helps


def may_rule() -> None:
    """Raise RefusedError where rules cannot or must not be set at all."""
    if os.geteuid():
        raise RefusedError("only root can put the firewall into force", "run it as root")
    if not _has(_NET_ADMIN):
        raise RefusedError(
            "this container lacks the capability NET_ADMIN, so no firewall can be set up in it",
            "compose, DDEV: cap_add: [NET_ADMIN]",
            'docker run, devcontainer.json: "runArgs": ["--cap-add=NET_ADMIN"]',
        )
    if os.path.exists(_ONLY_INITIAL):
        raise RefusedError(
            "this is the network of the machine itself and not a container's; it is left alone",
            "start the container without --network=host",
        )
    _must_be_roots()


def _has(capability: int) -> bool:
    found = re.search(r"CapEff:\s*(\w+)", read_file("/proc/self/status"))
    return bool(found and int(found[1], 16) >> capability & 1)


def _must_be_roots() -> None:
    """What root runs, only root may write, also what is not there yet.  Raises RefusedError."""
    programs = [find(name) for name in (*_PACKAGES, "sh", "sleep", "wc")]
    programs += SYSTEM_PATH.split(":")
    for path in {os.path.realpath(p) for p in (*programs, sys.executable, sys.argv[0]) if p}:
        folder = path
        while folder != "/":
            _must_be_root_s(folder)
            folder = os.path.dirname(folder)
    _must_be_root_s("/run")


def _must_be_root_s(path: str) -> None:
    try:
        status = os.stat(path)
    except OSError:
        return
    others = status.st_mode & 0o002 or (status.st_mode & 0o020 and status.st_gid not in _TRUSTED)
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        others = False  # as in /tmp: what is root's in it, only root replaces
    if status.st_uid or others:
        raise RefusedError(
            f"{path} is not root's alone, so whoever works here could put a program of his there",
            "chown root, chmod go-w in the image (not for DDEV's web image: use another service)",
        )


class Tools(NamedTuple):
    """What the container has; ``version`` is dnsmasq telling its own, under way."""

    backend: str
    version: Running


def look_for_tools() -> Tools:
    """Choose how packets are filtered.  Raises RefusedError where a program is missing."""
    iptables = [p for p in ("iptables-restore", "ip6tables-restore", "ipset") if not find(p)]
    iptables += [] if _has(_NET_RAW) else ["the capability NET_RAW, which iptables needs for sets"]
    backend = "nftables" if iptables and find("nft") else "iptables"
    missing = iptables if backend == "iptables" else []
    missing += [] if find("dnsmasq") else ["dnsmasq"]
    if missing:
        packages = ", ".join(sorted({_PACKAGES[p] for p in missing if p in _PACKAGES}))
        way = (
            f"its image needs: {packages}" if packages else "add NET_RAW, or nftables to the image"
        )
        raise RefusedError(f"the container has no {', '.join(missing)}", way)
    return Tools(backend, start(["dnsmasq", "--version"]))


def look_at_site(tools: Tools, paths: Paths, *, strict: bool) -> Site:
    """What the rules depend on.  Raises RefusedError where an engine cannot be used."""
    nameservers, forwarders = read_resolv(read_file(RESOLV))
    version = _dnsmasq(tools)
    if strict and not find("haproxy"):
        raise RefusedError(
            "strict mode needs HAProxy, and the container has none",
            f"its image needs: {_PACKAGES['haproxy']}",
            'or write `[firewall] mode = "default"` into mcpconf.toml',
        )
    return Site(
        nameservers=nameservers,
        forwarders=forwarders,
        hosts=read_hosts(read_file(HOSTS)),
        ipv6=_has_loopback6(),
        dns=_user(_DNS_USERS),
        gate=_user(_GATE_USERS) if strict else None,
        dnsmasq=version,
        connected=read_routes(read_file("/proc/net/route"), read_file("/proc/net/ipv6_route")),
        run=paths.run,
    )


def has_ipv6() -> bool:
    """Whether anything here speaks IPv6 beyond itself, or would as soon as it had an address.

    ``conf/all`` says nothing: it counts in the moment in which it is written.
    """
    devices = [line.split()[-1:] for line in read_file(ADDRESSES6).splitlines()]
    if any(device != ["lo"] for device in devices):
        return True
    return any(read_file(path).strip() == "0" for path in switches6())


def switches6() -> list[str]:
    """The files that switch IPv6 off, one a device; loopback is left out."""
    try:
        names = os.listdir(_CONF6)
    except OSError:
        return []
    return [f"{_CONF6}/{name}/disable_ipv6" for name in names if name not in ("lo", "all")]


def _has_loopback6() -> bool:
    lines = [line.split() for line in read_file(ADDRESSES6).splitlines()]
    return any(words[-1:] == ["lo"] for words in lines)


def _dnsmasq(tools: Tools) -> tuple[int, int]:
    told = tools.version.wait().out
    found = re.search(r"version (\d+)\.(\d+)", told)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    wanted = "ipset" if tools.backend == "iptables" else "nftset"
    if version < _OLDEST_DNSMASQ or f"no-{wanted}" in told or wanted not in told:
        raise RefusedError(
            f"this dnsmasq ({version[0]}.{version[1]}) cannot fill the sets",
            f"it takes dnsmasq 2.86 or later, built with {wanted}",
        )
    return version


def _user(names: tuple[str, ...]) -> User:
    """The system user that an engine runs as; made where there is none."""
    found = _known_user(names)
    if found is None:
        _make_user(names[0])
        found = _known_user(names)
    if found is None:
        raise RefusedError(
            f"there is no user for an engine ({' or '.join(names)}), and none could be made",
            f"add one to the image: useradd --system --no-create-home {names[0]}",
        )
    return found


def _known_user(names: tuple[str, ...]) -> User | None:
    import grp  # noqa: PLC0415  not needed by who only reads
    import pwd  # noqa: PLC0415

    for name in names:
        try:
            entry = pwd.getpwnam(name)
            if entry.pw_uid:
                return User(name, grp.getgrgid(entry.pw_gid).gr_name, entry.pw_uid)
        except KeyError:
            continue
    return None


def _make_user(name: str) -> None:
    shell = "/usr/sbin/nologin"
    if find("useradd"):
        run(["useradd", "--system", "--no-create-home", "--user-group", "--shell", shell, name])
    elif find("adduser"):  # BusyBox
        run(["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", name])
