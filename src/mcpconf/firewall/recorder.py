"""The recorder as text: ulogd2 writes down what the packet filter refused, a JSON object a line.

Kernel log lines reach nobody from a container; NFLOG does, and each network namespace has its own.
A line has 30 to 45 keys, about 800 characters.  These matter (ulogd 2.0.8)::

    {"oob.prefix": "mcpconf", "oob.time.sec": 1795646498, "oob.time.usec": 230118, "oob.uid": 1000,
     "oob.gid": 1000, "ip.protocol": 6, "src_port": 37200, "dest_port": 443, "oob.in": "",
     "oob.out": "eth0", "src_ip": "172.18.0.2", "dest_ip": "203.0.113.7"}

* ``oob.time.*``: Unix time, of when the packet was read.  (``timestamp`` is local time without a
  zone: ``2026-11-25T22:41:38.230118``.)
* ``ip.protocol``: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6; in IPv6 too.  ``oob.family`` is 2 or 10.
* ``dest_port``: TCP and UDP only.  ICMP has ``icmp.type`` and ``icmp.code``, ICMPv6 ``icmpv6.*``.
* ``oob.uid``: only where a socket of this container sent it; not for the kernel's own packets, and
  not for what is forwarded.

SIGHUP makes ulogd open the file again.  It appends, so a file cut to nothing is written from its
beginning.  A file that is there keeps its mode; a new one gets 0644.  ``ulogd -d`` returns 0 even
if it then fails: it runs if the pid file is there a moment later.
"""

from __future__ import annotations

from mcpconf.firewall.paths import Paths
from mcpconf.firewall.rules import LOG_GROUP

RECORDER_PLUGINS = (
    "ulogd_inppkt_NFLOG",
    "ulogd_raw2packet_BASE",
    "ulogd_filter_IFINDEX",
    "ulogd_filter_IP2STR",
    "ulogd_output_JSON",
)

# Its own messages go to syslog, which a container without one drops: they fill no file.
# Without a threshold the kernel hands packets over a hundred at a time, or after a second.
_RECORDER = """\
[global]
logfile="syslog"
loglevel=7
{plugins}
stack=packet:NFLOG,base:BASE,interface:IFINDEX,address:IP2STR,line:JSON

[packet]
group={group}
netlink_qthreshold=1

[line]
file="{file}"
sync=1
timestamp=1
"""


def recorder_config(paths: Paths, plugin_dir: str) -> str:
    """The configuration.  ``plugin_dir`` is where the system has :data:`RECORDER_PLUGINS`.

    Debian: ``/usr/lib/x86_64-linux-gnu/ulogd`` (or ``aarch64-linux-gnu``); Alpine:
    ``/usr/lib/ulogd``.
    """
    plugins = "\n".join(f'plugin="{plugin_dir}/{name}.so"' for name in RECORDER_PLUGINS)
    return _RECORDER.format(plugins=plugins, group=LOG_GROUP, file=paths.packets)
