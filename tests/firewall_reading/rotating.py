"""In a network namespace of its own: dnsmasq answers while its log is exchanged, three times."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import sys
import threading
from pathlib import Path

from mcpconf.firewall.dns import conf_of
from mcpconf.firewall.learned import fold, fold_and_rotate
from mcpconf.firewall.paths import Paths
from mcpconf.firewall.probes import ask

PORT = 5355
CONFIG = """\
no-resolv
no-hosts
port={port}
listen-address=127.0.0.1
bind-interfaces
user=nobody
group=nogroup
cache-size=0
log-queries=extra
log-facility={log}
{servers}
"""


def upstream() -> None:
    """Answer every question with one address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.2", 53))
    while True:
        query, asker = sock.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x2d\x42\x4d\x01"
        head = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0"
        sock.sendto(head + query[12:end] + answer, asker)


def main(folder: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.chmod(folder, 0o755)
    parents = Path(folder).parents
    for parent in parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    paths = Paths(folder)
    threading.Thread(target=upstream, daemon=True).start()
    user = pwd.getpwnam("nobody")
    descriptor = os.open(paths.dns_log, os.O_WRONLY | os.O_CREAT, 0o640)
    os.fchown(descriptor, user.pw_uid, user.pw_gid)
    text = CONFIG.format(port=PORT, log=paths.dns_log, servers="server=/listed.test/127.0.0.2")
    Path(conf_of(paths, PORT)).write_text(text)
    words = [f"--conf-file={conf_of(paths, PORT)}", f"--pid-file={paths.dns_pid(PORT)}"]
    subprocess.run(["dnsmasq", *words], check=True)
    try:
        for number in range(120):
            reply = ask("127.0.0.1", f"n{number}.listed.test", "A", PORT)
            assert reply
            assert reply.addresses == ("45.66.77.1",)
            if number % 40 == 20:
                fold_and_rotate(paths, largest=1_000)
        told = {
            "user": user.pw_uid,
            "owners": [os.stat(p).st_uid for p in (paths.dns_log, f"{paths.dns_log}.1")],
            "new log": os.path.getsize(paths.dns_log),
            "names": sorted(fold(paths)),
        }
    finally:
        os.kill(int(Path(paths.dns_pid(PORT)).read_text()), 15)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
